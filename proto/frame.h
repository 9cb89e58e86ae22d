/*
 * frame.h: the one header of every message, and its codec.
 *
 * On the wire a frame is FRAME_HEAD bytes of little-endian header, then table,
 * key and value bytes without padding.  doc/protocol.7 shows it byte by byte.
 * To change it: raise FRAME_VERSION, keep the old decoder, add a fixture to
 * tests/corpus/frame.  A longer header of the same version is accepted and its
 * unknown tail skipped: that is the room to grow.
 *
 *  off size                     off size
 *    0  4 magic "WRF1"            44  4 key length
 *    4  1 version                 48  4 value length (in this frame)
 *    5  1 header length / 8       52  4 value offset (of this fragment)
 *    6  2 message number          56  4 value total
 *    8  2 flags                   60  4 ver (record version)
 *   10  2 status (enum err)       64  8 ttl, ms, relative; 0 none (signed)
 *   12  2 slot                    72  8 score (signed)
 *   14  1 record type             80 16 stamp
 *   15  1 record kind             96 16 prev
 *   16  8 request id             112
 *   24  4 sender incarnation
 *   28  4 receiver incarnation    a stamp: 8 hlc, 4 epoch, 2 node,
 *   32  4 slot map epoch                   2 origin store
 *   36  4 deadline (below)
 *   40  4 table length (at first 2, and 2 reserved, 0)
 *
 * The deadline is the low 32 bits of CLOCK_MONOTONIC in microseconds at which
 * the receiver must no longer begin the work (0: none); all links but those
 * between nodes stay on one host, so both sides read the same clock.  A
 * remaining time would let a write that lay in the queue of a stopped process
 * be done after its sender was told 504 and had written anew elsewhere.
 * frame_deadline() makes one, frame_late() tests it.
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "proto/clock.h"
#include "proto/err.h"

#define FRAME_MAGIC	0x31465257u	/* "WRF1" read as little-endian */
#define FRAME_VERSION	1
#define FRAME_HEAD	112u		/* bytes */
#define FRAME_VALUE	(1u << 20)	/* most value bytes in one frame */
#define FRAME_TABLE	64u		/* most bytes of a table's name */
#define FRAME_NAME	65536u		/* of a cache's hash, in its place */
#define FRAME_KEY	65536u		/* most key bytes */
/* The longest frame there is. */
#define FRAME_LONGEST	(FRAME_HEAD + FRAME_NAME + FRAME_KEY + FRAME_VALUE)

enum frame_flags {
	FRAME_REPLY	= 1 << 0,
	FRAME_IS_DUP	= 1 << 1,	/* contract 1.2, is_dup */
	FRAME_CREATE	= 1 << 2,	/* only if the key is absent */
	FRAME_VERERROR	= 1 << 3,	/* reply: VerError true */
	FRAME_ADD	= 1 << 4,	/* STORE_ZADD: add the score to what is there */
	FRAME_SUB	= 1 << 5,	/* STORE_ZADD: take the score from what is there */
	FRAME_REVERSE	= 1 << 6,	/* from the other end */
	FRAME_FORGET	= 1 << 7,	/* STORE_TASK: it is not wanted any more */
	FRAME_AUTO	= 1 << 8,	/* QUEUE_GET: acknowledged when handed on */
	FRAME_UNSEEN	= 1 << 9	/* QUEUE_NACK: the delivery does not count */
};

/* The order of writes: compared as (epoch, hlc, node). */
struct stamp {
	uint64_t	hlc;		/* ms since 1970 << 16 | counter */
	uint32_t	epoch;
	uint16_t	node;
	uint16_t	store;		/* origin store; not part of the order */
};

struct frame {
	uint16_t	 msg, flags, status, slot;
	uint8_t		 type, kind;
	uint64_t	 id;
	uint32_t	 from, to;	/* incarnations; 0: not yet known */
	uint32_t	 epoch;
	uint32_t	 deadline;	/* low 32 bits of usec; 0: none */
	uint32_t	 voff, vtotal;
	uint32_t	 ver;
	int64_t		 ttl;		/* msec */
	int64_t		 score;
	struct stamp	 stamp, prev;
	uint32_t	 tablen, keylen, vallen;
	const uint8_t	*tab, *key, *val;	/* borrowed */
};

/* Bytes that the frame takes on the wire. */
static inline size_t
frame_size(const struct frame *f)
{
	return (size_t)FRAME_HEAD + f->tablen + f->keylen + f->vallen;
}

/* Writes the header only (FRAME_HEAD bytes). */
void		frame_put_head(uint8_t *out, const struct frame *);
/* Writes the whole frame; out has frame_size(f) bytes. Returns that size. */
size_t		frame_put(uint8_t *out, const struct frame *);
/*
 * Decodes the frame that fills exactly n bytes at p: copies the header first
 * (p may be shared memory that another process writes), then checks it.
 * tab, key and val point into p.  E_BADMSG: short, oversized or left-over
 * bytes, wrong magic or version, fragment outside its total, status or slot
 * out of range.
 */
enum err	frame_get(struct frame *, const uint8_t *p, size_t n);
/*
 * As frame_get, for a stream of frames: *used is the length of this one, and
 * bytes after it are left alone.
 */
enum err	frame_next(struct frame *, const uint8_t *p, size_t n, size_t *used);

/* The deadline field for a moment at most 30 minutes away; never 0. */
static inline uint32_t
frame_deadline(mono_t t)
{
	return (uint32_t)t.us == 0 ? 1 : (uint32_t)t.us;
}

/* Whether the deadline has passed. */
static inline int
frame_late(const struct frame *f, mono_t now)
{
	return f->deadline != 0 &&
	    (int32_t)(f->deadline - (uint32_t)now.us) < 0;
}

/* <0, 0, >0 as a is older than, the same as or newer than b. */
int		stamp_cmp(const struct stamp *a, const struct stamp *b);
void		stamp_put(uint8_t out[16], const struct stamp *);
void		stamp_get(struct stamp *, const uint8_t in[16]);

#endif
