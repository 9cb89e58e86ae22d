/*
 * choke.h: links that have bytes enough queued as it is.  Who asks for a
 * message or an item there, or has waited for one, is kept until its link has
 * fetched some of them, and then asked again: in the order of coming for each
 * queue or topic, and these by turns.  So an item for thousands is copied for a
 * few of them at a time, and what else is on the link gets through.
 *
 * Bounds: ROUTER_OUT bytes and one answer queued for each link; as many are
 * kept of a worker as may wait (mq.wait_maximum), of a program outside
 * CHOKE_CLIENT.
 */
#ifndef ROUTER_CHOKE_H
#define ROUTER_CHOKE_H

#include <stdint.h>

#include "proto/err.h"

/* Half of what a mailbox lets wait before it does not read the link. */
#define ROUTER_OUT	(1u << 20)
#define CHOKE_CLIENT	4096u

struct choke;
struct router;
struct wait;

struct choke	*choke_new(struct router *);	/* NULL: no memory */
void		 choke_free(struct choke *);	/* nobody is kept any more */
/* Whether it is to get nothing now: its link is full, or others are first. */
int		 choke_full(const struct choke *, const struct wait *);
/* Until wait_again: E_OK; E_FULL, E_NOMEM it is not kept. */
enum err	 choke_keep(struct choke *, struct wait *);
/* All are asked again, whatever is queued (a stop). */
void		 choke_stop(struct choke *);
unsigned	 choke_count(const struct choke *);

#endif
