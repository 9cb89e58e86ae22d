/*
 * setback.c: the wall clock was set back.  When a message comes back, is due
 * or expires is told by that clock (form.h), so all of it would take longer by
 * as much; here it is put right in memory, chunk by chunk.
 *
 * Records keep what they say: after a start, what was out at that moment may
 * take longer after all.  A clock that is set forward makes things come early,
 * as a start after a long pause does, and nothing is done about it.
 *
 * Part of libqueue.  Pure.
 */
#include "queue/queue_impl.h"

static int64_t
earlier(int64_t at, int64_t ms)
{
	return at > ms ? at - ms : 1;
}

static void
back_one(struct band *b, const struct place *pl, int64_t ms)
{
	enum state	s = (enum state)chunk_state(pl->c)[pl->i];
	uint64_t	l = chunk_lease(pl->c, pl->i);
	int64_t		ends = chunk_expires(pl->c, pl->i);

	if (s == S_OUT || s == S_LATER)
		band_lease(b, pl, lease_make(earlier(lease_due(l), ms),
		    (l & LEASE_LOGGED) != 0, lease_tries(l)));
	if (ends != 0)
		band_expires(b, pl, earlier(ends, ms));
}

static void
back_band(struct band *b, int64_t ms)
{
	struct place	pl;
	uint32_t	k;

	for (k = 0; k < b->n; k++) {
		pl.c = b->dir[b->first + k];
		if (chunk_cols(pl.c) == 0)
			continue;
		for (pl.i = 0; pl.i < pl.c->n; pl.i++)
			back_one(b, &pl, ms);
	}
}

void
queues_set_back(struct queues *qs, int64_t ms)
{
	struct name	*q;
	uint32_t	 k;
	unsigned	 p;

	if (qs->phase != PHASE_OPEN || ms <= 0)
		return;
	for (k = 0; k < qs->buckets; k++)
		for (q = qs->table[k]; q != NULL; q = q->chain)
			for (p = 0; p < QUEUE_PRIORITIES; p++)
				back_band(&q->band[p], ms);
}
