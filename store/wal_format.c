/*
 * wal_format.c: encodes and decodes segment and batch headers (wal_format.h).
 * Pure; every length is checked against what is there.
 */
#include <string.h>

#include "proto/buf.h"
#include "store/wal_format.h"
#include "store/xxh.h"

#define SEG_MAGIC	0x31534c57u	/* "WLS1" read as little-endian */
#define BATCH_MAGIC	0x31424c57u	/* "WLB1" */

void
seg_head_put(uint8_t *block, const struct seg_head *h)
{
	memset(block, 0, WAL_BLOCK);
	le32_put(block + 8, SEG_MAGIC);
	le16_put(block + 12, h->format);
	le16_put(block + 14, h->store);
	le64_put(block + 16, h->node);
	le64_put(block + 24, h->number);
	le64_put(block + 32, h->salt);
	le64_put(block + 40, h->first);
	le64_put(block + 48, h->prev);
	le64_put(block + 56, h->durable);
	le64_put(block + 64, h->bound);
	le64_put(block + 72, h->size);
	le64_put(block, XXH3_64bits(block + 8, WAL_BLOCK - 8));
}

enum err
seg_head_get(struct seg_head *h, const uint8_t *block)
{
	if (le32_get(block + 8) != SEG_MAGIC ||
	    le64_get(block) != XXH3_64bits(block + 8, WAL_BLOCK - 8))
		return E_DAMAGED;
	h->format = le16_get(block + 12);
	if (h->format > WAL_FORMAT)
		return E_UNKNOWN;
	h->store = le16_get(block + 14);
	h->node = le64_get(block + 16);
	h->number = le64_get(block + 24);
	h->salt = le64_get(block + 32);
	h->first = le64_get(block + 40);
	h->prev = le64_get(block + 48);
	h->durable = le64_get(block + 56);
	h->bound = le64_get(block + 64);
	h->size = le64_get(block + 72);
	if (h->first == 0 || h->first > WAL_LSN_MAX || h->prev >= h->first)
		return E_DAMAGED;
	return E_OK;
}

void
batch_seal(uint8_t *p, const struct batch_head *h)
{
	le32_put(p + 8, BATCH_MAGIC);
	le32_put(p + 12, h->count);
	le64_put(p + 16, h->salt);
	le64_put(p + 24, h->first);
	le32_put(p + 32, h->payload);
	le32_put(p + 36, h->span);
	le64_put(p + 40, h->durable);
	le64_put(p + 48, h->bound);
	le32_put(p + 56, h->synced);
	le32_put(p + 60, 0);
	le64_put(p, XXH3_64bits(p + 8, WAL_HEAD - 8 + (size_t)h->payload));
}

uint32_t
batch_peek_span(const uint8_t *p)
{
	return le32_get(p + 36);
}

int
batch_peek_salt(const uint8_t *p, uint64_t salt)
{
	return le32_get(p + 8) == BATCH_MAGIC && le64_get(p + 16) == salt;
}

/* The records fill the payload exactly. */
static int
batch_records_fit(const uint8_t *p, size_t left, uint32_t count)
{
	struct wal_rec	r;

	for (; count > 0; count--)
		if (!wal_rec_get(&r, &p, &left))
			return 0;
	return left == 0;
}

int
batch_get(struct batch_head *h, const uint8_t *p, size_t left)
{
	if (left < WAL_HEAD || le32_get(p + 8) != BATCH_MAGIC)
		return 0;
	h->count = le32_get(p + 12);
	h->salt = le64_get(p + 16);
	h->first = le64_get(p + 24);
	h->payload = le32_get(p + 32);
	h->span = le32_get(p + 36);
	h->durable = le64_get(p + 40);
	h->bound = le64_get(p + 48);
	h->synced = le32_get(p + 56);
	if (h->span > left || h->span % WAL_ALIGN != 0 || h->span < WAL_HEAD ||
	    h->payload > h->span - WAL_HEAD)
		return 0;
	if (h->first == 0 || h->first > WAL_LSN_MAX - h->count)
		return 0;
	if (le64_get(p) != XXH3_64bits(p + 8, WAL_HEAD - 8 + (size_t)h->payload))
		return 0;
	return batch_records_fit(p + WAL_HEAD, h->payload, h->count);
}

void
wal_rec_put(uint8_t *p, size_t keylen, size_t vallen)
{
	le32_put(p, (uint32_t)keylen);
	le32_put(p + 4, (uint32_t)vallen);
}

int
wal_rec_get(struct wal_rec *r, const uint8_t **p, size_t *left)
{
	if (*left < WAL_REC)
		return 0;
	r->keylen = le32_get(*p);
	r->vallen = le32_get(*p + 4);
	if (r->keylen > *left - WAL_REC ||
	    r->vallen > *left - WAL_REC - r->keylen)
		return 0;
	r->key = *p + WAL_REC;
	r->val = r->key + r->keylen;
	*p = r->val + r->vallen;
	*left -= WAL_REC + r->keylen + r->vallen;
	return 1;
}
