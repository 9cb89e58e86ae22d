/*
 * lanes.h: the socket <node.run>/lanes, where programs of this host ask for a
 * lane to a store or a router (doc/protocol.7, LANES_ASK).
 */
#ifndef SUPERVISOR_LANES_H
#define SUPERVISOR_LANES_H

#include <stdint.h>
#include <ev.h>

#include "supervisor/child.h"
#include "supervisor/links.h"

struct lanes;

struct lanes_conf {
	const char	*run;		/* directory of the socket */
	const char	*group;		/* its owner group, "" none */
	unsigned	 mode;		/* its permissions */
	unsigned	 files;		/* K for the answer */
	struct child_set stores, routers;
	struct links	*links;
};

/* NULL: logged.  The strings and children must stay. */
struct lanes	*lanes_new(struct ev_loop *, const struct lanes_conf *);
void		 lanes_free(struct lanes *);
/* An actor would not have the link, or lost it: its client is told. */
void		 lanes_broken(struct lanes *, uint64_t link);
/* An actor is gone: its askers are told, its clients' sockets removed. */
void		 lanes_gone(struct lanes *, const struct child *);

#endif
