/*
 * take.c: messages go out, to who asks and to who waits.
 *
 * Invariant: while somebody waits for a queue, it has nothing to deliver, or it
 * is among the busy ones; who comes later is not served before.
 *
 * Part of libqueue.  Pure.
 */
#include <string.h>

#include "queue/queue_impl.h"

/* --- which message --- */

/* What was not acked in time first (contract 3.3), then by priority and age. */
int
take_pick(struct name *q, struct band **b, struct place *pl)
{
	unsigned	s, p;

	for (s = 0; s < 2; s++)
		for (p = QUEUE_PRIORITIES; p-- > 0;)
			if (band_first(&q->band[p], s == 0 ? S_BACK : S_READY,
			    pl)) {
				*b = &q->band[p];
				return 1;
			}
	return 0;
}

static int
has_ready(const struct name *q)
{
	unsigned	p;

	for (p = 0; p < QUEUE_PRIORITIES; p++)
		if (q->band[p].count[S_READY] + q->band[p].count[S_BACK] > 0)
			return 1;
	return 0;
}

int
take_has(const struct name *q)
{
	return q->taker != NULL && has_ready(q);
}

/*
 * The next message that is to be delivered at all: E_OK, E_NOTFOUND none;
 * E_AGAIN when many had to be passed over.
 */
enum err
take_next(struct name *q, const struct queue_now *now, struct band **b,
    struct place *pl, uint64_t *mark)
{
	unsigned	left = STEP;
	int64_t		ends;
	enum err	e;

	while (take_pick(q, b, pl)) {
		ends = chunk_expires(pl->c, pl->i);
		if (ends != 0 && ends <= now->wall) {
			e = lease_delete(q, *b, pl, mark);
			q->qs->total.expired++;
		} else if (lease_is_dead(q, pl))
			e = move_dead(q, *b, pl, now, mark);
		else
			return E_OK;
		if (e != E_OK && e != E_NOTFOUND)
			return e;
		if (--left == 0)
			return E_AGAIN;
	}
	return E_NOTFOUND;
}

/* --- one message --- */

struct handing {
	struct name		*q;
	struct queue_taker	*t;
	struct queue_msg	 msg;
	int			 bad, taken;
};

static void
show(void *arg, const uint8_t *val, size_t len)
{
	struct handing		*h = arg;
	struct form_message	 m;

	if (form_message_get(&m, val, len) != E_OK) {
		h->bad = 1;
		return;
	}
	h->msg.item = (struct queue_str){ val + FORM_MESSAGE,
	    len - FORM_MESSAGE };
	h->taken = h->t->item(h->t, &h->msg);
}

/* What cannot be read must not stand in the way of the others. */
static enum err
set_aside(struct name *q, struct band *b, struct place *pl,
    const struct queue_now *now)
{
	uint64_t	l = chunk_lease(pl->c, pl->i);

	band_state(b, pl, S_LATER);
	band_lease(b, pl, lease_make(now->wall + q->set.timeout,
	    (l & LEASE_LOGGED) != 0, lease_tries(l)));
	return E_DAMAGED;
}

static enum err
read_out(struct handing *h, struct band *b, struct place *pl,
    const struct queue_now *now, uint64_t *mark)
{
	uint8_t		key[FORM_MESSAGE_KEY];
	enum err	e;

	form_message_key(key, b->priority, h->msg.id);
	e = queue_read(h->q, QUEUE_MESSAGE,
	    (struct queue_str){ key, sizeof(key) }, show, h, mark);
	if (e == E_DAMAGED || (e == E_OK && h->bad))
		return set_aside(h->q, b, pl, now);
	if (e == E_OK && !h->taken)
		return E_FULL;
	return e;
}

/*
 * Delivered: from now on it is out, and for others invisible.  Where there is
 * a record of deliveries, it is kept true, even by one that need not be logged.
 */
static enum err
lend(struct handing *h, struct band *b, struct place *pl,
    const struct queue_now *now)
{
	uint64_t	l = chunk_lease(pl->c, pl->i);
	int64_t		due = now->wall + h->q->set.timeout;
	int		logged = (l & LEASE_LOGGED) != 0;
	enum err	e;

	if (!h->t->autoack || logged) {
		e = lease_write(h->q, b, h->msg.id, S_OUT, due,
		    h->msg.deliveries, NULL);
		if (e != E_OK)
			return e;
		logged = 1;
	}
	band_state(b, pl, S_OUT);
	band_lease(b, pl, lease_make(due, logged, h->msg.deliveries));
	if (h->msg.deliveries > 1)
		h->q->qs->total.redelivered++;
	return E_OK;
}

