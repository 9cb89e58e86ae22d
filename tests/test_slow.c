/*
 * test_slow.c: the ring of slow requests: order, wrapping, clearing, torn
 * entries, a writer that died, and a reader beside a writer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "supervisor/conf.h"
#include "supervisor/slow.h"
#include "tests/unit.h"

static struct slow_ring	ring;
static struct slow_entry got[SLOW_RING];

static void
put(int64_t n)
{
	struct slow_entry	e = { .total = n };

	slow_put(&ring, &e);
}

static void
test_order(void)
{
	unsigned	i;

	memset(&ring, 0, sizeof(ring));
	CU_ASSERT_EQUAL(slow_read(&ring, got), 0);
	put(1);
	put(2);
	CU_ASSERT_EQUAL(slow_read(&ring, got), 2);
	CU_ASSERT(got[0].total == 2 && got[1].total == 1);
	CU_ASSERT(got[1].wall > 0 && got[0].wall >= got[1].wall);
	for (i = 3; i <= 1000; i++)
		put(i);
	CU_ASSERT_EQUAL_FATAL(slow_read(&ring, got), SLOW_RING);
	for (i = 0; i < SLOW_RING; i++)
		CU_ASSERT_EQUAL(got[i].total, 1000 - i);
}

static void
test_clear(void)
{
	memset(&ring, 0, sizeof(ring));
	put(1);
	put(2);
	slow_clear(&ring);
	CU_ASSERT_EQUAL(slow_read(&ring, got), 0);
	put(3);
	CU_ASSERT_EQUAL(slow_read(&ring, got), 1);
	CU_ASSERT_EQUAL(got[0].total, 3);
}

static void
test_texts(void)
{
	struct slow_entry	e = { .total = 1 };
	uint8_t			key[300];
	char			out[SLOW_SHOWN];

	memset(&ring, 0, sizeof(ring));
	memset(key, 0xff, sizeof(key));
	slow_name(&e, "a name that is far longer than there is room for it");
	e.tablen = slow_cut(e.tab, "t a\\b\n", 6);
	e.keylen = slow_cut(e.key, key, sizeof(key));
	slow_put(&ring, &e);
	CU_ASSERT_EQUAL_FATAL(slow_read(&ring, got), 1);
	CU_ASSERT_EQUAL(strlen(got[0].name), SLOW_NAME - 1);
	CU_ASSERT_EQUAL(got[0].keylen, 300);
	CU_ASSERT_STRING_EQUAL(slow_show(out, got[0].tab, got[0].tablen),
	    "t\\x20a\\x5cb\\x0a");
	/* The longest there can be. */
	slow_show(out, got[0].key, got[0].keylen);
	CU_ASSERT_EQUAL(strlen(out), SLOW_TEXT * 4 + 3);
	CU_ASSERT_STRING_EQUAL(out + SLOW_TEXT * 4 - 4, "\\xff...");
	slow_show(out, key, SLOW_TEXT);
	CU_ASSERT_EQUAL(strlen(out), SLOW_TEXT * 4);
	CU_ASSERT_STRING_EQUAL(slow_show(out, NULL, 0), "");
}

/* A name without an end, a number that no ring can have. */
static void
test_hostile(void)
{
	unsigned	i;

	memset(&ring, 0, sizeof(ring));
	put(1);
	for (i = 0; i < SLOW_WORDS; i++)
		ring.slot[0].word[i] = UINT64_MAX;
	CU_ASSERT_EQUAL_FATAL(slow_read(&ring, got), 1);
	CU_ASSERT_EQUAL(strlen(got[0].name), SLOW_NAME - 1);
	ring.next = UINT64_MAX;
	CU_ASSERT_EQUAL(slow_read(&ring, got), 0);
}

/*
 * The writer died within entry 2: it is left out, and the next incarnation
 * writes it anew and keeps the others.
 */
static void
test_dead_writer(void)
{
	memset(&ring, 0, sizeof(ring));
	put(10);
	put(11);
	put(12);
	ring.next = 2;
	ring.slot[2].seq = 2 * 2 + 1;
	CU_ASSERT_EQUAL(slow_read(&ring, got), 2);
	CU_ASSERT(got[0].total == 11 && got[1].total == 10);
	put(13);
	CU_ASSERT_EQUAL(slow_read(&ring, got), 3);
	CU_ASSERT(got[0].total == 13 && got[2].total == 10);
	/* Overwritten while it was read: known by its number. */
	ring.slot[0].seq = 2 * SLOW_RING + 2;
	CU_ASSERT_EQUAL(slow_read(&ring, got), 2);
}

static atomic_int	over;

/* Every field of an entry is made from one number. */
static void *
writer(void *arg)
{
	struct slow_entry	e;
	int64_t			n;

	(void)arg;
	for (n = 1; !over; n++) {
		e = (struct slow_entry){ .total = n, .body = n, .held = n,
		    .vallen = (uint64_t)n, .keylen = (uint32_t)n };
		memset(e.key, (int)(n & 0xff), sizeof(e.key));
		slow_put(&ring, &e);
	}
	return NULL;
}

static int
is_whole(const struct slow_entry *e)
{
	unsigned	i;

	for (i = 0; i < SLOW_TEXT; i++)
		if (e->key[i] != (e->total & 0xff))
			return 0;
	return e->body == e->total && e->held == e->total &&
	    e->vallen == (uint64_t)e->total &&
	    e->keylen == (uint32_t)e->total;
}

static void
test_race(void)
{
	pthread_t	t;
	unsigned	i, n, turn, torn = 0, disorder = 0, whole = 0;

	memset(&ring, 0, sizeof(ring));
	over = 0;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, writer, NULL), 0);
	for (turn = 0; turn < 3000 || whole < 100; turn++) {
		n = slow_read(&ring, got);
		whole += n;
		for (i = 0; i < n; i++) {
			torn += !is_whole(&got[i]);
			disorder += i > 0 && got[i].total >= got[i - 1].total;
		}
	}
	over = 1;
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(torn, 0);
	CU_ASSERT_EQUAL(disorder, 0);
}

static void
test_limit(void)
{
	struct conf	*c = conf_new();
	char		 err[256];

	CU_ASSERT_EQUAL(slow_limit(c), 100000);
	CU_ASSERT_EQUAL(conf_option(c, "log.slow=-1", err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(slow_limit(c), SLOW_OFF);
	CU_ASSERT_EQUAL(conf_option(c, "log.slow=0", err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(slow_limit(c), 0);
	CU_ASSERT_EQUAL(conf_option(c, "log.slow=-2", err, sizeof(err)), -1);
	CU_ASSERT_EQUAL(conf_option(c, "log.slow=-", err, sizeof(err)), -1);
	conf_free(c);
}

static const CU_TestInfo tests[] = {
	{ "order", test_order },
	{ "clear", test_clear },
	{ "texts", test_texts },
	{ "hostile", test_hostile },
	{ "dead writer", test_dead_writer },
	{ "race", test_race },
	{ "limit", test_limit },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_slow", UNIT_SUITE("slow", tests))
