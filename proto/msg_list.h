/*
 * msg_list.h: what STORE_LIST asks and answers, in the value of its frame.
 * Little-endian, no padding; doc/protocol.7 shows it byte by byte.
 *
 * A store answers for its own part of a table, from a place on: all its data
 * files from one on (LIST_ONE_FILE: that one only), each in the order of its
 * engine keys.  The order of a whole listing is therefore store, file, key: a
 * page costs O(its length), wherever it is, and asks one store at a time.
 * Sorted sets lie in one file of one store.
 */
#ifndef PROTO_MSG_LIST_H
#define PROTO_MSG_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/frame.h"

#define LIST_MOST	1000u		/* entries of a page, contract 1.7 */
#define LIST_ASK_SIZE	64u		/* bytes of struct list_ask on the wire */
#define LIST_HEAD_SIZE	32u		/* of struct list_head */
#define LIST_AFTER	(1u + FRAME_TABLE + 1u + FRAME_KEY) /* longest last key */
#define LIST_PAGE	(8u << 20)	/* bytes of a page, unless one entry is more */

enum list_order {
	LIST_KEYS,		/* engine keys of f.type (0: all) and f.tab */
	LIST_RANK,		/* f.tab by (score, member), offset = rank */
	LIST_SCORE		/* the same, of scores min..max */
};

enum list_flags {
	LIST_VALUES	= 1 << 0,	/* noval=false */
	LIST_ONE_FILE	= 1 << 1,
	LIST_REVERSE	= 1 << 2,	/* LIST_RANK, LIST_SCORE */
	LIST_ASYNC	= 1 << 3,	/* of the snapshot that an export made */
	LIST_MORE	= 1 << 4,	/* answer: the store has more entries */
	LIST_LOST	= 1 << 5	/* answer: some may have been lost
					   (quarantine), where it looked */
};

/*
 * The question.  The frame: type, table; key: the last key seen, empty at the
 * beginning: an engine key for LIST_KEYS; 8 bytes of score (big-endian, offset
 * by 2^63) and the member (empty: before all of that score) for the others.  A
 * last key of more than KEY_MAX bytes stands behind the list_ask in the value
 * instead, and the frame's is empty.
 * STORE_EXPORT: as the listing that is to be snapped; type Z is in the order
 * LIST_RANK, everything else LIST_KEYS.  Its number (score) is the
 * asker's choice.
 */
struct list_ask {
	uint8_t		order, flags;
	uint16_t	file;		/* of the store: begin here */
	uint16_t	start, end;	/* slots, half open; 0..1024 */
	uint32_t	limit;		/* entries, <= LIST_MOST */
	uint64_t	offset;		/* matching entries to pass over */
	int64_t		min, max;	/* LIST_SCORE, STORE_ZCOUNT */
	uint8_t		cover;		/* STORE_EXPORT: replace a snapshot */
};

#define TASK_EVERYWHERE	1	/* in that number: every store has a part */

/* The head of an answer's value; count entries follow. */
struct list_head {
	uint8_t		flags;		/* LIST_MORE, LIST_LOST */
	uint16_t	file;		/* where the last entry stood */
	uint32_t	count;
	uint64_t	passed;		/* matching entries passed over */
	uint64_t	total;		/* LIST_ASYNC: in the snapshot; else 0 */
};

/* One entry.  keylen and vallen in front of bytes; see msg_list.c. */
struct list_item {
	uint8_t		 type;
	uint8_t		 damaged;	/* its value cannot be read */
	uint32_t	 version;
	int64_t		 ttl;		/* ms left; 0 none */
	int64_t		 score;		/* of a sorted set's member */
	uint8_t		 tablen;
	uint32_t	 keylen, vallen;
	const uint8_t	*tab, *key, *val;	/* borrowed */
};

void		 list_ask_put(uint8_t out[LIST_ASK_SIZE], const struct list_ask *);
enum err	 list_ask_get(struct list_ask *, const uint8_t *, size_t);
void		 list_head_put(uint8_t out[LIST_HEAD_SIZE], const struct list_head *);
enum err	 list_head_get(struct list_head *, const uint8_t *, size_t);
size_t		 list_item_size(const struct list_item *);
size_t		 list_item_put(uint8_t *out, const struct list_item *);
/* The item at p; *used its length.  E_BADMSG. */
enum err	 list_item_get(struct list_item *, const uint8_t *p, size_t n,
		    size_t *used);

#endif
