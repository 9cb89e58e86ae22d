/*
 * test_cache_model.c: random commands on a cache and on a plain table of the
 * same: what the cache answers may be missing when it evicts, never wrong; its
 * sums are right, its memory is within the limit.
 */
#include <sys/resource.h>

#include <fcntl.h>
#include <string.h>

#include "store/cache_impl.h"
#include "tests/cache_check.h"
#include "tests/unit.h"

#define NAMES	400u
#define FIELDS	60u
#define MIB	(1u << 20)

/* --- the plain table --- */

struct ref_val {
	uint8_t		*p;			/* NULL: none */
	size_t		 n;
};

struct ref {
	int		 kind;			/* enum item_kind */
	int64_t		 expires;
	struct ref_val	 val, field[FIELDS];
};

static struct ref	 ref[NAMES];
static struct cache	*c;
static int64_t		 now;
static uint64_t		 rnd_state, lost;
static unsigned		 phase;
static uint8_t		 fill[2 * MIB];

static uint64_t
rnd(uint64_t below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (rnd_state * 0x2545f4914f6cdd1d >> 20) % below;
}

static void
val_set(struct ref_val *v, struct cache_str s)
{
	v->p = realloc(v->p, s.n);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v->p);
	memcpy(v->p, s.p, s.n);
	v->n = s.n;
}

static void
val_add(struct ref_val *v, struct cache_str s)
{
	v->p = realloc(v->p, v->n + s.n);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v->p);
	memcpy(v->p + v->n, s.p, s.n);
	v->n += s.n;
}

static void
val_clear(struct ref_val *v)
{
	free(v->p);
	*v = (struct ref_val){ NULL, 0 };
}

static int
val_is(const struct ref_val *v, struct cache_str s)
{
	return v->p != NULL && v->n == s.n && memcmp(v->p, s.p, s.n) == 0;
}

static void
ref_clear(struct ref *r)
{
	unsigned	k;

	val_clear(&r->val);
	for (k = 0; k < FIELDS; k++)
		val_clear(&r->field[k]);
	r->kind = ITEM_FREE;
	r->expires = 0;
}

static unsigned
ref_fields(const struct ref *r)
{
	unsigned	k, n = 0;

	for (k = 0; k < FIELDS; k++)
		n += r->field[k].p != NULL;
	return n;
}

/* --- what is asked --- */

struct ask {
	unsigned	 name, field;
	char		 nametext[300], fieldtext[300];
	struct cache_str key, fkey, val;
	struct ref	*r;
};

/* Now and then a long one. */
static struct cache_str
text(char *out, size_t size, const char *what, unsigned n)
{
	int	pad = n % 7 == 3 ? 250 : (int)(n % 31);

	return (struct cache_str){ (uint8_t *)out,
	    (size_t)snprintf(out, size, "%s%0*u", what, pad, n) };
}

static size_t
value_length(void)
{
	static const size_t	mostly[] = { 60, 300, 2000, 120, 9000, 40 };

	switch (rnd(50)) {
	case 0:
		return 1 + rnd(phase % 2 ? 900000 : 100000);
	case 1: case 2: case 3:
		return 1 + rnd(40000);
	default:
		return 1 + rnd(mostly[phase % 6]);
	}
}

/* Names that have expired or were evicted go from the plain table. */
static void
settle(struct ask *a)
{
	int	there = cache_exist(c, now, a->key) == E_OK;

	if (a->r->kind != ITEM_FREE && a->r->expires != 0 &&
	    a->r->expires <= now)
		ref_clear(a->r);
	if (a->r->kind != ITEM_FREE && !there) {
		lost++;
		ref_clear(a->r);
	}
	CU_ASSERT_EQUAL(there, a->r->kind != ITEM_FREE);
}

static void
ask_make(struct ask *a)
{
	size_t	n = value_length();

	a->name = (unsigned)(rnd(2) ? rnd(NAMES) : rnd(NAMES / 10));
	a->field = (unsigned)rnd(FIELDS);
	a->key = text(a->nametext, sizeof(a->nametext), "n", a->name);
	a->fkey = text(a->fieldtext, sizeof(a->fieldtext), "f", a->field);
	a->val = (struct cache_str){ fill + rnd(MIB), n };
	a->r = &ref[a->name];
	settle(a);
}

