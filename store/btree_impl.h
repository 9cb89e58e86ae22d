/*
 * btree_impl.h: the inside of a btree, for btree*.c only.
 *
 * A leaf is one piece of memory:
 *
 *	header | place of each entry, 2 bytes, in order | free | heap | prefix
 *
 * The prefix is what the keys of the leaf have in common, at least when it was
 * built.  Entries lie in the heap as they came, growing downwards from the
 * prefix; a place is the distance from there.  An entry:
 *
 *	length of the rest of the key (1 byte, or 2 from 128 on: low 7 bits
 *	and the top bit, then the others), length of payload (1 byte), rest,
 *	payload
 *
 * 1 Places and heap together are at most LEAF_MAX bytes.
 * 2 The prefix of a leaf with one entry is its whole key.  So a long key never
 *   lies in the heap: a leaf is longer than LEAF_MAX only by its prefix.
 * 3 A key without the prefix is less, or greater, than all of the leaf.
 */
#ifndef STORE_BTREE_IMPL_H
#define STORE_BTREE_IMPL_H

#include "store/btree.h"

#define FAN		64u
#define DEPTH		24u	/* a node has FAN / 2 children when it is cut */
#define LEAF_MAX	4096u
#define LEAF_ENTRIES	(LEAF_MAX / 4)	/* no entry takes less than 4 bytes */

struct leaf {
	struct leaf	*prev, *next;
	uint32_t	 cap;		/* bytes of b */
	uint32_t	 plen;		/* of the prefix */
	uint16_t	 n;
	uint16_t	 heap;		/* bytes, holes included */
	uint16_t	 live;		/* without them */
	uint8_t		 b[];
};

/* An entry, wherever it lies: its key is head, then tail. */
struct entry {
	const uint8_t	*head, *tail, *pay;
	uint32_t	 headlen, taillen;
	uint8_t		 paylen;
};

/* Where entry i lies, for whoever wants it in the cache. */
const uint8_t	*leaf_place(const struct leaf *, unsigned i);
void		 leaf_entry(const struct leaf *, unsigned i, struct entry *);
/* The first entry not less than key (n: none); whether it is the key. */
unsigned	 leaf_find(const struct leaf *, const uint8_t *key, size_t keylen,
		    int *found);
/* Where there is room as it is: 1, else 0 and nothing was done. */
int		 leaf_insert(struct leaf *, unsigned at, const struct entry *);
void		 leaf_remove(struct leaf *, unsigned at);
/* Places and heap that entries need in a leaf of their own. */
size_t		 leaf_need(const struct entry *, unsigned n);
/* How many bytes the allocation of a leaf for them takes. */
size_t		 leaf_size(const struct entry *, unsigned n);
/* Lays them out; l has leaf_size bytes. */
void		 leaf_fill(struct leaf *, const struct entry *, unsigned n);
/* What two keys have in common. */
size_t		 entry_common(const struct entry *, const struct entry *);
size_t		 entry_size(const struct entry *, size_t plen);
/* Copies n bytes of the key from a place on. */
void		 entry_copy(uint8_t *out, const struct entry *, size_t from,
		    size_t n);


/*
 * Above the leaves: inner nodes know of each child how many entries it holds.
 * sep[i] is greater than every key under child i - 1 and not greater than any
 * under child i; as short as that allows.
 */
struct sep {
	uint32_t	 len;
	uint8_t		 b[];
};

struct inner {
	unsigned	 n;
	uint32_t	 skip;		/* all separators begin with so much */
	uint64_t	 head[FAN];	/* the 8 bytes after that, big-endian */
	uint64_t	 count[FAN];
	void		*child[FAN];
	struct sep	*sep[FAN];	/* the first is NULL */
};

struct btree {
	void		*root;		/* NULL: empty */
	unsigned	 depth;		/* inner nodes above a leaf */
	uint64_t	 count;
	size_t		 bytes;
};

/* The way down: a node and which child. */
struct step {
	struct inner	*in;
	unsigned	 i;
};

struct way {
	struct step	 s[DEPTH];
	struct leaf	*leaf;
};

void		*btree_take(struct btree *, size_t);	/* NULL: no memory */
void		 btree_give(struct btree *, void *);

/* After a change of separators: what makes finding quick. */
void		 inner_index(struct inner *);
/* Makes room for k children at a place. */
void		 inner_open(struct inner *, unsigned at, unsigned k);
/* Takes a child and its separator out. */
void		 inner_close(struct btree *, struct inner *, unsigned i);
/* Puts child i and a neighbour into one node, if they fit. */
void		 inner_join(struct btree *, struct inner *up, unsigned i);
uint64_t	 inner_sum(const struct inner *, unsigned n); /* of the first n */
/* A node above the root, so that the root can be cut; 0: no memory. */
int		 root_raise(struct btree *);
/* The way to where key is, or would be. */
void		 way_find(const struct btree *, struct way *, const uint8_t *key,
		    size_t keylen);
/*
 * The same, and each node on it has room for two more children, by splitting
 * those that might not.  0: no memory.
 */
int		 way_open(struct btree *, struct way *, const uint8_t *key,
		    size_t keylen);
/* So many entries more (or less) at its end. */
void		 way_count(struct btree *, struct way *, int by);

#endif
