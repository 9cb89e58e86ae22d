/*
 * cast.h: items of topics go out to nng subscribers as well, on
 * <node.run>/topics.N: the topic's name, a newline, the item.  In the order of
 * the pubs, once the log has released them, to whoever is connected then.
 *
 * Bounds: items over CAST_ITEM bytes do not go out this way; CAST_BYTES of
 * items wait for the log, beyond that they are passed over.
 */
#ifndef ROUTER_CAST_H
#define ROUTER_CAST_H

#include "queue/ops.h"

#define CAST_ITEM	(1u << 20)
#define CAST_BYTES	(16u << 20)

struct cast;
struct router;

/* NULL: the node has no clients, or it cannot be made (logged). */
struct cast	*cast_new(struct router *);
void		 cast_free(struct cast *);
void		 cast_item(struct cast *, struct queue_str topic,
		    struct queue_str item, uint64_t mark);
/* What the log has released by now. */
void		 cast_released(struct cast *);
void		 cast_tick(struct cast *);	/* every half second */
/* The roles may have changed: they hold for who comes from now on. */
void		 cast_reload(struct cast *);

#endif