/* *shown: item was called, so that done must be. */
static enum err
hand(struct name *q, struct queue_taker *t, struct band *b, struct place *pl,
    const struct queue_now *now, int *shown, uint64_t *mark)
{
	struct handing	h = { .q = q, .t = t };
	char		text[TOKEN_MAX + 1];
	struct token	token = { b->priority, chunk_id(pl->c)[pl->i], 0,
			    q->qs->conf.salt };
	enum err	e;

	if (band_lease_room(b, pl) != 0)
		return E_NOMEM;
	token.attempt = lease_tries(chunk_lease(pl->c, pl->i)) + 1;
	token_put(&token, q->qs->conf.key, q->text, q->len, text);
	h.msg = (struct queue_msg){ { NULL, 0 }, text, token.attempt,
	    b->priority, token.id };
	e = read_out(&h, b, pl, now, mark);
	*shown |= h.taken;
	if (e == E_NOTFOUND) {		/* storage has lost it, or its file */
		lease_delete(q, b, pl, NULL);
		return E_DAMAGED;
	}
	return e == E_OK ? lend(&h, b, pl, now) : e;
}

/* --- all that somebody wants --- */

static unsigned
wanted(const struct queue_taker *t)
{
	return t->count == 0 ? 1 : t->count > QUEUE_COUNT_MAX ?
	    QUEUE_COUNT_MAX : t->count;
}

struct taken {
	unsigned	 n;
	int		 shown;
	uint64_t	 mark;
	enum err	 err;		/* why there are not more */
};

static void
collect(struct name *q, struct queue_taker *t, const struct queue_now *now,
    struct taken *got)
{
	struct band	*b;
	struct place	 pl;

	*got = (struct taken){ 0, 0, 0, E_OK };
	while (got->n < wanted(t)) {
		got->err = take_next(q, now, &b, &pl, &got->mark);
		if (got->err == E_OK)
			got->err = hand(q, t, b, &pl, now, &got->shown,
			    &got->mark);
		if (got->err != E_OK)
			return;
		got->n++;
	}
}

static void
finish(struct name *q, struct queue_taker *t, struct taken *got)
{
	if (got->n > 0) {
		t->done(t, E_OK, got->n, got->mark);
		return;
	}
	if (got->err == E_FULL)		/* the first must be taken */
		got->err = E_TOOBIG;
	if (got->err == E_NOTFOUND)
		raise_mark(&got->mark, q->mark);
	t->done(t, got->err, 0, got->mark);
}

/* --- waiting --- */

static void
park(struct name *q, struct queue_taker *t, const struct queue_now *now)
{
	struct queues	*qs = q->qs;

	t->name_ = q;
	t->next_ = NULL;
	t->prev_ = q->taker_last;
	if (q->taker_last != NULL)
		q->taker_last->next_ = t;
	else
		q->taker = t;
	q->taker_last = t;
	q->waiting++;
	qs->waiters++;
	heap_set(&qs->until_taker, &t->until_, now->mono.us + t->wait);
}

static void
unpark(struct queue_taker *t)
{
	struct name	*q = t->name_;

	heap_del(&q->qs->until_taker, &t->until_);
	if (t->prev_ != NULL)
		t->prev_->next_ = t->next_;
	else
		q->taker = t->next_;
	if (t->next_ != NULL)
		t->next_->prev_ = t->prev_;
	else
		q->taker_last = t->prev_;
	q->waiting--;
	q->qs->waiters--;
	t->name_ = NULL;
}

int
queue_cancel(struct queues *qs, struct queue_taker *t)
{
	struct name	*q = t->name_;

	(void)qs;
	if (q == NULL)
		return 0;
	unpark(t);
	name_unused(q);
	return 1;
}

static int
is_passing(enum err e)
{
	return e == E_AGAIN || e == E_NOMEM;
}

void
take_serve(struct name *q, const struct queue_now *now, unsigned *budget)
{
	struct queue_taker	*t;
	struct taken		 got;

	while ((t = q->taker) != NULL && has_ready(q) && *budget > 0) {
		collect(q, t, now, &got);
		*budget -= got.n < *budget ? got.n : *budget;
		if (got.n == 0 && !got.shown && is_passing(got.err)) {
			queue_refused(q->qs, now);
			return;
		}
		if (got.n == 0 && got.err == E_NOTFOUND)
			return;
		unpark(t);
		finish(q, t, &got);
	}
}

