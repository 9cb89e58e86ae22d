/*
 * clock.c: what time it is for the queues.  Messages keep moments of the wall
 * clock; when that is set back, everything they wait for would be so much
 * farther away, so the queues are told.
 */
#include "router/router.h"

#define SET_BACK	1000000		/* usec that are more than drift */

/* ahead: how far the wall clock is before the one that nobody sets. */
struct queue_now
router_now(struct router *r)
{
	int64_t	ahead = r->srv.wall * 1000 - r->srv.now.us;

	if (ahead > r->ahead || queues_building(r->queues))
		r->ahead = ahead;
	if (r->ahead - ahead >= SET_BACK) {
		queues_set_back(r->queues, (r->ahead - ahead) / 1000);
		r->ahead = ahead;
	}
	return (struct queue_now){ r->srv.wall, r->srv.now };
}
