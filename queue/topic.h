/*
 * topic.h: pub and sub (contract 3.4, 5).  A topic keeps items first..last;
 * an index is 64-bit inside and grows for ever, clients see it modulo
 * TOPIC_RING.  Items that have expired stay until a pub trims them.
 *
 * Topics live beside the queues in struct queues, under the same names; memory
 * does not depend on how many items there are.
 */
#ifndef QUEUE_TOPIC_H
#define QUEUE_TOPIC_H

#include "queue/queue.h"

#define TOPIC_RING	11000000u	/* indexes that clients see */
#define TOPIC_ITEMS	5000000u	/* most, then E_QFULL */

struct topic_window {			/* si and ci of the contract */
	uint64_t	 sp, ep;	/* items sp+1..ep; equal: none */
};

/*
 * idx: -1, or the number 0..TOPIC_RING-1 that clients see; ahead of the last
 * item it begins the window anew, otherwise it says from where on items stay.
 * ttl: ms, > 0.  *at: 64-bit index of the item.  Creates the topic.  E_PARAM,
 * E_QUEUE (a queue), E_QUEUES, E_QFULL.
 */
enum err	 topic_pub(struct queues *, struct queue_str name,
		    struct queue_str item, int64_t idx, int64_t ttl,
		    const struct queue_now *, uint64_t *at, uint64_t *mark);

/*
 * Somebody who wants the item idx; embedded in what the caller keeps.  done is
 * called once, from within topic_sub or later: E_OK with the item (borrowed
 * for the call); E_WINDOW: not in window; E_NOTFOUND: expired, or waited long
 * enough; E_QUEUE: the name has become a queue.
 */
struct topic_reader {
	void		(*done)(struct topic_reader *, enum err,
			    struct queue_str item,
			    const struct topic_window *, uint64_t mark);
	uint32_t	 idx;		/* as clients see it */
	int64_t		 wait;		/* us; 0: answer at once */
	/* Ours while it waits. */
	struct parked	 parked_;
	uint64_t	 seen_;		/* pubs before it came */
};
/*
 * With wait, an index ahead of the window is waited for until the next pub,
 * which answers whoever waits; so is a name that does not exist yet.  Returns
 * as queue_get: done is called only with E_OK; E_PARAM, E_QUEUE, E_BUILDING,
 * E_FULL.
 */
enum err	 topic_sub(struct queues *, struct queue_str name,
		    struct topic_reader *, const struct queue_now *);
int		 topic_cancel(struct queues *, struct topic_reader *);

#endif
