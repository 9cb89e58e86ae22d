/*
 * pending.c: the table behind pending.h.
 *
 * Invariants
 * 1 A slot is in the free list or its node in the heap, never both; slot 0 is
 *   in neither.  The heap has room for all slots.
 * 2 Slots do not move: they come in blocks.
 * 3 A slot's generation changes when it is taken, which makes its old id void;
 *   it is never 0 in an id.
 */
#include <stddef.h>
#include <stdlib.h>

#include "proto/heap.h"
#include "worker/pending.h"

#define BLOCK	256u		/* slots */

struct slot {
	struct heap_node due;		/* key: microseconds of mono_t */
	void		*owner;		/* NULL: free */
	uint64_t	 link;
	uint32_t	 n, gen;
	uint32_t	 next;		/* of the free list, 0 none */
};

struct pending {
	struct slot	**blocks;
	uint32_t	 size, free;	/* slots; head of the free list, 0 none */
	struct heap	 heap;
};

struct pending *
pending_new(void)
{
	return calloc(1, sizeof(struct pending));
}

void
pending_free(struct pending *p)
{
	uint32_t	i;

	if (p == NULL)
		return;
	for (i = 0; i < p->size / BLOCK; i++)
		free(p->blocks[i]);
	free(p->blocks);
	heap_free(&p->heap);
	free(p);
}

static struct slot *
slot_at(const struct pending *p, uint32_t n)
{
	return &p->blocks[n / BLOCK][n % BLOCK];
}

static struct slot *
slot_of(struct heap_node *due)
{
	return (struct slot *)(void *)((char *)due -
	    offsetof(struct slot, due));
}

static void
slot_put_free(struct pending *p, struct slot *s)
{
	s->next = p->free;
	p->free = s->n;
}

static int
pending_grow(struct pending *p)
{
	uint32_t	  i, size = p->size + BLOCK;
	struct slot	**blocks, *b;

	if (size < p->size || heap_reserve(&p->heap, size) != 0)
		return 0;
	blocks = reallocarray(p->blocks, size / BLOCK, sizeof(*blocks));
	if (blocks == NULL)
		return 0;
	p->blocks = blocks;
	if ((b = calloc(BLOCK, sizeof(*b))) == NULL)
		return 0;
	blocks[p->size / BLOCK] = b;
	for (i = BLOCK; i-- > 0;) {
		b[i].n = p->size + i;
		b[i].gen = 1;
		if (b[i].n != 0)
			slot_put_free(p, &b[i]);
	}
	p->size = size;
	return 1;
}

uint64_t
pending_add(struct pending *p, void *owner, uint64_t link, mono_t due)
{
	struct slot	*s;

	if (p->free == 0 && !pending_grow(p))
		return 0;
	s = slot_at(p, p->free);
	p->free = s->next;
	s->owner = owner;
	s->link = link;
	heap_set(&p->heap, &s->due, due.us);
	return (uint64_t)s->gen << 32 | s->n;
}

static void *
slot_release(struct pending *p, struct slot *s)
{
	void	*owner = s->owner;

	heap_del(&p->heap, &s->due);
	s->owner = NULL;
	if (++s->gen == 0)
		s->gen = 1;
	slot_put_free(p, s);
	return owner;
}

void *
pending_take(struct pending *p, uint64_t id, uint64_t link)
{
	uint32_t	 n = (uint32_t)id;
	struct slot	*s;

	if (n == 0 || n >= p->size)
		return NULL;
	s = slot_at(p, n);
	if (s->owner == NULL || s->gen != id >> 32 || s->link != link)
		return NULL;
	return slot_release(p, s);
}

void *
pending_expired(struct pending *p, mono_t now)
{
	struct heap_node	*due = heap_top(&p->heap);

	return due != NULL && due->key <= now.us ?
	    slot_release(p, slot_of(due)) : NULL;
}

/* From the end: there nothing of the heap moves when one goes. */
void *
pending_orphan(struct pending *p, uint64_t link)
{
	uint32_t	 i;
	struct slot	*s;

	for (i = p->heap.n; i-- > 0;) {
		s = slot_of(p->heap.node[i]);
		if (link == 0 || s->link == link)
			return slot_release(p, s);
	}
	return NULL;
}

int
pending_next(const struct pending *p, mono_t *due)
{
	const struct heap_node	*top = heap_top(&p->heap);

	if (top == NULL)
		return 0;
	due->us = top->key;
	return 1;
}

size_t
pending_count(const struct pending *p)
{
	return p->heap.n;
}