/* --- one command each --- */

static void
do_put(struct ask *a)
{
	int64_t		ttl = rnd(3) ? 0 : 1 + (int64_t)rnd(5000);
	enum err	e = cache_put(c, now, a->key, a->val, ttl);

	if (e == E_CACHE_TOOBIG) {
		settle(a);
		return;
	}
	CU_ASSERT_EQUAL(e, E_OK);
	ref_clear(a->r);
	a->r->kind = ITEM_STRING;
	a->r->expires = ttl == 0 ? 0 : now + ttl;
	val_set(&a->r->val, a->val);
}

static void
do_get(struct ask *a)
{
	struct cache_str	s;
	enum err		e = cache_get(c, now, a->key, &s);

	if (a->r->kind == ITEM_STRING)
		CU_ASSERT(e == E_OK && val_is(&a->r->val, s));
	if (a->r->kind != ITEM_STRING)
		CU_ASSERT_EQUAL(e, a->r->kind == ITEM_TABLE ? E_CACHE_TYPE :
		    E_NOTFOUND);
}

static void
do_append(struct ask *a)
{
	enum err	e = cache_append(c, now, a->key, a->val);

	if (a->r->kind == ITEM_TABLE) {
		CU_ASSERT_EQUAL(e, E_CACHE_TYPE);
	} else if (e != E_CACHE_TOOBIG) {
		CU_ASSERT_EQUAL(e, E_OK);
		a->r->kind = ITEM_STRING;
		val_add(&a->r->val, a->val);
	} else {
		settle(a);
	}
}

static void
do_del(struct ask *a)
{
	CU_ASSERT_EQUAL(cache_del(c, now, a->key),
	    a->r->kind == ITEM_FREE ? E_NOTFOUND : E_OK);
	ref_clear(a->r);
}

static void
do_expire(struct ask *a)
{
	int64_t		ttl = (int64_t)rnd(4000);
	enum err	e = cache_expire(c, now, a->key, ttl);

	if (a->r->kind == ITEM_FREE) {
		CU_ASSERT_EQUAL(e, E_NOTFOUND);
	} else if (ttl == 0) {
		CU_ASSERT_EQUAL(e, E_CACHE_NUMBER);
	} else {
		CU_ASSERT_EQUAL(e, E_OK);
		a->r->expires = now + ttl;
	}
}

static void
do_persist(struct ask *a)
{
	CU_ASSERT_EQUAL(cache_persist(c, now, a->key),
	    a->r->expires == 0 ? E_NOTFOUND : E_OK);
	a->r->expires = 0;
}

static void
do_ttl(struct ask *a)
{
	int64_t		sec, left = a->r->expires - now;
	enum err	e = cache_ttl(c, now, a->key, &sec);

	if (a->r->kind == ITEM_FREE)
		CU_ASSERT_EQUAL(e, E_NOTFOUND);
	if (a->r->kind != ITEM_FREE)
		CU_ASSERT(e == E_OK && sec == (a->r->expires == 0 ? -1 :
		    (left + 500) / 1000));
}

static void
do_hset(struct ask *a)
{
	enum err	e = cache_hset(c, now, a->key, a->fkey, a->val);

	if (a->r->kind == ITEM_STRING) {
		CU_ASSERT_EQUAL(e, E_CACHE_TYPE);
	} else if (e != E_CACHE_TOOBIG) {
		CU_ASSERT_EQUAL(e, E_OK);
		a->r->kind = ITEM_TABLE;
		val_set(&a->r->field[a->field], a->val);
	} else {
		settle(a);
	}
}

static void
do_hget(struct ask *a)
{
	struct ref_val		*v = &a->r->field[a->field];
	struct cache_str	 s;
	enum err		 e = cache_hget(c, now, a->key, a->fkey, &s);

	if (a->r->kind == ITEM_STRING)
		CU_ASSERT_EQUAL(e, E_CACHE_TYPE);
	if (a->r->kind != ITEM_STRING)
		CU_ASSERT(v->p == NULL ? e == E_NOTFOUND :
		    e == E_OK && val_is(v, s));
}

