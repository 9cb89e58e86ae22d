/*
 * stat.c: what clients may know of queues and topics, and set (queue.h).
 *
 * Part of libqueue.  Pure.
 */
#include <string.h>

#include "queue/queue_impl.h"

static enum err
find(const struct queues *qs, struct queue_str name, struct name **out)
{
	if (qs->phase != PHASE_OPEN)
		return E_BUILDING;
	*out = name_find(qs, name);
	return *out == NULL || !(*out)->exists ? E_QUEUE : E_OK;
}

/* What is out comes back at a time that its delivery reckoned from. */
static void
shift_leases(struct band *b, int64_t by)
{
	struct place	pl;
	uint32_t	k;
	uint64_t	l;

	for (k = 0; k < b->n; k++) {
		pl.c = b->dir[b->first + k];
		if (pl.c->count[S_OUT] == 0)
			continue;
		for (pl.i = 0; pl.i < pl.c->n; pl.i++) {
			if (chunk_state(pl.c)[pl.i] != S_OUT)
				continue;
			l = chunk_lease(pl.c, pl.i);
			band_lease(b, &pl, lease_make(lease_due(l) + by,
			    (l & LEASE_LOGGED) != 0, lease_tries(l)));
		}
	}
}

static int
names_itself(const struct settings *set, struct queue_str name)
{
	return set->deadlen == name.n &&
	    memcmp(set->dead, name.p, name.n) == 0;
}

/* It could never take a message, which would rest here for ever. */
static int
names_topic(const struct queues *qs, const struct settings *set)
{
	const struct name	*d;

	d = name_find(qs, (struct queue_str){ set->dead, set->deadlen });
	return d != NULL && d->exists && d->set.kind == KIND_TOPIC;
}

/* What a queue's settings become; an error: to is worth nothing. */
static enum err
merge(const struct queues *qs, struct queue_str name, struct settings *to,
    const struct settings *from, unsigned mask)
{
	enum err	e = settings_merge(to, from, mask);

	if (e == E_OK && names_itself(to, name))
		e = E_PARAM;
	if (e == E_OK && mask & SET_DEAD && names_topic(qs, to))
		e = E_QUEUE;
	return e;
}

/* The queue that is to be set; what it could not be set to makes none. */
static enum err
set_find(struct queues *qs, struct queue_str name, const struct settings *s,
    unsigned mask, int create, int64_t ms, struct name **q, uint64_t *mark)
{
	struct settings	fresh;
	enum err	e = find(qs, name, q);

	if (e == E_QUEUE && create) {
		settings_default(&fresh, KIND_QUEUE, qs->conf.limits.timeout,
		    ms / 1000);
		if ((e = merge(qs, name, &fresh, s, mask)) == E_OK)
			e = name_create(qs, name, KIND_QUEUE, ms, q, mark);
	}
	return e == E_OK && (*q)->set.kind != KIND_QUEUE ? E_QUEUE : e;
}

enum err
queue_set(struct queues *qs, struct queue_str name, const struct settings *s,
    unsigned mask, int create, const struct queue_now *now, uint64_t *mark)
{
	struct name	*q;
	struct settings	 was;
	unsigned	 p;
	enum err	 e;

	e = set_find(qs, name, s, mask, create, now->wall, &q, mark);
	if (e != E_OK)
		return e;
	was = q->set;
	if ((e = merge(qs, name, &q->set, s, mask)) == E_OK)
		e = name_store(q, mark);
	if (e != E_OK) {
		q->set = was;
		return e;
	}
	for (p = 0; p < QUEUE_PRIORITIES && was.timeout != q->set.timeout; p++)
		shift_leases(&q->band[p],
		    (int64_t)q->set.timeout - was.timeout);
	return E_OK;
}

enum err
queue_settings(const struct queues *qs, struct queue_str name,
    struct settings *out, uint64_t *mark)
{
	struct name	*q;
	enum err	 e;

	if ((e = find(qs, name, &q)) != E_OK)
		return e;
	*out = q->set;
	raise_mark(mark, q->mark);
	return E_OK;
}

static void
fill(const struct name *q, struct queue_stat *st)
{
	const struct band	*b;
	unsigned		 p;

	memset(st, 0, sizeof(*st));
	st->name = name_str(q);
	st->set = &q->set;
	st->waiting = name_waiting(q);
	if (q->set.kind == KIND_TOPIC) {
		st->ready[0] = q->ep - q->sp;
		st->si = q->sp;
		st->ci = q->ep;
		return;
	}
	for (p = 0; p < QUEUE_PRIORITIES; p++) {
		b = &q->band[p];
		st->ready[p] = b->count[S_READY] + b->count[S_BACK];
		st->delayed += b->count[S_LATER];
		st->unacked += b->count[S_OUT];
	}
	st->ci = q->set.counter;
	st->si = st->ci < st->ready[0] ? 0 : st->ci - st->ready[0];
}

enum err
queue_stat(const struct queues *qs, struct queue_str name,
    struct queue_stat *st, uint64_t *mark)
{
	struct name	*q;
	enum err	 e;

	if ((e = find(qs, name, &q)) != E_OK)
		return e;
	fill(q, st);
	raise_mark(mark, q->mark);
	return E_OK;
}

enum err
queues_list(struct queues *qs, struct queue_str after,
    int (*see)(void *, const struct queue_stat *), void *arg, uint64_t *mark)
{
	struct queue_stat	 st;
	const struct name	*q;
	int64_t			 k;

	if (qs->phase != PHASE_OPEN)
		return E_BUILDING;
	if ((k = name_behind(qs, after)) < 0)
		return E_NOMEM;
	for (; k < qs->existing; k++) {
		q = qs->sorted[k];
		fill(q, &st);
		raise_mark(mark, q->mark);
		if (!see(arg, &st))
			break;
	}
	return E_OK;
}

enum err
queue_workers(const struct queues *qs, struct queue_str name,
    const struct queue_now *now,
    void (*see)(void *, struct queue_str worker, int64_t sec), void *arg,
    uint64_t *mark)
{
	const struct seen_worker	*w;
	struct name			*q;
	uint32_t			 k;
	enum err			 e;

	if ((e = name_get(qs, name, KIND_QUEUE, &q)) != E_OK)
		return e;
	for (k = 0; k < q->seen.n; k++) {
		w = &q->seen.w[k];
		if (w->ms >= now->wall - SEEN_KEEP)
			see(arg, (struct queue_str){ w->name, w->len },
			    w->ms / 1000);
	}
	raise_mark(mark, q->mark);
	return E_OK;
}
