/*
 * wal_format.h: the bytes of a log segment, all little-endian.
 *
 * A segment file begins with one block of WAL_BLOCK bytes:
 *
 *	 0  8 checksum: XXH3-64 of bytes 8..4095
 *	 8  4 magic "WLS1"
 *	12  2 format: 1
 *	14  2 store
 *	16  8 node
 *	24  8 segment number (also in the file's name)
 *	32  8 salt: random, new at every activation
 *	40  8 first LSN: of the first record in it
 *	48  8 prev: the LSN before it; first - 1 unless LSNs were left out
 *	56  8 durable LSN known at activation
 *	64  8 clock bound at activation
 *	72  8 size of the file
 *	80    zeros
 *
 * Batches follow, each at a multiple of 64 bytes:
 *
 *	 0  8 checksum: XXH3-64 of bytes 8..64+payload
 *	 8  4 magic "WLB1"
 *	12  4 number of records; 0 is legal (a clock bound only)
 *	16  8 salt of the segment
 *	24  8 LSN of the first record (of the next one, when there is none)
 *	32  4 payload: bytes of records
 *	36  4 span: bytes from this batch to the next, a multiple of 64
 *	40  8 durable LSN known when it was written
 *	48  8 clock bound
 *	56  4 synced: bytes of this segment known durable then
 *	60  4 zero
 *	64    records: u32 key length, u32 value length, key, value
 *
 * To change it: a new format number.  Checksum, magic and format of the block
 * stay where they are, so that an older program can say "newer format"; keep
 * the old reader and add a fixture to tests/corpus/wal.
 */
#ifndef STORE_WAL_FORMAT_H
#define STORE_WAL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

#define WAL_BLOCK	4096u
#define WAL_ALIGN	64u
#define WAL_HEAD	64u		/* of a batch */
#define WAL_REC		8u		/* of a record */
#define WAL_FORMAT	1
#define WAL_LSN_MAX	(UINT64_MAX / 2)	/* no log gets there by itself */

struct seg_head {
	uint64_t	node, number, salt, first, prev, durable, bound, size;
	uint16_t	format, store;
};

struct batch_head {
	uint64_t	salt, first, durable, bound;
	uint32_t	count, payload, span, synced;
};

struct wal_rec {
	const uint8_t	*key, *val;	/* borrowed */
	size_t		 keylen, vallen;
};

/* n rounded up to a multiple of to (a power of two). */
static inline size_t
wal_round(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

void		seg_head_put(uint8_t *block, const struct seg_head *);
/* E_DAMAGED not a header block; E_UNKNOWN one of a newer format. */
enum err	seg_head_get(struct seg_head *, const uint8_t *block);

/* Writes the header in front of the payload, which stands at p + WAL_HEAD. */
void		batch_seal(uint8_t *p, const struct batch_head *);
/* Salt and span as they stand there, unchecked; p has WAL_HEAD bytes. */
uint32_t	batch_peek_span(const uint8_t *p);
int		batch_peek_salt(const uint8_t *p, uint64_t salt);
/*
 * Decodes the batch at p, of which left bytes are there: 1 when all of it is
 * valid (records included), else 0.
 */
int		batch_get(struct batch_head *, const uint8_t *p, size_t left);

/* Writes a record's lengths; key and value follow, in that order. */
void		wal_rec_put(uint8_t *p, size_t keylen, size_t vallen);
/* Takes the next record of a payload: 1, or 0 when it does not fit. */
int		wal_rec_get(struct wal_rec *, const uint8_t **p, size_t *left);

#endif
