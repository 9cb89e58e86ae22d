/*
 * btree.c: a counted B+ tree.  Entries lie in leaves, packed and linked, so
 * that walking never climbs; inner nodes above them count (btree_impl.h).
 *
 * 1 A change needs memory only before it does anything: what fails leaves the
 *   tree as it was, or cut up more finely.
 * 2 No leaf is empty, no inner node is without a child.
 */
#include <stdlib.h>
#include <string.h>

#include "store/btree_impl.h"

struct btree *
btree_new(void)
{
	return calloc(1, sizeof(struct btree));
}

static void
node_free(struct btree *t, void *node, unsigned depth)
{
	struct inner	*in = node;
	unsigned	 i;

	for (i = 0; depth > 0 && i < in->n; i++) {
		node_free(t, in->child[i], depth - 1);
		btree_give(t, in->sep[i]);
	}
	btree_give(t, node);
}

void
btree_free(struct btree *t)
{
	if (t == NULL)
		return;
	if (t->root != NULL)
		node_free(t, t->root, t->depth);
	free(t);
}

uint64_t
btree_count(const struct btree *t)
{
	return t->count;
}

size_t
btree_bytes(const struct btree *t)
{
	return t->bytes + sizeof(*t);
}

/* --- cutting leaves --- */

/* One to three leaves that take the place of one or two. */
struct cut {
	struct leaf	*leaf[3];
	struct sep	*sep[3];	/* in front of it; the first is NULL */
	unsigned	 n;
};

static void
cut_drop(struct btree *t, struct cut *c)
{
	for (; c->n > 0; c->n--) {
		btree_give(t, c->leaf[c->n - 1]);
		btree_give(t, c->sep[c->n - 1]);
	}
}

/* The shortest that is greater than a and not greater than b. */
static struct sep *
sep_between(struct btree *t, const struct entry *a, const struct entry *b)
{
	size_t		 n = entry_common(a, b) + 1;
	struct sep	*s;

	if ((s = btree_take(t, sizeof(*s) + n)) != NULL) {
		s->len = (uint32_t)n;
		entry_copy(s->b, b, 0, n);
	}
	return s;
}

/* Entries from..to - 1 as the next leaf. */
static int
cut_add(struct btree *t, struct cut *c, const struct entry *e, unsigned from,
    unsigned to)
{
	struct leaf	*l;
	struct sep	*s = NULL;

	if (from == to)
		return 1;
	if (c->n > 0 && (s = sep_between(t, e + from - 1, e + from)) == NULL)
		return 0;
	if ((l = btree_take(t, leaf_size(e + from, to - from))) == NULL) {
		btree_give(t, s);
		return 0;
	}
	leaf_fill(l, e + from, to - from);
	c->leaf[c->n] = l;
	c->sep[c->n++] = s;
	return 1;
}

/* Where to cut so that the longer part is as short as can be. */
static unsigned
cut_middle(const struct entry *e, unsigned n)
{
	size_t		all = 0, left = 0, longer, best = SIZE_MAX;
	unsigned	i, at = 1;
	size_t		plen = entry_common(e, e + n - 1);

	for (i = 0; i < n; i++)
		all += entry_size(e + i, plen);
	for (i = 1; i < n; i++) {
		left += entry_size(e + i - 1, plen);
		longer = left > all - left ? left : all - left;
		if (longer < best) {
			best = longer;
			at = i;
		}
	}
	return at;
}

/*
 * Entry at is new, the others fitted into one leaf.  Keys that come in order
 * leave full leaves behind.  A new one that is more than half a leaf gets one
 * of its own; else a cut in the middle leaves two parts that fit.
 */
