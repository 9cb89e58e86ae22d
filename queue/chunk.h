/*
 * chunk.h: up to CHUNK_MOST messages of one priority, packed, in the order of
 * their ids; of each 9 bytes, and 8 more each if some of the chunk are or were
 * delivered or delayed, or if some expire.
 */
#ifndef QUEUE_CHUNK_H
#define QUEUE_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "proto/heap.h"

#define CHUNK_MOST	512u

enum state {
	S_READY,		/* in its place */
	S_BACK,			/* not acked in time: goes before all ready ones */
	S_OUT,			/* delivered, not acked yet, until its due */
	S_LATER,		/* not before its due */
	/* While feeding: a delivery whose message has not been seen yet. */
	S_FED_READY, S_FED_OUT, S_FED_LATER,
	S_STATES
};

/* A lease: due in ms since 1970, whether a record says so, deliveries. */
#define LEASE_DUE	((1ULL << 48) - 1)
#define LEASE_LOGGED	(1ULL << 48)
#define LEASE_TRIES	32767u		/* stays there */

enum col { COL_ID, COL_STATE, COL_LEASE, COL_EXPIRES, COLS };

struct chunk {
	void		*col[COLS];	/* of cap entries each, or NULL */
	uint64_t	 low;		/* no id is less; above all of the last chunk's */
	struct band	*band;
	struct chunk	*next;		/* of those that are doomed */
	struct heap_node when;		/* next event in it, or sooner */
	struct heap_node has[2];	/* by low: chunks with S_READY, S_BACK */
	uint16_t	 off, n, cap;
	uint16_t	 count[S_STATES];
};

static inline uint64_t *
chunk_id(const struct chunk *c)
{
	return (uint64_t *)c->col[COL_ID] + c->off;
}

static inline uint8_t *
chunk_state(const struct chunk *c)
{
	return (uint8_t *)c->col[COL_STATE] + c->off;
}

static inline uint64_t
chunk_lease(const struct chunk *c, unsigned i)
{
	return c->col[COL_LEASE] == NULL ? 0 :
	    ((uint64_t *)c->col[COL_LEASE])[c->off + i];
}

static inline int64_t			/* ms since 1970, 0 never */
chunk_expires(const struct chunk *c, unsigned i)
{
	return c->col[COL_EXPIRES] == NULL ? 0 :
	    ((int64_t *)c->col[COL_EXPIRES])[c->off + i];
}

static inline unsigned
lease_tries(uint64_t lease)
{
	return (unsigned)(lease >> 49);
}

static inline int64_t
lease_due(uint64_t lease)
{
	return (int64_t)(lease & LEASE_DUE);
}

uint64_t	 lease_make(int64_t due, int logged, unsigned tries);

/* *bytes: what all chunks together have from malloc, kept up to date. */
struct chunk	*chunk_new(size_t *bytes);		/* NULL: no memory */
void		 chunk_free(struct chunk *, size_t *bytes);
/*
 * Room for more entries (n + more <= CHUNK_MOST) and for these columns (1 <<
 * COL_LEASE, 1 << COL_EXPIRES) for all; 0, or -1 no memory.
 */
int		 chunk_room(struct chunk *, unsigned more, unsigned cols,
		    size_t *bytes);
/* Opens entry i: ready, no lease, never expires.  There is room. */
void		 chunk_insert(struct chunk *, unsigned i, uint64_t id);
void		 chunk_remove(struct chunk *, unsigned i);
void		 chunk_shrink(struct chunk *, size_t *bytes);
/* Appends entry i of another; there is room for its columns. */
void		 chunk_copy(struct chunk *, const struct chunk *, unsigned i);
unsigned	 chunk_find(const struct chunk *, uint64_t id);	/* first >= id */
/* Which columns it has, as chunk_room takes them. */
unsigned	 chunk_cols(const struct chunk *);

#endif
