/*
 * band.c: a directory of chunks (band.h).
 *
 * Invariants: 1. low of the chunks ascends, and low(k) <= ids in k < low(k+1);
 * 2. no chunk is empty; two neighbours hold more than MERGE together, unless
 * memory was wanting or the last is being filled; 3. a chunk is in has[s]
 * exactly when it has messages of state s; 4. the heaps have room for all
 * chunks, so that only inserting and splitting can fail.
 *
 * Part of libqueue.  Pure.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "queue/band.h"

#define MERGE	(CHUNK_MOST / 4 * 3)
#define SMALL	16u		/* a directory that an empty band keeps */

void
band_init(struct band *b, struct band_env *env, struct name *name,
    unsigned priority)
{
	memset(b, 0, sizeof(*b));
	b->env = env;
	b->name = name;
	b->priority = priority;
}

uint64_t
band_total(const struct band *b)
{
	uint64_t	n = 0;
	unsigned	s;

	for (s = 0; s < S_STATES; s++)
		n += b->count[s];
	return n;
}

static void
unlink_chunk(struct band *b, struct chunk *c)
{
	heap_del(&b->env->when, &c->when);
	heap_del(&b->has[S_READY], &c->has[S_READY]);
	heap_del(&b->has[S_BACK], &c->has[S_BACK]);
}

static void
free_chunk(struct band *b, struct chunk *c)
{
	b->env->chunks--;
	chunk_free(c, &b->env->bytes);
}

static void
free_dir(struct band *b)
{
	unsigned	s;

	for (s = 0; s < 2; s++) {
		b->env->bytes -= heap_bytes(&b->has[s]);
		heap_free(&b->has[s]);
	}
	b->env->bytes -= b->cap * sizeof(struct chunk *);
	free(b->dir);
	b->dir = NULL;
	b->first = b->n = b->cap = 0;
}

void
band_free(struct band *b)
{
	struct chunk	*c;
	uint32_t	 k;

	for (k = 0; k < b->n; k++) {
		unlink_chunk(b, b->dir[b->first + k]);
		free_chunk(b, b->dir[b->first + k]);
	}
	while ((c = b->doom) != NULL) {
		b->doom = c->next;
		free_chunk(b, c);
	}
	b->env->doomed -= b->doomed;
	free_dir(b);
	band_init(b, b->env, b->name, b->priority);
}

/* --- the directory --- */

