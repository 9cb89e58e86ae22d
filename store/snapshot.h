/*
 * snapshot.h: the files of an export, in <node.data>/store.N/export: what they
 * are called, a line for each entry, and reading entries back by number.
 *
 *	NAME[START-END].k.data	JSON objects as of contract 1.7, a line each
 *	NAME[START-END].k	where each begins in it: 8 bytes little-endian
 *
 * .kv and .kv.data when the values are in it.  NAME is db.all@F for data file F
 * of the node (F = store times K plus file of the store); else the table, a
 * character for its type (! hash, # set, | sorted set) and the store's number.
 *
 * The line is all there is of an entry: people and programs read what async
 * listings are made from, and there is no second form that could differ.  An
 * entry whose value fails its checksum has no "val" and "damaged":true.
 *
 * Pure but for the reading; any thread.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "proto/msg_list.h"

#define SNAPSHOT_NAME	128u	/* longest name, suffixes and NUL included */
#define SNAPSHOT_DATA	".data"
#define SNAPSHOT_TMP	".tmp"	/* while it is being written */

/* What a snapshot is of; two with the same are one. */
struct snapshot_id {
	uint8_t		 type;		/* 0: all, of one file */
	const uint8_t	*tab;
	size_t		 tablen;
	unsigned	 number;	/* of the file in the node, or the store */
	unsigned	 start, end;
	int		 values;
};

/* Name of the file of offsets, without a directory. */
void		 snapshot_name(char out[SNAPSHOT_NAME],
		    const struct snapshot_id *);

/* Most bytes that the item's line takes. */
size_t		 snapshot_line_max(const struct list_item *);
/* Writes it; named: with "tb" and "ty".  Returns its length. */
size_t		 snapshot_line_put(uint8_t *out, const struct list_item *,
		    int named, int values);
/*
 * Reads a line that snapshot_line_put wrote, and decodes it where it stands:
 * the item borrows from it.  type, tab: of what is not named.  E_SNAPSHOT.
 */
enum err	 snapshot_line_get(struct list_item *, uint8_t *line, size_t n,
		    const struct snapshot_id *);

struct snapshot {
	int		 fd, data;	/* offsets, lines */
	uint64_t	 total, size;	/* entries; bytes of data */
	uint8_t		*line;		/* the last one read */
	size_t		 cap;
};

/* E_SNAPSHOT: there is none, or it is not as written; E_INTERNAL. */
enum err	 snapshot_open(struct snapshot *, const char *dir,
		    const struct snapshot_id *);
/* Entry i, 0..total-1; borrowed until the next call.  E_SNAPSHOT, E_NOMEM. */
enum err	 snapshot_read(struct snapshot *, uint64_t i,
		    const struct snapshot_id *, struct list_item *);
void		 snapshot_close(struct snapshot *);

#endif
