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

static void
find(struct name *q, uint32_t idx, const struct queue_now *now,
    struct found *f)
{
	struct form_item	t;
	uint8_t			key[FORM_ITEM_KEY];
	uint64_t		at = topic_index(q, idx);

	*f = (struct found){ E_WINDOW, { NULL, 0 }, q->mark };
	if (q->sp == q->ep)
		f->err = E_NOTFOUND;
	if (at == 0)
		return;
	f->mark = 0;
	form_item_key(key, at);
	f->err = queue_fetch(q, QUEUE_ITEM,
	    (struct queue_str){ key, sizeof(key) }, &f->item, &f->mark);
	if (f->err != E_OK)
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

static void
park(struct name *q, struct topic_reader *r, const struct queue_now *now)
{
	r->name_ = q;
	r->seen_ = q->pubs;
	r->next_ = NULL;
	r->prev_ = q->reader_last;
	if (q->reader_last != NULL)
		q->reader_last->next_ = r;
	else
		q->reader = r;
	q->reader_last = r;
	q->waiting++;
	q->qs->waiters++;
	heap_set(&q->qs->until_reader, &r->until_, now->mono.us + r->wait);
}

static void
unpark(struct topic_reader *r)
{
	struct name	*q = r->name_;

	heap_del(&q->qs->until_reader, &r->until_);
	if (r->prev_ != NULL)
		r->prev_->next_ = r->next_;
	else
		q->reader = r->next_;
	if (r->next_ != NULL)
		r->next_->prev_ = r->prev_;
	else
		q->reader_last = r->prev_;
	q->waiting--;
	q->qs->waiters--;
	r->name_ = NULL;
}

int
topic_cancel(struct queues *qs, struct topic_reader *r)
{
	struct name	*q = r->name_;

	(void)qs;
	if (q == NULL)
		return 0;
	unpark(r);
	name_unused(q);
	return 1;
}

int
topic_has(const struct name *q)
{
	return q->reader != NULL && q->reader->seen_ != q->pubs;
}

/* Thousands wait for the same item: it is fetched once for those in a row. */
void
topic_serve(struct name *q, const struct queue_now *now, unsigned *budget)
{
	struct topic_reader	*r;
	struct found		 f;
	uint32_t		 idx = 0;
	int			 have = 0;

	for (; topic_has(q) && *budget > 0; --*budget) {
		r = q->reader;
		if (!have || r->idx != idx)
			find(q, idx = r->idx, now, &f);
		if (f.err == E_AGAIN || f.err == E_NOMEM) {
			queue_refused(q->qs, now);
			return;
		}
		have = 1;
		unpark(r);
		answer(q, r, &f);
	}
}

void
topic_until(struct queues *qs, const struct queue_now *now)
{
	struct heap_node	*n;
	struct topic_reader	*r;
	struct name		*q;
	struct found		 f = { .err = E_NOTFOUND };
	unsigned		 left = STEP;

	while ((n = heap_top(&qs->until_reader)) != NULL &&
	    n->key <= now->mono.us && left-- > 0) {
		r = (struct topic_reader *)(void *)((char *)n -
		    offsetof(struct topic_reader, until_));
		q = r->name_;
		unpark(r);
		f.mark = q->mark;
		answer(q, r, &f);
		name_unused(q);
	}
}

void
topic_stop(struct name *q, enum err e)
{
	struct topic_reader	*r;
	struct found		 f = { .err = e };

	while ((r = q->reader) != NULL) {
		unpark(r);
		answer(q, r, &f);
	}
}

/* --- asking --- */

static enum err
wait_for(struct queues *qs, struct queue_str name, struct topic_reader *r,
    const struct queue_now *now)
{
	struct name	*q;

	if (name.n == 0 || name.n > QUEUE_NAME_MAX)
		return E_PARAM;
	if (qs->waiters >= qs->conf.limits.waiters)
		return E_FULL;
	if (heap_reserve(&qs->until_reader, qs->until_reader.n + 1) != 0 ||
	    (q = name_make(qs, name)) == NULL)
		return E_NOMEM;
	park(q, r, now);
	return E_OK;
}

enum err
topic_sub(struct queues *qs, struct queue_str name, struct topic_reader *r,
    const struct queue_now *now)
{
	struct name	*q;
	struct found	 f;
	uint64_t	 d;
	enum err	 e = name_get(qs, name, KIND_TOPIC, &q);

	r->name_ = NULL;
	r->until_.at = 0;
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
