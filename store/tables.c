/*
 * tables.c: the sums over the live records of a shard, by (type, table), and
 * what of them waits for the log (tables.h, tables_impl.h).
 *
 * Of the log only two batches can be under way: the one that is being filled
 * and the one that is being written.  So two sums a table are enough to know
 * what may be shown when either is done, however many records wait.
 */
#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "store/tables_impl.h"

#define BUCKETS_LEAST	64u
#define CAPACITY	1024		/* bytes that a record is rounded up to */

/* --- the names --- */

static uint32_t
name_hash(const struct tables *t, uint8_t type, const uint8_t *tab, size_t n)
{
	return (uint32_t)XXH3_64bits_withSeed(tab, n, type) & (t->nbuckets - 1);
}

static int
is_table(const struct table *x, uint8_t type, const uint8_t *tab, size_t n)
{
	return x->type == type && x->len == n && memcmp(x->name, tab, n) == 0;
}

struct table *
table_find(struct tables *t, uint8_t type, const uint8_t *tab, size_t tablen)
{
	struct table	*x = t->last;

	if (type == TYPE_KV)
		return &t->keys;
	if (x != NULL && is_table(x, type, tab, tablen))
		return x;
	if (t->nbuckets == 0)
		return NULL;
	x = t->bucket[name_hash(t, type, tab, tablen)];
	while (x != NULL && !is_table(x, type, tab, tablen))
		x = x->next;
	if (x != NULL)
		t->last = x;
	return x;
}

static int
grow_buckets(struct tables *t)
{
	struct table	**was = t->bucket, *x, *next;
	uint32_t	  n = t->nbuckets, i, h;

	t->nbuckets = n == 0 ? BUCKETS_LEAST : n * 2;
	if ((t->bucket = calloc(t->nbuckets, sizeof(*t->bucket))) == NULL) {
		t->bucket = was;
		t->nbuckets = n;
		return 0;
	}
	for (i = 0; i < n; i++)
		for (x = was[i]; x != NULL; x = next) {
			next = x->next;
			h = name_hash(t, x->type, x->name, x->len);
			x->next = t->bucket[h];
			t->bucket[h] = x;
		}
	free(was);
	return 1;
}

/* A number that is free; 0: no memory.  0 itself is that of the plain keys. */
static uint32_t
new_number(struct tables *t)
{
	struct table	**p;
	uint32_t	  i, n;

	for (i = 1; t->count + 1 < t->nnumbers; i++)
		if (t->number[i] == NULL)
			return i;
	n = t->nnumbers == 0 ? BUCKETS_LEAST : t->nnumbers * 2;
	if ((p = realloc(t->number, n * sizeof(*p))) == NULL)
		return 0;
	memset(p + t->nnumbers, 0, (n - t->nnumbers) * sizeof(*p));
	i = t->nnumbers == 0 ? 1 : t->nnumbers;
	t->number = p;
	t->nnumbers = n;
	p[0] = &t->keys;
	return i;
}

struct table *
table_get(struct tables *t, uint8_t type, const uint8_t *tab, size_t tablen)
{
	struct table	*x = table_find(t, type, tab, tablen);
	uint32_t	 h;

	if (x != NULL)
		return x;
	if (t->count >= t->nbuckets && !grow_buckets(t))
		return NULL;
	if ((x = calloc(1, sizeof(*x))) == NULL)
		return NULL;
	if ((x->number = new_number(t)) == 0) {
		free(x);
		return NULL;
	}
	x->type = type;
	x->len = (uint8_t)tablen;
	memcpy(x->name, tab, tablen);
	h = name_hash(t, type, tab, tablen);
	x->next = t->bucket[h];
	t->bucket[h] = x;
	t->number[x->number] = x;
	t->count++;
	return t->last = x;
}

void
table_free(struct tables *t, struct table *x)
{
	struct table	**p;

	p = &t->bucket[name_hash(t, x->type, x->name, x->len)];
	while (*p != x)
		p = &(*p)->next;
	*p = x->next;
	t->number[x->number] = NULL;
	t->count--;
	t->nhidden -= x->hidden;
	if (t->last == x)
		t->last = NULL;
	free(x);
}

/* --- the lists --- */

void
table_list(struct tables *t, struct table *x, enum list l)
{
	if (x->listed & 1u << l)
		return;
	x->listed = (uint8_t)(x->listed | 1u << l);
	x->on[l] = t->head[l];
	t->head[l] = x;
}

