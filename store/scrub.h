/*
 * scrub.h: reads a shard's data files and log segments slowly, round after
 * round, against their checksums, on a thread of its own; and, by order, all
 * of a shard at once and more thoroughly (check).  Inside of libshard; others
 * go through shard_scrub.h.
 */
#ifndef STORE_SCRUB_H
#define STORE_SCRUB_H

#include <pthread.h>

#include "store/check_gen.h"
#include "store/data_scrub.h"
#include "store/shard_scrub.h"
#include "store/wal_scrub.h"

#define SCRUB_NICE	10
#define FINDS_MAX	64u		/* kept of one job */

/* What a job found, until the loop takes it. */
struct find {
	uint64_t	 off;		/* or CHECK_NOWHERE */
	char		*path, *what;	/* owned */
};
struct finds {
	struct find	 find[FINDS_MAX];
	unsigned	 n;		/* kept */
	uint64_t	 all;
};
/* A check_found; arg is struct finds.  One thread at a time. */
void		 finds_add(void *arg, const char *path, uint64_t off,
		    const char *what);
void		 finds_clear(struct finds *);
/* Shows them, adds up how many there were, and forgets them. */
void		 finds_take(struct finds *, check_found *, void *arg,
		    uint64_t *all);

/* Any thread: the calling thread alone gets less of the processor. */
void		 scrub_be_nice(void);
/* Opens and reads one segment; false findings are up to the caller. */
enum err	 scrub_segment(const struct pace *, const struct wal_part *,
		    uint64_t node, uint16_t store, struct finds *);

struct scrub;
struct shard_check;
/* NULL: no memory, no thread. */
struct scrub	*scrub_new(struct shard *);
void		 scrub_free(struct scrub *);
/* Now and then, on the loop. */
void		 scrub_look(struct scrub *);
void		 scrub_poll(struct scrub *);

/* shard_check.c; these also when there is none. */
void		 check_free(struct shard_check *);
/* A step of the check; 1: the next one may come soon. */
int		 check_look(struct shard *);
void		 check_poll(struct shard *);

#endif
