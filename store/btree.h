/*
 * btree.h: an ordered set of byte strings in memory, each with a few bytes of
 * payload, that can tell at which place an entry stands and what stands at a
 * place (a counted B+ tree).  Memory: stated in doc/storage.md.
 *
 * Not thread safe; no entry borrows from another after the next change.
 */
#ifndef STORE_BTREE_H
#define STORE_BTREE_H

#include <stddef.h>
#include <stdint.h>

struct btree;

#define BTREE_PAYLOAD	32u	/* most bytes */

struct btree_at {		/* an entry; borrowed until the next change */
	const uint8_t	*key, *pay;
	size_t		 keylen, paylen;
};

struct btree	*btree_new(void);
void		 btree_free(struct btree *);
uint64_t	 btree_count(const struct btree *);
size_t		 btree_bytes(const struct btree *);	/* all that it has from malloc */
/* Inserts, or replaces the payload: 1 new, 0 replaced, -1 no memory. */
int		 btree_put(struct btree *, const void *key, size_t keylen,
		    const void *pay, size_t paylen);
int		 btree_del(struct btree *, const void *key, size_t keylen); /* 1: was there */
int		 btree_get(const struct btree *, const void *key, size_t keylen,
		    struct btree_at *);
/* How many entries are less than key. */
uint64_t	 btree_rank(const struct btree *, const void *key, size_t keylen);

/*
 * A place in the tree.  Any change to the tree ends it.  next and prev: 1 and
 * the entry, 0 at the end; the first next after a seek gives the entry at the
 * place, the first prev the one before it.
 */
struct btree_iter {
	const struct btree *t;
	void		*leaf_;
	unsigned	 at_;
	uint8_t		*key_;		/* of the entry shown */
	size_t		 cap_;
	int		 failed;	/* no memory */
};
void		 btree_seek(const struct btree *, struct btree_iter *,
		    const void *key, size_t keylen);	/* first entry >= key */
void		 btree_seek_rank(const struct btree *, struct btree_iter *,
		    uint64_t rank);
int		 btree_next(struct btree_iter *, struct btree_at *);
int		 btree_prev(struct btree_iter *, struct btree_at *);
void		 btree_iter_end(struct btree_iter *);	/* frees */

#endif