struct table *
table_pop(struct tables *t, enum list l)
{
	struct table	*x = t->head[l];

	if (x != NULL) {
		t->head[l] = x->on[l];
		x->listed = (uint8_t)(x->listed & ~(1u << l));
	}
	return x;
}

/* --- a change --- */

/* 0: it has none.  Steps are counted from 1, so that 0 says that. */
static uint32_t
step_of(int64_t expiry)
{
	uint64_t	step;

	if (expiry == 0)
		return 0;
	if (expiry < 0)
		return 1;
	step = ((uint64_t)expiry - 1) / TABLES_STEP_MS + 1;
	return step > UINT32_MAX ? UINT32_MAX : (uint32_t)step;
}

static struct table_sum
sum_of(size_t memlen, const struct record *r, int sign)
{
	int64_t	n = (int64_t)(memlen + r->vallen);

	return (struct table_sum){ sign, sign * n,
	    sign * ((n + CAPACITY - 1) / CAPACITY * CAPACITY) };
}

static void
change_one(struct tables *t, struct table *x, size_t memlen,
    const struct record *r, int sign)
{
	uint32_t		step;
	struct table_sum	d;

	if (r->kind != RECORD_VALUE)
		return;
	step = step_of(r->expiry);
	if (step != 0 && step <= t->upto)
		return;
	d = sum_of(memlen, r, sign);
	table_sum_add(&x->now, &d);
	if (t->filled) {
		table_sum_add(&x->open, &d);
		table_list(t, x, OPEN);
	}
	if (step != 0)
		table_end(t, x, step, &d);
}

/*
 * Whose member an engine key is, and the member's length; NULL: nobody's (not
 * made by a store) or no memory.
 */
static struct table *
of_key(struct tables *t, const uint8_t *key, size_t keylen, size_t *memlen)
{
	const uint8_t	*tab, *mem;
	size_t		 tablen;
	uint8_t		 type;
	struct table	*x;

	if (keylen >= 2 && key[0] == TYPE_KV && key[1] == 0) {
		*memlen = keylen - 2;
		return &t->keys;
	}
	if (record_key_get(key, keylen, &type, &tab, &tablen, &mem, memlen) !=
	    E_OK || tablen == 0 || memchr("HSZC", type, 4) == NULL)
		return NULL;
	if ((x = table_get(t, type, tab, tablen)) == NULL)
		t->inexact = 1;
	return x;
}

void
tables_change(struct tables *t, const uint8_t *key, size_t keylen,
    const struct record *old, const struct record *r)
{
	size_t		 memlen;
	struct table	*x = of_key(t, key, keylen, &memlen);

	if (x == NULL)
		return;
	if (old != NULL)
		change_one(t, x, memlen, old, -1);
	change_one(t, x, memlen, r, 1);
	if (x->now.count == 0)
		x->claim = 0;
	else if (r->kind == RECORD_VALUE &&
	    (x->claim == 0 || r->stamp.hlc < x->claim))
		x->claim = r->stamp.hlc;
}

void
table_end(struct tables *t, struct table *x, uint32_t step,
    const struct table_sum *d)
{
	int	n = ends_add(&t->ends, x->number, step, d);

	if (n == -2)
		t->inexact = 1;
	else
		x->ends += (uint32_t)n;
}

/* --- the log --- */

/* What waits for FLY's end now also waits for OPEN's. */
static void
open_to_fly(struct tables *t)
{
	struct table	*x;

	while ((x = table_pop(t, OPEN)) != NULL) {
		table_sum_add(&x->fly, &x->open);
		memset(&x->open, 0, sizeof(x->open));
		table_list(t, x, FLY);
	}
	t->lsn[FLY] = t->lsn[OPEN];
}

void
tables_logged(struct tables *t, uint64_t lsn, uint64_t first)
{
	if (first != t->first) {
		if (t->head[OPEN] != NULL)
			open_to_fly(t);
		t->first = first;
	}
	t->lsn[OPEN] = lsn;
}

static void
release(struct tables *t, enum list l)
{
	struct table	*x;

	while ((x = table_pop(t, l)) != NULL) {
		memset(l == OPEN ? &x->open : &x->fly, 0, sizeof(x->open));
		table_list(t, x, DIRTY);
	}
}

void
tables_released(struct tables *t, uint64_t lsn)
{
	if (t->head[FLY] != NULL && t->lsn[FLY] <= lsn)
		release(t, FLY);
	if (t->head[OPEN] != NULL && t->lsn[OPEN] <= lsn)
		release(t, OPEN);
	if (t->head[DIRTY] != NULL)
		tables_show(t);
}

