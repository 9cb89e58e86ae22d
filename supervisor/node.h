/*
 * node.h: the data directory (who this node is, locked while in use) and the
 * run directory.
 */
#ifndef SUPERVISOR_NODE_H
#define SUPERVISOR_NODE_H

#include <stddef.h>
#include <stdint.h>

#include "supervisor/conf.h"

/*
 * <node.data>/NODE is text:
 *
 *	wharf-node 2
 *	id 0123456789abcdef
 *	stores 2
 *	files 16
 *	routers 1
 *
 * Format 1 is the same without the routers' directories, which are made then.
 *
 * To change it: raise NODE_FORMAT, keep reading the old one, add a case to
 * tests/test_node.c.
 */
#define NODE_FORMAT	2

struct node {
	uint64_t	id;
	unsigned	stores, files, routers;		/* S, K, R */
	int		lock;		/* of this wharfd */
	int		actors_lock;	/* inherited by its children */
	int		run_lock;
};

/*
 * Opens or makes both directories, takes the locks, reads or writes NODE,
 * removes stale sockets.  Waits some seconds for actors that an earlier
 * wharfd left behind.  0, or -1 with a message.
 */
int	 node_open(struct node *, const struct conf *, char *err, size_t errlen);
void	 node_close(struct node *);
/* Puts S, K, R and the number of workers where the configuration says 0. */
void	 node_resolve(const struct node *, struct conf *);
/* Gives what node_open made to node.user and becomes that user. 0 or -1. */
int	 node_drop(const struct node *, const struct conf *, char *err,
	    size_t errlen);

#endif
