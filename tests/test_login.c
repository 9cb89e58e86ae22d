/*
 * test_login.c: Authorization headers, the places of passwords that wait, and
 * the thread that looks at them.
 */
#include <string.h>

#include "tests/unit.h"
#include "worker/login.h"
#include "worker/places.h"
#include "worker/verify.h"

/* 1 when the header says this name and password. */
static int
says(const char *header, const char *name, const char *password)
{
	struct login	l;

	if (login_parse(&l, header, strlen(header)) == -1)
		return -1;
	return l.namelen == strlen(name) && l.passlen == strlen(password) &&
	    memcmp(l.name, name, l.namelen) == 0 &&
	    memcmp(l.password, password, l.passlen) == 0;
}

static void
test_header(void)
{
	CU_ASSERT_EQUAL(says("Basic Ym9iOnNlY3JldA==", "bob", "secret"), 1);
	CU_ASSERT_EQUAL(says("basic Ym9iOnNlY3JldA==", "bob", "secret"), 1);
	CU_ASSERT_EQUAL(says("BASIC   Ym9iOnNlY3JldA== ", "bob", "secret"), 1);
	CU_ASSERT_EQUAL(says("Basic Ym9iOnNlY3JldA", "bob", "secret"), 1);
	CU_ASSERT_EQUAL(says("Basic Ym9iOmE6Yjpj", "bob", "a:b:c"), 1);
	CU_ASSERT_EQUAL(says("Basic Ym9iOg==", "bob", ""), 1);
	CU_ASSERT_EQUAL(says("Basic Ym9iOv/+", "bob", "\xff\xfe"), 1);
}

static void
test_bad_headers(void)
{
	static const char *const	bad[] = {
		"", "Basic", "Basic ", "Basic  ", "BasicYm9iOnNlY3JldA==",
		"Bearer Ym9iOnNlY3JldA==", "Basic Ym9i", "Basic OnNlY3JldA==",
		"Basic Ym9iOnNlY3JldA=", "Basic Ym9iOnNlY3JldA===",
		"Basic Ym9iOnNlY3JldA==x", "Basic Ym9iOnNlY3JldA== x",
		"Basic Ym9i OnNlY3JldA==", "Basic Ym9iOv_-", "Basic *",
		"Basic Ym9i\nOnNlY3JldA==",
		"Basic Yi9iOnNlY3JldA==",	/* b/b */
	};
	size_t				i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(says(bad[i], "bob", "secret"), -1);
		if (says(bad[i], "bob", "secret") != -1)
			printf("taken: \"%s\"\n", bad[i]);
	}
}

/* base64 of "bob:" and so many letters. */
static size_t
long_header(char *out, size_t letters)
{
	size_t	n = (size_t)sprintf(out, "Basic Ym9iOmFh"), i;

	/* "YWFh" is "aaa"; two are there already. */
	for (i = 2; i + 3 <= letters; i += 3)
		n += (size_t)sprintf(out + n, "YWFh");
	if (i + 1 == letters)
		n += (size_t)sprintf(out + n, "YQ==");
	else if (i + 2 == letters)
		n += (size_t)sprintf(out + n, "YWE=");
	return n;
}

static void
test_long_header(void)
{
	struct login	l;
	char		h[8192];
	size_t		n = long_header(h, PASSWORD_MOST);

	CU_ASSERT_EQUAL(login_parse(&l, h, n), 0);
	CU_ASSERT_EQUAL(l.passlen, PASSWORD_MOST);
	n = long_header(h, PASSWORD_MOST + 1);
	CU_ASSERT_EQUAL(login_parse(&l, h, n), -1);
	n = long_header(h, 4096);
	CU_ASSERT_EQUAL(login_parse(&l, h, n), -1);
}

static struct places	ps;

static struct place *
take(unsigned login, uint64_t pair, int64_t us)
{
	uint8_t	tag[KNOWN_TAG] = { (uint8_t)login, (uint8_t)(login >> 8), 1 };

	return places_take(&ps, tag, pair, pair, (mono_t){ us });
}

