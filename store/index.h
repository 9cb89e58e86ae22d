/*
 * index.h: the disposable indexes of one data file (architecture 4), three
 * ordered sets in memory:
 *	keys	engine key (type, table, member) -> version, expiry, and the
 *		score of a sorted set's member
 *	scores	table 0x00 score member, of sorted sets -> version, expiry;
 *		the score as 8 bytes big-endian, offset by 2^63
 *	ends	0x00 (sorted sets) or 0x01, expiry, engine key, of what has a ttl
 * Built at the first question about the file by a thread that reads the file
 * beside the loop, fed with changes in batches afterwards, never inside a
 * write's answer; dropped when long unused or for want of memory.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "proto/err.h"
#include "store/record.h"

struct index_entry {
	uint8_t		 type;
	const uint8_t	*tab, *key;	/* key: the member; borrowed */
	size_t		 tablen, keylen;
	uint32_t	 version;	/* 0: the record is damaged */
	int64_t		 expiry;	/* wall ms, 0 none */
	int64_t		 score;		/* of a sorted set's member */
	int		 expired;	/* by now: it is none any more */
};

/*
 * Sees an entry; 1: go on, 0: enough.  One that has expired is shown only so
 * that a long row of them can be passed over in more than one go.
 */
typedef int	 index_see(void *arg, const struct index_entry *);

struct index_stat {
	uint64_t	entries;	/* keys */
	uint64_t	bytes;		/* of memory, of all files of the shard */
	unsigned	built, building;
	uint64_t	builds, dropped;
};

#endif
