/*
 * store_list.h: the requests of a store that take more than one step, or wait
 * for an index: listings, counts and ranks.  One struct lists per store.
 */
#ifndef STORE_STORE_LIST_H
#define STORE_STORE_LIST_H

#include "proto/msg_list.h"
#include "store/store.h"

/* NULL: no memory. */
struct lists	*lists_new(struct actor *);
/* Forgets what waits; the links are gone. */
void		 lists_free(struct lists *);
/* The store stops: what waits is answered E_NOTREADY. */
void		 lists_stop(struct lists *);

/*
 * Reads the question in a frame's value and checks it against the frame.
 * E_BADMSG, E_PARAM; E_TYPE: a sorted set in a slot that is not asked for.  It
 * does not look whether the table exists.
 */
enum err	 list_ask_check(const struct actor *, const struct frame *,
		    struct list_ask *);
/* The part of it about type, table, order and scores. */
enum err	 list_ask_table(const struct actor *, const struct frame *,
		    const struct list_ask *);

#endif
