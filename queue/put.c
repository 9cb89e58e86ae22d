/*
 * put.c: messages come in.
 *
 * Part of libqueue.  Pure.
 */
#include "queue/queue_impl.h"

static enum err
write_message(struct name *q, unsigned priority, uint64_t id,
    const struct form_message *m, struct queue_str item, uint64_t *mark)
{
	uint8_t	key[FORM_MESSAGE_KEY], head[FORM_MESSAGE];

	form_message_key(key, priority, id);
	form_message(head, m);
	return queue_write(q, QUEUE_MESSAGE,
	    (struct queue_str){ key, sizeof(key) },
	    (struct queue_str){ head, sizeof(head) }, item, mark);
}

static void
settle(struct name *q, struct band *b, const struct place *pl, uint64_t id,
    const struct form_message *m)
{
	if (m->expires != 0)
		band_expires(b, pl, m->expires);
	if (m->notbefore != 0) {
		band_state(b, pl, S_LATER);
		band_lease(b, pl, lease_make(m->notbefore, 0, 0));
	}
	q->qs->total.messages++;
	if (b->priority != 0)
		return;
	q->set.counter++;
	q->set.counted = id;
	q->moved = 1;
}

/* The place comes first: after storage has taken it nothing may fail. */
enum err
put_one(struct name *q, unsigned priority, struct queue_str item, int64_t ttl,
    int64_t delay, const struct queue_now *now, uint64_t *mark)
{
	struct band		*b = &q->band[priority];
	struct form_message	 m = { .put = now->wall };
	uint64_t		 id = q->qs->conf.ops->id(q->qs->conf.arg);
	struct place		 pl;
	enum err		 e;

	if (ttl == 0)
		ttl = q->set.ttl;
	if (delay == 0)
		delay = q->set.delay;
	m.expires = ttl == 0 ? 0 : now->wall + ttl;
	m.notbefore = delay == 0 ? 0 : now->wall + delay;
	if (band_insert(b, id, (ttl != 0 ? 1u << COL_EXPIRES : 0) |
	    (delay != 0 ? 1u << COL_LEASE : 0), &pl) != 0)
		return E_NOMEM;
	if ((e = write_message(q, priority, id, &m, item, mark)) != E_OK) {
		band_remove(b, &pl);
		return e;
	}
	settle(q, b, &pl, id, &m);
	return E_OK;
}

static int
is_valid(const struct queue_put *put)
{
	unsigned	i;

	if (put->n == 0 || put->n > QUEUE_COUNT_MAX ||
	    put->priority >= QUEUE_PRIORITIES || put->ttl < 0 ||
	    put->ttl > QUEUE_DELAY_MAX || put->delay < 0 ||
	    put->delay > QUEUE_DELAY_MAX)
		return 0;
	for (i = 0; i < put->n; i++)
		if (put->items[i].n == 0)
			return 0;
	return 1;
}

/*
 * What was purged is gone at once, but not yet from disk and memory: as many
 * again may be waiting to be deleted.
 */
int
put_over(const struct queues *qs, unsigned n)
{
	uint64_t	all = qs->total.messages + n;
	uint64_t	most = qs->conf.limits.messages;

	return all > most || all + qs->env.doomed > 2 * most;
}

/* While building, max is held against what has been fed so far. */
enum err
put_room(const struct name *q, unsigned n)
{
	uint64_t	held = name_total(q) - q->band[0].count[S_OUT] -
			    q->band[1].count[S_OUT] - q->band[2].count[S_OUT];

	if (q->set.lock)
		return E_QLOCKED;
	return q->set.max != 0 && held + n > q->set.max ? E_QFULL : E_OK;
}

enum err
queue_put(struct queues *qs, struct queue_str name, const struct queue_put *put,
    const struct queue_now *now, unsigned *done, uint64_t *mark)
{
	struct name	*q;
	enum err	 e;

	*done = 0;
	if (!is_valid(put))
		return E_PARAM;
	if (put_over(qs, put->n))
		return E_LIMIT_MESSAGES;
	e = name_create(qs, name, KIND_QUEUE, now->wall, &q, mark);
	if (e == E_OK)
		e = put_room(q, put->n);
	while (e == E_OK && *done < put->n)
		if ((e = put_one(q, put->priority, put->items[*done], put->ttl,
		    put->delay, now, mark)) == E_OK)
			++*done;
	if (*done > 0)
		take_wake(q, now);
	return e;
}