static void
do_hdel(struct ask *a)
{
	struct ref_val	*v = &a->r->field[a->field];
	enum err	 e = cache_hdel(c, now, a->key, a->fkey);

	if (a->r->kind == ITEM_STRING) {
		CU_ASSERT_EQUAL(e, E_CACHE_TYPE);
		return;
	}
	CU_ASSERT_EQUAL(e, v->p == NULL ? E_NOTFOUND : E_OK);
	val_clear(v);
	if (a->r->kind == ITEM_TABLE && ref_fields(a->r) == 0)
		ref_clear(a->r);
}

static void
do_hincrby(struct ask *a)
{
	struct ref_val		*v = &a->r->field[a->field];
	struct cache_str	 one = { (const uint8_t *)"1", 1 }, s;
	enum err		 e;

	if (a->r->kind == ITEM_STRING || v->p != NULL)
		return;
	e = cache_hincrby(c, now, a->key, a->fkey, one, &s);
	if (e == E_CACHE_TOOBIG) {
		settle(a);
		return;
	}
	CU_ASSERT(e == E_OK && s.n == 1 && s.p[0] == '1');
	a->r->kind = ITEM_TABLE;
	val_set(v, one);
}

static void
do_step(struct ask *a)
{
	(void)a;
	(void)cache_step(c, now, 1 + (unsigned)rnd(100));
}

static void (*const commands[])(struct ask *) = {
	do_put, do_put, do_put, do_get, do_get, do_get, do_append, do_del,
	do_expire, do_persist, do_ttl, do_hset, do_hset, do_hset, do_hset,
	do_hget, do_hget, do_hdel, do_hdel, do_hincrby, do_step,
};

static void
in_order(void)
{
	const char	*bad = cache_check(c);

	if (bad != NULL)
		fprintf(stderr, "test_cache_model: %s\n", bad);
	CU_ASSERT_PTR_NULL_FATAL(bad);
}

/* Each name and field at the end. */
static void
look_at_all(void)
{
	struct ask	a;

	for (a.name = 0; a.name < NAMES; a.name++) {
		a.key = text(a.nametext, sizeof(a.nametext), "n", a.name);
		a.r = &ref[a.name];
		settle(&a);
		for (a.field = 0; a.field < FIELDS; a.field++) {
			a.fkey = text(a.fieldtext, sizeof(a.fieldtext), "f",
			    a.field);
			do_hget(&a);
		}
		do_get(&a);
	}
}

static unsigned
times(unsigned n)
{
	const char	*size = getenv("WHARF_SIZE");

	return size != NULL && strcmp(size, "small") == 0 ? n / 4 : n;
}

static void
run(size_t limit, uint64_t seed, unsigned n, int evicts)
{
	struct cache_stat	st;
	struct ask		a;
	unsigned		k;

	rnd_state = seed * 0x9e3779b97f4a7c15 + 1;
	for (k = 0; k < sizeof(fill); k++)
		fill[k] = (uint8_t)(k * 13 + k / 255);
	now = 1700000000000;
	lost = 0;
	c = cache_new(limit, seed);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	for (k = 0; k < n; k++) {
		phase = k / 3000;
		now += (int64_t)rnd(3);
		ask_make(&a);
		commands[rnd(sizeof(commands) / sizeof(commands[0]))](&a);
		if (k % 500 == 0)
			in_order();
	}
	look_at_all();
	in_order();
	cache_stat(c, &st);
	CU_ASSERT(lost <= st.evicted);
	CU_ASSERT_EQUAL(st.evicted > 0, evicts);
	CU_ASSERT(st.expired > 0 && st.bytes <= st.limit);
	for (k = 0; k < NAMES; k++)
		ref_clear(&ref[k]);
	cache_free(c);
}

static void
test_roomy(void)
{
	run(1024u * MIB, 1, times(40000), 0);
}

static void
test_evicting(void)
{
	run(4u * MIB, 2, times(60000), 1);
	run(2u * MIB, 3, times(60000), 1);
}

static void
test_least(void)
{
	run(CACHE_LEAST, 4, times(40000), 1);
}

