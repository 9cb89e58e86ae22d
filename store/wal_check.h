/*
 * wal_check.h: reads the log of a stopped store and changes nothing.
 */
#ifndef STORE_WAL_CHECK_H
#define STORE_WAL_CHECK_H

#include <stdint.h>

#include "proto/err.h"

struct wal_check {
	uint64_t	records;	/* read */
	uint64_t	last;		/* last LSN that counts; 0 none */
	int		torn;		/* a start would cut a torn tail */
	char		error[256];
};

/*
 * All segments there are; after: what is later must be there.  E_OK; E_DAMAGED
 * and E_STALE (another node's or store's): error names segment and offset;
 * E_INTERNAL.
 */
enum err	 wal_check(struct wal_check *, const char *dir, uint64_t node,
		    uint16_t store, uint64_t after);

#endif
