/*
 * links.h: the links between workers and stores: one for each pair of READY
 * children, offered to both ends, replaced when one end finds it broken.
 */
#ifndef SUPERVISOR_LINKS_H
#define SUPERVISOR_LINKS_H

#include <stdint.h>
#include <ev.h>

#include "proto/msg_ctl.h"
#include "supervisor/child.h"

struct links;

struct links_conf {
	const char	*run;		/* directory of the sockets */
	size_t		 ring;		/* bytes; 0: no lanes */
	struct child	*dial;		/* the ends that dial (workers) */
	unsigned	 ndial;
	struct child	*listen;	/* the ends that listen (stores) */
	unsigned	 nlisten;
};

struct links	*links_new(struct ev_loop *, const struct links_conf *);
void		 links_free(struct links *);
/* c became READY: links to every READY child of the other side. */
void		 links_ready(struct links *, struct child *);
/* c is gone or is going: the others let go of their ends. */
void		 links_gone(struct links *, struct child *);
/*
 * A lane between a store and a program outside: offers it to the store and
 * fills in number and path for the client, and its two descriptors, which are
 * the caller's: lane memory, and the client's end of the bell.  The link is
 * not remembered.  E_NOTREADY, E_AGAIN the store has not taken earlier
 * messages, E_NOMEM no descriptors or memory.
 */
struct links_client {
	uint64_t	id;
	int		fds[2];
	char		path[LINK_PATH_MAX];
};
enum err	 links_client(struct links *, struct child *store, int32_t pid,
		    struct links_client *);
/* An end says that a link is broken: a fresh one, after a pause. */
void		 links_broken(struct links *, uint64_t id);

#endif
