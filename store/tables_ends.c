/*
 * tables_ends.c: what ends when: sums by (table, step of time), in hash tables
 * with open addressing.  An entry is 32 bytes, at least 1/8 and at most 3/4 of
 * the places are taken.  Pure: no clock, no I/O.
 */
#include <stdlib.h>

#include "store/tables_impl.h"

#define LEAST	8u		/* places of a shelf that has any */

static uint64_t
hash_of(uint32_t table, uint32_t step)
{
	uint64_t	h = (uint64_t)table << 32 | step;

	h *= 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h ^ h >> 32;
}

static struct shelf *
shelf_of(struct ends *x, uint64_t h)
{
	return &x->shelf[h >> 56];
}

/* Where the entry is, or where it would be; the shelf has places. */
static uint32_t
place(const struct shelf *s, uint64_t h, uint32_t table, uint32_t step)
{
	uint32_t	i = (uint32_t)h & (s->cap - 1);

	while (s->end[i].step != 0 &&
	    (s->end[i].step != step || s->end[i].table != table))
		i = (i + 1) & (s->cap - 1);
	return i;
}

/* 1, or 0 without memory: then it is as it was. */
static int
resize(struct ends *x, struct shelf *s, uint32_t cap)
{
	struct shelf	 n = { NULL, cap, s->used };
	const struct end *e;
	uint32_t	 i;

	if ((n.end = calloc(cap, sizeof(*n.end))) == NULL)
		return 0;
	for (i = 0; i < s->cap; i++) {
		e = &s->end[i];
		if (e->step != 0)
			n.end[place(&n, hash_of(e->table, e->step), e->table,
			    e->step)] = *e;
	}
	x->cap += cap;
	x->cap -= s->cap;
	free(s->end);
	*s = n;
	return 1;
}

/* Those behind it that had to go further than their place move up. */
static void
take_out(struct ends *x, struct shelf *s, uint32_t i)
{
	uint32_t	mask = s->cap - 1, j, home;

	for (j = (i + 1) & mask; s->end[j].step != 0; j = (j + 1) & mask) {
		home = (uint32_t)hash_of(s->end[j].table, s->end[j].step) &
		    mask;
		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		s->end[i] = s->end[j];
		i = j;
	}
	s->end[i].step = 0;
	s->used--;
	x->used--;
}

/* After entries went.  Without memory it stays large. */
static void
shrink(struct ends *x, struct shelf *s)
{
	uint32_t	cap = s->cap;

	while (cap > LEAST && s->used * 8 < cap)
		cap /= 2;
	if (cap != s->cap)
		resize(x, s, cap);
}

int
ends_add(struct ends *x, uint32_t table, uint32_t step,
    const struct table_sum *d)
{
	uint64_t	 h = hash_of(table, step);
	struct shelf	*s = shelf_of(x, h);
	struct end	*e;
	int		 grown = 0;

	if (s->used * 4 >= s->cap * 3 &&
	    !resize(x, s, s->cap == 0 ? LEAST : s->cap * 2))
		return -2;
	e = &s->end[place(s, h, table, step)];
	if (e->step == 0) {
		*e = (struct end){ .table = table, .step = step };
		s->used++;
		x->used++;
		grown = 1;
	}
	table_sum_add(&e->sum, d);
	if (e->sum.count != 0 || e->sum.size != 0 || e->sum.capacity != 0)
		return grown;
	take_out(x, s, (uint32_t)(e - s->end));
	shrink(x, s);
	return grown - 1;
}

int
ends_take(struct ends *x, uint32_t table, uint32_t step,
    struct table_sum *out)
{
	uint64_t	 h = hash_of(table, step);
	struct shelf	*s = shelf_of(x, h);
	uint32_t	 i;

	if (s->used == 0)
		return 0;
	i = place(s, h, table, step);
	if (s->end[i].step == 0)
		return 0;
	*out = s->end[i].sum;
	take_out(x, s, i);
	shrink(x, s);
	return 1;
}

void
ends_sweep(struct ends *x, uint32_t upto, ends_see *see, void *arg)
{
	struct shelf	*s;
	uint32_t	 i;

	for (s = x->shelf; s < x->shelf + SHELVES; s++) {
		for (i = 0; i < s->cap; i++)
			/* What moves up into this place is looked at too. */
			while (s->end[i].step != 0 && s->end[i].step <= upto) {
				see(arg, &s->end[i]);
				take_out(x, s, i);
			}
		shrink(x, s);
	}
}

void
ends_each(const struct ends *x, ends_see *see, void *arg)
{
	const struct shelf	*s;
	uint32_t		 i;

	for (s = x->shelf; s < x->shelf + SHELVES; s++)
		for (i = 0; i < s->cap; i++)
			if (s->end[i].step != 0)
				see(arg, &s->end[i]);
}

void
ends_free(struct ends *x)
{
	struct shelf	*s;

	for (s = x->shelf; s < x->shelf + SHELVES; s++)
		free(s->end);
	*x = (struct ends){ .used = 0 };
}
