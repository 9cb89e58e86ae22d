/*
 * lease.c: what becomes of a message that was delivered: acked, given back,
 * kept longer.
 *
 * Part of libqueue.  Pure.
 */
#include "queue/queue_impl.h"

enum err
lease_find(struct name *q, struct queue_str text, struct token *t,
    struct place *pl)
{
	enum err	e = token_get(t, q->qs->conf.key, q->text, q->len,
			    text.p, text.n);

	if (e != E_OK)
		return e;
	return band_find(&q->band[t->priority], t->id, pl) ? E_OK : E_TOKEN;
}

/*
 * Once the message is gone from storage it is gone: a delivery that cannot be
 * deleted now is left to the sweep.
 */
enum err
lease_delete(struct name *q, struct band *b, struct place *pl, uint64_t *mark)
{
	uint8_t			key[FORM_MESSAGE_KEY];
	struct queue_str	k = { key, sizeof(key) };
	uint64_t		id = chunk_id(pl->c)[pl->i];
	int			logged = (chunk_lease(pl->c, pl->i) &
				    LEASE_LOGGED) != 0;
	enum err		e, d;

	form_message_key(key, b->priority, id);
	e = queue_erase(q, QUEUE_MESSAGE, k, mark);
	if (e != E_OK && e != E_NOTFOUND)
		return e;
	d = logged ? queue_erase(q, QUEUE_DELIVERY, k, NULL) : E_OK;
	band_remove(b, pl);
	q->qs->total.messages--;
	if (d != E_OK && d != E_NOTFOUND && band_doom(b, id, 1) == 0)
		name_busy(q);
	return e;
}

enum err
lease_write(struct name *q, const struct band *b, uint64_t id, enum state s,
    int64_t due, unsigned tries, uint64_t *mark)
{
	uint8_t			key[FORM_MESSAGE_KEY], head[FORM_DELIVERY];
	struct form_delivery	d = { (uint8_t)s, tries, q->set.timeout,
				    q->qs->conf.ops->id(q->qs->conf.arg), due };

	form_message_key(key, b->priority, id);
	form_delivery(head, &d);
	return queue_write(q, QUEUE_DELIVERY,
	    (struct queue_str){ key, sizeof(key) },
	    (struct queue_str){ head, sizeof(head) },
	    (struct queue_str){ NULL, 0 }, mark);
}

int
lease_is_dead(const struct name *q, const struct place *pl)
{
	return q->set.maxdeliver != 0 &&
	    lease_tries(chunk_lease(pl->c, pl->i)) >= q->set.maxdeliver;
}

enum err
queue_ack(struct queues *qs, struct queue_str name, struct queue_str token,
    const struct queue_now *now, uint64_t *mark)
{
	struct name	*q;
	struct token	 t;
	struct place	 pl;
	enum err	 e;

	(void)now;
	if ((e = name_get(qs, name, KIND_QUEUE, &q)) != E_OK)
		return e;
	if ((e = lease_find(q, token, &t, &pl)) != E_OK) {
		raise_mark(mark, q->mark);	/* that it is gone */
		return e;
	}
	return lease_delete(q, &q->band[t.priority], &pl, mark);
}

/*
 * For what only the holder of the newest token may do.  Attempts that were not
 * logged are counted anew after a start: then another one may have the number.
 */
static enum err
find_held(struct queues *qs, struct queue_str name, struct queue_str token,
    struct name **q, struct token *t, struct place *pl)
{
	uint64_t	l;
	enum err	e;

	if ((e = name_get(qs, name, KIND_QUEUE, q)) != E_OK ||
	    (e = lease_find(*q, token, t, pl)) != E_OK)
		return e;
	l = chunk_lease(pl->c, pl->i);
	if (chunk_state(pl->c)[pl->i] != S_OUT ||
	    t->attempt != lease_tries(l) || (!(l & LEASE_LOGGED) &&
	    t->salt != qs->conf.salt))
		return E_TOKEN;
	return E_OK;
}

/*
 * A delivery that was not logged is not logged when it ends either.  The next
 * one has the token of one that does not count: nobody has seen it.
 */
static enum err
give_back(struct name *q, struct band *b, struct place *pl, int64_t due,
    unsigned tries, uint64_t *mark)
{
	int		logged = (chunk_lease(pl->c, pl->i) &
			    LEASE_LOGGED) != 0;
	enum state	s = due == 0 ? S_READY : S_LATER;
	enum err	e = E_OK;

	if (logged)
		e = lease_write(q, b, chunk_id(pl->c)[pl->i], s, due, tries,
		    mark);
	if (e != E_OK)
		return e;
	band_state(b, pl, s);
	band_lease(b, pl, lease_make(due, logged, tries));
	return E_OK;
}

enum err
queue_nack(struct queues *qs, struct queue_str name, struct queue_str token,
    const struct queue_back *back, const struct queue_now *now,
    uint64_t *mark)
{
	int64_t		 due = back->delay == 0 ? 0 : now->wall + back->delay;
	struct name	*q;
	struct band	*b;
	struct token	 t;
	struct place	 pl;
	enum err	 e;

	if (back->delay < 0 || back->delay > QUEUE_DELAY_MAX)
		return E_PARAM;
	if ((e = find_held(qs, name, token, &q, &t, &pl)) != E_OK)
		return e;
	b = &q->band[t.priority];
	if (!back->unseen && lease_is_dead(q, &pl))
		return move_dead(q, b, &pl, now, mark);
	e = give_back(q, b, &pl, due, t.attempt - (back->unseen != 0), mark);
	if (e == E_OK)
		take_wake(q, now);
	return e;
}

enum err
queue_touch(struct queues *qs, struct queue_str name, struct queue_str token,
    int64_t *more, const struct queue_now *now, uint64_t *mark)
{
	struct name	*q;
	struct band	*b;
	struct token	 t;
	struct place	 pl;
	uint64_t	 l;
	enum err	 e;

	if (*more < 0 || *more > QUEUE_DELAY_MAX)
		return E_PARAM;
	if ((e = find_held(qs, name, token, &q, &t, &pl)) != E_OK)
		return e;
	b = &q->band[t.priority];
	l = chunk_lease(pl.c, pl.i);
	if (*more == 0)
		*more = q->set.timeout;
	if (l & LEASE_LOGGED)
		e = lease_write(q, b, t.id, S_OUT, now->wall + *more,
		    t.attempt, mark);
	if (e == E_OK)
		band_lease(b, &pl, lease_make(now->wall + *more,
		    (l & LEASE_LOGGED) != 0, t.attempt));
	return e;
}
