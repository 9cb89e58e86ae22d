/*
 * names.c: the names of queues and topics: a hash table, keyed so that nobody
 * can choose names that collide, and the order for listings, made when asked.
 *
 * Invariants: 1. existing counts the names that exist; 2. sorted is NULL or
 * has just these; 3. a name that does not exist and has neither waiters nor
 * records to delete is freed (name_unused).
 *
 * Part of libqueue.  Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/queue_impl.h"

struct queue_str
name_str(const struct name *q)
{
	return (struct queue_str){ q->text, q->len };
}

static struct name **
bucket(const struct queues *qs, struct queue_str s)
{
	return &qs->table[token_hash(qs->conf.key, s.p, s.n) &
	    (qs->buckets - 1)];
}

struct name *
name_find(const struct queues *qs, struct queue_str s)
{
	struct name	*q = *bucket(qs, s);

	while (q != NULL && (q->len != s.n || memcmp(q->text, s.p, s.n) != 0))
		q = q->chain;
	return q;
}

struct name *
name_make(struct queues *qs, struct queue_str s)
{
	struct name	*q, **at;
	unsigned	 p;

	if (s.n == 0 || s.n > QUEUE_NAME_MAX)
		return NULL;
	if ((q = name_find(qs, s)) != NULL)
		return q;
	if ((q = calloc(1, sizeof(*q))) == NULL)
		return NULL;
	q->qs = qs;
	q->len = (uint32_t)s.n;
	memcpy(q->text, s.p, s.n);
	for (p = 0; p < QUEUE_PRIORITIES; p++)
		band_init(&q->band[p], &qs->env, q, p);
	for (p = 0; p < PARKINGS; p++)
		parking_init(&q->parking[p], q, &qs->until[p]);
	q->kept = 1;
	at = bucket(qs, s);
	q->chain = *at;
	*at = q;
	qs->all++;
	qs->bytes += sizeof(*q);
	return q;
}

enum err
name_get(const struct queues *qs, struct queue_str s, enum queue_kind kind,
    struct name **out)
{
	if (qs->phase != PHASE_OPEN)
		return E_BUILDING;
	*out = name_find(qs, s);
	if (*out == NULL || !(*out)->exists || (*out)->set.kind != kind)
		return E_QUEUE;
	return E_OK;
}

void
name_exists(struct name *q, int exists)
{
	struct queues	*qs = q->qs;

	if (q->exists == exists)
		return;
	q->exists = exists;
	if (exists)
		qs->existing++;
	else
		qs->existing--;
	free(qs->sorted);
	qs->sorted = NULL;
}

enum err
name_store(struct name *q, uint64_t *mark)
{
	uint8_t			buf[SETTINGS_BYTES];
	size_t			n = settings_put(&q->set, buf);
	enum err		e;

	e = queue_write(q, QUEUE_SETTINGS, (struct queue_str){ NULL, 0 },
	    (struct queue_str){ buf, n }, (struct queue_str){ NULL, 0 }, mark);
	if (e == E_OK) {
		q->stored = 1;
		q->moved = 0;
	}
	return e;
}

/*
 * What was purged away keeps its stamps: the messages that are still being
 * deleted must not come back under the new settings.
 */
static enum err
bring(struct name *q, enum queue_kind kind, int64_t ms, uint64_t *mark)
{
	struct settings	was = q->set;
	enum err	e;

	settings_default(&q->set, kind, q->qs->conf.limits.timeout, ms / 1000);
	memcpy(q->set.purged, was.purged, sizeof(was.purged));
	q->set.counter = was.counter;
	q->set.counted = was.counted;
	if ((e = name_store(q, mark)) != E_OK) {
		q->set = was;
		return e;
	}
	name_exists(q, 1);
	return E_OK;
}

enum err
name_create(struct queues *qs, struct queue_str s, enum queue_kind kind,
    int64_t ms, struct name **out, uint64_t *mark)
{
	struct name	*q = name_find(qs, s);
	enum err	 e;

	if (qs->phase == PHASE_NAMES)
		return E_BUILDING;
	if (s.n == 0 || s.n > QUEUE_NAME_MAX)
		return E_PARAM;
	*out = q;
	if (q != NULL && q->exists)
		return q->set.kind == kind ? E_OK : E_QUEUE;
	if (qs->existing >= qs->conf.limits.names)
		return E_QUEUES;
	if (q == NULL && (*out = q = name_make(qs, s)) == NULL)
		return E_NOMEM;
	if ((e = bring(q, kind, ms, mark)) != E_OK)
		name_unused(q);
	else if (name_waiting(q) > 0)
		name_busy(q);	/* some may wait for the other kind */
	return e;
}

int
name_doubt(const struct name *q)
{
	const struct queue_conf	*c = &q->qs->conf;

	return c->ops->doubt != NULL && c->ops->doubt(c->arg, name_str(q));
}

uint64_t
name_total(const struct name *q)
{
	return band_total(&q->band[0]) + band_total(&q->band[1]) +
	    band_total(&q->band[2]);
}

/* --- waiting --- */

uint64_t
name_waiting(const struct name *q)
{
	return (uint64_t)q->parking[TAKERS].n + q->parking[READERS].n;
}

