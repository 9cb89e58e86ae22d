/*
 * damage.h: records of the router's shard that cannot be read, what clients are
 * told meanwhile, and the end of it.
 *
 * A name is in doubt when its slot is in quarantine (doc/storage.md), or when
 * the scan of the start has met a message, an item or settings of it, or of
 * another name of its slot, that fail their checksum.  What is whole is delivered, what is put comes
 * behind it; but for "there is none", "no such queue" and "no such token" the
 * answer is E_DAMAGED, with the place.  A name is shut when its data file
 * cannot be read at all: then every answer is.
 *
 * It ends by ACCEPT (wharfctl damage accept): records in doubt are written anew
 * as they are, others that fail their checksum are deleted, what is missing is
 * taken for gone.  Then the process starts anew, and what there is comes into
 * the queues as after every start.
 */
#ifndef ROUTER_DAMAGE_H
#define ROUTER_DAMAGE_H

#include "queue/ops.h"
#include "store/server.h"

struct damage;
struct router;

struct damage	*damage_new(struct router *);	/* NULL: no memory */
void		 damage_free(struct damage *);
/* The start's scan has met a record of this key that is not whole. */
void		 damage_met(struct damage *, const struct queue_key *);
/* It is through; it could not read these files (a bit each). */
void		 damage_scanned(struct damage *, uint64_t files);

int		 damage_doubts(const struct damage *, struct queue_str name);
int		 damage_shuts(const struct damage *, unsigned slot);

/* Hooks of server.h. */
enum err	 damage_refuse(struct server *, const struct msg *, enum err,
		    struct frame *, char text[SERVER_TEXT]);
void		 damage_accept(struct server *);
/* A step of what ACCEPT began; when the log has moved on, and now and then. */
void		 damage_step(struct damage *);
/* Twice a second: the gauge. */
void		 damage_tick(struct damage *);

#endif