/* --- moving --- */

static struct cache_str
numbered(char *out, size_t size, char what, unsigned n)
{
	return (struct cache_str){ (uint8_t *)out,
	    (size_t)snprintf(out, size, "%c%u", what, n) };
}

/* Thins hashes out, so that their units can be emptied into each other. */
static void
moves_thin(void)
{
	char		k[16];
	unsigned	n;

	for (n = 0; n < 3000; n++) {
		struct cache_str	t = numbered(k, sizeof(k), 't', n);

		if (rnd(10) < 7)
			(void)cache_del(c, now, t);
		else if (rnd(2))
			(void)cache_hset(c, now, t, t, t);
	}
}

/* Now room is wanted while one of them is held. */
static void
moves_write(void)
{
	struct cache_str	t, s, v = { fill, 3000 + rnd(9000) };
	char			k[16];
	unsigned		n;

	for (n = 0; n < 200; n++) {
		t = numbered(k, sizeof(k), 't', (unsigned)rnd(3000));
		if (cache_hget(c, now, t, t, &s) != E_OK)
			continue;
		CU_ASSERT_EQUAL(cache_hset(c, now, t, (struct cache_str){
		    fill, 1 + rnd(5) }, v), E_OK);
		CU_ASSERT(cache_hget(c, now, t, t, &s) == E_OK &&
		    s.n == t.n && memcmp(s.p, t.p, t.n) == 0);
	}
}

static void
test_moves(void)
{
	char		k[16];
	unsigned	n, m;

	rnd_state = 99;
	c = cache_new(CACHE_LEAST, 9);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	for (n = 0; n < times(200); n++) {
		for (m = 0; m < 3000; m++) {
			struct cache_str t = numbered(k, sizeof(k), 't', m);

			(void)cache_hset(c, now, t, t, t);
		}
		moves_thin();
		moves_write();
		in_order();
	}
	cache_free(c);
}

/*
 * Half of the names, here and there, were asked for.  Others of another size
 * then cost about as many bytes of the rest as they bring.
 */
static void
test_shift(void)
{
	struct cache_stat	st;
	struct cache_str	s, v = { fill, 100 };
	char			k[16];
	unsigned		n;
	uint64_t		names, evicted;

	rnd_state = 5;
	c = cache_new(8u * MIB, 9);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	for (n = 0; n < 45000; n++)
		(void)cache_put(c, now, numbered(k, sizeof(k), 'n', n), v, 0);
	for (n = 0; n < 45000; n++)
		if (rnd(2))
			(void)cache_get(c, now, numbered(k, sizeof(k), 'n', n),
			    &s);
	v.n = 1000;
	cache_stat(c, &st);
	names = st.entries;
	evicted = st.evicted;
	for (n = 0; n < 2500; n++)
		(void)cache_put(c, now, numbered(k, sizeof(k), 'm', n), v, 0);
	cache_stat(c, &st);
	CU_ASSERT(st.used > st.limit / 100 * 94 && st.evicted > evicted);
	CU_ASSERT(st.entries > names + 2500 - 20000);
	in_order();
	cache_free(c);
}

