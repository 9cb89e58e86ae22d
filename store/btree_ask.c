/*
 * btree_ask.c: what can be asked of a btree: an entry, its place, and walking
 * from a place on.
 */
#include <stdlib.h>
#include <string.h>

#include "store/btree_impl.h"

#define AHEAD	4u	/* entries */
#define FETCH	256u	/* bytes of one */
#define LINE	64u	/* bytes of a line of the cache, on most machines */

int
btree_get(const struct btree *t, const void *key, size_t keylen,
    struct btree_at *out)
{
	struct way	w;
	struct entry	e;
	unsigned	at;
	int		found;

	if (t->root == NULL)
		return 0;
	way_find(t, &w, key, keylen);
	at = leaf_find(w.leaf, key, keylen, &found);
	if (!found)
		return 0;
	leaf_entry(w.leaf, at, &e);
	*out = (struct btree_at){ key, e.pay, keylen, e.paylen };
	return 1;
}

uint64_t
btree_rank(const struct btree *t, const void *key, size_t keylen)
{
	struct way	w;
	uint64_t	sum = 0;
	unsigned	d;
	int		found;

	if (t->root == NULL)
		return 0;
	way_find(t, &w, key, keylen);
	for (d = 0; d < t->depth; d++)
		sum += inner_sum(w.s[d].in, w.s[d].i);
	return sum + leaf_find(w.leaf, key, keylen, &found);
}

/*
 * Entries lie in their leaf as they came, leaves anywhere: a walk goes to and fro
 * in memory that no cache holds.  So what it will come to is fetched ahead, the
 * next leaf's header and places as soon as it stands in a leaf, and entries some
 * steps before they are shown.
 */
static void
iter_enter(struct btree_iter *it, const struct leaf *l)
{
	it->leaf_ = (void *)(uintptr_t)l;
	if (l->next != NULL) {
		__builtin_prefetch(l->next);
		__builtin_prefetch(l->next->b + LINE / 2);
	}
}

static void
iter_ahead(const struct leaf *l, unsigned i)
{
	const uint8_t	*p;
	unsigned	 n;

	if (i >= l->n) {
		i -= l->n;
		if ((l = l->next) == NULL || i >= l->n)
			return;
	}
	p = leaf_place(l, i);
	for (n = 0; n < FETCH; n += LINE)
		__builtin_prefetch(p + n);
}

void
btree_seek(const struct btree *t, struct btree_iter *it, const void *key,
    size_t keylen)
{
	struct way	w;
	int		found;

	*it = (struct btree_iter){ .t = t };
	if (t->root == NULL)
		return;
	way_find(t, &w, key, keylen);
	iter_enter(it, w.leaf);
	it->at_ = leaf_find(w.leaf, key, keylen, &found);
}

void
btree_seek_rank(const struct btree *t, struct btree_iter *it, uint64_t rank)
{
	struct inner	*in;
	void		*node = t->root;
	unsigned	 d, i;

	*it = (struct btree_iter){ .t = t };
	if (node == NULL)
		return;
	for (d = 0; d < t->depth; d++) {
		in = node;
		for (i = 0; i + 1 < in->n && rank >= in->count[i]; i++)
			rank -= in->count[i];
		node = in->child[i];
	}
	iter_enter(it, node);
	it->at_ = ((struct leaf *)node)->n;
	if (rank < it->at_)
		it->at_ = (unsigned)rank;
}

/* Puts the whole key of entry at_ together. */
static int
iter_show(struct btree_iter *it, struct btree_at *out)
{
	const struct leaf	*l = it->leaf_;
	struct entry		 e;
	size_t			 n;
	uint8_t			*p;

	leaf_entry(l, it->at_, &e);
	n = e.headlen + e.taillen;
	if (n > it->cap_) {
		if ((p = realloc(it->key_, n + n / 2 + 64)) == NULL) {
			it->failed = 1;
			return 0;
		}
		it->key_ = p;
		it->cap_ = n + n / 2 + 64;
	}
	memcpy(it->key_, e.head, e.headlen);
	memcpy(it->key_ + e.headlen, e.tail, e.taillen);
	*out = (struct btree_at){ it->key_, e.pay, n, e.paylen };
	return 1;
}

int
btree_next(struct btree_iter *it, struct btree_at *out)
{
	const struct leaf	*l = it->leaf_;

	if (l != NULL && it->at_ == l->n && l->next != NULL) {
		l = l->next;
		iter_enter(it, l);
		it->at_ = 0;
	}
	if (l == NULL || it->at_ == l->n)
		return 0;
	iter_ahead(l, it->at_ + AHEAD);
	if (!iter_show(it, out))
		return 0;
	it->at_++;
	return 1;
}

int
btree_prev(struct btree_iter *it, struct btree_at *out)
{
	const struct leaf	*l = it->leaf_;

	if (l != NULL && it->at_ == 0 && l->prev != NULL) {
		it->leaf_ = l->prev;
		it->at_ = l->prev->n;
		l = l->prev;
	}
	if (l == NULL || it->at_ == 0)
		return 0;
	it->at_--;
	if (iter_show(it, out))
		return 1;
	it->at_++;
	return 0;
}

void
btree_iter_end(struct btree_iter *it)
{
	free(it->key_);
	*it = (struct btree_iter){ 0 };
}