enum err
name_park(struct queues *qs, struct queue_str s, unsigned kind,
    struct parked *p, int64_t us, const struct queue_now *now)
{
	struct heap	*h = &qs->until[kind];
	struct name	*q;

	if (s.n == 0 || s.n > QUEUE_NAME_MAX)
		return E_PARAM;
	if (queues_waiting(qs) >= qs->conf.limits.waiters)
		return E_FULL;
	if (heap_reserve(h, h->n + 1) != 0 || (q = name_make(qs, s)) == NULL)
		return E_NOMEM;
	parked_add(&q->parking[kind], p, now->mono.us + us);
	return E_OK;
}

int
name_unpark(struct parked *p)
{
	struct name	*q;

	if (p->at == NULL)
		return 0;
	q = p->at->name;
	parked_del(p);
	name_unused(q);
	return 1;
}

/* --- work to do --- */

void
name_busy(struct name *q)
{
	struct queues	*qs = q->qs;

	if (q->busy)
		return;
	q->busy = 1;
	q->busy_next = NULL;
	q->busy_prev = qs->busy_last;
	if (qs->busy_last != NULL)
		qs->busy_last->busy_next = q;
	else
		qs->busy = q;
	qs->busy_last = q;
}

void
name_idle(struct name *q)
{
	struct queues	*qs = q->qs;

	if (!q->busy)
		return;
	q->busy = 0;
	if (q->busy_prev != NULL)
		q->busy_prev->busy_next = q->busy_next;
	else
		qs->busy = q->busy_next;
	if (q->busy_next != NULL)
		q->busy_next->busy_prev = q->busy_prev;
	else
		qs->busy_last = q->busy_prev;
}

/* --- the end of a name --- */

static int
is_needed(const struct name *q)
{
	unsigned	p;

	for (p = 0; p < QUEUE_PRIORITIES; p++)
		if (q->band[p].doom != NULL || q->band[p].n > 0)
			return 1;
	return q->exists || q->stored || name_waiting(q) > 0 ||
	    q->range != NULL || q->seen.n > 0;
}

static void
name_free(struct name *q)
{
	struct queues	*qs = q->qs;
	struct range	*r;
	unsigned	 p;

	if (qs->scratch.of == q)
		qs->scratch.of = NULL;
	for (p = 0; p < QUEUE_PRIORITIES; p++)
		band_free(&q->band[p]);
	while ((r = q->range) != NULL) {
		q->range = r->next;
		free(r);
		qs->bytes -= sizeof(*r);
	}
	qs->bytes -= seen_bytes(&q->seen) + sizeof(*q);
	seen_free(&q->seen);
	qs->all--;
	free(q);
}

void
name_unused(struct name *q)
{
	struct name	**at;

	if (is_needed(q))
		return;
	name_idle(q);
	for (at = bucket(q->qs, name_str(q)); *at != q; at = &(*at)->chain)
		;
	*at = q->chain;
	name_free(q);
}

/* --- all of them --- */

static int
by_text(const void *a, const void *b)
{
	const struct name	*x = *(struct name *const *)a;
	const struct name	*y = *(struct name *const *)b;
	size_t			 n = x->len < y->len ? x->len : y->len;
	int			 c = memcmp(x->text, y->text, n);

	return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}

static int
sort(struct queues *qs)
{
	struct name	*q;
	uint32_t	 k, n = 0;

	if (qs->sorted != NULL)
		return 0;
	qs->sorted = malloc((qs->existing + 1) * sizeof(*qs->sorted));
	if (qs->sorted == NULL)
		return -1;
	for (k = 0; k < qs->buckets; k++)
		for (q = qs->table[k]; q != NULL; q = q->chain)
			if (q->exists)
				qs->sorted[n++] = q;
	qsort(qs->sorted, n, sizeof(*qs->sorted), by_text);
	return 0;
}

static int
is_after(const struct name *q, struct queue_str s)
{
	size_t	n = q->len < s.n ? q->len : s.n;
	int	c = n == 0 ? 0 : memcmp(q->text, s.p, n);

	return c > 0 || (c == 0 && q->len > s.n);
}

/* Where the names behind this one begin in sorted; -1 no memory. */
int64_t
name_behind(struct queues *qs, struct queue_str after)
{
	uint32_t	lo = 0, hi = qs->existing, mid;

	if (sort(qs) != 0)
		return -1;
	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (is_after(qs->sorted[mid], after))
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

int
names_open(struct queues *qs)
{
	qs->buckets = 64;
	while (qs->buckets < qs->conf.limits.names && qs->buckets < 1u << 20)
		qs->buckets *= 2;
	qs->table = calloc(qs->buckets, sizeof(*qs->table));
	qs->bytes += qs->buckets * sizeof(*qs->table);
	return qs->table == NULL ? -1 : 0;
}

void
names_close(struct queues *qs)
{
	struct name	*q;
	uint32_t	 k;

	for (k = 0; qs->table != NULL && k < qs->buckets; k++)
		while ((q = qs->table[k]) != NULL) {
			qs->table[k] = q->chain;
			name_free(q);
		}
	free(qs->table);
	free(qs->sorted);
}
