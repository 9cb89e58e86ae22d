/*
 * heap.h: what is due next: a binary heap of nodes that lie in the things
 * themselves.  All steps O(log n); the heap has only an array of pointers.
 */
#ifndef PROTO_HEAP_H
#define PROTO_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t		 key;		/* least first */
	uint32_t	 at;		/* place + 1; 0: in no heap */
};

struct heap {
	struct heap_node **node;
	uint32_t	 n, cap;
};

/* Makes room for n nodes in all; 0, or -1 no memory. */
int			 heap_reserve(struct heap *, uint32_t n);
/* Inserts or moves; the caller has reserved room if it was in no heap. */
void			 heap_set(struct heap *, struct heap_node *, int64_t key);
void			 heap_del(struct heap *, struct heap_node *);	/* if in it */
struct heap_node	*heap_top(const struct heap *);	/* NULL: empty */
size_t			 heap_bytes(const struct heap *);
void			 heap_free(struct heap *);	/* not the nodes */

#endif
