/*
 * call.h: messages to stores and routers on which a request waits: its one message, or the
 * parts of its plan.  A call is in the pending table, under the deadline of
 * its request, from call_send until its answer or its loss.
 */
#ifndef WORKER_CALL_H
#define WORKER_CALL_H

#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/msg.h"

struct actor;
struct frame;
struct request;
struct worker;

#define CALL_WHOLE	0xffu		/* not a part of a plan */
/* Who is asked: a store's number, or this and a router's. */
#define TO_ROUTER	0x100u

struct call {
	struct request	*r;
	uint64_t	 link, id;
	TAILQ_ENTRY(call) queue;	/* unsent: the link was full */
	struct frame	*f;		/* of a part, while unsent */
	uint8_t		 part;		/* of the plan, or CALL_WHOLE */
	uint8_t		 open;		/* under way, or unsent */
	uint8_t		 unsent;
};

/*
 * Sends the frame of this call to a store or router; fills in its id and deadline.
 * c->r and c->part are set.  When the link has no room the call waits for it:
 * then f must stay until the end of the call, if it is a part's.  E_OK, or it
 * is not under way: E_NOTREADY, E_TIMEOUT, E_NOMEM, E_STALE.
 */
enum err	 call_send(struct call *, unsigned to, struct frame *f);
/* Nobody waits for its answer any more. */
void		 call_drop(struct call *);
/*
 * A message whose answer nobody waits for.  One to a store may be lost, those
 * to routers are kept (tell.h).
 */
void		 call_tell(struct worker *, unsigned to, struct frame *);

/* A reply (the handler of the messages of stores and routers). */
enum err	 call_on_reply(struct actor *, const struct msg *);
/* A link is gone: who waits for it is told. */
void		 calls_on_link_down(struct worker *, uint64_t link);
/* Those whose link was full try again. */
void		 calls_retry(struct worker *);
/* Those whose deadline passed end. */
void		 calls_expire(struct worker *);
/* All end; the worker is about to exit. */
void		 calls_abandon(struct worker *);

#endif
