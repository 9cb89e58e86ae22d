/*
 * watch.h: what an operator is shown of a worker: slow requests.
 */
#ifndef WORKER_WATCH_H
#define WORKER_WATCH_H

#include <stddef.h>

struct request;

/*
 * Its answer is about to go: takes the time (r->took) and, when that is over
 * log.slow, notes the request in the slow log.  Once, before the answer takes
 * the room of the request's texts.  vallen: bytes of the value answered.
 */
void	 watch_answer(struct request *, int http, size_t vallen);
#endif
