/*
 * record.h: a record as it stands in the log and, byte for byte the same, in
 * the data files.
 *
 * The key that the engine sees is
 *	type (1 byte), table bytes, 0x00, member bytes
 * so that memcmp gives the order (type, table, member): table names cannot
 * contain a NUL.  The value that the engine sees is RECORD_HEAD bytes of
 * header, little-endian, then the user's value:
 *
 *	 0  8 checksum: XXH3 64 of the engine key, then bytes 8..end of value
 *	 8 16 stamp (proto/frame.h)
 *	24 16 prev: the stamp this record replaces, 0 none
 *	40  8 expiry, ms since 1970; 0 none
 *	48  4 version, 1..4194303
 *	52  2 slot
 *	54  1 kind: RECORD_VALUE or RECORD_DEAD
 *	55  1 format: 1
 *	56  4 bytes (engine key + engine value) of the record it replaced
 *	60  4 flags, 0
 *	64    value
 *
 * To change it: a new format number, keep reading the old one, add a fixture
 * to tests/corpus/record.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/frame.h"

#define RECORD_HEAD	64u
#define RECORD_FORMAT	1
#define RECORD_KEY_MAX	(1 + FRAME_TABLE + 1 + FRAME_KEY)
#define VERSION_MAX	4194303u	/* contract 1.1; wraps to 1 */

enum record_type {
	TYPE_KV = 'K', TYPE_HASH = 'H', TYPE_SET = 'S', TYPE_ZSET = 'Z',
	/* In a router's shard (doc/storage.md); the table is a queue or topic. */
	TYPE_MESSAGE = 'M', TYPE_DELIVERY = 'D', TYPE_SETTINGS = 'C',
	TYPE_ITEM = 'T', TYPE_WORKER = 'W'
};
enum record_kind { RECORD_VALUE = 1, RECORD_DEAD = 2 };

struct record {
	struct stamp	 stamp, prev;
	int64_t		 expiry;	/* ms since 1970, 0 none */
	uint64_t	 sum;		/* checksum as stored */
	uint32_t	 version;
	uint32_t	 replaced;	/* bytes */
	uint16_t	 slot;
	uint8_t		 kind;
	const uint8_t	*val;		/* borrowed */
	size_t		 vallen;
};

/* Neither dead nor expired; now: ms since 1970. */
static inline int
record_live(const struct record *r, int64_t now)
{
	return r->kind == RECORD_VALUE && (r->expiry == 0 || r->expiry > now);
}

/* Milliseconds until an expiry, at least 1; 0: there is none. */
static inline int64_t
record_left(int64_t expiry, int64_t now)
{
	if (expiry == 0)
		return 0;
	return expiry > now ? expiry - now : 1;
}

/* Length of the engine key. */
static inline size_t
record_key_len(size_t tablen, size_t keylen)
{
	return 1 + tablen + 1 + keylen;
}

/* Writes the engine key (record_key_len bytes). */
void		record_key_put(uint8_t *out, uint8_t type, const void *tab,
		    size_t tablen, const void *key, size_t keylen);
/* Splits an engine key; E_DAMAGED when it is none. Pointers into it. */
enum err	record_key_get(const uint8_t *p, size_t n, uint8_t *type,
		    const uint8_t **tab, size_t *tablen,
		    const uint8_t **key, size_t *keylen);

/*
 * Writes header and checksum in front of the value, which already stands at
 * out + RECORD_HEAD (r->vallen bytes); sets r->sum.  key: the engine key.
 */
void		record_seal(uint8_t *out, struct record *r,
		    const void *key, size_t keylen);
/* Decodes and verifies; E_DAMAGED when checksum, format or sizes are wrong. */
enum err	record_get(struct record *, const void *key, size_t keylen,
		    const uint8_t *p, size_t n);

/*
 * As record_get, but without the checksum: for accounting, where the bytes
 * are verified elsewhere.  E_DAMAGED when a field is out of range.
 */
enum err	record_peek(struct record *, const uint8_t *p, size_t n);

/*
 * As record_get, for one whose checksum was made wrong on purpose, as it may be
 * older than what was lost (data_salvage.c); E_DAMAGED: it was not.
 */
enum err	record_get_doubtful(struct record *, const void *key,
		    size_t keylen, const uint8_t *p, size_t n);
/* Makes it so; p: the sealed record. */
void		record_doubt(uint8_t *p);

/* 128-bit digest of a live record: XXH3 128 of (engine key, stamp, sum). */
struct digest { uint64_t lo, hi; };
struct digest	record_digest(const struct record *, const void *key, size_t keylen);
static inline void
digest_xor(struct digest *d, struct digest e)
{
	d->lo ^= e.lo;
	d->hi ^= e.hi;
}

#endif
