/*
 * lane.h: shared memory between two actors of one node: one single-producer
 * single-consumer ring each way, in one sealed memfd that the supervisor made.
 *
 * Invariants
 * 1 Each side trusts only its own private copy of its own position; what it
 *   reads of the other side's position is checked against the ring size.
 * 2 A frame lies contiguous in the ring (a skip mark fills the end), behind a
 *   u32 length, all 8-aligned.
 * 3 The reader says that it sleeps before it looks a last time; the writer
 *   publishes before it looks whether the reader sleeps (sequentially
 *   consistent both), so a frame is never left lying unannounced.  The same
 *   the other way for a writer that waits for room.
 * 4 Ringing the bell (an eventfd of the peer actor) is the caller's work: one
 *   bell serves all lanes of an actor, once a loop turn.
 *
 * No function blocks or allocates, except lane_create and lane_map.
 */
#ifndef PROTO_LANE_H
#define PROTO_LANE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

struct lane;

/* The two ends: the dialling actor (worker, client) is LANE_A. */
enum lane_end { LANE_A, LANE_B };

/*
 * Makes the memory for a lane whose rings have ring_bytes each (a power of
 * two, 64 KiB..64 MiB); returns a sealed, close-on-exec memfd or -1 (errno).
 */
int		 lane_create(size_t ring_bytes);
/*
 * Maps one end of a lane; the descriptor may be closed afterwards.  NULL with
 * errno: EINVAL when the memory is not a lane of this version (size, seals and
 * header are checked).
 */
struct lane	*lane_map(int memfd, enum lane_end end);
void		 lane_unmap(struct lane *);

/* Longest frame that always fits an empty ring. */
size_t		 lane_frame_max(const struct lane *);
/* Room for n contiguous bytes, or NULL: full (n <= lane_frame_max). */
uint8_t		*lane_reserve(struct lane *, size_t n);
/* Publishes the reserved bytes (n may be smaller than was reserved). */
void		 lane_commit(struct lane *, size_t n);
/* After commits: 1 when the peer sleeps and its bell must be rung. */
int		 lane_must_ring(struct lane *);
/*
 * The writer asks to be rung when room appears; returns 1 when there is room
 * for n bytes already (nothing is asked then).
 */
int		 lane_wait_room(struct lane *, size_t n);

/* Next frame: 1 and *p, *n; 0 none; -1 the ring is damaged (give the link up). */
int		 lane_peek(struct lane *, const uint8_t **p, size_t *n);
/* Gives the peeked frame's room back. */
void		 lane_release(struct lane *);
/* After releases: 1 when the peer's writer waits and must be rung. */
int		 lane_must_ring_writer(struct lane *);
/* 1: there is something for lane_peek, a frame or damage. */
int		 lane_holds(const struct lane *);
/* The reader is about to sleep: 1 may sleep, 0 something came in meanwhile. */
int		 lane_sleep(struct lane *);
/* It does not sleep; the peer need not ring. */
void		 lane_awake(struct lane *);

#endif
