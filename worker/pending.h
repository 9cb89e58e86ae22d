/*
 * pending.h: requests that wait for an answer from another actor.
 *
 * A request gets an id that no other request of this worker had or will have
 * (slot number and generation), so that an answer which comes after its
 * request was given up finds nothing.  Pure: time is an argument.
 */
#ifndef WORKER_PENDING_H
#define WORKER_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "proto/clock.h"

struct pending;

struct pending	*pending_new(void);
void		 pending_free(struct pending *);
/*
 * Notes that owner waits for an answer over link until due; returns its id,
 * 0 when there is no memory.
 */
uint64_t	 pending_add(struct pending *, void *owner, uint64_t link,
		    mono_t due);
/* The owner of an answer that came over link; NULL: nobody waits for it. */
void		*pending_take(struct pending *, uint64_t id, uint64_t link);
/* The next owner whose time is up, taken out; NULL none. */
void		*pending_expired(struct pending *, mono_t now);
/* The next owner that waits for this link (0: any), taken out; NULL none. */
void		*pending_orphan(struct pending *, uint64_t link);
/* 1 and the earliest deadline, or 0 when nobody waits. */
int		 pending_next(const struct pending *, mono_t *due);
size_t		 pending_count(const struct pending *);

#endif
