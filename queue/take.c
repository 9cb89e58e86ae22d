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
	return q->parking[TAKERS].n > 0 && has_ready(q);
}

/*
 * The next message that is to be delivered at all: E_OK, E_NOTFOUND none;
 * E_PENDING when *left others had to be passed over.
 */
static enum err
next_of(struct name *q, const struct queue_now *now, unsigned *left,
    struct band **b, struct place *pl, uint64_t *mark)
{
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
		if (--*left == 0)
			return E_PENDING;
	}
	return E_NOTFOUND;
}

enum err
take_next(struct name *q, const struct queue_now *now, struct band **b,
    struct place *pl, uint64_t *mark)
{
	unsigned	left = STEP;
	enum err	e = next_of(q, now, &left, b, pl, mark);

	return e == E_PENDING ? E_AGAIN : e;
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
	token.attempt = lease_tries(chunk_lease(pl->c, pl->i));
	if (token.attempt < LEASE_TRIES)
		token.attempt++;	/* beyond, all have one token */
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
	unsigned	 n, passed;	/* messages; and those passed over */
	int		 shown;
	uint64_t	 mark;
	enum err	 err;		/* why there are not more */
};

/* E_PENDING: too many had to be passed over, so that there may be more. */
static void
collect(struct name *q, struct queue_taker *t, const struct queue_now *now,
    struct taken *got)
{
	struct band	*b;
	struct place	 pl;
	unsigned	 left = STEP;

	*got = (struct taken){ .err = E_OK };
	while (got->err == E_OK && got->n < wanted(t)) {
		got->err = next_of(q, now, &left, &b, &pl, &got->mark);
		if (got->err == E_OK)
			got->err = hand(q, t, b, &pl, now, &got->shown,
			    &got->mark);
		if (got->err == E_OK)
			got->n++;
	}
	got->passed = STEP - left;
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
	if (got->err == E_PENDING)
		got->err = E_AGAIN;
	if (got->err == E_NOTFOUND)
		raise_mark(&got->mark, q->mark);
	t->done(t, got->err, 0, got->mark);
}

/* --- waiting --- */

static struct queue_taker *
of_parked(struct parked *p)
{
	return (struct queue_taker *)(void *)((char *)p -
	    offsetof(struct queue_taker, parked_));
}

static struct queue_taker *
first_taker(const struct name *q)
{
	struct parked	*p = parking_first(&q->parking[TAKERS]);

	return p == NULL ? NULL : of_parked(p);
}

int
queue_cancel(struct queues *qs, struct queue_taker *t)
{
	(void)qs;
	return name_unpark(&t->parked_);
}

static void
spend(unsigned *budget, unsigned n)
{
	*budget -= n < *budget ? n : *budget;
}

/*
 * Storage takes nothing now: all work rests for a while.  That much had to be
 * passed over is another thing: work goes on.
 */
static int
is_refusal(enum err e)
{
	return e == E_AGAIN || e == E_NOMEM;
}

/* There may be something for it in a while. */
static int
is_later(enum err e)
{
	return is_refusal(e) || e == E_PENDING || e == E_NOTFOUND;
}

/* 0: it goes on waiting, and so do those behind it. */
static int
serve_one(struct name *q, struct queue_taker *t, const struct queue_now *now,
    unsigned *budget)
{
	struct taken	got;

	if (t->ready != NULL && !t->ready(t)) {
		spend(budget, 1);
		parked_del(&t->parked_);
		t->done(t, E_AGAIN, 0, 0);
		return 1;
	}
	collect(q, t, now, &got);
	spend(budget, got.n + got.passed);
	if (got.n == 0 && !got.shown && is_later(got.err)) {
		if (is_refusal(got.err))
			queue_refused(q->qs, now);
		return 0;
	}
	parked_del(&t->parked_);
	finish(q, t, &got);
	return 1;
}

void
take_serve(struct name *q, const struct queue_now *now, unsigned *budget)
{
	struct queue_taker	*t;

	while ((t = first_taker(q)) != NULL && has_ready(q) && *budget > 0)
		if (!serve_one(q, t, now, budget))
			return;
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
	struct queue_taker	*t;
	struct parked		*p;
	struct name		*q;
	unsigned		 left = STEP;

	while (left-- > 0 &&
	    (p = parked_late(&qs->until[TAKERS], now->mono)) != NULL) {
		t = of_parked(p);
		q = p->at->name;
		parked_del(p);
		t->done(t, E_NOTFOUND, 0, q->mark);
		name_unused(q);
	}
}

void
take_stop(struct name *q, enum err e)
{
	struct queue_taker	*t;

	while ((t = first_taker(q)) != NULL) {
		parked_del(&t->parked_);
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
	return name_park(qs, name, TAKERS, &t->parked_, t->wait, now);
}

/*
 * There may be something for it behind much that is expired: then it waits as
 * the first, and the next step of work goes on there.
 */
static enum err
wait_behind(struct name *q, struct queue_taker *t, const struct queue_now *now)
{
	enum err	e = wait_for(q->qs, name_str(q), t, now);

	if (e == E_OK)
		name_busy(q);
	return e;
}

enum err
queue_get(struct queues *qs, struct queue_str name, struct queue_str worker,
    struct queue_taker *t, const struct queue_now *now)
{
	struct name	*q;
	struct taken	 got = { .err = E_NOTFOUND };
	enum err	 e = name_get(qs, name, KIND_QUEUE, &q);

	parked_init(&t->parked_);
	if (e == E_QUEUE && t->wait > 0 && (q == NULL || !q->exists))
		return wait_for(qs, name, t, now);
	if (e != E_OK)
		return e;
	if (worker.n > 0)
		note(q, worker, now->wall);
	if (q->parking[TAKERS].n == 0)
		collect(q, t, now, &got);
	if (got.n == 0 && !got.shown && t->wait > 0) {
		if (got.err == E_NOTFOUND)
			return wait_for(qs, name, t, now);
		if (got.err == E_PENDING)
			return wait_behind(q, t, now);
	}
	finish(q, t, &got);
	return E_OK;
}
