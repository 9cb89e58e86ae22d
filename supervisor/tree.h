/*
 * tree.h: all children of this wharfd: who is started, linked, lent to,
 * watched, restarted and stopped.  No messages are looked at here; it knows
 * who runs, not what they do.
 */
#ifndef SUPERVISOR_TREE_H
#define SUPERVISOR_TREE_H

#include <ev.h>

#include "supervisor/board.h"
#include "supervisor/catalogue.h"
#include "supervisor/child.h"
#include "supervisor/conf.h"
#include "supervisor/lanes.h"
#include "supervisor/links.h"
#include "supervisor/listen.h"
#include "supervisor/node.h"
#include "supervisor/seats.h"

/* In the order of their start; the stop goes backwards. */
enum { TREE_STORES, TREE_ROUTERS, TREE_WORKERS, TREE_GROUPS };

struct group {
	struct child	*c;
	unsigned	 n;
	int		 told;		/* to stop */
	unsigned	 rolling, roll;	/* seats still to restart; the one that
					   is on its way */
};

struct tree {
	struct ev_loop		*loop;
	struct conf		*conf;		/* counts resolved */
	const struct node	*node;
	const struct listen_set	*listen;
	const char		*dir;		/* of the actors */
	struct board		*board;
	struct catalogue	*catalogue;
	struct child_env	 env;
	struct group		 group[TREE_GROUPS];
	struct links		*links;
	struct lanes		*lanes;		/* NULL: none are given */
	struct backup_maker	*backup;
	struct orders		*orders;
	struct seats		*seats;
	ev_timer		 tick;
	mono_t			 last_tick, born;
	unsigned		 sampled;	/* child to look at next */
	mono_t			 limits_at;	/* limits.h: the next look */
	int			 stopping, hurry, code;
};

/* loop, conf, node, listen and dir are set; fatal on failure. */
void	 tree_open(struct tree *);
void	 tree_start(struct tree *);
/*
 * Stops workers, then routers, then stores, then breaks the loop; the code of the first
 * call stays.  A second call hurries.
 */
void	 tree_stop(struct tree *, int code);
/*
 * Stops and starts anew; seat -1: all of the role, one after the other, the
 * next when the one before has been READY for half a second.  Returns how
 * many, -1 when there is no such role or seat.
 */
int	 tree_restart(struct tree *, const char *role, int seat);
/* Hands tree->conf to all children, and makes it that of later ones. */
void	 tree_pass_conf(struct tree *);
/*
 * ACCEPT to a store or router; both -1: to all of both.  How many were told,
 * those that do not run are not.  -1: there is no such one.
 */
int	 tree_accept(struct tree *, int store, int router);
/* Takes a memfd of users (or -1); for births and the next tree_pass_conf. */
void	 tree_set_users(struct tree *, int fd);
/* The same for the TLS pair. */
void	 tree_set_tls(struct tree *, int fd);
void	 tree_free(struct tree *);

#endif
