/*
 * test_queue_odd.c: what happens to a queue rarely: a clock that is set back,
 * counts at their end.
 */
#include <string.h>

#include "queue/chunk.h"
#include "queue/topic.h"
#include "tests/queue_play.h"
#include "tests/unit.h"

#define YEAR	(365 * 86400000LL)

/* --- the clock is set back --- */

static void
set_back(int64_t ms)
{
	now.wall -= ms;
	queues_set_back(qs, ms);
	rig_work(qs, &now);
}

static void
check_set_back(int64_t ms)
{
	char	token[TOKEN_MAX + 1];

	begin();
	put("q", "out");
	put_with("q", "late", 0, 0, 100000);
	put_with("q", "short", 0, 200000, 0);
	IS(get("q"), "out");
	strcpy(token, c.got[0].token);
	later(50000);
	set_back(ms);
	later(49999);
	CU_ASSERT(stat_of("q").delayed == 1);
	later(1);
	CU_ASSERT(stat_of("q").delayed == 0 && stat_of("q").ready[0] == 2);
	later(100000);
	CU_ASSERT(stat_of("q").ready[0] == 1 && rig_count(&g, 'M') == 2);
	later(99999);
	CU_ASSERT(stat_of("q").unacked == 1);
	later(1);
	CU_ASSERT(stat_of("q").unacked == 0);
	IS(get("q"), "out");
	CU_ASSERT(c.got[0].deliveries == 2);
	CU_ASSERT(ack("q", token) == E_OK);
	IS(get("q"), "late");
	IS(get("q"), "");
	finish();
}

static void
test_set_back(void)
{
	check_set_back(1);
	check_set_back(3600000);
	check_set_back(50 * YEAR);
}

/* A chunk of each kind, and messages that wait for nothing. */
static void
test_set_back_many(void)
{
	struct queue_stat	st;
	unsigned		i;

	begin();
	for (i = 0; i < 3 * CHUNK_MOST; i++)
		put_with("q", "x", i % 3, i % 7 == 0 ? 1000000 : 0,
		    i < CHUNK_MOST || i % 5 == 0 ? 1000 + i : 0);
	st = stat_of("q");
	CU_ASSERT(st.delayed > CHUNK_MOST && st.ready[0] > 0);
	set_back(YEAR);
	later(999);
	CU_ASSERT(stat_of("q").delayed == st.delayed);
	later(1 + 3 * CHUNK_MOST);
	CU_ASSERT(stat_of("q").delayed == 0);
	later(1000000);
	st = stat_of("q");
	CU_ASSERT(st.ready[0] + st.ready[1] + st.ready[2] ==
	    3 * CHUNK_MOST - (3 * CHUNK_MOST + 6) / 7);
	finish();
}

/* --- counts at their end --- */

/* Deliveries beyond those that are counted still have tokens that work. */
static void
test_many_tries(void)
{
	int64_t		more = 0;
	unsigned	i;

	begin();
	put("q", "a");
	for (i = 0; i < LEASE_TRIES + 10; i++) {
		IS(get("q"), "a");
		if (nack("q", c.got[0].token, 0) != E_OK)
			break;
	}
	CU_ASSERT(i == LEASE_TRIES + 10);
	IS(get("q"), "a");
	CU_ASSERT(c.got[0].deliveries == LEASE_TRIES);
	CU_ASSERT(queue_touch(qs, str("q"), str(c.got[0].token), &more, &now,
	    NULL) == E_OK);
	again(g.mark);
	CU_ASSERT(nack("q", c.got[0].token, 0) == E_OK);
	IS(get("q"), "a");
	CU_ASSERT(ack("q", c.got[0].token) == E_OK);
	finish();
}

/* A limit that would never be reached is not taken for one. */
static void
test_maxdeliver_most(void)
{
	struct settings	s = { .maxdeliver = SETTINGS_TRIES_MAX + 1 };
	unsigned	i;

	begin();
	CU_ASSERT(set("q", SET_MAXDELIVER | SET_DEAD, s, "d") == E_PARAM);
	s.maxdeliver = SETTINGS_TRIES_MAX;
	CU_ASSERT(set("q", SET_MAXDELIVER | SET_DEAD, s, "d") == E_OK);
	put("q", "a");
	for (i = 1; i < SETTINGS_TRIES_MAX; i++) {
		get("q");
		nack("q", c.got[0].token, 0);
	}
	IS(get("q"), "a");
	CU_ASSERT(nack("q", c.got[0].token, 0) == E_OK);
	IS(get("q"), "");
	IS(get("d"), "a");
	finish();
}

/* --- limits --- */

static void
fill(unsigned n)
{
	while (n-- > 0)
		CU_ASSERT(put("q", "x") == E_OK);
	CU_ASSERT(put("q", "x") == E_LIMIT_MESSAGES);
}

/* Filling and purging again and again is not faster than deleting. */
static void
test_purged_count(void)
{
	uint64_t	mark = 0;
	unsigned	k;

	begin();
	g.conf.limits.messages = 100;
	queues_set_limits(qs, &g.conf.limits);
	fill(100);
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, &mark) == E_OK);
	fill(100);
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, &mark) == E_OK);
	fill(0);
	for (k = 0; k < 2; k++) {
		later(1);
		fill(100);
		get("q");
		CU_ASSERT(queue_purge(qs, str("q"), 0, &now, &mark) == E_OK);
		CU_ASSERT(ack("q", c.got[0].token) == E_OK);
	}
	fill(100);
	finish();
}

/* --- settings --- */

/* What is refused makes no queue, and a topic takes no dead letters. */
static void
test_set_refused(void)
{
	struct settings	s = { .maxdeliver = 3 };
	uint64_t	at;

	begin();
	CU_ASSERT(set("q", SET_MAXDELIVER, s, "") == E_PARAM);
	CU_ASSERT(set("q", SET_DEAD, s, "q") == E_PARAM);
	CU_ASSERT(topic_pub(qs, str("t"), str("x"), -1, 1000, &now, &at,
	    NULL) == E_OK);
	CU_ASSERT(set("q", SET_MAXDELIVER | SET_DEAD, s, "t") == E_QUEUE);
	CU_ASSERT(rig_count(&g, 'C') == 1);
	CU_ASSERT(get("q")[0] == '\0' &&
	    client_get(qs, "q", &c, &now) == E_QUEUE);
	CU_ASSERT(set("q", SET_MAXDELIVER | SET_DEAD, s, "d") == E_OK);
	CU_ASSERT(set("q", SET_DEAD, s, "t") == E_QUEUE);
	CU_ASSERT(set("q", SET_DEAD, s, "") == E_PARAM);
	CU_ASSERT(set("t", SET_DEAD, s, "d") == E_QUEUE);
	s = *stat_of("q").set;
	CU_ASSERT(s.maxdeliver == 3 && s.deadlen == 1 && s.dead[0] == 'd');
	finish();
}

static const CU_TestInfo tests[] = {
	{ "the clock is set back", test_set_back },
	{ "with many messages", test_set_back_many },
	{ "more deliveries than are counted", test_many_tries },
	{ "the highest maxdeliver", test_maxdeliver_most },
	{ "what was purged counts", test_purged_count },
	{ "settings that are refused", test_set_refused },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_queue_odd", UNIT_SUITE("queues, odd", tests))
