/*
 * wal_scrub.h: reads segments of a log that is in use.
 *
 * Nothing holds a segment while it is read: it may be recycled, and then
 * anything may be found.  So a finding counts only if the log still has the
 * segment afterwards (wal_has), for then nobody wrote to what was read.
 */
#ifndef STORE_WAL_SCRUB_H
#define STORE_WAL_SCRUB_H

#include "store/io.h"
#include "store/wal.h"

/* A segment, or as much of it as is durable. */
struct wal_part {
	uint64_t	number, size;
	uint64_t	first, last;	/* LSNs; last < first: nothing counts */
	char		path[4096];
};

/* On the loop: the first segment behind number after; 0: there is none. */
int		 wal_part_next(const struct wal *, uint64_t after,
		    struct wal_part *);
int		 wal_has(const struct wal *, uint64_t number);
/*
 * Any thread, with an open descriptor: header, batches and records.  E_OK;
 * E_DAMAGED: *bad is the offset of what is not as it should be; E_NOMEM;
 * E_INTERNAL (errno).
 */
enum err	 wal_part_check(const struct wal_part *, const struct io *,
		    int fd, uint64_t node, uint16_t store, uint64_t *bad);

#endif
