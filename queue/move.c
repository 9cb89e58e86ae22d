/*
 * move.c: messages from one queue to another: by order, or because they were
 * delivered too often; and a look at one that stays.
 *
 * Here the new message is written first, then the old one deleted: a crash in
 * between leaves both (unless the storage below writes a turn as one batch).
 * To another router it is sent (forward.c).
 *
 * Part of libqueue.  Pure.
 */
#include <string.h>

#include "queue/queue_impl.h"

static int
is_ours(const struct queues *qs, struct queue_str name)
{
	return qs->conf.ops->owns == NULL ||
	    qs->conf.ops->owns(qs->conf.arg, name);
}

/* --- one message --- */

enum err
move_fetch(struct name *q, const struct band *b, const struct place *pl,
    struct form_message *m, struct queue_str *item, uint64_t *mark)
{
	uint8_t		key[FORM_MESSAGE_KEY];
	enum err	e;

	form_message_key(key, b->priority, chunk_id(pl->c)[pl->i]);
	e = queue_fetch(q, QUEUE_MESSAGE, (struct queue_str){ key, sizeof(key) },
	    item, mark);
	if (e != E_OK)
		return e;
	if (form_message_get(m, item->p, item->n) != E_OK)
		return E_DAMAGED;
	item->p += FORM_MESSAGE;
	item->n -= FORM_MESSAGE;
	return E_OK;
}

void
move_rest(struct band *b, struct place *pl, int64_t due)
{
	uint64_t	l = chunk_lease(pl->c, pl->i);

	band_state(b, pl, S_LATER);
	band_lease(b, pl, lease_make(due, (l & LEASE_LOGGED) != 0,
	    lease_tries(l)));
}

/*
 * The other queue has it, so here it is gone, even if storage does not take
 * that now: then the sweep goes on trying.
 */
enum err
move_leave(struct name *q, struct band *b, struct place *pl, uint64_t *mark)
{
	uint64_t	id = chunk_id(pl->c)[pl->i];
	int		logged = (chunk_lease(pl->c, pl->i) &
			    LEASE_LOGGED) != 0;
	enum err	e = lease_delete(q, b, pl, mark);

	if (e == E_OK || e == E_NOTFOUND)
		return E_OK;
	if (band_doom(b, id, logged) != 0)
		return E_NOMEM;
	band_remove(b, pl);
	q->qs->total.messages--;
	name_busy(q);
	return E_OK;
}

/* keep: its expiry goes along. */
static enum err
carry(struct name *q, struct band *b, struct place *pl, struct name *to,
    int keep, const struct queue_now *now, uint64_t *mark)
{
	struct form_message	m;
	struct queue_str	item;
	int64_t			ttl = 0;
	enum err		e;

	if ((e = move_fetch(q, b, pl, &m, &item, mark)) != E_OK)
		return e;
	if (keep && m.expires > now->wall)
		ttl = m.expires - now->wall;
	e = put_one(to, b->priority, item, ttl, 0, now, mark);
	return e == E_OK ? move_leave(q, b, pl, mark) : e;
}

/* --- delivered too often --- */

static enum err
to_dead(struct name *q, struct band *b, struct place *pl,
    const struct queue_now *now, uint64_t *mark)
{
	struct queue_str	name = { q->set.dead, q->set.deadlen };
	struct name		*to;
	enum err		e;

	if (!is_ours(q->qs, name))
		return forward_off(q, b, pl, name, 0, now, mark);
	e = name_create(q->qs, name, KIND_QUEUE, now->wall, &to, mark);
	if (e == E_OK && to == q)
		e = E_PARAM;
	if (e == E_OK)
		e = carry(q, b, pl, to, 0, now, mark);
	if (e == E_OK)
		name_busy(to);	/* later: who waits there is another story */
	return e;
}

/*
 * Lock and max of the dead-letter queue do not hold it up, they would turn
 * every message into a loop; what else fails is tried again.
 */
enum err
move_dead(struct name *q, struct band *b, struct place *pl,
    const struct queue_now *now, uint64_t *mark)
{
	enum err	e = to_dead(q, b, pl, now, mark);

	if (e == E_OK)
		q->qs->total.dead++;
	else if (e == E_NOTFOUND)	/* storage has lost it */
		lease_delete(q, b, pl, mark);
	else if (e != E_PENDING)
		move_rest(b, pl, now->wall + RETRY_MS);
	return E_OK;
}

/* --- by order --- */