static struct place *
take_from(unsigned login, uint64_t pair, uint64_t from)
{
	uint8_t	tag[KNOWN_TAG] = { (uint8_t)login, (uint8_t)(login >> 8), 1 };

	return places_take(&ps, tag, pair, from, (mono_t){ 0 });
}

static struct place *
find(unsigned login)
{
	uint8_t	tag[KNOWN_TAG] = { (uint8_t)login, (uint8_t)(login >> 8), 1 };

	return places_find(&ps, tag);
}

static void
test_places(void)
{
	struct place	*p;
	unsigned	 i;

	memset(&ps, 0, sizeof(ps));
	CU_ASSERT_PTR_NULL(places_next(&ps));
	for (i = 0; i < PLACES; i++)
		CU_ASSERT_PTR_NOT_NULL(take(i, i, i));
	CU_ASSERT_PTR_NULL(take(PLACES, PLACES, 0));
	for (i = 0; i < PLACES; i++) {
		p = places_next(&ps);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT_PTR_EQUAL(p, find(i));	/* in their order */
		p->state = PLACE_RUNS;
		CU_ASSERT_PTR_EQUAL(p, find(i));
		places_leave(p);
		CU_ASSERT_PTR_NULL(find(i));
		/* Who comes later is asked later, wherever there is room. */
		CU_ASSERT_PTR_NOT_NULL(take(1000 + i, 1000 + i, 0));
	}
	for (i = 0; i < PLACES; i++) {
		p = places_next(&ps);
		CU_ASSERT_PTR_EQUAL(p, find(1000 + i));
		places_leave(p);
	}
	CU_ASSERT_PTR_NULL(places_next(&ps));
}

static void
test_pair_holds_two(void)
{
	struct place	*a, *b;
	unsigned	 i;

	memset(&ps, 0, sizeof(ps));
	a = take(1, 7, 0);
	b = take(2, 7, 0);
	CU_ASSERT_FATAL(a != NULL && b != NULL);
	CU_ASSERT_PTR_NULL(take(3, 7, 0));
	a->state = PLACE_RUNS;
	CU_ASSERT_PTR_NULL(take(3, 7, 0));
	for (i = 0; i < PLACES - PLACES_EACH; i++)
		CU_ASSERT_PTR_NOT_NULL(take(100 + i, 100 + i, 0));
	CU_ASSERT_PTR_NULL(take(3, 8, 0));
	places_leave(a);
	CU_ASSERT_PTR_NOT_NULL(take(3, 7, 0));
	CU_ASSERT_PTR_NULL(take(4, 7, 0));
}

/* An address with many names leaves places to others, as many as it has. */
static void
test_yield(void)
{
	struct place	*p;
	unsigned	 i;

	memset(&ps, 0, sizeof(ps));
	for (i = 0; i < PLACES; i++) {
		CU_ASSERT_PTR_NULL(places_yield(&ps, 500, 2));	/* room */
		CU_ASSERT_PTR_NOT_NULL(take_from(i, i, 1));
	}
	places_next(&ps)->state = PLACE_RUNS;
	CU_ASSERT_PTR_NULL(places_yield(&ps, 100, 1));
	for (i = 0; i < PLACES / 2; i++) {
		CU_ASSERT_PTR_NULL(take_from(100 + i, 100 + i, 2));
		p = places_yield(&ps, 100 + i, 2);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		/* The last to come goes first; what runs never goes. */
		CU_ASSERT_PTR_EQUAL(p, find(PLACES - 1 - i));
		places_leave(p);
		CU_ASSERT_PTR_NOT_NULL(take_from(100 + i, 100 + i, 2));
	}
	CU_ASSERT_PTR_NULL(places_yield(&ps, 200, 2));
	CU_ASSERT_PTR_NULL(places_yield(&ps, 200, 1));
	CU_ASSERT_PTR_NOT_NULL(places_yield(&ps, 200, 3));
	/* Who has two already gets nobody's. */
	places_leave(find(100));
	CU_ASSERT_PTR_NOT_NULL(take_from(300, 101, 2));
	CU_ASSERT_PTR_NULL(places_yield(&ps, 101, 3));
	CU_ASSERT_EQUAL(places_next(&ps)->turn, 2);
}

