/*
 * btree_leaf.c: the packed blocks at the bottom of a btree (btree_impl.h has
 * the layout).  Pure memory work: nothing here can fail.
 */
#include <string.h>

#include "store/btree_impl.h"

#define STEP	512u		/* blocks grow by so much */
#define LEAST	32u

static uint16_t *
places(const struct leaf *l)
{
	return (uint16_t *)(uintptr_t)l->b;
}

static const uint8_t *
prefix(const struct leaf *l)
{
	return l->b + l->cap - l->plen;
}

static size_t
gap(const struct leaf *l)
{
	return l->cap - l->plen - l->heap - 2u * l->n;
}

/* --- entries --- */

size_t
entry_size(const struct entry *e, size_t plen)
{
	size_t	rest = e->headlen + e->taillen - plen;

	return 2 + (rest < 128 ? 1 : 2) + 1 + rest + e->paylen;
}

static size_t
common(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t	i = 0;

	while (i + 64 <= n && memcmp(a + i, b + i, 64) == 0)
		i += 64;
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* The bytes from place at on that lie together. */
static const uint8_t *
entry_run(const struct entry *e, size_t at, size_t *n)
{
	if (at < e->headlen) {
		*n = e->headlen - at;
		return e->head + at;
	}
	*n = e->headlen + e->taillen - at;
	return e->tail + (at - e->headlen);
}

size_t
entry_common(const struct entry *x, const struct entry *y)
{
	const uint8_t	*p, *q;
	size_t		 at = 0, n, m, c;

	for (;;) {
		p = entry_run(x, at, &n);
		q = entry_run(y, at, &m);
		if (n > m)
			n = m;
		if (n == 0)
			return at;
		c = p == q ? n : common(p, q, n);
		at += c;
		if (c < n)
			return at;
	}
}

void
entry_copy(uint8_t *out, const struct entry *e, size_t from, size_t n)
{
	const uint8_t	*p;
	size_t		 m;

	for (; n > 0; n -= m, from += m, out += m) {
		p = entry_run(e, from, &m);
		if (m > n)
			m = n;
		memcpy(out, p, m);
	}
}

/* --- leaves --- */

const uint8_t *
leaf_place(const struct leaf *l, unsigned i)
{
	return prefix(l) - places(l)[i];
}

/* Where the rest of key i begins; its length and that of its payload. */
static const uint8_t *
rest(const struct leaf *l, unsigned i, size_t *len, size_t *paylen)
{
	const uint8_t	*p = leaf_place(l, i);

	*len = *p++;
	if (*len & 0x80)
		*len = (*len & 0x7f) | (size_t)*p++ << 7;
	*paylen = *p++;
	return p;
}

void
leaf_entry(const struct leaf *l, unsigned i, struct entry *e)
{
	size_t	len, paylen;

	e->head = prefix(l);
	e->headlen = l->plen;
	e->tail = rest(l, i, &len, &paylen);
	e->taillen = (uint32_t)len;
	e->pay = e->tail + len;
	e->paylen = (uint8_t)paylen;
}

/* memcmp, then the shorter one first. */
static int
compare(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
	size_t	n = an < bn ? an : bn;
	int	c = n == 0 ? 0 : memcmp(a, b, n);

	return c != 0 ? c : (an > bn) - (an < bn);
}

unsigned
leaf_find(const struct leaf *l, const uint8_t *key, size_t keylen, int *found)
{
	const uint8_t	*p;
	size_t		 len, paylen, n = keylen < l->plen ? keylen : l->plen;
	unsigned	 lo = 0, hi = l->n, mid;
	int		 c = n == 0 ? 0 : memcmp(key, prefix(l), n);

	*found = 0;
	if (c != 0 || keylen < l->plen)
		return c > 0 ? l->n : 0;
	key += l->plen;
	keylen -= l->plen;
	while (lo < hi) {
		mid = (lo + hi) / 2;
		p = rest(l, mid, &len, &paylen);
		c = compare(p, len, key, keylen);
		if (c < 0)
			lo = mid + 1;
		else if (c > 0)
			hi = mid;
		else {
			*found = 1;
			return mid;
		}
	}
	return lo;
}

/* Puts an entry into the heap; its place is the new length of that. */
static uint16_t
heap_add(struct leaf *l, const struct entry *e)
{
	size_t	 len = e->headlen + e->taillen - l->plen;
	size_t	 n = entry_size(e, l->plen) - 2;
	uint8_t	*p;

	l->heap = (uint16_t)(l->heap + n);
	l->live = (uint16_t)(l->live + n);
	p = (uint8_t *)(uintptr_t)prefix(l) - l->heap;
	if (len < 128)
		*p++ = (uint8_t)len;
	else {
		*p++ = (uint8_t)(len | 0x80);
		*p++ = (uint8_t)(len >> 7);
	}
	*p++ = e->paylen;
	entry_copy(p, e, l->plen, len);
	if (e->paylen != 0)
		memcpy(p + len, e->pay, e->paylen);
	return l->heap;
}

int
leaf_insert(struct leaf *l, unsigned at, const struct entry *e)
{
	uint16_t	*p = places(l);

	if (l->n == 0 || l->n == LEAF_ENTRIES ||
	    e->headlen + e->taillen < l->plen ||
	    entry_size(e, l->plen) > gap(l) ||
	    memcmp(e->head, prefix(l), l->plen) != 0)
		return 0;
	memmove(p + at + 1, p + at, (l->n - at) * sizeof(*p));
	p[at] = heap_add(l, e);
	l->n++;
	return 1;
}

void
leaf_remove(struct leaf *l, unsigned at)
{
	uint16_t	*p = places(l);
	size_t		 len, paylen, n;
	uint16_t	 was = p[at];

	rest(l, at, &len, &paylen);
	n = (len < 128 ? 1 : 2) + 1 + len + paylen;
	l->live = (uint16_t)(l->live - n);
	if (was == l->heap)
		l->heap = (uint16_t)(l->heap - n);
	l->n--;
	memmove(p + at, p + at + 1, (l->n - at) * sizeof(*p));
}

static size_t
common_prefix(const struct entry *e, unsigned n)
{
	return n == 1 ? e->headlen + e->taillen : entry_common(e, e + n - 1);
}

size_t
leaf_need(const struct entry *e, unsigned n)
{
	size_t		plen = common_prefix(e, n), sum = 0;
	unsigned	i;

	for (i = 0; i < n; i++)
		sum += entry_size(e + i, plen);
	return sum;
}

/* Doubling at first, so that a small tree is small. */
static size_t
room(size_t need)
{
	size_t	n = LEAST;

	if (need >= STEP)
		return (need + STEP - 1) / STEP * STEP;
	while (n < need)
		n *= 2;
	return n;
}

size_t
leaf_size(const struct entry *e, unsigned n)
{
	return sizeof(struct leaf) + common_prefix(e, n) +
	    room(leaf_need(e, n));
}

void
leaf_fill(struct leaf *l, const struct entry *e, unsigned n)
{
	unsigned	i;

	l->plen = (uint32_t)common_prefix(e, n);
	l->cap = l->plen + (uint32_t)room(leaf_need(e, n));
	l->heap = l->live = 0;
	l->n = (uint16_t)n;
	entry_copy(l->b + l->cap - l->plen, e, 0, l->plen);
	for (i = 0; i < n; i++)
		places(l)[i] = heap_add(l, e + i);
}