void
take_wake(struct name *q, const struct queue_now *now)
{
	unsigned	budget = STEP;

	if (q->qs->phase != PHASE_OPEN || !take_has(q))
		return;
	take_serve(q, now, &budget);
	if (take_has(q))
		name_busy(q);
}

void
take_until(struct queues *qs, const struct queue_now *now)
{
	struct heap_node	*n;
	struct queue_taker	*t;
	struct name		*q;
	unsigned		 left = STEP;

	while ((n = heap_top(&qs->until_taker)) != NULL &&
	    n->key <= now->mono.us && left-- > 0) {
		t = (struct queue_taker *)(void *)((char *)n -
		    offsetof(struct queue_taker, until_));
		q = t->name_;
		unpark(t);
		t->done(t, E_NOTFOUND, 0, q->mark);
		name_unused(q);
	}
}

void
take_stop(struct name *q, enum err e)
{
	struct queue_taker	*t;

	while ((t = q->taker) != NULL) {
		unpark(t);
		t->done(t, e, 0, 0);
	}
}

/* --- asking --- */

static void
erase_worker(struct name *q, const struct seen_worker *w)
{
	if (w->len > 0)
		queue_erase(q, QUEUE_WORKER,
		    (struct queue_str){ w->name, w->len }, NULL);
}

/* For every new worker up to two go that were not seen for long. */
static void
make_room(struct name *q, int64_t now)
{
	struct seen_worker	old;
	unsigned		k;

	for (k = 0; k < 2 && seen_old(&q->seen, now - SEEN_KEEP, &old); k++)
		erase_worker(q, &old);
}

/* Who asks is noted as well as may be: the message matters more. */
static void
note(struct name *q, struct queue_str worker, int64_t now)
{
	struct queues		*qs = q->qs;
	struct seen_worker	*w, old;
	uint8_t			 head[FORM_WORKER];
	uint32_t		 n = q->seen.n;
	size_t			 bytes = seen_bytes(&q->seen);

	w = seen_note(&q->seen, worker.p, worker.n, now,
	    qs->workers < SEEN_ALL ? SEEN_ALL - qs->workers : 0, &old);
	erase_worker(q, &old);
	if (w != NULL && (w->written == 0 || now - w->written >= SEEN_WRITE)) {
		form_worker(head, now);
		if (queue_write(q, QUEUE_WORKER,
		    (struct queue_str){ w->name, w->len },
		    (struct queue_str){ head, sizeof(head) },
		    (struct queue_str){ NULL, 0 }, NULL) == E_OK)
			w->written = now;
	}
	if (q->seen.n > n)
		make_room(q, now);
	qs->workers += q->seen.n - n;
	qs->bytes += seen_bytes(&q->seen) - bytes;
}

static enum err
wait_for(struct queues *qs, struct queue_str name, struct queue_taker *t,
    const struct queue_now *now)
{
	struct name	*q;

	if (name.n == 0 || name.n > QUEUE_NAME_MAX)
		return E_PARAM;
	if (qs->waiters >= qs->conf.limits.waiters)
		return E_FULL;
	if (heap_reserve(&qs->until_taker, qs->until_taker.n + 1) != 0 ||
	    (q = name_make(qs, name)) == NULL)
		return E_NOMEM;
	park(q, t, now);
	return E_OK;
}

enum err
queue_get(struct queues *qs, struct queue_str name, struct queue_str worker,
    struct queue_taker *t, const struct queue_now *now)
{
	struct name	*q;
	struct taken	 got = { 0, 0, 0, E_NOTFOUND };
	enum err	 e = name_get(qs, name, KIND_QUEUE, &q);

	t->name_ = NULL;
	t->until_.at = 0;
	if (e == E_QUEUE && t->wait > 0 && (q == NULL || !q->exists))
		return wait_for(qs, name, t, now);
	if (e != E_OK)
		return e;
	if (worker.n > 0)
		note(q, worker, now->wall);
	if (q->taker == NULL)
		collect(q, t, now, &got);
	if (got.n == 0 && !got.shown && got.err == E_NOTFOUND && t->wait > 0)
		return wait_for(qs, name, t, now);
	finish(q, t, &got);
	return E_OK;
}
