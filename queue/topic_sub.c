/*
 * topic_sub.c: items of a topic go to who asks and who waits (topic.h).
 *
 * Invariant: readers wait in the order they came, so those that a pub has to
 * answer (seen_ < pubs) are the first ones; while there are any, the topic is
 * among the busy ones.
 *
 * Part of libqueue.  Pure.
 */
#include <string.h>

#include "queue/queue_impl.h"

/* --- one item --- */

struct found {
	enum err		 err;
	struct queue_str	 item;		/* in the scratch */
	uint64_t		 mark;
};

/* Thousands wait for the same item: it stays in the scratch meanwhile. */
static enum err
fetch(struct name *q, uint64_t at, struct found *f)
{
	struct scratch	*s = &q->qs->scratch;
	uint8_t		 key[FORM_ITEM_KEY];
	enum err	 e;

	if (s->of == q && s->item == at) {
		f->item = (struct queue_str){ s->p, s->len };
		f->mark = s->mark;
		return E_OK;
	}
	form_item_key(key, at);
	e = queue_fetch(q, QUEUE_ITEM, (struct queue_str){ key, sizeof(key) },
	    &f->item, &f->mark);
	if (e == E_OK) {
		s->of = q;
		s->item = at;
		s->mark = f->mark;
	}
	return e;
}

static void
find(struct name *q, uint32_t idx, const struct queue_now *now,
    struct found *f)
{
	struct form_item	t;
	uint64_t		at = topic_index(q, idx);

	*f = (struct found){ E_WINDOW, { NULL, 0 }, q->mark };
	if (q->sp == q->ep)
		f->err = E_NOTFOUND;
	if (at == 0)
		return;
	f->mark = 0;
	if ((f->err = fetch(q, at, f)) != E_OK)
		return;
	if (form_item_get(&t, f->item.p, f->item.n) != E_OK)
		f->err = E_DAMAGED;
	else if (t.expires <= now->wall)
		f->err = E_NOTFOUND;
	f->item.p += FORM_ITEM;
	f->item.n -= f->err == E_OK ? FORM_ITEM : f->item.n;
}

static void
answer(struct name *q, struct topic_reader *r, const struct found *f)
{
	struct topic_window	w = { q->sp, q->ep };

	r->done(r, f->err, f->err == E_OK ? f->item :
	    (struct queue_str){ NULL, 0 }, &w, f->mark);
}

/* --- waiting --- */

static struct topic_reader *
of_parked(struct parked *p)
{
	return (struct topic_reader *)(void *)((char *)p -
	    offsetof(struct topic_reader, parked_));
}

static struct topic_reader *
first_reader(const struct name *q)
{
	struct parked	*p = parking_first(&q->parking[READERS]);

	return p == NULL ? NULL : of_parked(p);
}

int
topic_cancel(struct queues *qs, struct topic_reader *r)
{
	(void)qs;
	return name_unpark(&r->parked_);
}

int
topic_has(const struct name *q)
{
	const struct topic_reader	*r = first_reader(q);

	return r != NULL && r->seen_ != q->pubs;
}

void
topic_serve(struct name *q, const struct queue_now *now, unsigned *budget)
{
	struct topic_reader	*r;
	struct found		 f;

	for (; topic_has(q) && *budget > 0; --*budget) {
		r = first_reader(q);
		find(q, r->idx, now, &f);
		if (f.err == E_AGAIN || f.err == E_NOMEM) {
			queue_refused(q->qs, now);
			return;
		}
		parked_del(&r->parked_);
		answer(q, r, &f);
	}
}

void
topic_until(struct queues *qs, const struct queue_now *now)
{
	struct parked	*p;
	struct name	*q;
	struct found	 f = { .err = E_NOTFOUND };
	unsigned	 left = STEP;

	while (left-- > 0 &&
	    (p = parked_late(&qs->until[READERS], now->mono)) != NULL) {
		q = p->at->name;
		parked_del(p);
		f.mark = q->mark;
		answer(q, of_parked(p), &f);
		name_unused(q);
	}
}

void
topic_stop(struct name *q, enum err e)
{
	struct topic_reader	*r;
	struct found		 f = { .err = e };

	while ((r = first_reader(q)) != NULL) {
		parked_del(&r->parked_);
		answer(q, r, &f);
	}
}

/* --- asking --- */

static enum err
wait_for(struct queues *qs, struct queue_str name, struct topic_reader *r,
    const struct queue_now *now)
{
	enum err	e = name_park(qs, name, READERS, &r->parked_, r->wait,
			    now);

	if (e == E_OK)
		r->seen_ = r->parked_.at->name->pubs;
	return e;
}

enum err
topic_sub(struct queues *qs, struct queue_str name, struct topic_reader *r,
    const struct queue_now *now)
{
	struct name	*q;
	struct found	 f;
	uint64_t	 d;
	enum err	 e = name_get(qs, name, KIND_TOPIC, &q);

	parked_init(&r->parked_);
	if (r->idx >= TOPIC_RING)
		return E_PARAM;
	if (e == E_QUEUE && r->wait > 0 && (q == NULL || !q->exists))
		return wait_for(qs, name, r, now);
	if (e != E_OK)
		return e;
	if (topic_index(q, r->idx) == 0 && r->wait > 0 &&
	    (topic_ahead(q, r->idx, &d) || q->sp == q->ep))
		return wait_for(qs, name, r, now);
	find(q, r->idx, now, &f);
	answer(q, r, &f);
	return E_OK;
}
