/*
 * links.h: the links between those who ask and those who answer: from workers
 * to stores and routers, and from each router to every other.  One for each
 * pair of READY children, offered to both ends, replaced when one end finds it
 * broken.  Who dials asks: two routers have two links, so that no answer ever
 * waits behind a request of the same link.
 */
#ifndef SUPERVISOR_LINKS_H
#define SUPERVISOR_LINKS_H

#include <stdint.h>
#include <ev.h>

#include "proto/msg_ctl.h"
#include "supervisor/child.h"

#define LINKS_KINDS	2u

struct links;

struct links_conf {
	const char	*run;		/* directory of the sockets */
	size_t		 ring;		/* bytes; 0: no lanes */
	struct child_set dial;		/* the ends that dial (workers) */
	struct child_set listen[LINKS_KINDS]; /* that listen: stores, routers */
	struct child_set mesh;		/* each dials all others (routers) */
};

struct links	*links_new(struct ev_loop *, const struct links_conf *);
void		 links_free(struct links *);
/* c became READY: links to every READY child of the other side. */
void		 links_ready(struct links *, struct child *);
/* c is gone or is going: the others let go of their ends. */
void		 links_gone(struct links *, struct child *);
/*
 * A lane between an actor that listens and a program outside: offers it to the
 * actor and fills in number and path for the client, and its descriptors,
 * which are the caller's.  The link is not remembered.  E_NOTREADY, E_AGAIN the
 * actor has not taken earlier messages, E_NOMEM no descriptors or memory.
 */
#define CLIENT_FDS	3		/* as LANES_ASK's answer has them */
struct links_client {
	uint64_t	id;
	int		fds[CLIENT_FDS];
	char		path[LINK_PATH_MAX];
};
enum err	 links_client(struct links *, struct child *, int32_t pid,
		    struct links_client *);
void		 links_client_close(struct links_client *);
/* An end says that a link is broken: a fresh one, after a pause. */
void		 links_broken(struct links *, uint64_t id);

#endif