static void
test_late(void)
{
	struct place	*p;
	struct request	*someone = (void *)&ps;

	memset(&ps, 0, sizeof(ps));
	p = take(1, 1, 1000);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_PTR_NULL(places_late(&ps, (mono_t){ 9000 }, 500));
	p->waiters = someone;
	CU_ASSERT_PTR_NULL(places_late(&ps, (mono_t){ 1499 }, 500));
	CU_ASSERT_PTR_EQUAL(places_late(&ps, (mono_t){ 1500 }, 500), p);
	p->state = PLACE_RUNS;
	CU_ASSERT_PTR_EQUAL(places_late(&ps, (mono_t){ 1000 }, INT64_MIN), p);
}

static void
test_wiped(void)
{
	struct place	*p, zero;

	memset(&ps, 0, sizeof(ps));
	memset(&zero, 0, sizeof(zero));
	p = take(1, 1, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	memset(p->password, 'x', sizeof(p->password));
	places_leave(p);
	CU_ASSERT_EQUAL(memcmp(p->password, zero.password,
	    sizeof(p->password)), 0);
}

static void
test_failures(void)
{
	memset(&ps, 0, sizeof(ps));
	CU_ASSERT_EQUAL(places_failed(&ps, 5), 1);
	CU_ASSERT_EQUAL(places_failed(&ps, 5), 2);
	CU_ASSERT_EQUAL(places_failed(&ps, 6), 1);
	CU_ASSERT_EQUAL(places_failed(&ps, 5), 3);
	CU_ASSERT_EQUAL(places_failed(&ps, 5 + FAILURES), 1);
	CU_ASSERT_EQUAL(places_failed(&ps, 5), 1);
}

static struct ev_loop	*loop;
static int		 answer, answers;

static void
on_done(void *arg, int good)
{
	(void)arg;
	answer = good;
	answers++;
	ev_break(loop, EVBREAK_ALL);
}

static int
look(struct verify *v, const char *hash, const char *password)
{
	answer = -1;
	CU_ASSERT_EQUAL_FATAL(verify_start(v, hash, password,
	    strlen(password)), 0);
	CU_ASSERT_EQUAL(verify_busy(v), 1);
	ev_run(loop, 0);
	CU_ASSERT_EQUAL(verify_busy(v), 0);
	return answer;
}

static void
test_verify(void)
{
	char		 hash[USER_HASH];
	struct verify	*v;

	CU_ASSERT_EQUAL_FATAL(password_init(), 0);
	CU_ASSERT_EQUAL_FATAL(password_hash(hash, "right", 5), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	v = verify_new(loop, on_done, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	CU_ASSERT_EQUAL(look(v, hash, "right"), 1);
	CU_ASSERT_EQUAL(look(v, hash, "wrong"), 0);
	CU_ASSERT_EQUAL(look(v, password_nobody(), "right"), 0);
	CU_ASSERT_EQUAL(look(v, hash, "right"), 1);
	CU_ASSERT_EQUAL(answers, 4);
	/* Under way when it ends: waited for, and never told. */
	CU_ASSERT_EQUAL(verify_start(v, hash, "right", 5), 0);
	verify_free(v);
	CU_ASSERT_EQUAL(answers, 4);
	v = verify_new(loop, on_done, NULL);
	verify_free(v);
	ev_loop_destroy(loop);
}

static const CU_TestInfo tests[] = {
	{ "headers", test_header },
	{ "headers that say nothing", test_bad_headers },
	{ "long passwords", test_long_header },
	{ "places, in order", test_places },
	{ "two places for a pair", test_pair_holds_two },
	{ "an address leaves room", test_yield },
	{ "who waited too long", test_late },
	{ "passwords are wiped", test_wiped },
	{ "failures", test_failures },
	{ "the thread", test_verify },
	CU_TEST_INFO_NULL,
};

UNIT_MAIN("test_login", UNIT_SUITE("login", tests))
