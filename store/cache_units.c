/*
 * cache_units.c: the pages under the cache (cache_impl.h): one region of
 * address space, in units, of which a bounded number of pages is touched.
 *
 * Runs in wharf-store.  Nothing is ever unmapped before the end: pages go back
 * by MADV_DONTNEED, so that the region stays one mapping.  Huge pages are
 * refused, for they would make 512 pages resident where one is touched.
 */
#include <sys/mman.h>

#include <string.h>
#include <unistd.h>

#include "store/cache_impl.h"

#define SPACE		8u	/* address space per byte of limit ... */
#define SPACE_LEAST	2u	/* ... where the system counts what is asked */
#define PURGE		16u	/* units given back at a time */

static unsigned
unit_shift(const struct cache *c, size_t limit)
{
	unsigned	s = limit >= 256u << 20 ? 16 : limit >= 64u << 20 ?
			    15 : 14;

	return s < c->page + 2 ? c->page + 2 : s;
}

/* Bytes in units, in pages, rounded up. */
static uint64_t
units_for(const struct cache *c, size_t bytes)
{
	return (bytes + ((size_t)1 << c->shift) - 1) >> c->shift;
}

static uint64_t
pages_for(const struct cache *c, size_t bytes)
{
	return (bytes + ((size_t)1 << c->page) - 1) >> c->page;
}

static unsigned
pages_in_unit(const struct cache *c)
{
	return 1u << (c->shift - c->page);
}

static int
bit(const uint64_t *set, uint32_t u)
{
	return set[u / 64] >> (u % 64) & 1;
}

static void
bit_set(uint64_t *set, uint32_t u)
{
	set[u / 64] |= (uint64_t)1 << (u % 64);
}

static void
bit_clear(uint64_t *set, uint32_t u)
{
	set[u / 64] &= ~((uint64_t)1 << (u % 64));
}

/* The first unit from u on whose bit is set, or end. */
static uint32_t
bit_next(const uint64_t *set, uint32_t u, uint32_t end)
{
	uint64_t	w;

	while (u < end) {
		w = set[u / 64] >> (u % 64);
		if (w != 0) {
			u += (uint32_t)__builtin_ctzll(w);
			return u < end ? u : end;
		}
		u = (u / 64 + 1) * 64;
	}
	return end;
}

uint32_t
unit_next(const struct cache *c, uint32_t u)
{
	return bit_next(c->taken, u, c->end);
}

/* --- begin and end --- */

static void
units_lay(struct cache *c, uint8_t *p)
{
	size_t	words = (c->units + 63) / 64;

	c->unit = (struct unit *)(void *)p;
	c->taken = (uint64_t *)(void *)(c->unit + c->units);
	c->dirty = c->taken + words;
	c->block = (uint32_t *)(void *)(c->dirty + words);
	c->base = p + c->tables;
}

