/*
 * queues.c: all queues and topics of a router: their storage, what is to be
 * done and when (queue.h).
 *
 * Part of libqueue.  Pure: what fails is the caller's storage or memory, and
 * the caller hears of it; background work that storage refuses is tried again
 * after RETRY_US.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/queue_impl.h"

struct queues *
queues_new(const struct queue_conf *conf)
{
	struct queues	*qs = calloc(1, sizeof(*qs));

	if (qs == NULL)
		return NULL;
	qs->conf = *conf;
	qs->bytes = sizeof(*qs);
	if (names_open(qs) != 0) {
		free(qs);
		return NULL;
	}
	return qs;
}

void
queues_free(struct queues *qs)
{
	if (qs == NULL)
		return;
	names_close(qs);
	heap_free(&qs->env.when);
	heap_free(&qs->until[TAKERS]);
	heap_free(&qs->until[READERS]);
	free(qs->scratch.p);
	free(qs);
}

void
queues_set_limits(struct queues *qs, const struct queue_limits *l)
{
	qs->conf.limits = *l;
}

int
queues_building(const struct queues *qs)
{
	return qs->phase != PHASE_OPEN;
}

void
queues_stop(struct queues *qs)
{
	struct name	*q, *next;
	uint32_t	 k;

	for (k = 0; k < qs->buckets; k++)
		for (q = qs->table[k]; q != NULL; q = next) {
			next = q->chain;
			take_stop(q, E_NOTREADY);
			topic_stop(q, E_NOTREADY);
			name_unused(q);
		}
}

enum err
queues_save(struct queues *qs, uint64_t *mark)
{
	struct name	*q;
	uint32_t	 k;
	enum err	 e;

	if (qs->phase != PHASE_OPEN)
		return E_OK;
	for (k = 0; k < qs->buckets; k++)
		for (q = qs->table[k]; q != NULL; q = q->chain)
			if (q->exists && q->moved && !name_doubt(q) &&
			    (e = name_store(q, mark)) != E_OK)
				return e;
	return E_OK;
}

/* --- storage --- */

/* Neither a delivery nor who asked is something that an answer depends on. */
static void
wrote(struct name *q, enum queue_type type, uint64_t at, uint64_t *mark)
{
	raise_mark(mark, at);
	if (type == QUEUE_ITEM)
		q->qs->scratch.of = NULL;
	if (type != QUEUE_DELIVERY && type != QUEUE_WORKER)
		raise_mark(&q->mark, at);
}

enum err
queue_write(struct name *q, enum queue_type type, struct queue_str key,
    struct queue_str head, struct queue_str item, uint64_t *mark)
{
	struct queue_key	k = { (uint8_t)type, name_str(q), key };
	uint64_t		at = 0;
	enum err		e;

	e = q->qs->conf.ops->put(q->qs->conf.arg, &k, head, item, &at);
	if (e == E_OK)
		wrote(q, type, at, mark);
	return e;
}

enum err
queue_erase(struct name *q, enum queue_type type, struct queue_str key,
    uint64_t *mark)
{
	struct queue_key	k = { (uint8_t)type, name_str(q), key };
	uint64_t		at = 0;
	enum err		e;

	e = q->qs->conf.ops->del(q->qs->conf.arg, &k, &at);
	if (e == E_OK)
		wrote(q, type, at, mark);
	return e;
}

enum err
queue_read(struct name *q, enum queue_type type, struct queue_str key,
    queue_seen *seen, void *arg, uint64_t *mark)
{
	struct queue_key	k = { (uint8_t)type, name_str(q), key };
	uint64_t		at = 0;
	enum err		e;

	e = q->qs->conf.ops->get(q->qs->conf.arg, &k, seen, arg, &at);
	raise_mark(mark, at);
	return e;
}

static void
keep_value(void *arg, const uint8_t *val, size_t len)
{
	struct queues	*qs = arg;
	struct scratch	*s = &qs->scratch;
	uint8_t		*p;

	s->failed = 0;
	if (len > s->cap) {
		if ((p = malloc(len)) == NULL) {
			s->failed = 1;
			return;
		}
		free(s->p);
		qs->bytes += len - s->cap;
		s->p = p;
		s->cap = len;
	}
	memcpy(s->p, val, len);
	s->len = len;
}

/* A large value's room is given back at the next small one. */
static void
scratch_trim(struct queues *qs)
{
	if (qs->scratch.cap <= 1u << 20)
		return;
	free(qs->scratch.p);
	qs->bytes -= qs->scratch.cap;
	qs->scratch = (struct scratch){ .p = NULL };
}

