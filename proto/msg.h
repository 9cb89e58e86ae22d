/*
 * msg.h: message numbers, who may send them and their limits (msg.def), and
 * struct msg: a decoded frame together with the link it came on.
 */
#ifndef PROTO_MSG_H
#define PROTO_MSG_H

#include "proto/clock.h"
#include "proto/err.h"
#include "proto/frame.h"

#define KEY_MAX		FRAME_KEY		/* bytes, architecture 10 */
#define VALUE_MAX	(64u << 20)		/* bytes; limits.body is at most that */
#define TABLE_MAX	FRAME_TABLE		/* bytes, contract 1.1 */
#define SLOTS		1024u
/* The cache (contract 2): keys as above. */
#define CACHE_NAME_MAX	FRAME_NAME		/* bytes of a hash's name */
#define CACHED_MAX	(8u << 20)		/* bytes of a value */
#define FOUND_TEXT	400u			/* bytes: what CHECK found */
#define DONE_NUMBERS	6u			/* of DONE */
#define DONE_SIZE	(8 * DONE_NUMBERS)
#define BACKED_TEXT	200u			/* bytes of why a backup failed */
#define CACHE_TEXT_MAX	65536u			/* bytes of a number as text */

/* Queues, topics and tasks. */
#define QUEUE_WORKER_MAX 32u			/* bytes of a worker's name */
#define QUEUE_TOKEN_MAX	64u			/* bytes of a token */
#define QUEUE_TOKENS_MAX (1000 * (1 + QUEUE_TOKEN_MAX))	/* many of them */
#define QUEUE_SET_MAX	128u			/* bytes, proto/msg_queue.h */
#define TASK_BODY_MAX	(8u << 20)		/* bytes of a task or result */

enum msg_number {
#define ROW_(name, num, from, tab, kmin, kmax, vmax, fn) name = num,
#define MSG_LINK ROW_
#define MSG_CTL ROW_
#define MSG_SUPER ROW_
#define MSG_STORE ROW_
#define MSG_ROUTER ROW_
#define MSG_DESK ROW_
#define MSG_LANES ROW_
#include "proto/msg.def"
#undef ROW_
	MSG_MAX = 128
};

/* Who sits at the other end of a link; a bit each, for the from column. */
enum msg_from {
	FROM_SUPERVISOR	= 1 << 0,
	FROM_WORKER	= 1 << 1,
	FROM_STORE	= 1 << 2,
	FROM_ROUTER	= 1 << 3,
	FROM_CLIENT	= 1 << 4,	/* an nng program outside Wharf */
	FROM_CHILD	= 1 << 5	/* an actor, on fd 3 */
};

struct link;

struct msg {
	struct frame	 f;		/* borrows table, key, value */
	struct link	*link;		/* NULL on fd 3 */
	mono_t		 since;		/* when E_AGAIN first kept it; .us 0: not */
	unsigned	 from;		/* one FROM_* bit */
	int		 nfds;		/* descriptors that came along (fd 3) */
	int		 fds[4];	/* the handler owns those it sets to -1 */
};

/* Name of a message ("STORE_PUT"), "?" when unknown. */
const char	*msg_name(unsigned number);
/*
 * Checks sender and limits of a decoded frame against its row.
 * E_UNKNOWN no such message, E_DENIED wrong sender, E_BADMSG lengths.
 */
enum err	 msg_check(const struct frame *, unsigned from);

#endif