static int
cut_make(struct btree *t, struct cut *c, const struct entry *e, unsigned n,
    unsigned at)
{
	size_t		plen = n > 1 ? entry_common(e, e + n - 1) : 0;
	unsigned	a, b;

	c->n = 0;
	if (leaf_need(e, n) <= LEAF_MAX)
		a = b = n;
	else if (at == 0 || at == n - 1)
		a = b = at == 0 ? 1 : at;
	else if (entry_size(e + at, plen) > LEAF_MAX / 2) {
		a = at;
		b = at + 1;
	} else
		a = b = cut_middle(e, n);
	if (cut_add(t, c, e, 0, a) && cut_add(t, c, e, a, b) &&
	    cut_add(t, c, e, b, n))
		return 1;
	cut_drop(t, c);
	return 0;
}

/* The leaves of c stand between prev and next from now on. */
static void
cut_link(struct cut *c, struct leaf *prev, struct leaf *next)
{
	unsigned	i;

	for (i = 0; i < c->n; i++) {
		c->leaf[i]->prev = prev;
		if (prev != NULL)
			prev->next = c->leaf[i];
		prev = c->leaf[i];
	}
	prev->next = next;
	if (next != NULL)
		next->prev = prev;
}

/* Has them take the place of the leaf at the end of the way. */
static void
cut_place(struct btree *t, struct way *w, struct cut *c)
{
	struct leaf	*old = w->leaf;
	struct inner	*in;
	unsigned	 i, at;

	cut_link(c, old->prev, old->next);
	btree_give(t, old);
	if (t->depth == 0) {
		t->root = c->leaf[0];
		return;
	}
	in = w->s[t->depth - 1].in;
	at = w->s[t->depth - 1].i;
	inner_open(in, at + 1, c->n - 1);
	for (i = 0; i < c->n; i++) {
		in->child[at + i] = c->leaf[i];
		in->count[at + i] = c->leaf[i]->n;
		if (i > 0)
			in->sep[at + i] = c->sep[i];
	}
	if (c->n > 1)
		inner_index(in);
}

static unsigned
gather(const struct leaf *l, struct entry *e)
{
	unsigned	i;

	for (i = 0; i < l->n; i++)
		leaf_entry(l, i, e + i);
	return l->n;
}

/* --- changes --- */

/* An entry at a place of its leaf, new or instead of the one there. */
static int
put_at(struct btree *t, struct way *w, unsigned at, int instead,
    const struct entry *new)
{
	struct entry	 e[LEAF_ENTRIES + 1];
	struct cut	 c;
	unsigned	 n = gather(w->leaf, e);

	if (!instead) {
		memmove(e + at + 1, e + at, (n - at) * sizeof(*e));
		n++;
	}
	e[at] = *new;
	if (!cut_make(t, &c, e, n, at))
		return 0;
	if (c.n > 1 && t->depth == 0) {
		if (!root_raise(t)) {
			cut_drop(t, &c);
			return 0;
		}
		w->s[0] = (struct step){ t->root, 0 };
	}
	cut_place(t, w, &c);
	return 1;
}

static int
put_first(struct btree *t, const struct entry *e)
{
	struct leaf	*l;

	if ((l = btree_take(t, leaf_size(e, 1))) == NULL)
		return -1;
	leaf_fill(l, e, 1);
	l->prev = l->next = NULL;
	t->root = l;
	t->count = 1;
	return 1;
}

static int
put_new(struct btree *t, struct way *w, unsigned at, const struct entry *e)
{
	unsigned	d;

	if (leaf_insert(w->leaf, at, e)) {
		way_count(t, w, 1);
		return 1;
	}
	if (!put_at(t, w, at, 0, e))
		return -1;
	/* The counts of its leaves have been set already. */
	for (d = 0; d + 1 < t->depth; d++)
		w->s[d].in->count[w->s[d].i]++;
	t->count++;
	return 1;
}

