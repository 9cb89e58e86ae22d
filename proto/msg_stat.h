/*
 * msg_stat.h: what STORE_STAT and STORE_STATS answer in the value of their
 * frames: rows back to back.  Little-endian, no padding; doc/protocol.7 shows
 * a row byte by byte.
 *
 * Without a table: two rows that have no name, all keys (type K) and all hashes
 * (type H).  STORE_STAT with a table: its row.  STORE_STATS: the two, then one
 * for each table in the byte order of their names.
 */
#ifndef PROTO_MSG_STAT_H
#define PROTO_MSG_STAT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

#define STAT_ROW_HEAD	26u	/* bytes of a row on the wire without its name */

/* Sums as of contract 1.5: size is of keys and values, in bytes. */
struct stat_row {
	uint8_t		 type;		/* enum record_type */
	uint8_t		 namelen;	/* 0: a totals row */
	int64_t		 count, size, capacity;
	const uint8_t	*name;		/* borrowed */
};

size_t		 stat_row_size(const struct stat_row *);
size_t		 stat_row_put(uint8_t *out, const struct stat_row *);
/* The row at p; *used its length.  E_BADMSG. */
enum err	 stat_row_get(struct stat_row *, const uint8_t *p, size_t n,
		    size_t *used);

#endif