/* --- expiry --- */

struct taking {
	struct tables	*t;
	uint64_t	*count;
};

static void
take_off(struct tables *t, uint32_t number, const struct table_sum *d,
    uint64_t *count)
{
	struct table	*x = t->number == NULL ? &t->keys : t->number[number];

	sum_sub(&x->now, d);
	x->ends--;
	if (d->count > 0)
		*count += (uint64_t)d->count;
	if (t->filled)
		table_list(t, x, DIRTY);
}

static void
take_end(void *arg, const struct end *e)
{
	struct taking	*k = arg;

	take_off(k->t, e->table, &e->sum, k->count);
}

/* One step: one look for each table that has any step. */
static void
take_step(struct tables *t, uint32_t step, uint64_t *count)
{
	struct table_sum d;
	uint32_t	 i;

	if (t->keys.ends != 0 && ends_take(&t->ends, 0, step, &d))
		take_off(t, 0, &d, count);
	for (i = 1; i < t->nnumbers; i++)
		if (t->number[i] != NULL && t->number[i]->ends != 0 &&
		    ends_take(&t->ends, i, step, &d))
			take_off(t, i, &d, count);
}

void
tables_upto(struct tables *t, uint32_t step, uint64_t *count)
{
	struct taking	k = { t, count };
	uint64_t	looks = (uint64_t)(step - t->upto) * (t->count + 1);

	if (looks > t->ends.cap) {	/* after a pause */
		ends_sweep(&t->ends, step, take_end, &k);
		t->upto = step;
	}
	while (t->upto < step)
		take_step(t, ++t->upto, count);
}

static uint32_t
step_past(int64_t now)
{
	uint64_t	step = now <= 0 ? 0 : (uint64_t)now / TABLES_STEP_MS;

	return step > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)step;
}

uint64_t
tables_expire(struct tables *t, int64_t now)
{
	uint32_t	step = step_past(now);
	uint64_t	count = 0;

	if (step > t->upto)
		tables_upto(t, step, &count);
	tables_watch(t);
	tables_show(t);
	return count;
}

int64_t
tables_past(const struct tables *t)
{
	return (int64_t)t->upto * TABLES_STEP_MS;
}

/* --- all of it --- */

struct tables *
tables_new(struct catalogue *cat, unsigned store, uint32_t inc, int64_t now)
{
	struct tables	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->cat = cat;
	t->store = store;
	t->inc = inc;
	t->upto = step_past(now);
	t->keys.type = TYPE_KV;
	return t;
}

struct tables *
tables_part(const struct tables *t)
{
	struct tables	*part = tables_new(NULL, t->store, t->inc, 0);

	if (part != NULL)
		part->upto = t->upto;
	return part;
}

void
tables_free(struct tables *t)
{
	uint32_t	i;

	if (t == NULL)
		return;
	for (i = 1; i < t->nnumbers; i++)
		free(t->number[i]);
	free(t->number);
	free(t->bucket);
	ends_free(&t->ends);
	free(t);
}

int
tables_inexact(struct tables *t)
{
	int	was = t->inexact;

	t->inexact = 0;
	return was;
}

enum err
tables_each(const struct tables *t, uint8_t type, shard_name_see *see,
    void *arg)
{
	const struct table	*x;
	uint32_t		 i;
	enum err		 e;

	for (i = 1; i < t->nnumbers; i++) {
		x = t->number[i];
		if (x != NULL && x->type == type && x->now.count > 0 &&
		    (e = see(arg, x->name, x->len)) != E_OK)
			return e;
	}
	return E_OK;
}

int
tables_sum(struct tables *t, uint8_t type, const uint8_t *tab, size_t tablen,
    struct table_sum *sum)
{
	const struct table	*x = table_find(t, type, tab, tablen);

	memset(sum, 0, sizeof(*sum));
	if (x != NULL)
		*sum = x->now;
	return sum->count != 0;
}

void
tables_stat(const struct tables *t, struct tables_stat *st)
{
	st->conflicts = t->conflicts;
	st->tables = t->count;
	st->ends = t->ends.used;
	st->bytes = sizeof(*t) + t->count * sizeof(struct table) +
	    (t->nbuckets + t->nnumbers) * sizeof(struct table *) +
	    t->ends.cap * sizeof(struct end);
}
