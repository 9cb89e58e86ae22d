/*
 * wal_buf.c: the memory of a batch.  Grows by doubling; what big batches
 * needed is given back when WAL_LINGER small ones in a row have not, so that a
 * stream of large values does not fault its memory in for each batch, and a
 * quiet store keeps at most two buffers of WAL_KEEP bytes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/wal_impl.h"

#define WAL_KEEP	(4u << 20)
#define WAL_LEAST	(256u << 10)
#define WAL_LINGER	16

int
wal_buf_grow(struct wal_buf *b, size_t len)
{
	size_t	 cap = b->cap == 0 ? WAL_LEAST : b->cap;
	void	*p;

	/* Padding up to a block is written from the buffer too. */
	len = wal_round(len, WAL_BLOCK);
	if (len <= b->cap)
		return 0;
	while (cap < len)
		cap *= 2;
	if (posix_memalign(&p, WAL_BLOCK, cap) != 0)
		return -1;
	if (b->p != NULL)
		memcpy(p, b->p, b->len);
	free(b->p);
	b->p = p;
	b->cap = cap;
	return 0;
}

void
wal_buf_reset(struct wal_buf *b, uint64_t first)
{
	if (b->len > WAL_KEEP)
		b->small = 0;
	else if (b->cap > WAL_KEEP && ++b->small > WAL_LINGER) {
		free(b->p);
		b->p = NULL;
		b->cap = 0;
		b->small = 0;
	}
	b->len = WAL_HEAD;
	b->count = 0;
	b->first = first;
}

void
wal_buf_free(struct wal_buf *b)
{
	free(b->p);
	memset(b, 0, sizeof *b);
}

/* Lays out a record; the caller made room.  Returns where its key goes. */
uint8_t *
wal_buf_add(struct wal_buf *b, size_t keylen, size_t vallen)
{
	uint8_t	*p = b->p + b->len;

	assert(b->len + WAL_REC + keylen + vallen <= b->cap);
	wal_rec_put(p, keylen, vallen);
	b->len += WAL_REC + keylen + vallen;
	b->count++;
	return p + WAL_REC;
}
