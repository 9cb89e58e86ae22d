/*
 * test_btree.c: the counted tree against a sorted array: random changes with
 * keys of all lengths, places, walking both ways, memory that runs out.
 */
#include <malloc.h>
#include <string.h>

#include "store/btree.h"
#include "tests/unit.h"

#define LONGEST	65620u

static unsigned	 fail_in;		/* allocations until one fails; 0: none */
void		*__real_malloc(size_t);
void		*__wrap_malloc(size_t);

void *
__wrap_malloc(size_t n)
{
	if (fail_in > 0 && --fail_in == 0)
		return NULL;
	return __real_malloc(n);
}

static uint64_t	 seed;

static unsigned
draw(unsigned n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % n;
}

static unsigned
scaled(unsigned n)
{
	const char	*s = getenv("WHARF_SIZE");

	if (s != NULL && strcmp(s, "small") == 0)
		return n / 2;
	return s != NULL && strcmp(s, "long") == 0 ? n * 10 : n;
}

/* --- the model --- */

struct item {
	uint8_t	*key;
	size_t	 len;
	uint8_t	 pay[BTREE_PAYLOAD];
	size_t	 paylen;
};

struct model {
	struct item	*item;
	unsigned	 n, max;
};

static int
compare(const void *a, size_t an, const void *b, size_t bn)
{
	int	c = memcmp(a, b, an < bn ? an : bn);

	return c != 0 ? c : (an > bn) - (an < bn);
}

