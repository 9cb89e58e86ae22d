/*
 * topic.c: items go into a topic's window, and out at its old end (topic.h).
 *
 * The window is sp+1..ep.  Every item's record tells the first index of the
 * window as it was when the item came, so that after a start the newest item
 * tells the window, and nothing else has to be written for a pub.  What lies
 * before the window is deleted by and by: it is in ranges, except for items
 * kept..sp, of which a pub or the trim in steps is about to make one.
 *
 * Part of libqueue.  Pure.
 */
#include <stdlib.h>

#include "queue/queue_impl.h"

#define TRIM_AT_ONCE	64u		/* expired items that a pub looks at */
#define TTL_MAX		(366 * 86400000LL)	/* ms */

uint64_t
topic_index(const struct name *q, uint32_t idx)
{
	uint64_t	back = (q->ep % TOPIC_RING + TOPIC_RING - idx) %
			    TOPIC_RING;

	return back < q->ep - q->sp ? q->ep - back : 0;
}

/*
 * Contract 3.1 calls all that is not behind on the ring ahead, and past
 * 5,000,000 everything; here an index within the window is not ahead, nor one
 * that is nearer from behind.
 */
int
topic_ahead(const struct name *q, uint32_t idx, uint64_t *d)
{
	uint64_t	a = q->ep % TOPIC_RING;

	*d = (idx + (uint64_t)TOPIC_RING - a) % TOPIC_RING;
	if (*d == 0 || topic_index(q, idx) != 0)
		return 0;
	return *d <= TOPIC_RING / 2 || (a <= idx && q->ep < TOPIC_RING);
}

/* --- deleting --- */

void
topic_gone(struct name *q, uint64_t lo, uint64_t hi)
{
	struct range	*r = q->range;

	if (lo > hi)
		return;
	name_busy(q);
	if (r != NULL && r->hi + 1 == lo) {
		r->hi = hi;
		return;
	}
	/* No memory: the next start finds them before the window. */
	if ((r = malloc(sizeof(*r))) == NULL)
		return;
	q->qs->bytes += sizeof(*r);
	*r = (struct range){ q->range, lo, hi };
	q->range = r;
}

static int
delete_some(struct name *q, struct range *r, unsigned *budget)
{
	uint8_t		key[FORM_ITEM_KEY];
	enum err	e;

	for (; r->lo <= r->hi; r->lo++) {
		if (*budget == 0)
			return 0;
		--*budget;
		form_item_key(key, r->lo);
		e = queue_erase(q, QUEUE_ITEM,
		    (struct queue_str){ key, sizeof(key) }, NULL);
		if (e != E_OK && e != E_NOTFOUND)
			return -1;
	}
	return 1;
}

/* --- trimming --- */

struct head {
	struct form_item	 t;
	enum err		 err;
};

static void
read_head(void *arg, const uint8_t *val, size_t len)
{
	struct head	*h = arg;

	h->err = form_item_get(&h->t, val, len);
}

/* Whether the oldest item has expired by then, or cannot be read any more. */
static int
is_over(struct name *q, uint64_t idx, int64_t by)
{
	struct head	h = { .err = E_OK };
	uint8_t		key[FORM_ITEM_KEY];
	enum err	e;

	form_item_key(key, idx);
	e = queue_read(q, QUEUE_ITEM, (struct queue_str){ key, sizeof(key) },
	    read_head, &h, NULL);
	if (e != E_OK)
		return e == E_NOTFOUND || e == E_DAMAGED;
	return h.err != E_OK || h.t.expires <= by;
}

/* Up to most items; the newest stays, it tells the window. */
static uint64_t
trimmed(struct name *q, uint64_t sp, uint64_t ep, int64_t by, unsigned most)
{
	while (most-- > 0 && sp < ep && is_over(q, sp + 1, by))
		sp++;
	return sp;
}

int
topic_sweep(struct name *q, unsigned *budget)
{
	struct range	*r;
	uint64_t	 sp;
	int		 done;

	if (q->trim != 0 && *budget > 0) {
		sp = trimmed(q, q->sp, q->ep - 1, q->trim, *budget);
		*budget -= (unsigned)(sp - q->sp);
		if (*budget > 0)
			q->trim = 0;
		q->sp = sp;
		topic_gone(q, q->kept, sp);
		q->kept = sp + 1 > q->kept ? sp + 1 : q->kept;
	}
	while ((r = q->range) != NULL) {
		if ((done = delete_some(q, r, budget)) != 1)
			return done;
		q->range = r->next;
		free(r);
		q->qs->bytes -= sizeof(*r);
	}
	return q->trim == 0;
}

/* --- pub --- */

struct window {				/* as a pub makes it */
	uint64_t	sp, at;
	int		more;		/* to trim in steps */
};

/* Contract 3.4. */
static void
place(struct name *q, int64_t idx, int64_t now, struct window *w)
{
	uint64_t	d, from;

	w->more = 0;
	w->sp = q->sp;
	w->at = q->ep + 1;
	if (idx < 0) {
		w->sp = trimmed(q, q->sp, q->ep, now, TRIM_AT_ONCE);
		w->more = w->sp - q->sp == TRIM_AT_ONCE;
	} else if (topic_ahead(q, (uint32_t)idx, &d)) {
		w->at = q->ep + d;
		w->sp = w->at - 1;
	} else if ((from = topic_index(q, (uint32_t)idx)) != 0)
		w->sp = from - 1;
}

static enum err
write_item(struct name *q, struct queue_str item, const struct window *w,
    int64_t ttl, const struct queue_now *now, uint64_t *mark)
{
	struct form_item	t = { now->wall, now->wall + ttl, w->sp + 1 };
	uint8_t			key[FORM_ITEM_KEY], head[FORM_ITEM];

	form_item_key(key, w->at);
	form_item(head, &t);
	return queue_write(q, QUEUE_ITEM,
	    (struct queue_str){ key, sizeof(key) },
	    (struct queue_str){ head, sizeof(head) }, item, mark);
}

/* The window moves; what it leaves behind is to be deleted. */
static void
move_on(struct name *q, const struct window *w, const struct queue_now *now)
{
	uint64_t	end = w->sp < q->ep ? w->sp : q->ep;

	topic_gone(q, q->kept, end);
	q->kept = w->sp + 1 > q->kept ? w->sp + 1 : q->kept;
	q->sp = w->sp;
	q->ep = w->at;
	q->pubs++;
	q->set.tm = now->wall / 1000;
	if (w->more) {
		q->trim = now->wall;
		name_busy(q);
	}
}

enum err
topic_pub(struct queues *qs, struct queue_str name, struct queue_str item,
    int64_t idx, int64_t ttl, const struct queue_now *now, uint64_t *at,
    uint64_t *mark)
{
	struct name	*q;
	struct window	 w;
	unsigned	 budget = STEP;
	enum err	 e;

	if (item.n == 0 || idx < -1 || idx >= (int64_t)TOPIC_RING || ttl <= 0 ||
	    ttl > TTL_MAX)
		return E_PARAM;
	if (qs->phase != PHASE_OPEN)
		return E_BUILDING;
	e = name_create(qs, name, KIND_TOPIC, now->wall, &q, mark);
	if (e != E_OK)
		return e;
	place(q, idx, now->wall, &w);
	if (w.at - 1 - w.sp >= TOPIC_ITEMS)
		return E_QFULL;
	if ((e = write_item(q, item, &w, ttl, now, mark)) != E_OK)
		return e;
	move_on(q, &w, now);
	*at = w.at;
	topic_serve(q, now, &budget);
	if (topic_has(q))
		name_busy(q);
	return E_OK;
}
