/*
 * purge.c: dropping all messages of a priority at once.
 *
 * One C record says that what came before a stamp is gone; memory is rid of it
 * in one go over the chunks, storage by and by.  After a crash in between, what
 * the stamp covers is found by feed.c: a message is dead when its id is below
 * the stamp, unless a delivery says that it was outstanding at that time, or
 * was written later.  So outstanding deliveries that were not logged are logged
 * before.
 *
 * Part of libqueue.  Pure.
 */
#include "queue/queue_impl.h"

static enum err
log_outstanding(struct name *q, struct band *b, int64_t now)
{
	struct place	pl;
	uint32_t	k;
	uint64_t	l;
	enum err	e;

	for (k = 0; k < b->n; k++) {
		pl.c = b->dir[b->first + k];
		if (pl.c->count[S_OUT] == 0)
			continue;
		for (pl.i = 0; pl.i < pl.c->n; pl.i++) {
			l = chunk_lease(pl.c, pl.i);
			if (chunk_state(pl.c)[pl.i] != S_OUT ||
			    l & LEASE_LOGGED || lease_due(l) <= now)
				continue;
			if ((e = lease_write(q, b, chunk_id(pl.c)[pl.i], S_OUT,
			    lease_due(l), lease_tries(l), NULL)) != E_OK)
				return e;
			band_lease(b, &pl, l | LEASE_LOGGED);
		}
	}
	return E_OK;
}

/* Whether the queue itself goes (contract 3.2, W12). */
static int
disappears(const struct name *q, const struct band *b, uint64_t kept)
{
	return kept == 0 && name_total(q) == band_total(b) &&
	    !settings_changed(&q->set, q->qs->conf.limits.timeout);
}

static enum err
store_purge(struct name *q, unsigned p, int gone, int64_t now, uint64_t *mark)
{
	struct settings	was = q->set;
	enum err	e;

	q->set.purged[p].stamp = q->qs->conf.ops->id(q->qs->conf.arg);
	q->set.purged[p].ms = now;
	q->set.purged[p].timeout = q->set.timeout;
	q->set.gone = (uint8_t)gone;
	if ((e = name_store(q, mark)) != E_OK)
		q->set = was;
	return e;
}

enum err
queue_purge(struct queues *qs, struct queue_str name, unsigned p,
    const struct queue_now *now, uint64_t *mark)
{
	struct name	*q;
	struct band	*b, kept;
	uint64_t	 before;
	int		 gone;
	enum err	 e;

	if (p >= QUEUE_PRIORITIES)
		return E_PARAM;
	if ((e = name_get(qs, name, KIND_QUEUE, &q)) != E_OK)
		return e;
	b = &q->band[p];
	before = band_total(b);
	if ((e = log_outstanding(q, b, now->wall)) != E_OK)
		return e;
	band_init(&kept, b->env, q, p);
	if (band_split(b, &kept, now->wall) != 0)
		e = E_NOMEM;
	gone = disappears(q, b, band_total(&kept));
	if (e == E_OK)
		e = store_purge(q, p, gone, now->wall, mark);
	if (e != E_OK) {
		band_free(&kept);
		return e;
	}
	band_swap(b, &kept, now->wall);
	qs->total.messages -= before - band_total(b);
	if (gone)
		name_exists(q, 0);
	name_busy(q);
	return E_OK;
}

/* --- what is left to delete --- */

static int
is_refusal(enum err e)
{
	return e != E_OK && e != E_NOTFOUND;
}

static int
sweep_band(struct name *q, struct band *b, unsigned *budget)
{
	uint8_t			key[FORM_MESSAGE_KEY];
	struct queue_str	k = { key, sizeof(key) };
	uint64_t		id;
	int			logged;

	while (band_doomed(b, &id, &logged)) {
		if (*budget == 0)
			return 0;
		form_message_key(key, b->priority, id);
		if (is_refusal(queue_erase(q, QUEUE_MESSAGE, k, NULL)) ||
		    (logged && is_refusal(queue_erase(q, QUEUE_DELIVERY, k,
		    NULL))))
			return -1;
		band_doomed_gone(b);
		--*budget;
	}
	return 1;
}

/* What else there is of a queue that was purged away. */
static int
sweep_rest(struct name *q, unsigned *budget)
{
	struct seen_worker	w;

	for (; q->seen.n > 0; --*budget) {
		if (*budget == 0)
			return 0;
		w = q->seen.w[q->seen.n - 1];
		if (is_refusal(queue_erase(q, QUEUE_WORKER,
		    (struct queue_str){ w.name, w.len }, NULL)))
			return -1;
		q->seen.n--;
		q->qs->workers--;
	}
	if (q->stored && is_refusal(queue_erase(q, QUEUE_SETTINGS,
	    (struct queue_str){ NULL, 0 }, NULL)))
		return -1;
	q->stored = 0;
	return 1;
}

int
purge_sweep(struct name *q, const struct queue_now *now, unsigned *budget)
{
	unsigned	p;
	int		r = 1;

	(void)now;
	for (p = 0; p < QUEUE_PRIORITIES && r == 1; p++)
		r = sweep_band(q, &q->band[p], budget);
	if (r == 1 && !q->exists)
		r = sweep_rest(q, budget);
	return r;
}
