/*
 * test_queue_forward.c: messages to and from queues of other routers, by the
 * letter: dead letters, orders, refusals, what rests and what comes back
 * (test_queue_forward_model.c: two of them and a bad wire).
 */
#include <CUnit/CUnit.h>

#include "tests/queue_play.h"
#include "tests/unit.h"

static void
test_dead(void)
{
	struct settings		s = { .maxdeliver = 1 };
	struct queues_total	t;
	uint64_t		first;

	begin();
	g.foreign = 'f';
	set("q", SET_MAXDELIVER | SET_DEAD, s, "far");
	put("q", "a");
	IS(get("q"), "a");
	CU_ASSERT(nack("q", c.got[0].token, 0) == E_OK);
	CU_ASSERT(g.forwards == 1 && stat_of("q").delayed == 1);
	first = g.forward_id;
	queue_forwarded(qs, str("q"), 0, first, E_TIMEOUT, &now, NULL);
	later(999);
	CU_ASSERT(g.forwards == 1);
	later(1);
	CU_ASSERT(g.forwards == 2 && g.forward_id == first);
	later(30000);			/* no word came at all */
	CU_ASSERT(g.forwards == 3);
	queue_forwarded(qs, str("q"), 0, first, E_OK, &now, NULL);
	queue_forwarded(qs, str("q"), 0, first, E_OK, &now, NULL);
	CU_ASSERT(stat_of("q").delayed == 0 && rig_count(&g, 'M') == 0);
	queues_total(qs, &t);
	CU_ASSERT(t.dead == 1 && t.messages == 0);
	put("q", "b");			/* nobody there: it is not even read */
	IS(get("q"), "b");
	g.reach = E_NOTREADY;
	g.reads = 0;
	CU_ASSERT(nack("q", c.got[0].token, 0) == E_OK);
	CU_ASSERT(g.forwards == 3 && g.reads == 0);
	CU_ASSERT(stat_of("q").delayed == 1);
	g.reach = E_OK;
	later(1000);
	CU_ASSERT(g.forwards == 4);
	again(g.mark);			/* nothing of that is logged */
	CU_ASSERT(g.forwards == 4 && stat_of("q").unacked == 1);
	later(300000);
	CU_ASSERT(g.forwards == 5 && stat_of("q").delayed == 1);
	finish();
}

/* An order: what is refused is there again at once, what is unknown later. */
static void
test_order(void)
{
	unsigned	moved;
	uint64_t	first;

	begin();
	g.foreign = 'f';
	put("q", "a");
	g.reach = E_FULL;
	CU_ASSERT(queue_move(qs, str("q"), str("far"), 9, &moved, &now, NULL)
	    == E_FULL && moved == 0 && g.forwards == 0);
	g.reach = E_OK;
	CU_ASSERT(queue_move(qs, str("q"), str("far"), 9, &moved, &now, NULL)
	    == E_OK && moved == 1 && g.forwards == 1);
	first = g.forward_id;
	IS(get("q"), "");
	client_init(&c);		/* who waits has it when it is back */
	c.t.wait = 5000000;
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_OK && !c.done);
	queue_forwarded(qs, str("q"), 0, first, E_QFULL, &now, NULL);
	CU_ASSERT(c.done && c.n == 1);
	CU_ASSERT(nack("q", c.got[0].token, 0) == E_OK);
	CU_ASSERT(queue_move(qs, str("q"), str("far"), 9, &moved, &now, NULL)
	    == E_OK && moved == 1 && g.forward_id == first);
	queue_forwarded(qs, str("q"), 0, first, E_UNSURE, &now, NULL);
	IS(get("q"), "");
	later(1000);
	CU_ASSERT(queue_move(qs, str("q"), str("far"), 9, &moved, &now, NULL)
	    == E_OK && moved == 1 && g.forward_id == first);
	g.fail_in = 1;			/* it is there, and not yet gone here */
	g.fail_with = E_AGAIN;
	CU_ASSERT(queue_forwarded(qs, str("q"), 0, first, E_OK, &now, NULL) ==
	    E_UNSURE);
	IS(get("q"), "");
	later(1000);
	CU_ASSERT(rig_count(&g, 'M') == 0);
	finish();
}

static enum err
receive(const char *to, const char *item, int64_t ttl, int ordered)
{
	struct queue_forward	f = { .to = str(to), .item = str(item),
				    .priority = 1, .ttl = ttl,
				    .ordered = ordered };

	return queue_receive(qs, &f, &now, NULL);
}

static void
test_receive(void)
{
	struct settings	s = { .max = 1, .lock = 0 };

	begin();
	CU_ASSERT(receive("q", "", 0, 1) == E_PARAM);
	CU_ASSERT(receive("q", "a", -1, 1) == E_PARAM);
	CU_ASSERT(receive("q", "a", QUEUE_DELAY_MAX + 1, 1) == E_PARAM);
	CU_ASSERT(receive("q", "a", 5000, 1) == E_OK);	/* makes it */
	set("q", SET_MAX, s, "");
	CU_ASSERT(receive("q", "b", 0, 1) == E_QFULL);
	CU_ASSERT(receive("q", "b", 0, 0) == E_OK);	/* a dead letter */
	s.lock = 1;
	s.max = 9;
	set("q", SET_MAX | SET_LOCK, s, "");
	CU_ASSERT(receive("q", "c", 0, 1) == E_QLOCKED);
	CU_ASSERT(receive("q", "c", 0, 0) == E_OK);
	again(g.mark);
	later(5000);
	IS(get("q"), "b");
	CU_ASSERT(c.got[0].priority == 1);
	IS(get("q"), "c");
	IS(get("q"), "");
	client_init(&c);
	c.t.wait = 5000000;
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_OK && !c.done);
	CU_ASSERT(receive("q", "d", 0, 0) == E_OK && c.done);
	g.conf.limits.messages = 3;
	queues_set_limits(qs, &g.conf.limits);
	CU_ASSERT(receive("q", "e", 0, 0) == E_LIMIT_MESSAGES);
	finish();
}

static const CU_TestInfo tests[] = {
	{ "dead letter", test_dead },
	{ "order", test_order },
	{ "receive", test_receive },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_queue_forward", UNIT_SUITE("queue forward", tests))
