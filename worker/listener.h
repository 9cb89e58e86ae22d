/*
 * listener.h: a listening socket and the MHD daemons of its connections, driven
 * by the worker's loop.  MHD runs only inside listeners_pump, once a loop turn.
 *
 * To resume a connection MHD looks at all that are suspended, so a daemon has
 * LISTENER_PART connections at most; one that is full is followed by another
 * for the rest (RULE long polls).
 */
#ifndef WORKER_LISTENER_H
#define WORKER_LISTENER_H

#include <stdint.h>
#include <microhttpd.h>
#include <ev.h>

#include "worker/tls.h"

struct worker;

#define IDLE_EXTRA	5	/* seconds past limits.upload_idle */
#define OPEN_MOST	10	/* seconds until a request is answered, RULE answers */
#define LISTENER_POOL	32768u	/* bytes per connection, RULE memory */
#define LISTENER_PART	512u	/* connections of one daemon */
/*
 * Requests that wait for an answer without being suspended: each costs a
 * fraction of a microsecond in every run of MHD, suspending several once.
 */
#define STANDING_MAX	1024u

struct listener {
	struct listener		*next;
	struct worker		*w;
	struct MHD_Daemon	*mhd;
	uint64_t		 id;		/* the supervisor's number */
	unsigned		 on;		/* ON_DB or ON_MQ */
	int			 tls;
	struct tls_queue	 shaking;	/* handshakes that MHD runs */
	struct tls_conn		*shook;		/* read or wrote last, or NULL */
	unsigned		 limit;		/* connections */
	unsigned		 rest;		/* of the socket, for those that follow */
	int			 followed;	/* by the next in the list */
	int			 fd;		/* listens; MHD's */
	int			 full;		/* it was reached */
	unsigned		 starved;	/* connections when descriptors ended */
	int			 denied;	/* not even one for the first */
	int			 closing;	/* accepts no more */
	int			 ready;		/* MHD has something to do */
	unsigned		 standing;	/* requests, see STANDING_MAX */
	/* In the last run of MHD: */
	int			 begun;		/* requests that came, less those that wait */
	int			 moved;		/* a body or an answer grew, a request ended */
	struct ev_io		 io;
	struct ev_timer		 timer;
};

/* Takes fd; failure is logged and leaves the others alone. */
void	 listener_open(struct worker *, uint64_t id, unsigned on, int tls,
	    int fd);
/* No more are accepted; it ends when its last connection does. */
void	 listener_unlisten(struct worker *, uint64_t id);
void	 listeners_close(struct worker *);
/* Lets every MHD with work run, sends what came of it, arms the timers. */
void	 listeners_pump(struct worker *);
/* The pump runs (again) before the loop sleeps. */
void	 listeners_wake(struct worker *);
/* Closes all connections.  No connection may be suspended. */
void	 listeners_stop(struct worker *);
unsigned listeners_connections(const struct worker *);

#endif
