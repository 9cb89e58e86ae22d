/*
 * test_cache.c: every command of the cache by example; numbers; limits.
 */
#include <string.h>

#include "store/cache.h"
#include "tests/unit.h"

#define MIB	(1u << 20)

static struct cache	*c;
static int64_t		 now = 1000000;

static struct cache_str
str(const char *s)
{
	return (struct cache_str){ (const uint8_t *)s, strlen(s) };
}

static void
begin(size_t limit)
{
	cache_free(c);
	c = cache_new(limit, 42);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
}

#define SAYS(e, call) CU_ASSERT_STRING_EQUAL(err_name(call), #e)

static enum err
put(const char *k, const char *v, int64_t ttl)
{
	return cache_put(c, now, str(k), str(v), ttl);
}

static int
is(struct cache_str s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static int
has(const char *k, const char *v)
{
	struct cache_str	s;

	return cache_get(c, now, str(k), &s) == E_OK && is(s, v);
}

static int
hhas(const char *tb, const char *k, const char *v)
{
	struct cache_str	s;

	return cache_hget(c, now, str(tb), str(k), &s) == E_OK && is(s, v);
}

static void
test_strings(void)
{
	struct cache_str	s;

	begin(4 * MIB);
	SAYS(E_NOTFOUND, cache_get(c, now, str("a"), &s));
	SAYS(E_NOTFOUND, cache_exist(c, now, str("a")));
	SAYS(E_NOTFOUND, cache_del(c, now, str("a")));
	SAYS(E_OK, put("a", "1", 0));
	CU_ASSERT(has("a", "1"));
	SAYS(E_OK, put("a", "a longer one than before, in another class", 0));
	CU_ASSERT(has("a", "a longer one than before, in another class"));
	SAYS(E_OK, put("ab", "2", 0));
	SAYS(E_OK, cache_exist(c, now, str("ab")));
	SAYS(E_OK, cache_del(c, now, str("a")));
	SAYS(E_NOTFOUND, cache_exist(c, now, str("a")));
	CU_ASSERT(has("ab", "2"));
	SAYS(E_OK, cache_append(c, now, str("ab"), str("34")));
	CU_ASSERT(has("ab", "234"));
	SAYS(E_OK, cache_append(c, now, str("new"), str("x")));
	CU_ASSERT(has("new", "x"));
	SAYS(E_OK, cache_put(c, now, (struct cache_str){
	    (const uint8_t *)"\0\1", 2 }, (struct cache_str){
	    (const uint8_t *)"\0", 1 }, 0));
	SAYS(E_OK, cache_get(c, now, (struct cache_str){
	    (const uint8_t *)"\0\1", 2 }, &s));
	CU_ASSERT(s.n == 1 && s.p[0] == 0);
}

static int64_t
ttl(const char *k)
{
	int64_t	sec = -7;

	return cache_ttl(c, now, str(k), &sec) == E_OK ? sec : -2;
}

static void
test_ttl(void)
{
	int64_t	begun = now;

	begin(4 * MIB);
	SAYS(E_OK, put("a", "1", 2000));
	CU_ASSERT_EQUAL(ttl("a"), 2);
	now += 501;
	CU_ASSERT_EQUAL(ttl("a"), 1);	/* 1.499 s */
	now += 1000;
	CU_ASSERT_EQUAL(ttl("a"), 0);	/* 0.499 s */
	SAYS(E_OK, cache_append(c, now, str("a"), str("2")));
	CU_ASSERT_EQUAL(ttl("a"), 0);	/* stays */
	now = begun + 1999;
	CU_ASSERT(has("a", "12"));
	now = begun + 2000;
	SAYS(E_NOTFOUND, cache_exist(c, now, str("a")));
	CU_ASSERT_EQUAL(ttl("a"), -2);
	SAYS(E_OK, cache_append(c, now, str("a"), str("2")));
	CU_ASSERT_EQUAL(ttl("a"), -1);	/* another one */
	SAYS(E_NOTFOUND, cache_persist(c, now, str("a")));
	SAYS(E_OK, cache_expire(c, now, str("a"), 5000));
	SAYS(E_CACHE_NUMBER, cache_expire(c, now, str("a"), 0));
	SAYS(E_CACHE_NUMBER, cache_expire(c, now, str("a"), -1));
	SAYS(E_CACHE_NUMBER, cache_expire(c, now, str("a"), INT64_MAX));
	CU_ASSERT_EQUAL(ttl("a"), 5);
	SAYS(E_OK, cache_persist(c, now, str("a")));
	CU_ASSERT_EQUAL(ttl("a"), -1);
	SAYS(E_NOTFOUND, cache_expire(c, now, str("b"), 5000));
	SAYS(E_NOTFOUND, cache_persist(c, now, str("b")));
	SAYS(E_CACHE_NUMBER, put("a", "3", -1));
	SAYS(E_CACHE_NUMBER, put("a", "3", INT64_MAX));
	CU_ASSERT(has("a", "2"));
	SAYS(E_OK, put("a", "3", 1000));
	SAYS(E_OK, put("a", "4", 0));
	CU_ASSERT_EQUAL(ttl("a"), -1);	/* cleared */
	/* A hash expires as a whole, and a new one begins empty. */
	SAYS(E_OK, cache_hset(c, now, str("h"), str("f"), str("1")));
	SAYS(E_OK, cache_expire(c, now, str("h"), 1000));
	SAYS(E_OK, cache_hset(c, now, str("h"), str("g"), str("2")));
	CU_ASSERT_EQUAL(ttl("h"), 1);
	now += 1000;
	SAYS(E_NOTFOUND, cache_hexist(c, now, str("h"), str("f")));
	SAYS(E_OK, cache_hset(c, now, str("h"), str("k"), str("3")));
	SAYS(E_NOTFOUND, cache_hexist(c, now, str("h"), str("f")));
	CU_ASSERT_EQUAL(ttl("h"), -1);
}

static void
test_hashes(void)
{
	struct cache_str	s;

	begin(4 * MIB);
	SAYS(E_NOTFOUND, cache_hget(c, now, str("h"), str("f"), &s));
	SAYS(E_NOTFOUND, cache_hdel(c, now, str("h"), str("f")));
	SAYS(E_OK, cache_hset(c, now, str("h"), str("f"), str("1")));
	SAYS(E_OK, cache_hset(c, now, str("h"), str("g"), str("2")));
	SAYS(E_OK, cache_hset(c, now, str("i"), str("f"), str("3")));
	SAYS(E_OK, cache_hset(c, now, str("h"), str("f"), str("11")));
	CU_ASSERT(hhas("h", "f", "11") && hhas("i", "f", "3"));
	SAYS(E_OK, cache_exist(c, now, str("h")));
	SAYS(E_OK, cache_hexist(c, now, str("h"), str("g")));
	SAYS(E_NOTFOUND, cache_hexist(c, now, str("h"), str("x")));
	SAYS(E_OK, cache_hdel(c, now, str("h"), str("f")));
	SAYS(E_NOTFOUND, cache_hdel(c, now, str("h"), str("f")));
	SAYS(E_OK, cache_exist(c, now, str("h")));
	SAYS(E_OK, cache_hdel(c, now, str("h"), str("g")));
	/* That was the last. */
	SAYS(E_NOTFOUND, cache_exist(c, now, str("h")));
	SAYS(E_OK, cache_del(c, now, str("i")));
	SAYS(E_NOTFOUND, cache_hexist(c, now, str("i"), str("f")));
	SAYS(E_OK, cache_hset(c, now, str("i"), str("g"), str("4")));
	SAYS(E_NOTFOUND, cache_hexist(c, now, str("i"), str("f")));
}

static void
test_types(void)
{
	struct cache_str	s;

	begin(4 * MIB);
	SAYS(E_OK, put("s", "1", 0));
	SAYS(E_OK, cache_hset(c, now, str("h"), str("f"), str("1")));
	SAYS(E_CACHE_TYPE, cache_get(c, now, str("h"), &s));
	SAYS(E_CACHE_TYPE, cache_append(c, now, str("h"), str("1")));
	SAYS(E_CACHE_TYPE, cache_hexist(c, now, str("s"), str("f")));
	SAYS(E_CACHE_TYPE, cache_hget(c, now, str("s"), str("f"), &s));
	SAYS(E_CACHE_TYPE, cache_hset(c, now, str("s"), str("f"), str("1")));
	SAYS(E_CACHE_TYPE, cache_hdel(c, now, str("s"), str("f")));
	SAYS(E_CACHE_TYPE, cache_hincrby(c, now, str("s"), str("f"), str("1"),
	    &s));
	SAYS(E_CACHE_TYPE, cache_hincrbyfloat(c, now, str("s"), str("f"),
	    str("1"), &s));
	SAYS(E_OK, put("h", "now a string", 0));	/* replaces any type */
	CU_ASSERT(has("h", "now a string"));
	SAYS(E_CACHE_TYPE, cache_hexist(c, now, str("h"), str("f")));
	SAYS(E_OK, cache_del(c, now, str("h")));
	SAYS(E_OK, cache_hset(c, now, str("h"), str("g"), str("1")));
	SAYS(E_NOTFOUND, cache_hexist(c, now, str("h"), str("f")));
}

/* base NULL: no field; sum NULL: E_CACHE_NUMBER and nothing changed. */
struct sum {
	const char	*base, *by, *sum;
};

static const struct sum int_sums[] = {
	{ NULL, "5", "5" },
	{ NULL, "-5", "-5" },
	{ "10", "-11", "-1" },
	{ "0", "0", "0" },
	{ "9223372036854775806", "1", "9223372036854775807" },
	{ "9223372036854775807", "1", NULL },
	{ "-9223372036854775807", "-1", "-9223372036854775808" },
	{ "-9223372036854775808", "-1", NULL },
	{ "-9223372036854775808", "9223372036854775807", "-1" },
	{ "1", "9223372036854775808", NULL },
	{ "1", "-9223372036854775809", NULL },
	{ "1", "18446744073709551617", NULL },
	{ "1", "99999999999999999999", NULL },
	{ "1", "+1", NULL },
	{ "1", " 1", NULL },
	{ "1", "1 ", NULL },
	{ "1", "01", NULL },
	{ "1", "-0", NULL },
	{ "1", "-", NULL },
	{ "1", "1.0", NULL },
	{ "1", "x", NULL },
	{ "x", "1", NULL },
	{ "1.5", "1", NULL },
	{ "007", "1", NULL },
};

static const struct sum real_sums[] = {
	{ NULL, "5", "5" },
	{ NULL, "0.1", "0.1" },
	{ "10.5", "0.1", "10.6" },
	{ "10.50", "-10.5", "0" },
	{ "-1", "1", "0" },
	{ NULL, "-0", "0" },
	{ "5.0e3", "2.0e2", "5200" },
	{ "3.0", "1.5", "4.5" },
	{ NULL, "1e17", "100000000000000000" },
	{ NULL, "1e-17", "0.00000000000000001" },
	{ NULL, "1e-18", "0" },
	{ "100", "-0.5", "99.5" },
	{ NULL, "-3.14159", "-3.14159" },
	{ NULL, "0x10", "16" },
	{ NULL, "+1", "1" },
	{ NULL, "1e4000", "" },		/* digits only, below */
	{ NULL, "1e5000", NULL },
	{ NULL, "1e-5000", NULL },
	{ NULL, "nan", NULL },
	{ NULL, "inf", NULL },
	{ "1", "-inf", NULL },
	{ NULL, " 1", NULL },
	{ NULL, "1 ", NULL },
	{ NULL, "1x", NULL },
	{ NULL, ".", NULL },
	{ "x", "1", NULL },
	{ "1e4932", "1e4932", NULL },
};

typedef enum err sum_call(struct cache *, int64_t, struct cache_str,
    struct cache_str, struct cache_str, struct cache_str *);

static void
try_sum(sum_call *call, const struct sum *t)
{
	struct cache_str	s = { NULL, 0 };
	enum err		e;

	begin(4 * MIB);
	if (t->base != NULL)
		SAYS(E_OK, cache_hset(c, now, str("h"), str("f"),
		    str(t->base)));
	e = call(c, now, str("h"), str("f"), str(t->by), &s);
	if (t->sum == NULL) {
		CU_ASSERT_EQUAL(e, E_CACHE_NUMBER);
		CU_ASSERT(t->base != NULL ? hhas("h", "f", t->base) :
		    cache_exist(c, now, str("h")) == E_NOTFOUND);
	} else if (t->sum[0] == '\0') {
		CU_ASSERT(e == E_OK && s.n >= 4000 && s.n <= 4001 &&
		    memchr(s.p, '.', s.n) == NULL);
	} else {
		CU_ASSERT(e == E_OK && is(s, t->sum));
		CU_ASSERT(hhas("h", "f", t->sum));
	}
}

static void
test_sums(void)
{
	size_t	k;

	for (k = 0; k < sizeof(int_sums) / sizeof(int_sums[0]); k++)
		try_sum(cache_hincrby, &int_sums[k]);
	for (k = 0; k < sizeof(real_sums) / sizeof(real_sums[0]); k++)
		try_sum(cache_hincrbyfloat, &real_sums[k]);
}

static void
test_nul_in_number(void)
{
	struct cache_str	by = { (const uint8_t *)"1\0002", 3 }, s;

	begin(4 * MIB);
	SAYS(E_CACHE_NUMBER, cache_hincrbyfloat(c, now, str("h"), str("f"), by,
	    &s));
	SAYS(E_CACHE_NUMBER, cache_hincrby(c, now, str("h"), str("f"), by,
	    &s));
}

static uint8_t	bytes[9 * MIB];

static struct cache_str
many(size_t n)
{
	return (struct cache_str){ bytes, n };
}

static void
test_limits(void)
{
	struct cache_str	s;

	begin(64 * MIB);
	CU_ASSERT_PTR_NULL(cache_new(CACHE_LEAST - 1, 1));
	SAYS(E_PARAM, cache_put(c, now, many(0), str("1"), 0));
	SAYS(E_PARAM, cache_put(c, now, many(CACHE_KEY_MAX + 1), str("1"), 0));
	SAYS(E_PARAM, cache_get(c, now, many(0), &s));
	SAYS(E_PARAM, cache_hset(c, now, str("h"), many(0), str("1")));
	SAYS(E_PARAM, cache_hget(c, now, str("h"), many(CACHE_KEY_MAX + 1),
	    &s));
	SAYS(E_CACHE_VALUE, cache_put(c, now, str("a"), many(0), 0));
	SAYS(E_CACHE_VALUE, cache_put(c, now, str("a"),
	    many(CACHE_VALUE_MAX + 1), 0));
	SAYS(E_CACHE_VALUE, cache_append(c, now, str("a"), many(0)));
	SAYS(E_CACHE_VALUE, cache_hset(c, now, str("h"), str("f"), many(0)));
	SAYS(E_NOTFOUND, cache_exist(c, now, str("h")));
	/* The greatest of everything. */
	SAYS(E_OK, cache_put(c, now, many(CACHE_KEY_MAX),
	    many(CACHE_VALUE_MAX), 0));
	SAYS(E_OK, cache_get(c, now, many(CACHE_KEY_MAX), &s));
	CU_ASSERT(s.n == CACHE_VALUE_MAX && memcmp(s.p, bytes, s.n) == 0);
	SAYS(E_CACHE_TOOBIG, cache_append(c, now, many(CACHE_KEY_MAX),
	    str("1")));
	SAYS(E_OK, cache_get(c, now, many(CACHE_KEY_MAX), &s));
	SAYS(E_OK, cache_hset(c, now, many(CACHE_KEY_MAX - 1),
	    many(CACHE_KEY_MAX), many(CACHE_VALUE_MAX)));
	SAYS(E_OK, cache_hget(c, now, many(CACHE_KEY_MAX - 1),
	    many(CACHE_KEY_MAX), &s));
	CU_ASSERT(s.n == CACHE_VALUE_MAX && memcmp(s.p, bytes, s.n) == 0);
	/* More than half of the slice. */
	begin(4 * MIB);
	SAYS(E_OK, put("a", "1", 0));
	SAYS(E_CACHE_TOOBIG, cache_put(c, now, str("b"), many(2 * MIB), 0));
	SAYS(E_CACHE_TOOBIG, cache_put(c, now, str("a"), many(2 * MIB), 0));
	SAYS(E_CACHE_TOOBIG, cache_append(c, now, str("a"), many(2 * MIB)));
	SAYS(E_CACHE_TOOBIG, cache_hset(c, now, str("h"), str("f"),
	    many(2 * MIB)));
	SAYS(E_NOTFOUND, cache_exist(c, now, str("h")));
	CU_ASSERT(has("a", "1"));
}

/* A hash fills the slice, others go; then it says so, and keeps what it has. */
static void
test_full_hash(void)
{
	struct cache_str	s, f;
	struct cache_stat	st;
	uint32_t		n;
	enum err		e = E_OK;

	begin(2 * MIB);
	SAYS(E_OK, put("a", "1", 0));
	for (n = 0; e == E_OK && n < 100000; n++) {
		f = (struct cache_str){ (const uint8_t *)&n, sizeof(n) };
		e = cache_hset(c, now, str("h"), f, many(100));
	}
	SAYS(E_CACHE_TOOBIG, e);
	SAYS(E_NOTFOUND, cache_exist(c, now, str("a")));
	cache_stat(c, &st);
	CU_ASSERT(st.entries == 1 && st.fields == n - 1 && st.evicted == 1);
	CU_ASSERT(st.bytes <= st.limit && st.used > st.limit / 10 * 8);
	for (n = 0; n < st.fields; n++) {
		f = (struct cache_str){ (const uint8_t *)&n, sizeof(n) };
		CU_ASSERT(cache_hget(c, now, str("h"), f, &s) == E_OK &&
		    s.n == 100);
	}
	SAYS(E_OK, put("a", "1", 0));		/* that evicts it */
	SAYS(E_NOTFOUND, cache_exist(c, now, str("h")));
	while (cache_step(c, now, 1000))
		;
	cache_stat(c, &st);
	CU_ASSERT(st.entries == 1 && st.fields == 0);
	CU_ASSERT(st.used < st.limit / 100 && st.bytes < st.limit / 10);
}

static uint64_t
evicted(void)
{
	struct cache_stat	st;

	cache_stat(c, &st);
	return st.evicted;
}

static void
fill_small(size_t limit)
{
	struct cache_str	k;
	uint32_t		n;

	begin(limit);
	for (n = 0; n < limit / 100; n++) {
		k = (struct cache_str){ (const uint8_t *)&n, sizeof(n) };
		SAYS(E_OK, cache_put(c, now, k, many(100), 0));
	}
	CU_ASSERT(evicted() > 0);
}

/* Calls of cache_ready until there is room; few entries go with each. */
static unsigned
readied(const char *tb, const char *key, size_t n, int append)
{
	uint64_t	had = evicted();
	unsigned	calls = 1;

	while (!cache_ready(c, now, str(tb), str(key), n, append, 8)) {
		CU_ASSERT(evicted() - had <= 8);
		had = evicted();
		calls++;
	}
	CU_ASSERT(evicted() - had <= 8);
	return calls;
}

/* What a large value would evict at once goes in steps before it. */
static void
test_ready(void)
{
	uint64_t	had;

	fill_small(64 * MIB);
	CU_ASSERT(readied("", "big", CACHE_LARGE / 2, 0) == 1);
	CU_ASSERT(readied("", "big", CACHE_VALUE_MAX + 1, 0) == 1);
	CU_ASSERT(readied("", "", CACHE_VALUE_MAX, 0) == 1);
	had = evicted();
	CU_ASSERT(readied("", "big", CACHE_VALUE_MAX, 0) > 1000);
	CU_ASSERT(evicted() - had > CACHE_VALUE_MAX / 200);
	had = evicted();
	SAYS(E_OK, cache_put(c, now, str("big"), many(CACHE_VALUE_MAX), 0));
	CU_ASSERT(evicted() - had < 64);
	/* What it replaces is room enough. */
	CU_ASSERT(readied("", "big", CACHE_VALUE_MAX, 0) == 1);
	SAYS(E_OK, cache_put(c, now, str("big"), many(CACHE_VALUE_MAX), 0));
	/* Of the wrong type; refused, and nobody goes for it. */
	had = evicted();
	CU_ASSERT(readied("big", "f", CACHE_VALUE_MAX, 0) == 1);
	CU_ASSERT(evicted() == had);
	SAYS(E_CACHE_TYPE, cache_hset(c, now, str("big"), str("f"), many(9)));
	CU_ASSERT(readied("h", "f", CACHE_VALUE_MAX / 2, 0) > 100);
	had = evicted();
	SAYS(E_OK, cache_hset(c, now, str("h"), str("f"),
	    many(CACHE_VALUE_MAX / 2)));
	CU_ASSERT(evicted() - had < 1000);	/* a unit, for the hash */
}

/* What is appended to is not what goes for it. */
static void
test_ready_append(void)
{
	struct cache_str	s;
	uint64_t		had;
	size_t			n = CACHE_VALUE_MAX / 2;

	fill_small(32 * MIB);
	CU_ASSERT(readied("", "a", n, 1) > 100);
	SAYS(E_OK, cache_append(c, now, str("a"), many(n)));
	CU_ASSERT(readied("", "a", 2 * MIB, 1) > 100);
	had = evicted();
	SAYS(E_OK, cache_append(c, now, str("a"), many(2 * MIB)));
	CU_ASSERT(evicted() - had < 64);
	SAYS(E_OK, cache_get(c, now, str("a"), &s));
	CU_ASSERT(s.n == n + 2 * MIB);
	SAYS(E_OK, cache_hset(c, now, str("h"), str("f"), str("1")));
	had = evicted();
	CU_ASSERT(readied("", "h", n, 1) == 1 && evicted() == had);
	CU_ASSERT(readied("", "a", n, 1) == 1 && evicted() == had);
}

static void
test_counters(void)
{
	struct cache_str	s;
	struct cache_stat	st;
	unsigned		n;

	begin(4 * MIB);
	SAYS(E_OK, put("a", "1", 0));
	SAYS(E_OK, put("b", "1", 10));
	SAYS(E_OK, cache_hset(c, now, str("h"), str("f"), str("1")));
	SAYS(E_OK, cache_hset(c, now, str("h"), str("g"), str("1")));
	CU_ASSERT(has("a", "1") && hhas("h", "f", "1"));
	SAYS(E_NOTFOUND, cache_get(c, now, str("x"), &s));
	SAYS(E_NOTFOUND, cache_hget(c, now, str("x"), str("f"), &s));
	SAYS(E_NOTFOUND, cache_hget(c, now, str("h"), str("x"), &s));
	cache_stat(c, &st);
	CU_ASSERT(st.entries == 3 && st.fields == 2 && st.hits == 2);
	CU_ASSERT(st.misses == 3 && st.evicted == 0 && st.expired == 0);
	CU_ASSERT(st.limit == 4 * MIB && st.bytes > 0 && st.used > 0);
	for (n = 0; n < 3; n++)
		(void)cache_step(c, now + 10, 10);	/* found unasked */
	cache_stat(c, &st);
	CU_ASSERT(st.entries == 2 && st.expired == 1);
	SAYS(E_OK, cache_del(c, now, str("h")));
	cache_stat(c, &st);
	CU_ASSERT(st.entries == 1 && st.fields == 0);
}

/* An append that goes on for long, and what lies beside it. */
static void
test_append(void)
{
	struct cache_str	s;
	size_t			n = 0, k;
	char			key[16];

	begin(32 * MIB);
	for (k = 0; k < sizeof(bytes); k++)
		bytes[k] = (uint8_t)(k * 7 + k / 251);
	while (n < 3 * MIB) {
		k = n < 1000 ? 7 : n / 50;
		SAYS(E_OK, cache_append(c, now, str("a"),
		    (struct cache_str){ bytes + n, k }));
		n += k;
		snprintf(key, sizeof(key), "%zu", n);
		SAYS(E_OK, cache_put(c, now, str(key), many(k), 0));
		SAYS(E_OK, cache_get(c, now, str("a"), &s));
		CU_ASSERT(s.n == n && memcmp(s.p, bytes, n) == 0);
	}
}

static const CU_TestInfo tests[] = {
	{ "strings", test_strings },
	{ "ttl", test_ttl },
	{ "hashes", test_hashes },
	{ "types", test_types },
	{ "sums", test_sums },
	{ "nul in number", test_nul_in_number },
	{ "limits", test_limits },
	{ "room for large values", test_ready },
	{ "room for what is appended", test_ready_append },
	{ "full hash", test_full_hash },
	{ "counters", test_counters },
	{ "append", test_append },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_cache", UNIT_SUITE("cache", tests))
