/*
 * moves.h: orders (QUEUE_MOVE) to move messages to a queue of another router.
 * Each is answered when the word on all of its messages is in, with how many
 * are durable there and gone here; or shortly before its deadline, with how
 * many are by then: what is still under way goes on.
 *
 * Who gave the order may go away: nothing but the answer is lost.
 * Bound: MOVES_MOST orders at a time.
 */
#ifndef ROUTER_MOVES_H
#define ROUTER_MOVES_H

#include "proto/msg.h"
#include "queue/ops.h"

#define MOVES_MOST	256u

struct moves;
struct router;

struct moves	*moves_new(struct router *);	/* NULL: no memory */
void		 moves_free(struct moves *);
/* As a handler; to is another router's. */
enum err	 moves_begin(struct router *, const struct msg *,
		    struct queue_str from, struct queue_str to);
/* One more message of the order at hand is under way; the order's number. */
uint64_t	 moves_sent(struct moves *);
/* How that ended; 0 and orders that were answered are fine. */
void		 moves_told(struct moves *, uint64_t order, enum err,
		    uint64_t mark);
unsigned	 moves_count(const struct moves *);

#endif