/* Address space is short: little to spare, the rest is as ever. */
static void
test_short(void)
{
#ifndef __SANITIZE_ADDRESS__
	struct rlimit		 had, few;
	struct cache_str	 v = { fill, 0 };
	char			 k[16];
	unsigned		 n;

	CU_ASSERT_FATAL(getrlimit(RLIMIT_AS, &had) == 0);
	few = had;
	few.rlim_cur = 1u << 30;
	CU_ASSERT_FATAL(setrlimit(RLIMIT_AS, &few) == 0);
	CU_ASSERT_PTR_NULL(cache_new((size_t)1 << 30, 1));
	c = cache_new(256u * MIB, 1);
	CU_ASSERT(setrlimit(RLIMIT_AS, &had) == 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	rnd_state = 8;
	for (n = 0; n < times(3000); n++) {
		v.n = 1 + rnd(600000);
		CU_ASSERT(cache_put(c, now, numbered(k, sizeof(k), 'n',
		    (unsigned)rnd(5000)), v, 0) == E_OK);
	}
	in_order();
	cache_free(c);
#endif
}

/* --- memory --- */

/* By a plain read, so that looking allocates nothing. */
static size_t
rss_anon(void)
{
	char	 text[4096];
	char	*at;
	int	 fd = open("/proc/self/status", O_RDONLY);
	ssize_t	 n;
	size_t	 kib = 0;

	CU_ASSERT_FATAL(fd != -1);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	CU_ASSERT_FATAL(n > 0);
	text[n] = '\0';
	at = strstr(text, "RssAnon:");
	CU_ASSERT_FATAL(at != NULL && sscanf(at, "RssAnon: %zu", &kib) == 1);
	return kib * 1024;
}

enum pattern { SMALL, LARGER, LARGE, BESIDE, HASHES, GROWING, ANY, PATTERNS };

static size_t
pattern_length(enum pattern p)
{
	switch (p) {
	case SMALL:
		return 100;
	case LARGER:
		return 1000 + rnd(3000);
	case LARGE:
		return 20000 + rnd(100000);
	case BESIDE:
		return rnd(2000) ? 100 : CACHE_VALUE_MAX;
	case HASHES: case GROWING:
		return 1 + rnd(200);
	default:
		return (size_t)1 << rnd(20);
	}
}

static void
pattern_one(enum pattern p, unsigned n, const uint8_t *value)
{
	unsigned		id[2] = { (unsigned)rnd(n), (unsigned)p };
	struct cache_str	key = { (const uint8_t *)id, sizeof(id) };
	struct cache_str	val = { value, pattern_length(p) }, s;
	unsigned		tab = (unsigned)(rnd(3) ? 0 : rnd(1000));
	struct cache_str	tb = { (const uint8_t *)&tab, sizeof(tab) };

	if (p == HASHES)
		(void)cache_hset(c, now, tb, key, val);
	else if (p == GROWING && rnd(2))
		(void)cache_append(c, now, key, val);
	else if (rnd(2))
		(void)cache_get(c, now, key, &s);
	else
		(void)cache_put(c, now, key, val, 0);
}

/* Bytes put, in all, some times the limit. */
static void
pattern_run(enum pattern p, size_t limit, const uint8_t *value, size_t before)
{
	static const unsigned	 rounds[PATTERNS] = { 400, 60, 8, 60, 300, 300,
				    8 };
	struct cache_stat	 st;
	size_t			 worst = 0, rss;
	unsigned		 k, n;

	for (k = 0; k < times(rounds[p]); k++) {
		for (n = 0; n < 2000; n++)
			pattern_one(p, 300000, value);
		rss = rss_anon();
		worst = rss > worst ? rss : worst;
	}
	cache_stat(c, &st);
	CU_ASSERT(st.bytes <= st.limit);
	CU_ASSERT(worst <= before + limit / 10 * 11);
	printf("pattern %d: %.3f of the limit, %.3f of it used\n", p,
	    (double)(worst - before) / (double)limit,
	    (double)st.used / (double)limit);
}

static void
test_memory(void)
{
	size_t			 limit = 48u * MIB, before;
	uint8_t			*value = malloc(CACHE_VALUE_MAX);
	struct cache_stat	 st;
	int			 p;

	CU_ASSERT_PTR_NOT_NULL_FATAL(value);
	memset(value, 'v', CACHE_VALUE_MAX);
	rnd_state = 77;
	before = rss_anon();
	c = cache_new(limit, 5);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	for (p = 0; p < PATTERNS; p++)
		pattern_run((enum pattern)p, limit, value, before);
	pattern_run(SMALL, limit, value, before);	/* and back again */
	cache_stat(c, &st);
	/* All of it is used again for what is put now. */
	CU_ASSERT(st.used > limit / 100 * 85 || times(4) == 1);
	in_order();
	cache_free(c);
	free(value);
}

static const CU_TestInfo tests[] = {
	{ "roomy", test_roomy },
	{ "evicting", test_evicting },
	{ "least", test_least },
	{ "moves", test_moves },
	{ "shift", test_shift },
	{ "short", test_short },
	{ "memory", test_memory },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_cache_model", UNIT_SUITE("cache model", tests))
