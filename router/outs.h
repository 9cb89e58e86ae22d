/*
 * outs.h: deliveries that whoever got them acknowledges by itself once the
 * bytes are on their way (QUEUE_GET with AUTO): those of a link that goes down
 * are given back.
 */
#ifndef ROUTER_OUTS_H
#define ROUTER_OUTS_H

#include <sys/queue.h>

#include <stdint.h>

#include "proto/msg.h"
#include "queue/queue.h"

struct outs;

struct out {
	LIST_ENTRY(out)	 bucket;	/* or in the list of those lost */
	uint64_t	 link, mark;
	int		 unseen;	/* once it is lost: nobody can have it */
	uint8_t		 tablen, tokenlen;
	uint8_t		 tab[TABLE_MAX], token[QUEUE_TOKEN_MAX];
};

struct outs	*outs_new(void);	/* NULL: no memory */
void		 outs_free(struct outs *);
/*
 * Without memory, or when a million are, it is not remembered, and comes again
 * when its time is over.  mark: what its answer depends on.
 */
void		 outs_add(struct outs *, uint64_t link, struct queue_str tab,
		    struct queue_str token, uint64_t mark);
/* Acknowledged, or given back; unknown ones are fine. */
void		 outs_remove(struct outs *, struct queue_str token);
/*
 * All of the link's are to be given back.  Those whose answer still waited for
 * the log, which has come up to released, never left this process, so that the
 * attempt does not count.  All others do: they may lie unread in the lane, but
 * also have been passed on to a client whose acknowledgement did not come back.
 */
void		 outs_lose(struct outs *, uint64_t link, uint64_t released);
/* The next that is to be given back, or NULL; and it has been. */
const struct out *outs_lost(const struct outs *);
void		 outs_back(struct outs *);

#endif
