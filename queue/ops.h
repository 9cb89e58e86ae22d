/*
 * ops.h: what struct queues wants from whoever runs it: storage, as a table of
 * callbacks, and limits (queue.h).
 */
#ifndef QUEUE_OPS_H
#define QUEUE_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/clock.h"
#include "proto/err.h"
#include "queue/token.h"

#define QUEUE_NAME_MAX	64u		/* bytes; who asks checks the characters */
#define QUEUE_PRIORITIES 3u		/* 2 goes first */
#define QUEUE_COUNT_MAX	1000u		/* messages of one get, put or move */
#define QUEUE_DELAY_MAX	(30 * 86400000LL)	/* ms; of put, nack, touch, ttl */
#define FORWARD_MS	30000		/* that a forward may take */

struct queue_str {			/* borrowed bytes */
	const uint8_t	*p;
	size_t		 n;
};

struct queue_now {
	int64_t		 wall;		/* ms since 1970: what is stored */
	mono_t		 mono;		/* how long somebody waits */
};

/* --- storage --- */

enum queue_type {			/* of a record; form.h has the bytes */
	QUEUE_MESSAGE = 'M', QUEUE_DELIVERY = 'D', QUEUE_SETTINGS = 'C',
	QUEUE_ITEM = 'T', QUEUE_WORKER = 'W',
};

struct queue_key {
	uint8_t		 type;		/* enum queue_type */
	struct queue_str tab, key;	/* name of the queue; see form.h */
};

typedef void queue_seen(void *arg, const uint8_t *val, size_t len);

/* A message on its way to a queue of another router. */
struct queue_forward {
	struct queue_str from, to, item;	/* borrowed for the call */
	unsigned	 priority;
	uint64_t	 id;
	int64_t		 ttl;		/* ms that it has left, 0: none of its own */
	int		 ordered;	/* lock and max of that queue hold; 0: it
					 * was delivered too often */
};

struct queue_ops {
	/*
	 * Writes head and item, one behind the other, as the record's value.
	 * E_OK: it is written, reads see it, and *mark is at least its place
	 * in the log.  Anything else: nothing was written.
	 */
	enum err	(*put)(void *, const struct queue_key *,
			    struct queue_str head, struct queue_str item,
			    uint64_t *mark);
	/* As put; that there is no such record is E_NOTFOUND. */
	enum err	(*del)(void *, const struct queue_key *, uint64_t *mark);
	/* Shows the value at once, and raises *mark. E_NOTFOUND, E_DAMAGED ... */
	enum err	(*get)(void *, const struct queue_key *, queue_seen *,
			    void *seenarg, uint64_t *mark);
	/* Grows at each call, over restarts too; never 0, never repeated. */
	uint64_t	(*id)(void *);
	/*
	 * Whether records of this name may be damaged or lost, so that what is
	 * not known of it may be true nevertheless; NULL: of none.
	 */
	int		(*doubt)(void *, struct queue_str name);
	/* Whether this router owns the name; NULL: it owns all. */
	int		(*owns)(void *, struct queue_str name);
	/*
	 * Sends a message to a name that is not owned.  E_PENDING: it is under
	 * way (copied), and queue_forwarded() will tell; else nothing is.  One
	 * that is under way already may be sent again after FORWARD_MS.
	 */
	enum err	(*forward)(void *, const struct queue_forward *);
	/*
	 * E_OK: forward would take one for this name now.  What it says else
	 * spares reading the message.  NULL: always.
	 */
	enum err	(*reaches)(void *, struct queue_str to, int ordered);
};

struct queue_limits {
	uint32_t	 names;		/* queues and topics */
	uint64_t	 messages;	/* in all queues */
	uint32_t	 waiters;	/* parked, of queues and topics */
	uint32_t	 timeout;	/* ms, of new queues (mq.redelivery_timeout) */
};

struct queue_conf {
	const struct queue_ops *ops;
	void		*arg;		/* of the callbacks */
	uint8_t		 key[TOKEN_KEY];/* random, kept over restarts */
	uint32_t	 salt;		/* random, new at each start */
	struct queue_limits limits;
};

#endif
