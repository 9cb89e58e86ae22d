/*
 * forward.h: messages on their way to queues of other routers of the node, by
 * QUEUE_FORWARD over the links that this router has dialled, and those that
 * come in by it.
 *
 * A message is under way from when it is sent until its answer is in, which
 * says that it is durable there, or its link is down: then nobody knows, and
 * queue/ sends it again, so it may be there twice.  Each is sent once while it
 * is under way.
 *
 * Bounds, for each other router: FORWARD_MOST messages, of which those that
 * were delivered too often take at most half; FORWARD_BYTES of items and one
 * beyond; and what the link takes.
 */
#ifndef ROUTER_FORWARD_H
#define ROUTER_FORWARD_H

#include "proto/mailbox.h"
#include "queue/ops.h"

#define FORWARD_MOST	2000u
#define FORWARD_BYTES	((size_t)8 << 20)

struct forwards;
struct router;

struct forwards	*forwards_new(struct router *);	/* NULL: no memory */
void		 forwards_free(struct forwards *);
/* What struct queue_ops has as reaches and forward. */
enum err	 forward_room(struct forwards *, struct queue_str to,
		    int ordered);
enum err	 forward_send(struct forwards *, const struct queue_forward *);
/* Any link; those to other routers that we have dialled are for this. */
void		 forwards_up(struct forwards *, struct link *);
void		 forwards_down(struct forwards *, struct link *);
unsigned	 forwards_count(const struct forwards *);

#endif
