/*
 * index_feed.c: changes in the order in which they came, packed into blocks:
 * length of the key, note, key.  The loop's alone.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "store/index_impl.h"

#define BLOCK	32768u

struct feed_block {
	struct feed_block	*next;
	size_t			 used, size;
	uint8_t			 b[];
};

struct feed_head {
	uint32_t		 keylen;
	struct index_note	 note;
};

static struct feed_block *
block_new(struct feed *f, size_t need)
{
	struct feed_block	*b;
	size_t			 size = need > BLOCK ? need : BLOCK;

	if ((b = malloc(sizeof(*b) + size)) == NULL)
		return NULL;
	b->next = NULL;
	b->used = 0;
	b->size = size;
	f->bytes += sizeof(*b) + size;
	if (f->tail != NULL)
		f->tail->next = b;
	else
		f->head = b;
	f->tail = b;
	return b;
}

int
feed_add(struct feed *f, const uint8_t *key, size_t keylen,
    const struct index_note *n)
{
	struct feed_head	 h = { (uint32_t)keylen, *n };
	struct feed_block	*b = f->tail;
	size_t			 need = sizeof(h) + keylen;

	if ((b == NULL || b->size - b->used < need) &&
	    (b = block_new(f, need)) == NULL)
		return 0;
	memcpy(b->b + b->used, &h, sizeof(h));
	memcpy(b->b + b->used + sizeof(h), key, keylen);
	b->used += need;
	return 1;
}

static void
block_drop(struct feed *f)
{
	struct feed_block	*b = f->head;

	if ((f->head = b->next) == NULL)
		f->tail = NULL;
	f->bytes -= sizeof(*b) + b->size;
	f->at = 0;
	free(b);
}

int
feed_take(struct feed *f, const uint8_t **key, size_t *keylen,
    struct index_note *n)
{
	struct feed_head	 h;

	/* Only now, so that the key last shown has lived until this call. */
	while (f->head != NULL && f->at == f->head->used)
		block_drop(f);
	if (f->head == NULL)
		return 0;
	memcpy(&h, f->head->b + f->at, sizeof(h));
	*n = h.note;
	*key = f->head->b + f->at + sizeof(h);
	*keylen = h.keylen;
	f->at += sizeof(h) + h.keylen;
	return 1;
}

void
feed_clear(struct feed *f)
{
	while (f->head != NULL)
		block_drop(f);
}
