/*
 * seats.h: which worker holds which listening socket: its own seat's while it
 * is READY, and those lent to it while another seat has no worker.
 */
#ifndef SUPERVISOR_SEATS_H
#define SUPERVISOR_SEATS_H

#include <ev.h>

#include "supervisor/child.h"
#include "supervisor/listen.h"

struct seats;

/* The children and the sockets must stay. */
struct seats	*seats_new(struct ev_loop *, const struct listen_set *,
		    struct child *workers, unsigned n);
void		 seats_free(struct seats *);
void		 seats_ready(struct seats *, struct child *worker);
void		 seats_gone(struct seats *, struct child *worker);

#endif