/* The last chunk whose low is not above id; the first if there is none. */
static uint32_t
dir_find(const struct band *b, uint64_t id)
{
	uint32_t	lo = 0, hi = b->n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (b->dir[b->first + mid]->low <= id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo == 0 ? 0 : lo - 1;
}

/* Room for one more behind the last one. */
static int
dir_room(struct band *b)
{
	uint32_t	  cap = b->cap + b->cap / 2 + 1;
	struct chunk	**dir;

	if (b->first + b->n < b->cap)
		return 0;
	if (b->first > b->n / 4) {
		memmove(b->dir, b->dir + b->first, b->n * sizeof(*b->dir));
		b->first = 0;
		return 0;
	}
	if ((dir = realloc(b->dir, cap * sizeof(*dir))) == NULL)
		return -1;
	b->env->bytes += (cap - b->cap) * sizeof(*dir);
	b->dir = dir;
	b->cap = cap;
	return 0;
}

static int
heap_room(struct band *b, struct heap *h, uint32_t n)
{
	size_t	was = heap_bytes(h);

	if (heap_reserve(h, n) != 0)
		return -1;
	b->env->bytes += heap_bytes(h) - was;
	return 0;
}

/* A new chunk at place k of the directory. */
static struct chunk *
dir_insert(struct band *b, uint32_t k, uint64_t low)
{
	struct chunk	**at, *c;

	if (dir_room(b) != 0 ||
	    heap_room(b, &b->env->when, b->env->chunks + 1) != 0 ||
	    heap_room(b, &b->has[0], b->n + 1) != 0 ||
	    heap_room(b, &b->has[1], b->n + 1) != 0 ||
	    (c = chunk_new(&b->env->bytes)) == NULL)
		return NULL;
	b->env->chunks++;
	c->band = b;
	c->low = low;
	at = b->dir + b->first + k;
	memmove(at + 1, at, (b->n - k) * sizeof(*at));
	*at = c;
	b->n++;
	return c;
}

static void
dir_remove(struct band *b, uint32_t k)
{
	struct chunk	**at = b->dir + b->first + k, *c = *at;

	unlink_chunk(b, c);
	if (k < b->n / 2) {
		memmove(b->dir + b->first + 1, b->dir + b->first,
		    k * sizeof(*at));
		b->first++;
	} else
		memmove(at, at + 1, (b->n - k - 1) * sizeof(*at));
	free_chunk(b, c);
	if (--b->n == 0 && b->cap > SMALL)
		free_dir(b);
}

/* --- chunks and heaps --- */

static void
mark(struct band *b, struct chunk *c)
{
	unsigned	s;

	for (s = 0; s < 2; s++)
		if (c->count[s] == 0)
			heap_del(&b->has[s], &c->has[s]);
		else if (c->has[s].at == 0 || c->has[s].key != (int64_t)c->low)
			heap_set(&b->has[s], &c->has[s], (int64_t)c->low);
}

void
band_event(struct band *b, struct chunk *c, int64_t ms)
{
	if (c->when.at == 0 || ms < c->when.key)
		heap_set(&b->env->when, &c->when, ms);
}

/* Moves the entries from i on to the end of another. */
static int
pour(struct chunk *to, struct chunk *from, unsigned i, size_t *bytes)
{
	unsigned	n = from->n - i, k;

	if (chunk_room(to, n, chunk_cols(from), bytes) != 0)
		return -1;
	for (k = i; k < from->n; k++)
		chunk_copy(to, from, k);
	while (n-- > 0)
		chunk_remove(from, from->n - 1u);
	return 0;
}

/* The upper half of a full chunk becomes one of its own. */
static int
halve(struct band *b, uint32_t k)
{
	struct chunk	*c = b->dir[b->first + k], *up;
	unsigned	 half = c->n / 2;

	if ((up = dir_insert(b, k + 1, chunk_id(c)[half])) == NULL)
		return -1;
	if (pour(up, c, half, &b->env->bytes) != 0) {
		dir_remove(b, k + 1);
		return -1;
	}
	if (c->when.at != 0)
		band_event(b, up, c->when.key);
	mark(b, c);
	mark(b, up);
	return 0;
}

static int
merge(struct band *b, uint32_t k)	/* with the one behind it */
{
	struct chunk	*c, *up;

	if (k + 1 >= b->n)
		return 0;
	c = b->dir[b->first + k];
	up = b->dir[b->first + k + 1];
	if (c->n + up->n > MERGE || pour(c, up, 0, &b->env->bytes) != 0)
		return 0;
	if (up->when.at != 0)
		band_event(b, c, up->when.key);
	mark(b, c);
	dir_remove(b, k + 1);
	return 1;
}

/* --- messages --- */

int
band_find(const struct band *b, uint64_t id, struct place *pl)
{
	if (b->n == 0)
		return 0;
	pl->c = b->dir[b->first + dir_find(b, id)];
	pl->i = chunk_find(pl->c, id);
	return pl->i < pl->c->n && chunk_id(pl->c)[pl->i] == id;
}

uint64_t
band_from(const struct band *b, uint64_t id)
{
	uint32_t	 k = dir_find(b, id);
	const struct chunk *c;

	for (; k < b->n; k++) {
		c = b->dir[b->first + k];
		if (chunk_id(c)[c->n - 1] >= id)
			return chunk_id(c)[chunk_find(c, id)];
	}
	return UINT64_MAX;
}

/* Sliding a chunk for each one put would cost; a new one is as well. */
static int
is_filled(const struct chunk *c)
{
	return c->n == CHUNK_MOST || (c->off + c->n == CHUNK_MOST &&
	    c->off < CHUNK_MOST / 4);
}

/* The chunk that is to take the id, with room in its number of entries. */
static struct chunk *
chunk_for(struct band *b, uint64_t id)
{
	uint32_t	 k;
	struct chunk	*c;

	if (b->n == 0)
		return dir_insert(b, 0, id);
	k = dir_find(b, id);
	c = b->dir[b->first + k];
	if (k == b->n - 1 && chunk_id(c)[c->n - 1] < id && is_filled(c))
		return dir_insert(b, k + 1, id);
	if (c->n < CHUNK_MOST)
		return c;
	if (halve(b, k) != 0)
		return NULL;
	return b->dir[b->first + dir_find(b, id)];
}

int
band_insert(struct band *b, uint64_t id, unsigned cols, struct place *pl)
{
	struct chunk	*c = chunk_for(b, id);

	if (c == NULL)
		return -1;
	if (chunk_room(c, 1, cols, &b->env->bytes) != 0) {
		if (c->n == 0)
			dir_remove(b, dir_find(b, id));
		return -1;
	}
	if (id < c->low)
		c->low = id;
	pl->c = c;
	pl->i = chunk_find(c, id);
	chunk_insert(c, pl->i, id);
	b->count[S_READY]++;
	mark(b, c);
	return 0;
}

void
band_remove(struct band *b, struct place *pl)
{
	struct chunk	*c = pl->c;
	uint32_t	 k = dir_find(b, chunk_id(c)[pl->i]);

	assert(b->dir[b->first + k] == c);
	b->count[chunk_state(c)[pl->i]]--;
	chunk_remove(c, pl->i);
	pl->c = NULL;
	if (c->n == 0) {
		dir_remove(b, k);
		return;
	}
	mark(b, c);
	if (!merge(b, k) && (k == 0 || !merge(b, k - 1)))
		chunk_shrink(c, &b->env->bytes);
}

int
band_first(const struct band *b, enum state s, struct place *pl)
{
	struct heap_node	*top = heap_top(&b->has[s]);
	const uint8_t		*at;

	if (top == NULL)
		return 0;
	pl->c = (struct chunk *)(void *)((char *)(top - s) -
	    offsetof(struct chunk, has));
	at = memchr(chunk_state(pl->c), s, pl->c->n);
	assert(at != NULL);
	pl->i = (unsigned)(at - chunk_state(pl->c));
	return 1;
}

void
band_state(struct band *b, const struct place *pl, enum state s)
{
	uint8_t	*p = &chunk_state(pl->c)[pl->i];
	int64_t	 ends = chunk_expires(pl->c, pl->i);

	b->count[*p]--;
	pl->c->count[*p]--;
	*p = (uint8_t)s;
	b->count[s]++;
	pl->c->count[s]++;
	mark(b, pl->c);
	if (ends != 0 && s != S_OUT)	/* while out, it was not reckoned */
		band_event(b, pl->c, ends);
}

int
band_lease_room(struct band *b, const struct place *pl)
{
	return chunk_room(pl->c, 0, 1u << COL_LEASE, &b->env->bytes);
}

void
band_lease(struct band *b, const struct place *pl, uint64_t lease)
{
	((uint64_t *)pl->c->col[COL_LEASE])[pl->c->off + pl->i] = lease;
	if (lease_due(lease) != 0)
		band_event(b, pl->c, lease_due(lease));
}

void
band_expires(struct band *b, const struct place *pl, int64_t ms)
{
	((int64_t *)pl->c->col[COL_EXPIRES])[pl->c->off + pl->i] = ms;
	if (ms != 0)
		band_event(b, pl->c, ms);
}

int64_t
band_due(const struct chunk *c, unsigned i)
{
	unsigned	s = chunk_state(c)[i];
	int64_t		due = INT64_MAX, ends;

	if (s == S_OUT || s == S_LATER)
		due = lease_due(chunk_lease(c, i));
	/* What is out keeps until it comes back. */
	if (s != S_OUT && (ends = chunk_expires(c, i)) != 0 && ends < due)
		due = ends;
	return due;
}

int64_t
band_recount(struct band *b, struct chunk *c)
{
	int64_t		least = INT64_MAX, due;
	unsigned	i;

	for (i = 0; i < c->n; i++)
		if ((due = band_due(c, i)) < least)
			least = due;
	if (least == INT64_MAX)
		heap_del(&b->env->when, &c->when);
	else
		heap_set(&b->env->when, &c->when, least);
	return least;
}

/* --- what goes --- */

static int
is_kept(const struct chunk *c, unsigned i, int64_t now)
{
	return chunk_state(c)[i] == S_OUT && lease_due(chunk_lease(c, i)) > now;
}

static int
keep(struct band *kept, const struct chunk *c, unsigned i)
{
	struct place	 pl;
	uint64_t	 lease = chunk_lease(c, i);
	int64_t		 ends = chunk_expires(c, i);

	if (band_insert(kept, chunk_id(c)[i], 1u << COL_LEASE |
	    (ends != 0 ? 1u << COL_EXPIRES : 0), &pl) != 0)
		return -1;
	band_state(kept, &pl, S_OUT);
	band_lease(kept, &pl, lease);
	if (ends != 0)
		band_expires(kept, &pl, ends);
	return 0;
}

int
band_split(const struct band *b, struct band *kept, int64_t now)
{
	const struct chunk	*c;
	uint32_t		 k;
	unsigned		 i;

	for (k = 0; k < b->n; k++) {
		c = b->dir[b->first + k];
		for (i = 0; c->count[S_OUT] > 0 && i < c->n; i++)
			if (is_kept(c, i, now) && keep(kept, c, i) != 0)
				return -1;
	}
	return 0;
}

static void
doom_link(struct band *b, struct chunk *c)
{
	c->next = NULL;
	if (b->doom == NULL)
		b->doom = c;
	else
		b->doom_last->next = c;
	b->doom_last = c;
}

/* Whole chunks are doomed: in them, S_OUT now means that it was copied. */
static void
doom_chunk(struct band *b, struct chunk *c, int64_t now)
{
	unsigned	i;
	uint64_t	n = c->n;

	unlink_chunk(b, c);
	for (i = 0; c->count[S_OUT] > 0 && i < c->n; i++)
		if (is_kept(c, i, now))
			n--;
		else
			chunk_state(c)[i] = S_READY;
	b->doomed += n;
	b->env->doomed += n;
	doom_link(b, c);
}

void
band_swap(struct band *b, struct band *kept, int64_t now)
{
	struct chunk	*doom, *last;
	uint64_t	 doomed;
	uint32_t	 k;

	for (k = 0; k < b->n; k++)
		doom_chunk(b, b->dir[b->first + k], now);
	doom = b->doom;
	last = b->doom_last;
	doomed = b->doomed;
	free_dir(b);
	*b = *kept;
	b->doom = doom;
	b->doom_last = last;
	b->doomed = doomed;
	for (k = 0; k < b->n; k++)
		b->dir[b->first + k]->band = b;
}

static struct chunk *
doom_room(struct band *b, unsigned cols)
{
	struct chunk	*c = b->doom_last;

	if (b->doom == NULL || c->n == CHUNK_MOST) {
		if ((c = chunk_new(&b->env->bytes)) == NULL)
			return NULL;
		b->env->chunks++;
		if (chunk_room(c, 1, cols, &b->env->bytes) != 0) {
			free_chunk(b, c);
			return NULL;
		}
		doom_link(b, c);
	}
	return chunk_room(c, 1, cols, &b->env->bytes) != 0 ? NULL : c;
}

int
band_doom(struct band *b, uint64_t id, int logged)
{
	struct chunk	*c = doom_room(b, logged ? 1u << COL_LEASE : 0);

	if (c == NULL)
		return -1;
	chunk_insert(c, c->n, id);
	if (logged)
		((uint64_t *)c->col[COL_LEASE])[c->off + c->n - 1] =
		    lease_make(0, 1, 1);
	b->doomed++;
	b->env->doomed++;
	return 0;
}

int
band_doomed(struct band *b, uint64_t *id, int *logged)
{
	struct chunk	*c;

	while ((c = b->doom) != NULL) {
		while (c->n > 0 && chunk_state(c)[0] == S_OUT)
			chunk_remove(c, 0);
		if (c->n > 0) {
			*id = chunk_id(c)[0];
			*logged = (chunk_lease(c, 0) & LEASE_LOGGED) != 0;
			return 1;
		}
		b->doom = c->next;
		free_chunk(b, c);
	}
	return 0;
}

void
band_doomed_gone(struct band *b)
{
	chunk_remove(b->doom, 0);
	b->doomed--;
	b->env->doomed--;
}
