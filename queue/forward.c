/*
 * forward.c: messages on their way to a queue of another router, and those
 * that come from there.
 *
 * Invariants
 * 1 From when ops->forward has taken a message until queue_forwarded tells how
 *   that ended it rests here (S_LATER), and only E_OK, which says that it is
 *   durable there, deletes it.  So it is never lost.
 * 2 Nothing of this is logged: after a start all are what they were before.
 *   So it can be in both queues after a crash on this side, and when the word
 *   of the other one was lost.
 * 3 If no word comes for FORWARD_MS it is what it was here, too.
 *
 * Part of libqueue.  Pure.
 */
#include "queue/queue_impl.h"

/* The clock may have been set back since it was put. */
static int64_t
ttl_left(const struct form_message *m, const struct queue_now *now)
{
	int64_t	left = m->expires - now->wall;

	if (m->expires == 0)
		return 0;
	return left < 1 ? 1 : left > QUEUE_DELAY_MAX ? QUEUE_DELAY_MAX : left;
}

enum err
forward_off(struct name *q, struct band *b, struct place *pl,
    struct queue_str to, int ordered, const struct queue_now *now,
    uint64_t *mark)
{
	const struct queue_ops	*ops = q->qs->conf.ops;
	void			*arg = q->qs->conf.arg;
	struct queue_forward	 f = { name_str(q), to, { NULL, 0 },
				    b->priority, chunk_id(pl->c)[pl->i], 0,
				    ordered };
	struct form_message	 m;
	enum err		 e;

	if (ops->forward == NULL)
		return E_AGAIN;
	if (ops->reaches != NULL && (e = ops->reaches(arg, to, ordered)) !=
	    E_OK)
		return e;
	if (band_lease_room(b, pl) != 0)
		return E_NOMEM;
	if ((e = move_fetch(q, b, pl, &m, &f.item, mark)) != E_OK)
		return e;
	if (ordered)
		f.ttl = ttl_left(&m, now);
	if ((e = ops->forward(arg, &f)) == E_PENDING)
		move_rest(b, pl, now->wall + FORWARD_MS);
	return e;
}

/* At its place again, as before the order. */
static void
come_back(struct name *q, struct band *b, struct place *pl,
    const struct queue_now *now)
{
	uint64_t	l = chunk_lease(pl->c, pl->i);

	band_state(b, pl, S_READY);
	band_lease(b, pl, lease_make(0, (l & LEASE_LOGGED) != 0,
	    lease_tries(l)));
	take_wake(q, now);
}

/* *mark moves when storage has taken the delete. */
static enum err
leaves(struct name *q, struct band *b, struct place *pl, uint64_t *mark)
{
	uint64_t	written = 0;

	if (lease_is_dead(q, pl))
		q->qs->total.dead++;
	move_leave(q, b, pl, &written);
	raise_mark(mark, written);
	return written != 0 ? E_OK : E_UNSURE;
}

static void
stays(struct name *q, struct band *b, struct place *pl, enum err e,
    const struct queue_now *now)
{
	if (e == E_UNSURE || e == E_TIMEOUT || lease_is_dead(q, pl))
		move_rest(b, pl, now->wall + RETRY_MS);
	else
		come_back(q, b, pl, now);
}

enum err
queue_forwarded(struct queues *qs, struct queue_str from, unsigned priority,
    uint64_t id, enum err e, const struct queue_now *now, uint64_t *mark)
{
	struct name	*q;
	struct band	*b;
	struct place	 pl;

	if (name_get(qs, from, KIND_QUEUE, &q) != E_OK ||
	    priority >= QUEUE_PRIORITIES)
		return e;
	b = &q->band[priority];
	if (!band_find(b, id, &pl))
		return e;
	if (e == E_OK)
		return leaves(q, b, &pl, mark);
	if (chunk_state(pl.c)[pl.i] == S_LATER)
		stays(q, b, &pl, e, now);
	return e;
}

enum err
queue_receive(struct queues *qs, const struct queue_forward *f,
    const struct queue_now *now, uint64_t *mark)
{
	struct name	*q;
	enum err	 e;

	if (f->priority >= QUEUE_PRIORITIES || f->item.n == 0 || f->ttl < 0 ||
	    f->ttl > QUEUE_DELAY_MAX)
		return E_PARAM;
	if (put_over(qs, 1))
		return E_LIMIT_MESSAGES;
	e = name_create(qs, f->to, KIND_QUEUE, now->wall, &q, mark);
	if (e == E_OK && f->ordered)
		e = put_room(q, 1);
	if (e == E_OK)
		e = put_one(q, f->priority, f->item, f->ttl, 0, now, mark);
	if (e == E_OK)
		take_wake(q, now);
	return e;
}