static int
units_map(struct cache *c, size_t limit, unsigned space)
{
	size_t	page = (size_t)1 << c->page;
	void	*p;

	c->units = (uint32_t)units_for(c, limit) * space;
	c->tables = (c->units * (sizeof(struct unit) + sizeof(uint32_t)) +
	    (c->units + 63) / 64 * 16 + page - 1) & ~(page - 1);
	c->mapped = c->tables + ((size_t)c->units << c->shift);
	p = mmap(NULL, c->mapped, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return 0;
	(void)madvise(p, c->mapped, MADV_NOHUGEPAGE);	/* may not be known */
	units_lay(c, p);
	return 1;
}

int
units_open(struct cache *c, size_t limit)
{
	unsigned	space = SPACE;

	c->page = (unsigned)__builtin_ctzl((size_t)sysconf(_SC_PAGESIZE));
	c->shift = unit_shift(c, limit);
	if (limit > SIZE_MAX / 2 / SPACE ||
	    units_for(c, limit) * SPACE >= NONE)
		return 0;
	while (!units_map(c, limit, space))
		if ((space /= 2) < SPACE_LEAST)
			return 0;
	c->limit = limit;
	c->room = (limit - c->tables - sizeof(*c)) >> c->page;
	return 1;
}

void
units_close(struct cache *c)
{
	(void)munmap((uint8_t *)c->unit, c->mapped);
}

/* --- touching and giving back --- */

/* u has so many pages from now on, all of it behind them goes back. */
static void
unit_trim(struct cache *c, uint32_t u, unsigned pages)
{
	unsigned	had = c->unit[u].resident;

	if (had <= pages)
		return;
	(void)madvise(unit_at(c, u) + ((size_t)pages << c->page),
	    (size_t)(had - pages) << c->page, MADV_DONTNEED);
	c->unit[u].resident = (uint8_t)pages;
	c->resident -= had - pages;
}

static void
unit_grow(struct cache *c, uint32_t u, unsigned pages)
{
	if (c->unit[u].resident >= pages)
		return;
	c->resident += pages - c->unit[u].resident;
	c->unit[u].resident = (uint8_t)pages;
}

int
unit_touch(struct cache *c, uint32_t u, size_t bytes)
{
	uint64_t	pages = pages_for(c, bytes), had = c->unit[u].resident;

	if (pages <= had)
		return 1;
	if (c->resident + pages - had > c->room)
		return 0;
	unit_grow(c, u, (unsigned)pages);
	return 1;
}

/* How many of a run's pages the n-th unit has. */
static unsigned
run_part(const struct cache *c, uint64_t pages, uint32_t n)
{
	uint64_t	before = (uint64_t)n * pages_in_unit(c);

	if (pages <= before)
		return 0;
	return pages - before < pages_in_unit(c) ?
	    (unsigned)(pages - before) : pages_in_unit(c);
}

/* Pages that would be resident more. */
static uint64_t
run_cost(const struct cache *c, uint32_t u, uint32_t n, uint64_t pages)
{
	uint64_t	sum = 0;
	unsigned	want;
	uint32_t	k;

	for (k = 0; k < n; k++) {
		want = run_part(c, pages, k);
		if (want > c->unit[u + k].resident)
			sum += want - c->unit[u + k].resident;
	}
	return sum;
}

int
run_touch(struct cache *c, uint32_t u, size_t bytes)
{
	uint64_t	pages = pages_for(c, bytes);
	uint32_t	n = c->unit[u].run, k;

	if (units_for(c, bytes) > n ||
	    c->resident + run_cost(c, u, n, pages) > c->room)
		return 0;
	for (k = 0; k < n; k++) {
		unit_trim(c, u + k, run_part(c, pages, k));
		unit_grow(c, u + k, run_part(c, pages, k));
	}
	return 1;
}

size_t
run_bytes(const struct cache *c, uint32_t u)
{
	size_t		pages = 0;
	uint32_t	k;

	for (k = 0; k < c->unit[u].run; k++)
		pages += c->unit[u + k].resident;
	return pages << c->page;
}

int
units_purge(struct cache *c)
{
	uint32_t	u = c->lowdirty, n;

	for (n = 0; n < PURGE; n++) {
		u = bit_next(c->dirty, u, c->units);
		if (u == c->units)
			break;
		c->dirtypages -= c->unit[u].resident;
		unit_trim(c, u, 0);
		bit_clear(c->dirty, u);
	}
	c->lowdirty = u;
	return n > 0;
}

/* --- taking and freeing --- */

static void
unit_take(struct cache *c, uint32_t u, enum unit_kind kind)
{
	uint8_t	resident = c->unit[u].resident;

	bit_set(c->taken, u);
	if (bit(c->dirty, u)) {
		bit_clear(c->dirty, u);
		c->dirtypages -= resident;
	}
	memset(&c->unit[u], 0, sizeof(c->unit[u]));
	c->unit[u].resident = resident;
	c->unit[u].kind = (uint8_t)kind;
	c->unit[u].prev = c->unit[u].next = NONE;
	c->unit[u].soonest = NEVER;
	if (u >= c->end)
		c->end = u + 1;
}

/* The lowest n free units in a row, or NONE. */
static uint32_t
run_find(struct cache *c, uint32_t n)
{
	uint32_t	u = c->lowest, end;

	for (;;) {
		while (u < c->units && u % 64 == 0 &&
		    c->taken[u / 64] == UINT64_MAX)
			u += 64;
		while (u < c->units && bit(c->taken, u))
			u++;
		if (n == 1)
			c->lowest = u;
		if (c->units - u < n || u >= c->units)
			return NONE;
		end = bit_next(c->taken, u, u + n);
		if (end == u + n)
			return u;
		u = end;
	}
}

uint32_t
unit_new(struct cache *c, enum unit_kind kind)
{
	uint32_t	u = bit_next(c->dirty, c->lowdirty, c->units);

	c->lowdirty = u;
	if (u == c->units)
		u = c->resident < c->room ? run_find(c, 1) : NONE;
	if (u != NONE)
		unit_take(c, u, kind);
	return u;
}

/* Room for pages is there when enough dirty ones go back. */
static uint32_t
run_take(struct cache *c, uint32_t n, size_t bytes)
{
	uint32_t	u = run_find(c, n), k;

	if (u == NONE)
		return NONE;
	while (c->resident + run_cost(c, u, n, pages_for(c, bytes)) > c->room)
		if (!units_purge(c))
			return NONE;
	for (k = 0; k < n; k++)
		unit_take(c, u + k, UNIT_RUN);
	c->unit[u].run = n;
	(void)run_touch(c, u, bytes);	/* has been seen to fit */
	return u;
}

uint32_t
run_new(struct cache *c, size_t bytes, size_t spare)
{
	uint64_t	n = units_for(c, bytes);
	uint64_t	more = units_for(c, bytes + spare);
	uint64_t	pages = pages_for(c, bytes);
	uint32_t	u;

	do {
		if (c->resident - c->dirtypages + pages > c->room)
			continue;
		u = run_take(c, (uint32_t)more, bytes);
		if (u == NONE && more > n)
			u = run_take(c, (uint32_t)n, bytes);
		if (u != NONE)
			return u;
	} while (room_make(c));
	return NONE;
}

static void
unit_give(struct cache *c, uint32_t u)
{
	bit_clear(c->taken, u);
	c->unit[u].kind = UNIT_FREE;
	if (u < c->lowest)
		c->lowest = u;
	if (c->unit[u].resident == 0)
		return;
	bit_set(c->dirty, u);
	c->dirtypages += c->unit[u].resident;
	if (u < c->lowdirty)
		c->lowdirty = u;
}

void
unit_free(struct cache *c, uint32_t u)
{
	uint32_t	n = c->unit[u].kind == UNIT_RUN ? c->unit[u].run : 1;
	uint32_t	k;

	for (k = 0; k < n; k++)
		unit_give(c, u + k);
	while (c->end > 0 && !bit(c->taken, c->end - 1))
		c->end--;
}
