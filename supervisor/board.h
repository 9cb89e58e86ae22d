/*
 * board.h: per-actor counters, gauges, latency histograms and slow log in one
 * shared memfd that wharfd makes; each actor writes its own place, wharfd the
 * SEAT rows of all (place 0 is its own) and the NODE rows, everybody reads.
 * All accesses are relaxed atomics: numbers, not locks.
 *
 * Histogram: 8 linear steps per power of two from 1 us to 2^34 us, so a
 * quantile read from it is at most 12.5 % too high.
 */
#ifndef SUPERVISOR_BOARD_H
#define SUPERVISOR_BOARD_H

#include <stdint.h>

#include "supervisor/slow.h"

enum board_id {
#define COUNTER(id, name, help) id,
#define GAUGE(id, name, help) id,
#define HIST(id, name, help)
#define SEAT(id, kind, name, help) id,
#define NODE(id, name, help) id,
#include "supervisor/board.def"
#undef COUNTER
#undef GAUGE
#undef HIST
#undef SEAT
#undef NODE
	BC_MAX_
};

enum board_hist {
#define COUNTER(id, name, help)
#define GAUGE(id, name, help)
#define HIST(id, name, help) id,
#define SEAT(id, kind, name, help)
#define NODE(id, name, help)
#include "supervisor/board.def"
#undef COUNTER
#undef GAUGE
#undef HIST
#undef SEAT
#undef NODE
	BH_MAX_
};

enum board_kind { BOARD_COUNTER, BOARD_GAUGE, BOARD_INSTANT };

/* HTTP answers, by what was asked and by the class of the status, 2xx..5xx. */
enum board_http { BOARD_HTTP_READ, BOARD_HTTP_WRITE, BOARD_HTTP_OTHER,
	BOARD_HTTP_MAX_ };
#define BOARD_CLASSES	4

#define BOARD_BUCKETS	256

enum { BOARD_STARTING, BOARD_READY, BOARD_NOSPACE, BOARD_READONLY, BOARD_STOPPING };

struct board;
struct board_actor;		/* one actor's place */

/* wharfd: makes the memory for n places; returns the memfd, or -1. */
int			 board_create(unsigned n);
struct board		*board_map(int fd);	/* NULL with errno */
void			 board_unmap(struct board *);
struct board_actor	*board_place(struct board *, unsigned n);
unsigned		 board_places(const struct board *);
/* A new incarnation starts at zero; SEAT rows and the slow log stay. */
void			 board_clear(struct board_actor *);

/* wharfd, before anybody reads: who this place is for. */
void			 board_name_seat(struct board_actor *, const char *role,
			    unsigned seat);
/* The role, or "" while the place is nobody's. out has BOARD_ROLE bytes. */
#define BOARD_ROLE	16
const char		*board_role(const struct board_actor *, char *out);
unsigned		 board_seat(const struct board_actor *);
struct slow_ring	*board_slow(struct board_actor *);

void			 board_add(struct board_actor *, enum board_id, int64_t);
void			 board_set(struct board_actor *, enum board_id, int64_t);
int64_t			 board_get(const struct board_actor *, enum board_id);
const char		*board_name(enum board_id);
enum board_kind		 board_kind(enum board_id);
/* SEAT or NODE: wharfd writes it. */
int			 board_is_seat(enum board_id);
int			 board_is_node(enum board_id);
const char		*board_help(enum board_id);

/* status: of the HTTP answer. */
void			 board_http(struct board_actor *, enum board_http,
			    int status);
/* class 2..5 */
int64_t			 board_http_count(const struct board_actor *,
			    enum board_http, int class);

void			 board_time(struct board_actor *, enum board_hist, int64_t us);
const char		*board_hist_name(enum board_hist);
const char		*board_hist_help(enum board_hist);
/* Of all entries, in us. */
int64_t			 board_hist_sum(const struct board_actor *, enum board_hist);
uint64_t		 board_hist_count(const struct board_actor *, enum board_hist);
/* Upper bound in us of the bucket that holds quantile q (0..1); 0 if empty. */
int64_t			 board_quantile(const struct board_actor *, enum board_hist, double q);
/* For /metrics: entries of bucket b and its upper bound. */
uint64_t		 board_bucket(const struct board_actor *, enum board_hist, unsigned b);
int64_t			 board_bucket_top(unsigned b);

/*
 * Which data files a store is reading: a byte for each, not 0 while it does.
 * They outlive it, and tell what it died of.
 */
#define BOARD_FILES	64u
_Atomic uint8_t		*board_reading(struct board_actor *);
/*
 * wharfd, when the process is gone: the marks are taken off and, if it died of
 * a fault, each of these files has one more death to its account.
 */
void			 board_gone(struct board_actor *, int fault);
/* Files (bits) with two deaths or more; and their accounts closed. */
uint64_t		 board_suspects(const struct board_actor *);
void			 board_acquit(struct board_actor *, uint64_t files);

#endif
