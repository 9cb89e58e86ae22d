/*
 * board.h: per-actor counters, gauges and latency histograms in one shared
 * memfd that wharfd makes; each actor writes its own place, everybody reads.
 * All accesses are relaxed atomics: numbers, not locks.
 *
 * Histogram: 8 linear steps per power of two from 1 us to 2^34 us, so a
 * quantile read from it is at most 12.5 % too high.
 */
#ifndef SUPERVISOR_BOARD_H
#define SUPERVISOR_BOARD_H

#include <stdint.h>

enum board_id {
#define COUNTER(id, name, help) id,
#define GAUGE(id, name, help) id,
#define HIST(id, name, help)
#include "supervisor/board.def"
#undef COUNTER
#undef GAUGE
#undef HIST
	BC_MAX_
};

enum board_hist {
#define COUNTER(id, name, help)
#define GAUGE(id, name, help)
#define HIST(id, name, help) id,
#include "supervisor/board.def"
#undef COUNTER
#undef GAUGE
#undef HIST
	BH_MAX_
};

#define BOARD_BUCKETS	256

enum { BOARD_STARTING, BOARD_READY, BOARD_NOSPACE, BOARD_READONLY, BOARD_STOPPING };

struct board;
struct board_actor;		/* one actor's place */

/* wharfd: makes the memory for n places; returns the memfd, or -1. */
int			 board_create(unsigned n);
struct board		*board_map(int fd);	/* NULL with errno */
void			 board_unmap(struct board *);
struct board_actor	*board_place(struct board *, unsigned n);
/* A new incarnation starts at zero. */
void			 board_clear(struct board_actor *);

void			 board_add(struct board_actor *, enum board_id, int64_t);
void			 board_set(struct board_actor *, enum board_id, int64_t);
int64_t			 board_get(const struct board_actor *, enum board_id);
const char		*board_name(enum board_id);
int			 board_is_gauge(enum board_id);
const char		*board_help(enum board_id);

void			 board_time(struct board_actor *, enum board_hist, int64_t us);
const char		*board_hist_name(enum board_hist);
uint64_t		 board_hist_count(const struct board_actor *, enum board_hist);
/* Upper bound in us of the bucket that holds quantile q (0..1); 0 if empty. */
int64_t			 board_quantile(const struct board_actor *, enum board_hist, double q);
/* For /metrics: entries of bucket b and its upper bound. */
uint64_t		 board_bucket(const struct board_actor *, enum board_hist, unsigned b);
int64_t			 board_bucket_top(unsigned b);

#endif
