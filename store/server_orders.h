/*
 * server_orders.h: what wharfctl orders of one shard (CHECK, COMPACT), and the
 * scrub: asked for, watched, and told of; the shard does the work.
 */
#ifndef STORE_SERVER_ORDERS_H
#define STORE_SERVER_ORDERS_H

#include "store/server.h"

struct server_orders;

/* After the shard is open; NULL: no memory. */
struct server_orders *server_orders_new(struct server *);
/* After the shard has been closed. */
void	 server_orders_free(struct server_orders *);
/* actor_hooks.order */
enum err server_on_order(struct actor *, const struct msg *);
/* Ten times a second. */
void	 server_orders_look(struct server *);
/* At each look at the gauges; at a reload. */
void	 server_orders_gauges(struct server *);
void	 server_orders_reload(struct server *);

#endif
