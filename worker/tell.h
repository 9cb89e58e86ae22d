/*
 * tell.h: what a worker says to routers and wants no answer to: that a message
 * was handed on, that one is given back, that nobody waits any more.  What
 * finds its link full, or gone, is kept and goes out in its order when there is
 * room, or another link: tokens outlive links.  Only a cancel ends with its
 * link, which took the waiter along.  (A router that was born anew refuses the
 * rest while it reads its messages; what it had lent comes again then.)
 *
 * Bounds: TELLS_MAX messages and TELLS_BYTES bytes for each router.  Beyond
 * them a message is lost, which is counted and logged: then its time-out does
 * what it would have done.
 */
#ifndef WORKER_TELL_H
#define WORKER_TELL_H

#include <stdint.h>

#include "proto/frame.h"

#define TELLS_MAX	8192u
#define TELLS_BYTES	(2u << 20)	/* with what it takes to keep them */

struct board_actor;
struct link;
struct tells;

/* links: n of them, borrowed; NULL while there is none.  NULL: no memory. */
struct tells	*tells_new(struct link *const *links, unsigned n,
		    struct board_actor *);
void		 tells_free(struct tells *);
/* Fills in id and deadline; patience: usec until then.  Copies if it must. */
void		 tell(struct tells *, unsigned router, struct frame *,
		    int64_t patience);
/* Sends what was kept, as far as there is room. */
void		 tells_retry(struct tells *, int64_t patience);
/* How many are kept for links that are up. */
unsigned	 tells_open(const struct tells *);

#endif
