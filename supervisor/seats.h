/*
 * seats.h: which worker holds which listening socket: its own seat's, and those
 * that all share, once it is READY and has its links to stores and routers;
 * and those lent to it while another seat has no worker.
 */
#ifndef SUPERVISOR_SEATS_H
#define SUPERVISOR_SEATS_H

#include <ev.h>

#include "supervisor/child.h"
#include "supervisor/links.h"
#include "supervisor/listen.h"

struct seats;

/* linked: what workers have links to.  Children and sockets must stay. */
struct seats	*seats_new(struct ev_loop *, const struct listen_set *,
		    struct child_set workers,
		    const struct child_set linked[LINKS_KINDS]);
void		 seats_free(struct seats *);
void		 seats_ready(struct seats *, struct child *worker);
void		 seats_gone(struct seats *, struct child *worker);

#endif
