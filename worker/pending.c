/*
 * pending.c: the table behind pending.h.
 *
 * Invariants
 * 1 A slot is in the free list or in the deadline list, never in both; slot 0
 *   heads the deadline list and is never given out.
 * 2 The deadline list is sorted.  Deadlines hardly differ in length, so a new
 *   entry goes to the tail, or a few steps before it.
 * 3 A slot's generation changes when it is taken, which makes its old id void;
 *   it is never 0 in an id.
 */
#include <stdlib.h>

#include "worker/pending.h"

struct slot {
	void		*owner;		/* NULL: free */
	uint64_t	 link;
	mono_t		 due;
	uint32_t	 gen;
	uint32_t	 next, prev;
};

struct pending {
	struct slot	*slots;
	uint32_t	 size, free;	/* free: head of the free list, 0 none */
	size_t		 count;
};

#define FIRST_SIZE	256u

struct pending *
pending_new(void)
{
	return calloc(1, sizeof(struct pending));
}

void
pending_free(struct pending *p)
{
	if (p == NULL)
		return;
	free(p->slots);
	free(p);
}

static int
pending_grow(struct pending *p)
{
	uint32_t	 size = p->size == 0 ? FIRST_SIZE : p->size * 2, i;
	struct slot	*slots;

	if (size < p->size)
		return 0;
	slots = reallocarray(p->slots, size, sizeof(*slots));
	if (slots == NULL)
		return 0;
	if (p->size == 0)
		slots[0] = (struct slot){ .next = 0, .prev = 0 };
	for (i = p->size == 0 ? 1 : p->size; i < size; i++)
		slots[i] = (struct slot){ .gen = 1,
		    .next = i + 1 < size ? i + 1 : 0 };
	p->free = p->size == 0 ? 1 : p->size;
	p->slots = slots;
	p->size = size;
	return 1;
}

/* Puts slot n in front of the first entry that is due later. */
static void
deadline_insert(struct pending *p, uint32_t n)
{
	struct slot	*s = p->slots;
	uint32_t	 after = s[0].prev;

	while (after != 0 && mono_diff(s[n].due, s[after].due) > 0)
		after = s[after].prev;
	s[n].prev = after;
	s[n].next = s[after].next;
	s[s[n].next].prev = n;
	s[after].next = n;
}

uint64_t
pending_add(struct pending *p, void *owner, uint64_t link, mono_t due)
{
	struct slot	*s;
	uint32_t	 n;

	if (p->free == 0 && !pending_grow(p))
		return 0;
	n = p->free;
	s = &p->slots[n];
	p->free = s->next;
	s->owner = owner;
	s->link = link;
	s->due = due;
	deadline_insert(p, n);
	p->count++;
	return (uint64_t)s->gen << 32 | n;
}

static void *
slot_release(struct pending *p, uint32_t n)
{
	struct slot	*s = &p->slots[n];
	void		*owner = s->owner;

	p->slots[s->prev].next = s->next;
	p->slots[s->next].prev = s->prev;
	s->owner = NULL;
	if (++s->gen == 0)
		s->gen = 1;
	s->next = p->free;
	p->free = n;
	p->count--;
	return owner;
}

void *
pending_take(struct pending *p, uint64_t id, uint64_t link)
{
	uint32_t	 n = (uint32_t)id;
	struct slot	*s;

	if (n == 0 || n >= p->size)
		return NULL;
	s = &p->slots[n];
	if (s->owner == NULL || s->gen != id >> 32 || s->link != link)
		return NULL;
	return slot_release(p, n);
}

void *
pending_expired(struct pending *p, mono_t now)
{
	uint32_t	n;

	if (p->count == 0)
		return NULL;
	n = p->slots[0].next;
	return mono_diff(p->slots[n].due, now) >= 0 ? slot_release(p, n) : NULL;
}

void *
pending_orphan(struct pending *p, uint64_t link)
{
	uint32_t	n;

	if (p->count == 0)
		return NULL;
	for (n = p->slots[0].next; n != 0; n = p->slots[n].next)
		if (link == 0 || p->slots[n].link == link)
			return slot_release(p, n);
	return NULL;
}

int
pending_next(const struct pending *p, mono_t *due)
{
	if (p->count == 0)
		return 0;
	*due = p->slots[p->slots[0].next].due;
	return 1;
}

size_t
pending_count(const struct pending *p)
{
	return p->count;
}
