/*
 * hist.h: a histogram of times with a fixed relative error.
 *
 * The layout is HdrHistogram's (hdrhistogram.org), in nanoseconds: below 256
 * one bucket a value, above it 128 buckets an octave, so a bucket's upper edge
 * is at most 0.8 % above what was recorded.  Longer than HIST_TOP ns counts as
 * HIST_TOP; the maximum is kept exactly.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_SUB	128u
#define HIST_OCTAVES	33u
#define HIST_BUCKETS	((HIST_OCTAVES + 1) * HIST_SUB)
#define HIST_TOP	(((int64_t)2 * HIST_SUB << (HIST_OCTAVES - 1)) - 1)

struct hist {
	uint64_t	n;
	int64_t		max;		/* ns */
	uint64_t	count[HIST_BUCKETS];
};

void	hist_add(struct hist *, int64_t ns, uint64_t times);
void	hist_merge(struct hist *to, const struct hist *from);

/* Upper edge in ns of the bucket below which the part q (0..1] lies; 0: empty. */
int64_t	hist_quantile(const struct hist *, double q);

/*
 * Adds to `to` what `from` holds and, for every time longer than the interval
 * at which requests were meant to leave, the times that the requests held back
 * would have had: ns - interval, ns - 2 * interval ... (HdrHistogram's
 * copyCorrectedForCoordinatedOmission).
 */
void	hist_correct(struct hist *to, const struct hist *from,
	    int64_t interval);

#endif