enum err
queue_fetch(struct name *q, enum queue_type type, struct queue_str key,
    struct queue_str *val, uint64_t *mark)
{
	struct queues	*qs = q->qs;
	enum err	 e;

	scratch_trim(qs);
	qs->scratch.of = NULL;
	if ((e = queue_read(q, type, key, keep_value, qs, mark)) != E_OK)
		return e;
	if (qs->scratch.failed)
		return E_NOMEM;
	*val = (struct queue_str){ qs->scratch.p, qs->scratch.len };
	return E_OK;
}

/* --- work --- */

void
queue_refused(struct queues *qs, const struct queue_now *now)
{
	qs->refused = 1;
	qs->retry = mono_add(now->mono, RETRY_US);
}

/* 1: there is more to do for this name. */
static int
name_step(struct name *q, const struct queue_now *now, unsigned *budget)
{
	int	swept, trimmed;

	if (q->exists && q->set.kind == KIND_TOPIC)
		take_stop(q, E_QUEUE);
	else if (q->exists)
		topic_stop(q, E_QUEUE);
	take_serve(q, now, budget);
	topic_serve(q, now, budget);
	swept = purge_sweep(q, now, budget);
	trimmed = topic_sweep(q, budget);
	if (swept < 0 || trimmed < 0)
		queue_refused(q->qs, now);
	return swept != 1 || trimmed != 1 || take_has(q) || topic_has(q);
}

static void
busy_step(struct queues *qs, const struct queue_now *now, unsigned *budget)
{
	struct name	*q;

	while ((q = qs->busy) != NULL && *budget > 0 && !qs->refused) {
		--*budget;
		name_idle(q);
		if (name_step(q, now, budget))
			name_busy(q);
		else
			name_unused(q);
	}
}

int
queues_work(struct queues *qs, const struct queue_now *now)
{
	unsigned	budget = STEP;

	if (qs->phase == PHASE_NAMES || qs->phase == PHASE_FEED)
		return 0;
	if (qs->phase == PHASE_JUDGE && !feed_judge(qs, &budget))
		return 1;
	take_until(qs, now);
	topic_until(qs, now);
	if (qs->refused && mono_diff(now->mono, qs->retry) > 0)
		return 0;
	qs->refused = 0;
	due_step(qs, now, &budget);
	busy_step(qs, now, &budget);
	return queues_next(qs, now) == 0;
}

static void
sooner(int64_t *least, int64_t us)
{
	if (us < 0)
		us = 0;
	if (*least < 0 || us < *least)
		*least = us;
}

/* A day ahead is as good as for ever, and does not overflow. */
static int64_t
ms_to_us(int64_t ms)
{
	return ms > 86400000 ? 86400000000LL : ms * 1000;
}

int64_t
queues_next(const struct queues *qs, const struct queue_now *now)
{
	const struct heap_node	*n;
	int64_t			 least = -1, work = -1;
	unsigned		 kind;

	if (qs->phase == PHASE_NAMES || qs->phase == PHASE_FEED)
		return -1;
	if (qs->phase == PHASE_JUDGE)
		return 0;
	for (kind = 0; kind < PARKINGS; kind++)
		if ((n = heap_top(&qs->until[kind])) != NULL)
			sooner(&least, n->key - now->mono.us);
	if ((n = heap_top(&qs->env.when)) != NULL)
		sooner(&work, ms_to_us(n->key - now->wall));
	if (qs->busy != NULL)
		work = 0;
	if (qs->refused && work >= 0 && work < mono_diff(now->mono, qs->retry))
		work = mono_diff(now->mono, qs->retry);
	if (work >= 0)
		sooner(&least, work);
	return least;
}

/* What has something to delete is among the busy ones. */
static uint64_t
backlog(const struct queues *qs)
{
	const struct name	*q;
	const struct range	*r;
	uint64_t		 n = 0;

	for (q = qs->busy; q != NULL; q = q->busy_next) {
		n += q->band[0].doomed + q->band[1].doomed + q->band[2].doomed;
		for (r = q->range; r != NULL; r = r->next)
			n += r->hi - r->lo + 1;
	}
	return n;
}

void
queues_total(const struct queues *qs, struct queues_total *t)
{
	*t = qs->total;
	t->backlog = backlog(qs);
	t->names = qs->existing;
	t->waiters = queues_waiting(qs);
	t->bytes = qs->bytes + qs->env.bytes + heap_bytes(&qs->until[TAKERS]) +
	    heap_bytes(&qs->until[READERS]);
}
