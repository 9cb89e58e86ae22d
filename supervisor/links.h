/*
 * links.h: the links between workers and stores: one for each pair of READY
 * children, offered to both ends, replaced when one end finds it broken.
 */
#ifndef SUPERVISOR_LINKS_H
#define SUPERVISOR_LINKS_H

#include <stdint.h>
#include <ev.h>

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
/* An end says that a link is broken: a fresh one, after a pause. */
void		 links_broken(struct links *, uint64_t id);

#endif
