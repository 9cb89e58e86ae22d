/*
 * heap.c: a binary heap of embedded nodes (heap.h).
 *
 * Invariants: 1. node[i]->at == i + 1; 2. no node's key is below that of its
 * parent (i - 1) / 2.
 */
#include <stdlib.h>

#include "proto/heap.h"

int
heap_reserve(struct heap *h, uint32_t n)
{
	uint32_t	  cap = h->cap == 0 ? 16 : h->cap;
	struct heap_node **node;

	if (n <= h->cap)
		return 0;
	while (cap < n)
		cap = cap > UINT32_MAX / 2 ? UINT32_MAX : cap * 2;
	if ((node = realloc(h->node, cap * sizeof(*node))) == NULL)
		return -1;
	h->node = node;
	h->cap = cap;
	return 0;
}

static void
place(struct heap *h, uint32_t i, struct heap_node *n)
{
	h->node[i] = n;
	n->at = i + 1;
}

static void
rise(struct heap *h, uint32_t i, struct heap_node *n)
{
	uint32_t	up;

	for (; i > 0; i = up) {
		up = (i - 1) / 2;
		if (h->node[up]->key <= n->key)
			break;
		place(h, i, h->node[up]);
	}
	place(h, i, n);
}

static void
sink(struct heap *h, uint32_t i, struct heap_node *n)
{
	uint32_t	kid;

	for (; (kid = 2 * i + 1) < h->n; i = kid) {
		if (kid + 1 < h->n &&
		    h->node[kid + 1]->key < h->node[kid]->key)
			kid++;
		if (h->node[kid]->key >= n->key)
			break;
		place(h, i, h->node[kid]);
	}
	place(h, i, n);
}

void
heap_set(struct heap *h, struct heap_node *n, int64_t key)
{
	int64_t	was = n->key;

	n->key = key;
	if (n->at == 0)
		rise(h, h->n++, n);
	else if (key < was)
		rise(h, n->at - 1, n);
	else if (key > was)
		sink(h, n->at - 1, n);
}

void
heap_del(struct heap *h, struct heap_node *n)
{
	uint32_t	 i = n->at - 1;
	struct heap_node *last;

	if (n->at == 0)
		return;
	n->at = 0;
	last = h->node[--h->n];
	if (last == n)
		return;
	if (last->key < n->key)
		rise(h, i, last);
	else
		sink(h, i, last);
}

struct heap_node *
heap_top(const struct heap *h)
{
	return h->n == 0 ? NULL : h->node[0];
}

size_t
heap_bytes(const struct heap *h)
{
	return h->cap * sizeof(struct heap_node *);
}

void
heap_free(struct heap *h)
{
	free(h->node);
	*h = (struct heap){ NULL, 0, 0 };
}