int
btree_put(struct btree *t, const void *key, size_t keylen, const void *pay,
    size_t paylen)
{
	struct entry	 e = { .head = key, .headlen = (uint32_t)keylen,
	    .pay = pay, .paylen = (uint8_t)paylen }, old;
	struct way	 w;
	unsigned	 at;
	int		 found;

	if (t->root == NULL)
		return put_first(t, &e);
	if (!way_open(t, &w, key, keylen))
		return -1;
	at = leaf_find(w.leaf, key, keylen, &found);
	if (!found)
		return put_new(t, &w, at, &e);
	leaf_entry(w.leaf, at, &old);
	if (old.paylen != paylen)
		return put_at(t, &w, at, 1, &e) ? 0 : -1;
	if (paylen != 0)
		memcpy((uint8_t *)(uintptr_t)old.pay, pay, paylen);
	return 0;
}

/* --- taking out --- */

/* The child at the end of the way, at depth d, is gone. */
static void
way_close(struct btree *t, struct way *w, unsigned d)
{
	struct inner	*in;

	for (;; d--) {
		in = w->s[d].in;
		inner_close(t, in, w->s[d].i);
		if (in->n > 0)
			break;
		btree_give(t, in);
		if (d == 0) {
			t->root = NULL;
			t->depth = 0;
			return;
		}
	}
	for (; d > 0 && w->s[d].in->n < FAN / 4; d--)
		inner_join(t, w->s[d - 1].in, w->s[d - 1].i);
	while (t->depth > 0 && (in = t->root)->n == 1) {
		t->root = in->child[0];
		t->depth--;
		btree_give(t, in);
	}
}

static void
leaf_gone(struct btree *t, struct way *w)
{
	struct leaf	*l = w->leaf;

	if (l->prev != NULL)
		l->prev->next = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	btree_give(t, l);
	if (t->depth == 0)
		t->root = NULL;
	else
		way_close(t, w, t->depth - 1);
}

static unsigned
leaf_used(const struct leaf *l)
{
	return l->live + 2u * l->n;
}

/* Lays a leaf that has grown thin out anew; no memory: it stays. */
static void
leaf_shrink(struct btree *t, struct way *w)
{
	struct entry	 e[LEAF_ENTRIES];
	struct cut	 c = { .n = 0 };

	if (cut_add(t, &c, e, 0, gather(w->leaf, e)))
		cut_place(t, w, &c);
}

/* Makes one of it and its neighbour under the same node: 1, or 0: not. */
static int
leaf_join(struct btree *t, struct way *w)
{
	struct step	*s = &w->s[t->depth - 1];
	struct entry	 e[LEAF_ENTRIES];
	struct cut	 c = { .n = 0 };
	struct leaf	*a, *b;
	unsigned	 n, i = s->i;

	if (i + 1 == s->in->n && i > 0)
		i--;
	if (i + 1 == s->in->n)
		return 0;
	a = s->in->child[i];
	b = s->in->child[i + 1];
	if (leaf_used(a) + leaf_used(b) > LEAF_MAX / 2)
		return 0;
	n = gather(a, e);
	n += gather(b, e + n);
	if (leaf_need(e, n) > LEAF_MAX * 3 / 4 || !cut_add(t, &c, e, 0, n))
		return 0;
	w->leaf = a;
	s->i = i;
	cut_place(t, w, &c);
	w->leaf = b;
	s->i = i + 1;
	leaf_gone(t, w);
	return 1;
}

int
btree_del(struct btree *t, const void *key, size_t keylen)
{
	struct way	 w;
	struct leaf	*l;
	unsigned	 at;
	int		 found;

	if (t->root == NULL)
		return 0;
	way_find(t, &w, key, keylen);
	l = w.leaf;
	at = leaf_find(l, key, keylen, &found);
	if (!found)
		return 0;
	leaf_remove(l, at);
	way_count(t, &w, -1);
	if (l->n == 0)
		leaf_gone(t, &w);
	else if (leaf_used(l) >= LEAF_MAX / 4 || t->depth == 0 ||
	    l->n % 8 != 0 || !leaf_join(t, &w)) {
		if (l->cap - l->plen > 2 * leaf_used(l) + 256)
			leaf_shrink(t, &w);
	}
	return 1;
}
