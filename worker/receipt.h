/*
 * receipt.h: what a request was given by a router, until its answer is on its
 * way: messages that are acknowledged then (ack of contract 3.2), and what goes
 * back to the router when it is not.  Until then the request keeps the tokens.
 *
 * An attempt at delivery counts when the client may have seen some of it.
 */
#ifndef WORKER_RECEIPT_H
#define WORKER_RECEIPT_H

#include <stddef.h>
#include <stdint.h>

struct frame;
struct receipt;
struct request;
struct worker;

/*
 * Keeps what a QUEUE_GET gave: many says that the value is a list of
 * deliveries, automatic that they are acknowledged by us; or what a TASK_CLAIM
 * gave.  NULL: no memory, or a malformed answer.
 */
struct receipt	*receipt_new(unsigned router, const struct frame *, int many,
		    int automatic);

enum receipt_end {
	RECEIPT_OUT,	/* all of the answer was handed to the socket */
	RECEIPT_CUT,	/* some of it may have been */
	RECEIPT_UNSEEN	/* nothing of it was, or another answer in its place */
};
/*
 * The end of a request, once.  OUT: automatic ones are acknowledged.  CUT: they
 * are given back, and so is a task; of a message that the client would have
 * acknowledged it may have the token.  UNSEEN: all is given back, and the
 * attempt does not count.
 */
void		 receipt_settle(struct request *, enum receipt_end);
/* Gives back, unseen, what a QUEUE_GET or TASK_CLAIM took for nothing. */
void		 receipt_return(struct worker *, unsigned router,
		    const struct frame *);

#endif