static enum err
move_one(struct name *q, struct queue_str name, struct name *to,
    const struct queue_now *now, uint64_t *mark)
{
	struct band	*b;
	struct place	 pl;
	enum err	 e;

	if ((e = take_next(q, now, &b, &pl, mark)) != E_OK)
		return e;
	if (to == NULL) {
		e = forward_off(q, b, &pl, name, 1, now, mark);
		return e == E_PENDING ? E_OK : e;
	}
	if ((e = put_room(to, 1)) != E_OK)
		return e;
	return carry(q, b, &pl, to, 1, now, mark);
}

enum err
queue_move(struct queues *qs, struct queue_str from, struct queue_str to,
    unsigned most, unsigned *moved, const struct queue_now *now,
    uint64_t *mark)
{
	struct name	*q, *dest = NULL;
	enum err	 e;

	*moved = 0;
	if (most == 0 || most > QUEUE_COUNT_MAX ||
	    (from.n == to.n && memcmp(from.p, to.p, to.n) == 0))
		return E_PARAM;
	if ((e = name_get(qs, from, KIND_QUEUE, &q)) != E_OK)
		return e;
	if (is_ours(qs, to))
		e = name_create(qs, to, KIND_QUEUE, now->wall, &dest, mark);
	while (e == E_OK && *moved < most)
		if ((e = move_one(q, to, dest, now, mark)) == E_OK)
			++*moved;
	if (*moved > 0 && dest != NULL)
		take_wake(dest, now);
	raise_mark(mark, q->mark);
	return e == E_NOTFOUND ? E_OK : e;
}

/* --- a look --- */

struct peeking {
	struct queue_msg	 msg;
	void			(*see)(void *, const struct queue_msg *);
	void			*arg;
	int			 bad;
};

static void
peek_show(void *arg, const uint8_t *val, size_t len)
{
	struct peeking		*k = arg;
	struct form_message	 m;

	if (form_message_get(&m, val, len) != E_OK) {
		k->bad = 1;
		return;
	}
	k->msg.item = (struct queue_str){ val + FORM_MESSAGE,
	    len - FORM_MESSAGE };
	k->see(k->arg, &k->msg);
}

/* The message at *offset of a band, or takes off how many there are. */
static int
at_offset(const struct band *b, uint64_t *offset, struct place *pl)
{
	uint32_t	k;
	uint64_t	here;

	for (k = 0; k < b->n; k++) {
		pl->c = b->dir[b->first + k];
		here = (uint64_t)pl->c->n - pl->c->count[S_OUT];
		if (*offset >= here) {
			*offset -= here;
			continue;
		}
		for (pl->i = 0;; pl->i++)
			if (chunk_state(pl->c)[pl->i] != S_OUT &&
			    (*offset)-- == 0)
				return 1;
	}
	return 0;
}

static struct band *
peek_find(struct name *q, int priority, uint64_t offset, struct place *pl)
{
	int	p, most = (int)QUEUE_PRIORITIES - 1;

	for (p = priority < 0 ? most : priority; p >= 0; p--) {
		if (at_offset(&q->band[p], &offset, pl))
			return &q->band[p];
		if (priority >= 0)
			break;
	}
	return NULL;
}

enum err
queue_peek(struct queues *qs, struct queue_str name, int priority,
    uint64_t offset, void (*see)(void *, const struct queue_msg *), void *arg,
    const struct queue_now *now, uint64_t *mark)
{
	struct peeking	 k = { .see = see, .arg = arg };
	uint8_t		 key[FORM_MESSAGE_KEY];
	struct name	*q;
	struct band	*b;
	struct place	 pl;
	enum err	 e;

	(void)now;
	if (priority < -1 || priority >= (int)QUEUE_PRIORITIES)
		return E_PARAM;
	if ((e = name_get(qs, name, KIND_QUEUE, &q)) != E_OK)
		return e;
	raise_mark(mark, q->mark);
	if ((b = peek_find(q, priority, offset, &pl)) == NULL)
		return E_NOTFOUND;
	k.msg.id = chunk_id(pl.c)[pl.i];
	k.msg.priority = b->priority;
	k.msg.deliveries = lease_tries(chunk_lease(pl.c, pl.i));
	form_message_key(key, b->priority, k.msg.id);
	e = queue_read(q, QUEUE_MESSAGE, (struct queue_str){ key, sizeof(key) },
	    peek_show, &k, mark);
	return e == E_OK && k.bad ? E_DAMAGED : e;
}