static unsigned
model_find(const struct model *m, const uint8_t *key, size_t len, int *found)
{
	unsigned	lo = 0, hi = m->n, mid;
	int		c;

	*found = 0;
	while (lo < hi) {
		mid = (lo + hi) / 2;
		c = compare(m->item[mid].key, m->item[mid].len, key, len);
		if (c == 0)
			*found = 1;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
model_put(struct model *m, const uint8_t *key, size_t len, const uint8_t *pay,
    size_t paylen)
{
	int		 found;
	unsigned	 at = model_find(m, key, len, &found);
	struct item	*i;

	if (!found) {
		if (m->n == m->max) {
			m->max = m->max * 2 + 64;
			m->item = realloc(m->item, m->max * sizeof(*m->item));
		}
		i = m->item + at;
		memmove(i + 1, i, (m->n - at) * sizeof(*i));
		m->n++;
		i->key = calloc(1, len + 1);
		memcpy(i->key, key, len);
		i->len = len;
	}
	memcpy(m->item[at].pay, pay, paylen);
	m->item[at].paylen = paylen;
}

static void
model_del(struct model *m, unsigned at)
{
	free(m->item[at].key);
	m->n--;
	memmove(m->item + at, m->item + at + 1, (m->n - at) *
	    sizeof(*m->item));
}

static void
model_free(struct model *m)
{
	while (m->n > 0)
		model_del(m, m->n - 1);
	free(m->item);
	*m = (struct model){ 0 };
}

/* --- comparing --- */

static int
same(const struct btree_at *a, const struct item *i)
{
	return compare(a->key, a->keylen, i->key, i->len) == 0 &&
	    compare(a->pay, a->paylen, i->pay, i->paylen) == 0;
}

static unsigned
walk_differs(struct btree_iter *it, const struct model *m, unsigned at)
{
	struct btree_at	a;
	unsigned	i, bad = 0;

	for (i = at; btree_next(it, &a); i++)
		bad += i >= m->n || !same(&a, m->item + i);
	bad += i != m->n || btree_next(it, &a);
	while (btree_prev(it, &a))
		bad += i == 0 || !same(&a, m->item + --i);
	bad += i != 0 || btree_prev(it, &a);
	btree_iter_end(it);
	return bad;
}

/* Everything that can be asked about a place. */
static unsigned
place_differs(const struct btree *t, const struct model *m,
    const uint8_t *key, size_t len)
{
	int			 found;
	unsigned		 at = model_find(m, key, len, &found), bad = 0;
	struct btree_at		 a;
	struct btree_iter	 it;

	bad += btree_rank(t, key, len) != at;
	bad += btree_get(t, key, len, &a) != found ||
	    (found && !same(&a, m->item + at));
	btree_seek(t, &it, key, len);
	bad += btree_next(&it, &a) != (at < m->n) ||
	    (at < m->n && !same(&a, m->item + at));
	btree_iter_end(&it);
	btree_seek(t, &it, key, len);
	bad += btree_prev(&it, &a) != (at > 0) ||
	    (at > 0 && !same(&a, m->item + at - 1));
	btree_iter_end(&it);
	btree_seek_rank(t, &it, at);
	bad += btree_next(&it, &a) != (at < m->n) ||
	    (at < m->n && !same(&a, m->item + at));
	btree_iter_end(&it);
	return bad;
}

static unsigned
differs(const struct btree *t, const struct model *m)
{
	struct btree_iter	it;
	unsigned		bad = btree_count(t) != m->n;
	unsigned		at = m->n == 0 ? 0 : draw(m->n + 1);

	btree_seek(t, &it, "", 0);
	bad += walk_differs(&it, m, 0);
	btree_seek_rank(t, &it, at);
	return bad + walk_differs(&it, m, at);
}

/* --- random histories --- */

/*
 * What kind of keys: 0 all over the place, 1 with long common beginnings, 2
 * also very long ones, 3 in order, 4 in falling order.
 */
static size_t
make_key(unsigned kind, unsigned round, uint8_t *out)
{
	static const size_t	common[] = { 0, 3, 100, 2000, 65000 };
	size_t			n = 0;

	if (kind == 3 || kind == 4)
		return (size_t)sprintf((char *)out, "ordered-%08u",
		    kind == 3 ? round : 99999999 - round);
	if (kind > 0) {
		n = common[draw(kind == 1 ? 3 : draw(20) == 0 ? 5 : 3)];
		memset(out, 'a' + (int)draw(2), n);
	}
	n += (size_t)sprintf((char *)out + n, "%x", draw(3000));
	if (draw(10) == 0)
		memset(out + n, 0, 3), n += draw(3);
	if (kind == 2 && draw(200) == 0) {
		memset(out + n, 'z', LONGEST - n);
		n = LONGEST - draw(100);
	}
	return n;
}

static unsigned
one_change(struct btree *t, struct model *m, unsigned kind, unsigned round,
    unsigned grow)
{
	static uint8_t	key[LONGEST + 16];
	uint8_t		pay[BTREE_PAYLOAD];
	size_t		len = make_key(kind, round, key), paylen;
	unsigned	i, at, bad = 0;
	int		found;

	if (draw(100) < grow) {
		paylen = draw(4) == 0 ? draw(BTREE_PAYLOAD + 1) : 5;
		for (i = 0; i < paylen; i++)
			pay[i] = (uint8_t)draw(256);
		at = model_find(m, key, len, &found);
		bad += btree_put(t, key, len, pay, paylen) != !found;
		model_put(m, key, len, pay, paylen);
	} else {
		if (m->n > 0 && draw(4) != 0) {
			at = draw(m->n);
			len = m->item[at].len;
			memcpy(key, m->item[at].key, len);
		}
		at = model_find(m, key, len, &found);
		bad += btree_del(t, key, len) != found;
		if (found)
			model_del(m, at);
	}
	return bad + (draw(8) == 0 ? place_differs(t, m, key, len) : 0);
}

static void
history(unsigned kind)
{
	struct btree	*t = btree_new();
	struct model	 m = { 0 };
	unsigned	 i, bad = 0, rounds = scaled(kind == 2 ? 8000 : 30000);

	for (i = 0; i < rounds; i++) {
		/* Grows, shrinks to almost nothing, grows, shrinks. */
		bad += one_change(t, &m, kind, i,
		    i / (rounds / 4) % 2 == 0 ? 90 : 8);
		if (draw(rounds / 12) == 0)
			bad += differs(t, &m);
	}
	bad += differs(t, &m);
	CU_ASSERT_EQUAL(bad, 0);
	while (m.n > 0 && bad == 0) {
		i = draw(m.n);
		bad += !btree_del(t, m.item[i].key, m.item[i].len);
		model_del(&m, i);
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(btree_count(t), 0);
	CU_ASSERT(btree_bytes(t) < 64);	/* nothing is left behind */
	model_free(&m);
	btree_free(t);
}

static void
test_histories(void)
{
	unsigned	kind;

	for (kind = 0; kind < 5; kind++) {
		seed = 1000 + kind;
		history(kind);
	}
}

/* Each allocation of a history fails once: nothing changes, nothing leaks. */
static void
test_no_memory(void)
{
	static uint8_t	 key[LONGEST + 16];
	struct btree	*t = btree_new();
	struct model	 m = { 0 };
	unsigned	 i, failed = 0, bad = 0;
	size_t		 len;
	int		 r, found;

	seed = 77;
	for (i = 0; i < scaled(6000); i++) {
		len = make_key(i % 3, i, key);
		model_find(&m, key, len, &found);
		fail_in = 1 + draw(3);
		r = btree_put(t, key, len, "pay", i % 4);
		failed += r == -1;
		fail_in = 0;
		if (r != -1)
			model_put(&m, key, len, (const uint8_t *)"pay", i % 4);
		bad += r != -1 && r != !found;
		bad += place_differs(t, &m, key, len);
		fail_in = 1;
		if (draw(3) == 0 && btree_del(t, key, len)) {
			model_find(&m, key, len, &found);
			bad += !found;
			model_del(&m, model_find(&m, key, len, &found));
		}
		fail_in = 0;
	}
	bad += differs(t, &m);
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT(failed > 20);
	model_free(&m);
	btree_free(t);
}

/* --- memory --- */

/*
 * An engine key with a member of n bytes: a counter behind a name, or letters
 * and digits at random.
 */
static size_t
memory_key(char *out, unsigned n, int sorted, unsigned i)
{
	static const char	abc[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	unsigned		at;

	memcpy(out, "Hset\0", 5);
	if (sorted)
		sprintf(out + 5, "%0*u", (int)n, i);
	else
		for (at = 0; at < n; at++)
			out[5 + at] = abc[draw(36)];
	return 5 + n;
}

/*
 * What malloc says is in use, before and after, is what the tree says, but for
 * what its caches hold back.  Also prints the figures of doc/storage.md.
 */
static void
measure(unsigned keylen, int sorted, unsigned n, double most)
{
	size_t		 before = mallinfo2().uordblks, used, says;
	struct btree	*t = btree_new();
	char		 key[64];
	unsigned	 i;

	seed = 5;
	for (i = 0; i < n; i++)
		btree_put(t, key, memory_key(key, keylen, sorted, i), "\1\0", 2);
	used = mallinfo2().uordblks - before;
	says = btree_bytes(t);
	printf("\n    keys of %u bytes, %s: %.1f bytes an entry", keylen,
	    sorted ? "in order" : "at random",
	    (double)says / (double)btree_count(t));
	/* A sanitizer's malloc tells nothing here. */
	if (used != 0)
		CU_ASSERT(used < says + says / 20 && says < used + used / 20);
	CU_ASSERT((double)says / (double)btree_count(t) <= most);
	btree_free(t);
}

static void
test_memory(void)
{
	unsigned	n = scaled(100000);

	measure(20, 1, n, 11);
	measure(20, 0, n, 32);
	measure(16, 1, n, 11);
	measure(16, 0, n, 28);
}

static const CU_TestInfo	tests[] = {
	{ "histories", test_histories },
	{ "no memory", test_no_memory },
	{ "memory", test_memory },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_btree", UNIT_SUITE("btree", tests))
