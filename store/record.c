/*
 * record.c: encodes, seals and verifies records (record.h has the layout).
 * Pure: no state, no I/O.
 */
#include <string.h>

#include "proto/buf.h"
#include "store/record.h"
#include "store/xxh.h"

#define SLOTS		1024
#define SMALL		512	/* bytes hashed in one go, from the stack */

static const uint32_t	flags_none = 0;

void
record_key_put(uint8_t *out, uint8_t type, const void *tab, size_t tablen,
    const void *key, size_t keylen)
{
	*out++ = type;
	if (tablen != 0)
		memcpy(out, tab, tablen);
	out += tablen;
	*out++ = 0;
	if (keylen != 0)
		memcpy(out, key, keylen);
}

enum err
record_key_get(const uint8_t *p, size_t n, uint8_t *type, const uint8_t **tab,
    size_t *tablen, const uint8_t **key, size_t *keylen)
{
	const uint8_t	*nul;

	if (n < 2 || n > RECORD_KEY_MAX)
		return E_DAMAGED;
	nul = memchr(p + 1, 0, n - 1);
	if (nul == NULL || (size_t)(nul - (p + 1)) > FRAME_TABLE)
		return E_DAMAGED;
	*type = p[0];
	*tab = p + 1;
	*tablen = (size_t)(nul - (p + 1));
	*key = nul + 1;
	*keylen = n - 2 - *tablen;
	return *keylen > FRAME_KEY ? E_DAMAGED : E_OK;
}

/* Both ways give the hash of the bytes one after the other. */
static uint64_t
sum_of(const void *key, size_t keylen, const uint8_t *p, size_t n)
{
	uint8_t		 small[SMALL];
	XXH3_state_t	 st;

	if (keylen + n <= sizeof(small)) {
		memcpy(small, key, keylen);
		memcpy(small + keylen, p, n);
		return XXH3_64bits(small, keylen + n);
	}
	XXH3_64bits_reset(&st);
	XXH3_64bits_update(&st, key, keylen);
	XXH3_64bits_update(&st, p, n);
	return XXH3_64bits_digest(&st);
}

void
record_seal(uint8_t *out, struct record *r, const void *key, size_t keylen)
{
	stamp_put(out + 8, &r->stamp);
	stamp_put(out + 24, &r->prev);
	le64_put(out + 40, (uint64_t)r->expiry);
	le32_put(out + 48, r->version);
	le16_put(out + 52, r->slot);
	out[54] = r->kind;
	out[55] = RECORD_FORMAT;
	le32_put(out + 56, r->replaced);
	le32_put(out + 60, flags_none);
	r->sum = sum_of(key, keylen, out + 8, RECORD_HEAD - 8 + r->vallen);
	le64_put(out, r->sum);
}

enum err
record_peek(struct record *r, const uint8_t *p, size_t n)
{
	if (n < RECORD_HEAD || p[55] != RECORD_FORMAT ||
	    le32_get(p + 60) != flags_none)
		return E_DAMAGED;
	r->sum = le64_get(p);
	stamp_get(&r->stamp, p + 8);
	stamp_get(&r->prev, p + 24);
	r->expiry = (int64_t)le64_get(p + 40);
	r->version = le32_get(p + 48);
	r->slot = le16_get(p + 52);
	r->kind = p[54];
	r->replaced = le32_get(p + 56);
	r->val = p + RECORD_HEAD;
	r->vallen = n - RECORD_HEAD;
	if (r->slot >= SLOTS || r->version == 0 || r->version > VERSION_MAX ||
	    (r->kind != RECORD_VALUE && r->kind != RECORD_DEAD))
		return E_DAMAGED;
	return E_OK;
}

enum err
record_get(struct record *r, const void *key, size_t keylen, const uint8_t *p,
    size_t n)
{
	if (record_peek(r, p, n) != E_OK)
		return E_DAMAGED;
	if (r->sum != sum_of(key, keylen, p + 8, n - 8))
		return E_DAMAGED;
	return E_OK;
}

enum err
record_get_doubtful(struct record *r, const void *key, size_t keylen,
    const uint8_t *p, size_t n)
{
	if (record_peek(r, p, n) != E_OK)
		return E_DAMAGED;
	r->sum = ~r->sum;
	if (r->sum != sum_of(key, keylen, p + 8, n - 8))
		return E_DAMAGED;
	return E_OK;
}

void
record_doubt(uint8_t *p)
{
	le64_put(p, ~le64_get(p));
}

struct digest
record_digest(const struct record *r, const void *key, size_t keylen)
{
	uint8_t		 tail[24], small[SMALL];
	XXH128_hash_t	 h;
	XXH3_state_t	 st;

	stamp_put(tail, &r->stamp);
	le64_put(tail + 16, r->sum);
	if (keylen + sizeof(tail) <= sizeof(small)) {
		memcpy(small, key, keylen);
		memcpy(small + keylen, tail, sizeof(tail));
		h = XXH3_128bits(small, keylen + sizeof(tail));
	} else {
		XXH3_128bits_reset(&st);
		XXH3_128bits_update(&st, key, keylen);
		XXH3_128bits_update(&st, tail, sizeof(tail));
		h = XXH3_128bits_digest(&st);
	}
	return (struct digest){ h.low64, h.high64 };
}
