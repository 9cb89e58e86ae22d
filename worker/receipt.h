/*
 * receipt.h: messages that are acknowledged when their bytes have left (ack of
 * contract 3.2), and tasks that go to another worker when they have not: until
 * then the request keeps their tokens.
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
 * deliveries; or what a TASK_CLAIM gave.  NULL: no memory.
 */
struct receipt	*receipt_new(unsigned router, const struct frame *, int many);
/*
 * The end of a request, once: done says whether all of its answer was handed
 * to the socket.  Then messages are acknowledged, else all is given back.
 */
void		 receipt_settle(struct request *, int done);
/* Gives back what a QUEUE_GET or TASK_CLAIM took for nothing. */
void		 receipt_return(struct worker *, unsigned router,
		    const struct frame *);

#endif
