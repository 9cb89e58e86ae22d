/*
 * msg_queue.h: what the messages of queues carry in the value of their frames:
 * lists of items, tokens and deliveries, settings, rows of stat and workers.
 * Little-endian, no padding; doc/protocol.7 shows them byte by byte.
 *
 *	item		u32 length, bytes		QUEUE_MPUT
 *	token		u8 length, bytes		QUEUE_ACK
 *	delivery	token, u32 deliveries, item	QUEUE_GET, count > 1
 *	worker		u8 length, name, u64 s		QUEUE_WORKERS
 *	set		queue_set_put			QUEUE_SET
 *	row		queue_row_put			QUEUE_STAT
 */
#ifndef PROTO_MSG_QUEUE_H
#define PROTO_MSG_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/msg.h"

#define QUEUE_COUNT	1000u		/* items or tokens of one message */
#define QUEUE_ROW_MAX	256u		/* bytes of a row of QUEUE_STAT */
#define QUEUE_PRIOS	3u

/* What QUEUE_SET changes: the fields whose bit is set. */
enum queue_set_bit {
	QSET_MAX = 1 << 0, QSET_LOCK = 1 << 1, QSET_TIMEOUT = 1 << 2,
	QSET_MAXDELIVER = 1 << 3, QSET_DEAD = 1 << 4, QSET_TTL = 1 << 5,
	QSET_DELAY = 1 << 6, QSET_ALL = (1 << 7) - 1
};

struct queue_set {
	uint8_t		 mask;		/* QSET_ bits */
	uint8_t		 lock;		/* puts are refused */
	uint32_t	 max;		/* messages that are not outstanding; 0 any */
	uint32_t	 timeout;	/* ms until redelivery */
	uint32_t	 maxdeliver;	/* deliveries, 0 any; then to dead */
	uint32_t	 ttl, delay;	/* ms, of puts that name none; 0 none */
	const uint8_t	*dead;		/* borrowed; name of a queue */
	uint8_t		 deadlen;
};

/* A queue or topic as QUEUE_STAT shows it. */
struct queue_row {
	const uint8_t	*name;		/* borrowed */
	uint8_t		 len;
	uint8_t		 topic;		/* 1, or 0 a queue */
	struct queue_set set;
	uint64_t	 ready[QUEUE_PRIOS];
	uint64_t	 delayed, unacked, waiting;
	uint64_t	 si, ci;	/* a topic's window, 64 bits */
	int64_t		 tm;		/* s since 1970: made, or the last pub */
};

struct queue_delivery {
	const uint8_t	*token, *item;	/* borrowed */
	size_t		 tokenlen, itemlen;
	uint32_t	 deliveries;	/* this one included */
};

/* Bytes of a delivery. */
static inline size_t
queue_delivery_size(const struct queue_delivery *d)
{
	return 1 + d->tokenlen + 4 + 4 + d->itemlen;
}

/*
 * Calls fn for each token of a good answer to QUEUE_GET or TASK_CLAIM: that of
 * its key, else those of the deliveries in its value.
 */
void		 queue_tokens(const struct frame *, void (*fn)(void *,
		    const uint8_t *, size_t), void *arg);

/* Writers: each appends to a wbuf; readers: the sticky error of the rbuf. */
void		 queue_item_put(struct wbuf *, const uint8_t *, size_t);
const uint8_t	*queue_item_get(struct rbuf *, size_t *len);
void		 queue_token_put(struct wbuf *, const uint8_t *, size_t);
const uint8_t	*queue_token_get(struct rbuf *, size_t *len);
void		 queue_delivery_put(struct wbuf *, const struct queue_delivery *);
void		 queue_delivery_get(struct rbuf *, struct queue_delivery *);
void		 queue_worker_put(struct wbuf *, const uint8_t *, size_t,
		    int64_t sec);
const uint8_t	*queue_worker_get(struct rbuf *, size_t *len, int64_t *sec);
void		 queue_set_put(struct wbuf *, const struct queue_set *);
void		 queue_set_get(struct rbuf *, struct queue_set *);
void		 queue_row_put(struct wbuf *, const struct queue_row *);
void		 queue_row_get(struct rbuf *, struct queue_row *);

#endif
