/*
 * hist.c: see hist.h.
 *
 * A value of [128 << e, 256 << e) lies in bucket e * 128 + (value >> e), so
 * those below 256 (e = 0) have one bucket each.
 */
#include "tests/bench/hist.h"

static unsigned
hist_bucket(int64_t ns)
{
	uint64_t	v = (uint64_t)ns;
	unsigned	e = 0;

	if (v >= 2 * HIST_SUB)
		e = 56 - (unsigned)__builtin_clzll(v);
	return e * HIST_SUB + (unsigned)(v >> e);
}

/* The largest value of a bucket. */
static int64_t
hist_edge(unsigned bucket)
{
	unsigned	e = 0;

	if (bucket >= 2 * HIST_SUB)
		e = bucket / HIST_SUB - 1;
	return (((int64_t)bucket - e * HIST_SUB + 1) << e) - 1;
}

void
hist_add(struct hist *h, int64_t ns, uint64_t times)
{
	if (ns < 0)
		ns = 0;
	if (ns > h->max)
		h->max = ns;
	h->count[hist_bucket(ns < HIST_TOP ? ns : HIST_TOP)] += times;
	h->n += times;
}

void
hist_merge(struct hist *to, const struct hist *from)
{
	unsigned	i;

	for (i = 0; i < HIST_BUCKETS; i++)
		to->count[i] += from->count[i];
	to->n += from->n;
	if (from->max > to->max)
		to->max = from->max;
}

int64_t
hist_quantile(const struct hist *h, double q)
{
	uint64_t	want = (uint64_t)(q * (double)h->n + 0.5), seen = 0;
	unsigned	i;

	if (h->n == 0)
		return 0;
	if (want == 0)
		want = 1;
	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += h->count[i];
		if (seen >= want)
			break;
	}
	return hist_edge(i) < h->max ? hist_edge(i) : h->max;
}

void
hist_correct(struct hist *to, const struct hist *from, int64_t interval)
{
	int64_t		ns;
	unsigned	i;

	hist_merge(to, from);
	if (interval <= 0)
		return;
	for (i = 0; i < HIST_BUCKETS; i++) {
		if (from->count[i] == 0)
			continue;
		for (ns = hist_edge(i) - interval; ns >= interval;
		    ns -= interval)
			hist_add(to, ns, from->count[i]);
	}
}
