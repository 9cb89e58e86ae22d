/*
 * restore_proof.c: do two sets of stores hold the same records?  What their
 * MANIFESTs say of slots (live records, XOR of their digests) and of tables
 * (count, bytes) must be equal, whatever store has what.  Pure.
 *
 * Sums of tables leave out what expired up to a step, and each MANIFEST has its
 * own: all are brought to the latest of them first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/restore_impl.h"

#define SLOTS	1024u

/* What one MANIFEST says of a table. */
struct share {
	const struct manifest_table	*t;
	struct table_sum		 sum;
};

struct shares {
	struct share	*p;
	size_t		 n;
};

static int
same_slots(const struct manifest *a, unsigned n, const struct manifest *b,
    unsigned m)
{
	struct manifest_slot	x, y;
	unsigned		s, i;

	for (s = 0; s < SLOTS; s++) {
		memset(&x, 0, sizeof(x));
		memset(&y, 0, sizeof(y));
		for (i = 0; i < n; i++) {
			x.count += a[i].slot[s].count;
			digest_xor(&x.digest, a[i].slot[s].digest);
		}
		for (i = 0; i < m; i++) {
			y.count += b[i].slot[s].count;
			digest_xor(&y.digest, b[i].slot[s].digest);
		}
		if (memcmp(&x, &y, sizeof(x)) != 0)
			return restore_bad("restored records", "slot %u has "
			    "%" PRIu64 ", of %" PRIu64 " in the backup%s", s,
			    y.count, x.count, x.count == y.count ?
			    ", and others" : "");
	}
	return 0;
}

/* --- tables --- */

/* As of a step that is not before the MANIFEST's own. */
static struct table_sum
sum_at(const struct manifest_table *t, uint32_t step)
{
	struct table_sum	s = t->sum;
	size_t			i;

	for (i = 0; i < t->nends; i++)
		if (t->ends[i].step <= step) {
			s.count -= t->ends[i].sum.count;
			s.size -= t->ends[i].sum.size;
			s.capacity -= t->ends[i].sum.capacity;
		}
	return s;
}

static int
share_cmp(const void *a, const void *b)
{
	const struct manifest_table	*x = ((const struct share *)a)->t;
	const struct manifest_table	*y = ((const struct share *)b)->t;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->name, y->name, x->len);
}

static void
share_add(struct shares *s, const struct share *x)
{
	struct share	*last = s->n == 0 ? NULL : &s->p[s->n - 1];

	if (x->sum.count == 0)
		return;
	if (last == NULL || share_cmp(last, x) != 0) {
		s->p[s->n++] = *x;
		return;
	}
	last->sum.count += x->sum.count;
	last->sum.size += x->sum.size;
	last->sum.capacity += x->sum.capacity;
}

/* One entry a table, in order; 0: no memory. */
static int
shares_of(struct shares *s, const struct manifest *a, unsigned n, uint32_t step)
{
	size_t		 all = 0, i, j;

	s->n = 0;
	for (i = 0; i < n; i++)
		all += a[i].ntables;
	if ((s->p = calloc(all + 1, sizeof(*s->p))) == NULL)
		return 0;
	all = 0;
	for (i = 0; i < n; i++)
		for (j = 0; j < a[i].ntables; j++)
			s->p[all++] = (struct share){ &a[i].tables[j],
			    sum_at(&a[i].tables[j], step) };
	qsort(s->p, all, sizeof(*s->p), share_cmp);
	for (i = 0; i < all; i++) {
		struct share x = s->p[i];

		share_add(s, &x);
	}
	return 1;
}

static int
differ(const struct manifest_table *t)
{
	return restore_bad("restored records", "table %.*s of type %c is not "
	    "what it is in the backup", (int)t->len, (const char *)t->name,
	    t->type);
}

static int
same_shares(const struct shares *x, const struct shares *y)
{
	size_t	i;

	for (i = 0; i < x->n && i < y->n; i++)
		if (share_cmp(&x->p[i], &y->p[i]) != 0 ||
		    memcmp(&x->p[i].sum, &y->p[i].sum,
		    sizeof(x->p[i].sum)) != 0)
			return differ(x->p[i].t);
	if (x->n != y->n)
		return differ(x->n > i ? x->p[i].t : y->p[i].t);
	return 0;
}

/* 0: one of them does not say. */
static uint32_t
latest(const struct manifest *a, unsigned n, uint32_t step)
{
	unsigned	i;

	for (i = 0; i < n && step != 0; i++)
		step = a[i].sums == 0 ? 0 : a[i].sums > step ? a[i].sums :
		    step;
	return step;
}

static int
same_tables(const struct manifest *a, unsigned n, const struct manifest *b,
    unsigned m)
{
	uint32_t	step = latest(b, m, latest(a, n, 1));
	struct shares	x = { NULL, 0 }, y = { NULL, 0 };
	int		rv;

	if (step == 0) {
		printf("too many tables to compare their sums: digests "
		    "alone\n");
		return 0;
	}
	if (shares_of(&x, a, n, step) && shares_of(&y, b, m, step))
		rv = same_shares(&x, &y);
	else
		rv = restore_bad("restored records", "out of memory");
	free(x.p);
	free(y.p);
	return rv;
}

int
restore_same(const struct manifest *a, unsigned n, const struct manifest *b,
    unsigned m)
{
	return same_slots(a, n, b, m) == -1 || same_tables(a, n, b, m) == -1 ?
	    -1 : 0;
}
