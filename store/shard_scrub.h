/*
 * shard_scrub.h: what a store may ask of a shard about the state of its disk:
 * the scrub's settings and results, checks and compaction by order.  All on
 * the loop.
 */
#ifndef STORE_SHARD_SCRUB_H
#define STORE_SHARD_SCRUB_H

#include "store/shard.h"

/*
 * rate: bytes a second, 0: no scrub; interval: seconds from the beginning of a
 * whole round to that of the next.
 */
void		 shard_set_scrub(struct shard *, uint64_t rate,
		    int64_t interval);

struct scrub_stat {
	uint64_t	bytes, blocks, segments, bad;	/* since the start */
	uint64_t	rounds;		/* whole ones */
	int64_t		last;		/* wall ms, when one ended; 0: never */
};
void		 shard_scrub_stat(const struct shard *, struct scrub_stat *);
/*
 * Of a file, links or keys were found damaged, so that a record may be hidden:
 * the store has to start anew, which puts the file into quarantine.
 */
int		 shard_hurt(const struct shard *);

struct check_result {
	uint64_t	records, blocks, segments, bytes;
	uint64_t	entries;	/* of indexes, held against records */
	uint64_t	bad;		/* findings */
};
/* off: bytes into the file at path, or UINT64_MAX.  All borrowed. */
typedef void	 shard_found(void *arg, const char *path, uint64_t off,
    const char *what);
/* E_OK: all was looked at; E_NOTREADY, E_NOMEM, E_INTERNAL: it was not. */
typedef void	 shard_checked(void *arg, enum err,
    const struct check_result *);
/*
 * Checks the whole shard as it is at one moment: log, blocks, records, links,
 * digests, tables, and the indexes that there are.  rate as above, 0: as fast
 * as it goes.  found and checked are called later, from shard_poll and
 * shard_work.  E_AGAIN: a check is under way; E_NOMEM.
 */
enum err	 shard_check(struct shard *, uint64_t rate, shard_found *,
		    shard_checked *, void *arg);
/* Bytes read by the check under way, and about how many it has to; or 0. */
uint64_t	 shard_check_bytes(const struct shard *, uint64_t *all);

/* file: of the shard, or -1: all.  Compaction begins when it can. */
void		 shard_compact(struct shard *, int file);
/*
 * Files of those still to be done (bits).  *why: E_DAMAGED they never will be,
 * E_NOSPACE others were given up, for want of room; E_OK.
 */
uint64_t	 shard_compact_left(const struct shard *, int file,
		    enum err *why);
uint64_t	 shard_compact_bytes(const struct shard *, int file);

#endif
