/*
 * parked.h: who waits for a name, in the order they came, until there is
 * something for them or their time is over: takers of messages, and readers of
 * items (queue.h, topic.h), which embed a struct parked.
 *
 * Invariant: a struct parked is in the list of its place and in the heap of
 * all places of its kind, or in neither and at is NULL.
 */
#ifndef QUEUE_PARKED_H
#define QUEUE_PARKED_H

#include <sys/queue.h>

#include "proto/clock.h"
#include "proto/err.h"
#include "proto/heap.h"

struct name;

struct parked {
	TAILQ_ENTRY(parked) next;
	struct parking	*at;		/* NULL: it does not wait */
	struct heap_node until;		/* usec */
};

/* Those of one kind at one name. */
struct parking {
	TAILQ_HEAD(, parked) list;	/* the oldest first */
	uint32_t	 n;
	struct name	*name;
	struct heap	*until;		/* of all names */
};

void		 parking_init(struct parking *, struct name *, struct heap *);
static inline struct parked *
parking_first(const struct parking *g)
{
	return TAILQ_FIRST(&g->list);
}

void		 parked_init(struct parked *);
/* Behind the others; the heap has room (heap_reserve). */
void		 parked_add(struct parking *, struct parked *, int64_t until);
void		 parked_del(struct parked *);	/* it waits */
/* One whose time is over, which still waits; NULL: none. */
struct parked	*parked_late(const struct heap *, mono_t now);

#endif
