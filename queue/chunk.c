/*
 * chunk.c: the packed messages (chunk.h).
 *
 * Invariants: 1. the entries are off..off+n-1 of each column, ids ascending;
 * 2. count[s] is how many have state s; 3. columns are NULL or cap long.
 *
 * Part of libqueue.  Pure; memory that is wanting is the caller's E_NOMEM.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/chunk.h"

#define LEAST		8u		/* entries of the smallest */
#define SLACK		48u		/* unused ones before it is shrunk */

static const size_t	size_of[COLS] = { 8, 1, 8, 8 };

uint64_t
lease_make(int64_t due, int logged, unsigned tries)
{
	uint64_t	at = due < 0 ? 0 : (uint64_t)due;

	if (at > LEASE_DUE)
		at = LEASE_DUE;
	if (tries > LEASE_TRIES)
		tries = LEASE_TRIES;
	return at | (logged ? LEASE_LOGGED : 0) | (uint64_t)tries << 49;
}

struct chunk *
chunk_new(size_t *bytes)
{
	struct chunk	*c = calloc(1, sizeof(*c));

	if (c != NULL)
		*bytes += sizeof(*c);
	return c;
}

void
chunk_free(struct chunk *c, size_t *bytes)
{
	unsigned	k;

	for (k = 0; k < COLS; k++) {
		if (c->col[k] != NULL)
			*bytes -= c->cap * size_of[k];
		free(c->col[k]);
	}
	*bytes -= sizeof(*c);
	free(c);
}

unsigned
chunk_cols(const struct chunk *c)
{
	return (c->col[COL_LEASE] != NULL ? 1u << COL_LEASE : 0) |
	    (c->col[COL_EXPIRES] != NULL ? 1u << COL_EXPIRES : 0);
}

/* Moves the entries to the front of the columns. */
static void
slide(struct chunk *c)
{
	unsigned	k;
	uint8_t		*p;

	for (k = 0; c->off > 0 && k < COLS; k++)
		if ((p = c->col[k]) != NULL)
			memmove(p, p + c->off * size_of[k],
			    c->n * size_of[k]);
	c->off = 0;
}

/*
 * Gives all columns cap entries, more than they have.  If one fails to grow,
 * those before it have room that nobody counts on.
 */
static int
resize(struct chunk *c, unsigned cap, size_t *bytes)
{
	unsigned	 k;
	void		*p;

	for (k = 0; k < COLS; k++) {
		if (c->col[k] == NULL && k > COL_STATE)
			continue;
		if ((p = realloc(c->col[k], cap * size_of[k])) == NULL)
			return -1;
		c->col[k] = p;
	}
	for (k = 0; k < COLS; k++)
		if (c->col[k] != NULL)
			*bytes += (cap - (size_t)c->cap) * size_of[k];
	c->cap = (uint16_t)cap;
	return 0;
}

static int
add_col(struct chunk *c, unsigned k, size_t *bytes)
{
	if (c->col[k] != NULL)
		return 0;
	if ((c->col[k] = calloc(c->cap, size_of[k])) == NULL)
		return -1;
	*bytes += c->cap * size_of[k];
	return 0;
}

static unsigned
grown(const struct chunk *c, unsigned need)
{
	unsigned	cap = c->cap + c->cap / 4 + LEAST;

	if (cap < need)
		cap = need;
	return cap > CHUNK_MOST ? CHUNK_MOST : cap;
}

int
chunk_room(struct chunk *c, unsigned more, unsigned cols, size_t *bytes)
{
	unsigned	need = c->n + more;

	if (c->off + need > c->cap) {
		slide(c);
		if (need > c->cap && resize(c, grown(c, need), bytes) != 0)
			return -1;
	}
	if (cols & 1u << COL_LEASE && add_col(c, COL_LEASE, bytes) != 0)
		return -1;
	if (cols & 1u << COL_EXPIRES && add_col(c, COL_EXPIRES, bytes) != 0)
		return -1;
	return 0;
}

/* Moves n entries of every column from one place to another. */
static void
shift(struct chunk *c, unsigned from, unsigned to, unsigned n)
{
	unsigned	k;
	uint8_t		*p;

	for (k = 0; k < COLS; k++)
		if ((p = c->col[k]) != NULL)
			memmove(p + to * size_of[k], p + from * size_of[k],
			    n * size_of[k]);
}

void
chunk_insert(struct chunk *c, unsigned i, uint64_t id)
{
	if (i < c->n)
		shift(c, c->off + i, c->off + i + 1, c->n - i);
	c->n++;
	chunk_id(c)[i] = id;
	chunk_state(c)[i] = S_READY;
	c->count[S_READY]++;
	if (c->col[COL_LEASE] != NULL)
		((uint64_t *)c->col[COL_LEASE])[c->off + i] = 0;
	if (c->col[COL_EXPIRES] != NULL)
		((int64_t *)c->col[COL_EXPIRES])[c->off + i] = 0;
}

void
chunk_remove(struct chunk *c, unsigned i)
{
	c->count[chunk_state(c)[i]]--;
	c->n--;
	if (i * 2 < c->n) {
		if (i > 0)
			shift(c, c->off, c->off + 1, i);
		c->off++;
	} else if (i < c->n)
		shift(c, c->off + i + 1, c->off + i, c->n - i);
}

/*
 * realloc may refuse even to make something smaller; a column that stays large
 * is harmless, so each is told the new size only when all have it.
 */
void
chunk_shrink(struct chunk *c, size_t *bytes)
{
	unsigned	 cap = c->n + LEAST, k;
	void		*p;

	if (c->cap < c->n + SLACK)
		return;
	slide(c);
	for (k = 0; k < COLS; k++)
		if (c->col[k] != NULL) {
			if ((p = realloc(c->col[k], cap * size_of[k])) != NULL)
				c->col[k] = p;
			*bytes -= (c->cap - cap) * size_of[k];
		}
	c->cap = (uint16_t)cap;
}

void
chunk_copy(struct chunk *to, const struct chunk *from, unsigned i)
{
	unsigned	at = to->n;

	chunk_insert(to, at, chunk_id(from)[i]);
	to->count[S_READY]--;
	to->count[chunk_state(from)[i]]++;
	chunk_state(to)[at] = chunk_state(from)[i];
	if (to->col[COL_LEASE] != NULL)
		((uint64_t *)to->col[COL_LEASE])[to->off + at] =
		    chunk_lease(from, i);
	if (to->col[COL_EXPIRES] != NULL)
		((int64_t *)to->col[COL_EXPIRES])[to->off + at] =
		    chunk_expires(from, i);
}

unsigned
chunk_find(const struct chunk *c, uint64_t id)
{
	const uint64_t	*p = chunk_id(c);
	unsigned	 lo = 0, hi = c->n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (p[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}
