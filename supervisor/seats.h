/*
 * seats.h: which worker holds which listening socket: its own seat's, and those
 * that all share, once it is READY and has its links to the stores; and those
 * lent to it while another seat has no worker.
 */
#ifndef SUPERVISOR_SEATS_H
#define SUPERVISOR_SEATS_H

#include <ev.h>

#include "supervisor/child.h"
#include "supervisor/listen.h"

struct seats;

/* The children and the sockets must stay. */
struct seats	*seats_new(struct ev_loop *, const struct listen_set *,
		    struct child *workers, unsigned n,
		    const struct child *stores, unsigned nstores);
void		 seats_free(struct seats *);
void		 seats_ready(struct seats *, struct child *worker);
void		 seats_gone(struct seats *, struct child *worker);

#endif
