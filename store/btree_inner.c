/*
 * btree_inner.c: the inner nodes of a btree, and the way down through them.
 * What needs memory leaves a whole tree behind when there is none.
 */
#include <endian.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "store/btree_impl.h"

/* --- memory --- */

static size_t
taken(void *p)
{
	return malloc_usable_size(p) + sizeof(size_t);
}

void *
btree_take(struct btree *t, size_t n)
{
	void	*p = malloc(n);

	if (p != NULL)
		t->bytes += taken(p);
	return p;
}

void
btree_give(struct btree *t, void *p)
{
	if (p != NULL)
		t->bytes -= taken(p);
	free(p);
}

/* --- inner nodes --- */

static uint64_t
head_of(const uint8_t *p, size_t n)
{
	uint64_t	v = 0;

	memcpy(&v, p, n < sizeof(v) ? n : sizeof(v));
	return be64toh(v);
}

void
inner_index(struct inner *in)
{
	const struct sep	*a, *b;
	unsigned		 i;
	uint32_t		 n;

	in->skip = 0;
	if (in->n < 2)
		return;
	a = in->sep[1];
	b = in->sep[in->n - 1];
	n = a->len < b->len ? a->len : b->len;
	while (in->skip < n && a->b[in->skip] == b->b[in->skip])
		in->skip++;
	for (i = 1; i < in->n; i++)
		in->head[i] = head_of(in->sep[i]->b + in->skip,
		    in->sep[i]->len - in->skip);
}

/* Is separator i greater?  h: the head of key, which has the common part. */
static int
sep_greater(const struct inner *in, unsigned i, uint64_t h, const uint8_t *key,
    size_t keylen)
{
	const struct sep	*s = in->sep[i];
	size_t			 n = keylen < s->len ? keylen : s->len;
	int			 c;

	if (in->head[i] != h)
		return in->head[i] > h;
	c = memcmp(s->b, key, n);
	return c != 0 ? c > 0 : s->len > keylen;
}

/* The child under which key is, or would be. */
static unsigned
inner_find(const struct inner *in, const uint8_t *key, size_t keylen)
{
	unsigned	lo = 1, hi = in->n, mid;
	uint64_t	h;
	size_t		n;
	int		c;

	if (in->n < 2)
		return 0;
	if (in->skip > 0) {
		n = keylen < in->skip ? keylen : in->skip;
		c = memcmp(key, in->sep[1]->b, n);
		if (c != 0 || keylen < in->skip)
			return c > 0 ? in->n - 1 : 0;
	}
	h = head_of(key + in->skip, keylen - in->skip);
	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (sep_greater(in, mid, h, key, keylen))
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo - 1;
}

void
inner_open(struct inner *in, unsigned at, unsigned k)
{
	unsigned	n = in->n - at;

	memmove(in->count + at + k, in->count + at, n * sizeof(*in->count));
	memmove(in->child + at + k, in->child + at, n * sizeof(*in->child));
	memmove(in->sep + at + k, in->sep + at, n * sizeof(*in->sep));
	in->n += k;
}

/* Puts children from..n - 1 of src behind those of in. */
static void
inner_append(struct inner *in, struct inner *src, unsigned from)
{
	unsigned	n = src->n - from;

	memcpy(in->count + in->n, src->count + from, n * sizeof(*in->count));
	memcpy(in->child + in->n, src->child + from, n * sizeof(*in->child));
	memcpy(in->sep + in->n, src->sep + from, n * sizeof(*in->sep));
	in->n += n;
	src->n = from;
}

uint64_t
inner_sum(const struct inner *in, unsigned n)
{
	uint64_t	sum = 0;
	unsigned	i;

	for (i = 0; i < n; i++)
		sum += in->count[i];
	return sum;
}

int
root_raise(struct btree *t)
{
	struct inner	*in;

	if (t->depth == DEPTH || (in = btree_take(t, sizeof(*in))) == NULL)
		return 0;
	in->n = 1;
	in->skip = 0;
	in->child[0] = t->root;
	in->count[0] = t->count;
	in->sep[0] = NULL;
	t->root = in;
	t->depth++;
	return 1;
}

/* Cuts child i of up in two; up has room. */
static int
inner_cut(struct btree *t, struct inner *up, unsigned i)
{
	struct inner	*in = up->child[i], *right;

	if ((right = btree_take(t, sizeof(*right))) == NULL)
		return 0;
	right->n = 0;
	inner_append(right, in, in->n / 2);
	inner_open(up, i + 1, 1);
	up->child[i + 1] = right;
	up->sep[i + 1] = right->sep[0];
	right->sep[0] = NULL;
	up->count[i] = inner_sum(in, in->n);
	up->count[i + 1] = inner_sum(right, right->n);
	inner_index(in);
	inner_index(right);
	inner_index(up);
	return 1;
}

static int
inner_full(const struct inner *in)
{
	return in->n > FAN - 2;
}

void
inner_close(struct btree *t, struct inner *in, unsigned i)
{
	unsigned	n = in->n - i - 1;

	/* What becomes the first has no separator. */
	btree_give(t, in->sep[i == 0 && in->n > 1 ? 1 : i]);
	if (i == 0 && in->n > 1)
		in->sep[1] = NULL;
	memmove(in->count + i, in->count + i + 1, n * sizeof(*in->count));
	memmove(in->child + i, in->child + i + 1, n * sizeof(*in->child));
	memmove(in->sep + i, in->sep + i + 1, n * sizeof(*in->sep));
	in->n--;
	inner_index(in);
}

/* Puts the right one of two neighbours under up into the left, if it fits. */
void
inner_join(struct btree *t, struct inner *up, unsigned i)
{
	struct inner	*a, *b;

	if (i + 1 == up->n && i > 0)
		i--;
	if (i + 1 >= up->n)
		return;
	a = up->child[i];
	b = up->child[i + 1];
	if (a->n + b->n > FAN * 3 / 4)
		return;
	b->sep[0] = up->sep[i + 1];
	up->sep[i + 1] = NULL;
	inner_append(a, b, 0);
	inner_index(a);
	btree_give(t, b);
	up->count[i] += up->count[i + 1];
	inner_close(t, up, i + 1);
}

/* --- the way down --- */

void
way_find(const struct btree *t, struct way *w, const uint8_t *key,
    size_t keylen)
{
	void		*node = t->root;
	unsigned	 d;

	for (d = 0; d < t->depth; d++) {
		w->s[d].in = node;
		w->s[d].i = inner_find(node, key, keylen);
		node = w->s[d].in->child[w->s[d].i];
	}
	w->leaf = node;
}

int
way_open(struct btree *t, struct way *w, const uint8_t *key, size_t keylen)
{
	struct inner	*in;
	void		*node;
	unsigned	 d;

	if (t->depth > 0 && inner_full(t->root) && !root_raise(t))
		return 0;
	node = t->root;
	for (d = 0; d < t->depth; d++) {
		in = node;
		w->s[d].in = in;
		w->s[d].i = inner_find(in, key, keylen);
		node = in->child[w->s[d].i];
		if (d + 1 == t->depth || !inner_full(node))
			continue;
		if (!inner_cut(t, in, w->s[d].i))
			return 0;
		w->s[d].i = inner_find(in, key, keylen);
		node = in->child[w->s[d].i];
	}
	w->leaf = node;
	return 1;
}

void
way_count(struct btree *t, struct way *w, int by)
{
	unsigned	d;

	for (d = 0; d < t->depth; d++)
		w->s[d].in->count[w->s[d].i] += (uint64_t)(int64_t)by;
	t->count += (uint64_t)(int64_t)by;
}
