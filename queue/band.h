/*
 * band.h: all messages of one priority of a queue that are in memory, ordered
 * by id: a directory of chunks.  Finding, adding at the end, changing and
 * removing cost O(log n); a chunk that comes or goes in the middle moves
 * pointers of the shorter side of the directory (8 bytes per CHUNK_MOST
 * messages).
 *
 * Memory: 9 bytes a message, 17 or 25 in chunks with leases or expiry, and the
 * chunks' slack and heads: less than 32 in all once there are some hundred.
 */
#ifndef QUEUE_BAND_H
#define QUEUE_BAND_H

#include "queue/chunk.h"

struct band_env {		/* shared by all bands */
	size_t		 bytes;		/* of chunks and directories */
	uint32_t	 chunks;
	uint64_t	 doomed;	/* of all bands */
	struct heap	 when;		/* chunks with an event to come */
};

struct band {
	struct band_env	*env;
	struct name	*name;		/* whose it is */
	unsigned	 priority;
	struct chunk	**dir;
	uint32_t	 first, n, cap;	/* dir[first..first+n-1] */
	struct heap	 has[2];	/* S_READY, S_BACK */
	uint64_t	 count[S_STATES];
	struct chunk	*doom, *doom_last; /* to be deleted from storage */
	uint64_t	 doomed;	/* entries in them */
};

struct place {			/* ends with the next insert, remove or split */
	struct chunk	*c;
	unsigned	 i;
};

void		 band_init(struct band *, struct band_env *, struct name *,
		    unsigned priority);
void		 band_free(struct band *);
uint64_t	 band_total(const struct band *);
int		 band_find(const struct band *, uint64_t id, struct place *);
/* The least id that is at least this; UINT64_MAX: none. */
uint64_t	 band_from(const struct band *, uint64_t id);
/*
 * Adds an id that is not there, S_READY, with these columns (1 << COL_LEASE,
 * 1 << COL_EXPIRES). 0, or -1 no memory: all is as it was.
 */
int		 band_insert(struct band *, uint64_t id, unsigned cols,
		    struct place *);
void		 band_remove(struct band *, struct place *);
/* The least id of state S_READY or S_BACK. */
int		 band_first(const struct band *, enum state, struct place *);
void		 band_state(struct band *, const struct place *, enum state);
/* The column of leases; 0, or -1 no memory. */
int		 band_lease_room(struct band *, const struct place *);
/* That room is there; its due counts as an event. */
void		 band_lease(struct band *, const struct place *, uint64_t lease);
void		 band_expires(struct band *, const struct place *, int64_t ms);
/* Something is to happen in the chunk at this time, or before. */
void		 band_event(struct band *, struct chunk *, int64_t ms);
/* When its next event is, from all entries, INT64_MAX never; sets it. */
int64_t		 band_recount(struct band *, struct chunk *);
/* When entry i wants attention, INT64_MAX never. */
int64_t		 band_due(const struct chunk *, unsigned i);

/*
 * Copies what is S_OUT with a due after now into another, empty band; 0 or -1.
 * band_swap makes that the band, and dooms all that was not copied.
 */
int		 band_split(const struct band *, struct band *kept, int64_t now);
void		 band_swap(struct band *, struct band *kept, int64_t now);
/* One more to be deleted; -1 no memory: it stays until the next start. */
int		 band_doom(struct band *, uint64_t id, int logged);
/* The next to be deleted: 1, its id and whether a delivery is there as well. */
int		 band_doomed(struct band *, uint64_t *id, int *logged);
void		 band_doomed_gone(struct band *);	/* it is deleted */

#endif
