/*
 * outq.h: bytes of frames that could not leave yet, first in first out, in
 * malloc'ed chunks.  A frame never lies across two chunks.
 */
#ifndef PROTO_OUTQ_H
#define PROTO_OUTQ_H

#include <stddef.h>
#include <stdint.h>

#define OUTQ_CHUNK	(64u << 10)	/* a longer frame has its own chunk */

struct outq {
	struct outq_chunk	*first, *last;
	size_t			 bytes;
};

/* Room for one frame of n bytes at the end; NULL: no memory. */
uint8_t		*outq_room(struct outq *, size_t n);
/* The first chunk's bytes, whole frames back to back; 0: empty. */
size_t		 outq_front(const struct outq *, const uint8_t **p);
/* Forgets n bytes at the front, at most what outq_front said. */
void		 outq_drop(struct outq *, size_t n);
void		 outq_free(struct outq *);

#endif
