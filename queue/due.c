/*
 * due.c: what time brings: deliveries that were not acked come back, delays
 * end, messages expire.
 *
 * Each chunk stands in the heap under a time not later than its first event.
 * When that comes, up to AT_ONCE of its messages are dealt with; when none of
 * them is due, the chunk gets its next time.
 *
 * Part of libqueue.  Pure.
 */
#include "queue/queue_impl.h"

#define AT_ONCE	64u

static unsigned
gather(const struct chunk *c, int64_t wall, uint64_t ids[AT_ONCE])
{
	unsigned	i, n = 0;

	for (i = 0; i < c->n && n < AT_ONCE; i++)
		if (band_due(c, i) <= wall)
			ids[n++] = chunk_id(c)[i];
	return n;
}

static enum err
due_one(struct name *q, struct band *b, struct place *pl,
    const struct queue_now *now)
{
	int64_t		ends = chunk_expires(pl->c, pl->i);
	enum err	e;

	if (ends != 0 && ends <= now->wall) {
		e = lease_delete(q, b, pl, NULL);
		if (e == E_OK)
			q->qs->total.expired++;
		return e == E_NOTFOUND ? E_OK : e;
	}
	if (lease_is_dead(q, pl))
		return move_dead(q, b, pl, now, NULL);
	band_state(b, pl, chunk_state(pl->c)[pl->i] == S_OUT ? S_BACK :
	    S_READY);
	return E_OK;
}

static int
due_chunk(struct queues *qs, struct chunk *c, const struct queue_now *now,
    unsigned *budget)
{
	struct band	*b = c->band;
	uint64_t	 ids[AT_ONCE];
	struct place	 pl;
	unsigned	 n = gather(c, now->wall, ids), k;

	*budget -= n + 1 < *budget ? n + 1 : *budget;
	if (n == 0)
		band_recount(b, c);
	for (k = 0; k < n; k++)
		if (band_find(b, ids[k], &pl) &&
		    due_one(b->name, b, &pl, now) != E_OK) {
			queue_refused(qs, now);
			break;
		}
	take_wake(b->name, now);
	return k == n;
}

int
due_step(struct queues *qs, const struct queue_now *now, unsigned *budget)
{
	struct heap_node	*n;
	struct chunk		*c;

	while ((n = heap_top(&qs->env.when)) != NULL && n->key <= now->wall) {
		if (*budget == 0)
			return 0;
		c = (struct chunk *)(void *)((char *)n -
		    offsetof(struct chunk, when));
		if (!due_chunk(qs, c, now, budget))
			return 0;
	}
	return 1;
}
