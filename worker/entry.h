/*
 * entry.h: an entry of a listing: its JSON object, and its place.
 */
#ifndef WORKER_ENTRY_H
#define WORKER_ENTRY_H

#include "proto/msg_list.h"
#include "worker/cursor.h"
#include "worker/json.h"

/*
 * Members in this order, and only those that say something: key, val, ver,
 * ttl (seconds left, rounded up), tb, ty (contract 1.7), damaged.  values: with
 * val; all: with tb and ty, for entries of any table.
 */
void	 entry_json(struct json *, const struct list_item *, int values, int all);
/* The entry was passed; of so many stores with so many files each. */
void	 entry_pass(struct cursor *, const struct list_item *,
	    unsigned stores, unsigned files);

/*
 * What a store is told to go on behind (cursor_after), for entries of this
 * table: cursors of hashes and sets leave out what the table says.  out has
 * ENTRY_AFTER bytes.
 */
#define ENTRY_AFTER	(1 + FRAME_TABLE + 1 + CURSOR_KEY)
size_t	 entry_after(const struct cursor *, const uint8_t *tab, size_t tablen,
	    int reverse, uint8_t *out);

#endif
