/*
 * test_queue.c: the rules of queues one by one; test_queue_model.c has them
 * all at random.
 */
#include <string.h>

#include "queue/form.h"
#include "queue/topic.h"
#include "tests/queue_play.h"
#include "tests/unit.h"

/* --- */

static void
test_order(void)
{
	char	token[TOKEN_MAX + 1];

	begin();
	IS(get("q"), "");
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_QUEUE);
	put("q", "low1");
	put_with("q", "high", 2, 0, 0);
	put("q", "low2");
	put_with("q", "mid", 1, 0, 0);
	CU_ASSERT(stat_of("q").ready[0] == 2 && stat_of("q").ready[2] == 1);
	IS(get("q"), "high");
	CU_ASSERT(c.got[0].priority == 2 && c.got[0].deliveries == 1);
	strcpy(token, c.got[0].token);
	CU_ASSERT(strncmp(token, "2:", 2) == 0);
	IS(get("q"), "mid");
	IS(get("q"), "low1");
	IS(get("q"), "low2");
	IS(get("q"), "");
	CU_ASSERT(c.err == E_NOTFOUND && stat_of("q").unacked == 4);
	CU_ASSERT(ack("q", token) == E_OK);
	CU_ASSERT(ack("q", token) == E_TOKEN);
	CU_ASSERT(ack("p", token) == E_QUEUE);
	CU_ASSERT(ack("q", "0 1") == E_PARAM);
	CU_ASSERT(ack("q", "0:1") == E_TOKEN);
	CU_ASSERT(stat_of("q").unacked == 3 && rig_count(&g, 'M') == 3);
	CU_ASSERT(stat_of("q").ci == 2 && stat_of("q").si == 2);
	finish();
}

static void
test_params(void)
{
	struct queue_str	i = str("x"), none = { NULL, 0 };
	struct queue_put	p = { &i, 1, 3, 0, 0 };
	unsigned		done;
	char			name[70];

	begin();
	CU_ASSERT(queue_put(qs, str("q"), &p, &now, &done, NULL) == E_PARAM);
	CU_ASSERT(put_with("q", "x", 0, -1, 0) == E_PARAM);
	CU_ASSERT(put_with("q", "x", 0, 0, QUEUE_DELAY_MAX + 1) == E_PARAM);
	CU_ASSERT(put("q", "") == E_PARAM);
	p = (struct queue_put){ &none, 0, 0, 0, 0 };
	CU_ASSERT(queue_put(qs, str("q"), &p, &now, &done, NULL) == E_PARAM);
	memset(name, 'n', sizeof(name));
	name[65] = '\0';
	CU_ASSERT(put(name, "x") == E_PARAM);
	name[64] = '\0';
	CU_ASSERT(put(name, "x") == E_OK);
	CU_ASSERT(put("", "x") == E_PARAM);
	CU_ASSERT(g.records == 2);
	finish();
}

static void
test_redelivery(void)
{
	char	first[TOKEN_MAX + 1], second[TOKEN_MAX + 1];
	int64_t	more = 0;

	begin();
	put("q", "a");
	put_with("q", "urgent", 2, 0, 0);
	IS(get("q"), "urgent");
	ack("q", c.got[0].token);
	IS(get("q"), "a");
	strcpy(first, c.got[0].token);
	CU_ASSERT(queues_next(qs, &now) == 300000000);
	put_with("q", "urgent2", 2, 0, 0);
	later(299999);
	CU_ASSERT(stat_of("q").unacked == 1);
	later(1);
	CU_ASSERT(stat_of("q").unacked == 0 && stat_of("q").ready[0] == 1);
	IS(get("q"), "a");		/* before what is urgent */
	CU_ASSERT(c.got[0].deliveries == 2);
	strcpy(second, c.got[0].token);
	CU_ASSERT(strcmp(first, second) != 0);
	CU_ASSERT(nack("q", first, 0) == E_TOKEN);
	CU_ASSERT(queue_touch(qs, str("q"), str(first), &more, &now, NULL) ==
	    E_TOKEN);
	more = 500000;
	CU_ASSERT(queue_touch(qs, str("q"), str(second), &more, &now, NULL) ==
	    E_OK && more == 500000);
	later(499999);
	CU_ASSERT(stat_of("q").unacked == 1);
	CU_ASSERT(ack("q", first) == E_OK);	/* an earlier one still acks */
	CU_ASSERT(ack("q", second) == E_TOKEN);
	CU_ASSERT(rig_count(&g, 'D') == 0);
	finish();
}

static void
test_nack(void)
{
	begin();
	put("q", "a");
	put("q", "b");
	IS(get("q"), "a");
	CU_ASSERT(nack("q", c.got[0].token, -1) == E_PARAM);
	CU_ASSERT(nack("q", c.got[0].token, 0) == E_OK);
	IS(get("q"), "a");
	CU_ASSERT(nack("q", c.got[0].token, 1000) == E_OK);
	CU_ASSERT(nack("q", c.got[0].token, 1000) == E_TOKEN);
	CU_ASSERT(stat_of("q").delayed == 1);
	IS(get("q"), "b");
	IS(get("q"), "");
	again(g.mark);
	CU_ASSERT(stat_of("q").delayed == 1 && stat_of("q").unacked == 1);
	later(1000);
	IS(get("q"), "a");
	CU_ASSERT(c.got[0].deliveries == 3);
	/* What need not be logged is, where there is a record. */
	nack("q", c.got[0].token, 0);
	c.t.autoack = 1;
	IS(get("q"), "a");
	again(g.mark);
	IS(get("q"), "");
	later(300000);
	IS(get("q"), "a");
	IS(get("q"), "b");
	IS(get("q"), "");
	finish();
}

static void
test_delay_and_ttl(void)
{
	struct settings	s = { .delay = 500, .ttl = 2000 };

	begin();
	put_with("q", "late", 0, 0, 1000);
	put_with("q", "short", 0, 100, 0);
	put("q", "now");
	CU_ASSERT(stat_of("q").delayed == 1);
	later(99);
	IS(get("q"), "short");
	nack("q", c.got[0].token, 0);
	later(1);
	CU_ASSERT(rig_count(&g, 'M') == 2 && rig_count(&g, 'D') == 0);
	IS(get("q"), "now");
	IS(get("q"), "");
	again(g.mark);
	later(899);
	IS(get("q"), "");
	later(1);
	IS(get("q"), "late");
	CU_ASSERT(set("d", SET_DELAY | SET_TTL, s, "") == E_OK);
	put("d", "x");
	IS(get("d"), "");
	later(500);
	IS(get("d"), "x");
	later(1500);			/* out: it may still be acked */
	CU_ASSERT(stat_of("d").unacked == 1);
	CU_ASSERT(nack("d", c.got[0].token, 0) == E_OK);
	rig_work(qs, &now);
	IS(get("d"), "");
	CU_ASSERT(stat_of("d").ready[0] == 0);
	finish();
}

static void
test_limits(void)
{
	struct settings		s = { .max = 2, .lock = 1 };
	struct queue_limits	l = g.conf.limits;

	begin();
	l = g.conf.limits;
	CU_ASSERT(set("q", SET_MAX, s, "") == E_OK);
	CU_ASSERT(put("q", "a") == E_OK);
	CU_ASSERT(put_with("q", "b", 1, 0, 1000) == E_OK);
	CU_ASSERT(put("q", "c") == E_QFULL);
	IS(get("q"), "a");		/* what is out does not count */
	CU_ASSERT(put("q", "c") == E_OK);
	set("q", SET_LOCK, s, "");
	CU_ASSERT(put("q", "d") == E_QLOCKED);
	IS(get("q"), "c");
	l.messages = 3;
	l.names = 1;
	queues_set_limits(qs, &l);
	s.lock = 0;
	set("q", SET_LOCK, s, "");
	CU_ASSERT(put("q", "e") == E_LIMIT_MESSAGES);
	CU_ASSERT(ack("q", c.got[0].token) == E_OK);
	CU_ASSERT(put("q", "e") == E_OK);
	CU_ASSERT(put("p", "e") == E_LIMIT_MESSAGES);
	ack("q", (get("q"), c.got[0].token));
	CU_ASSERT(put("p", "e") == E_QUEUES);
	CU_ASSERT(set("p", SET_LOCK, s, "") == E_QUEUES);
	finish();
}

static void
test_settings(void)
{
	struct settings	s = { .timeout = 1000, .maxdeliver = 1 }, out;

	begin();
	CU_ASSERT(queue_settings(qs, str("q"), &out, NULL) == E_QUEUE);
	CU_ASSERT(queue_set(qs, str("q"), &s, SET_TIMEOUT, 0, &now, NULL) ==
	    E_QUEUE);
	put("q", "a");
	IS(get("q"), "a");
	CU_ASSERT(set("q", SET_TIMEOUT, s, "") == E_OK);
	CU_ASSERT(queue_settings(qs, str("q"), &out, NULL) == E_OK);
	CU_ASSERT(out.timeout == 1000 && out.tm == now.wall / 1000);
	again(g.mark);			/* the delivery's record has the old one */
	later(999);
	IS(get("q"), "");
	later(1);
	IS(get("q"), "a");
	CU_ASSERT(set("q", SET_MAXDELIVER, s, "") == E_PARAM);
	CU_ASSERT(set("q", SET_MAXDELIVER | SET_DEAD, s, "q") == E_PARAM);
	CU_ASSERT(queue_settings(qs, str("q"), &out, NULL) == E_OK);
	CU_ASSERT(out.maxdeliver == 0 && out.deadlen == 0);
	finish();
}

/* --- waiting --- */

static void
test_waiters(void)
{
	struct queue_limits	l;

	begin();
	wait_all("q", 10000);		/* a queue that is not there yet */
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_QUEUE);
	CU_ASSERT(queue_cancel(qs, &w[1].t) == 1);
	CU_ASSERT(queue_cancel(qs, &w[1].t) == 0);
	put("q", "a");
	CU_ASSERT(w[0].done && !w[2].done);
	IS(w[0].got[0].item, "a");
	IS(get("q"), "");		/* it comes after those who wait */
	put("q", "b");
	IS(w[2].got[0].item, "b");
	CU_ASSERT(nack("q", w[0].got[0].token, 0) == E_OK);
	CU_ASSERT(w[3].done);
	IS(w[3].got[0].item, "a");
	CU_ASSERT(w[3].got[0].deliveries == 2 && stat_of("q").waiting == 1);
	later(9999);
	CU_ASSERT(!w[4].done);
	later(1);
	CU_ASSERT(w[4].done && w[4].err == E_NOTFOUND && w[4].n == 0);
	wait_all("q", 400000);
	later(290000);			/* b was not acked, nor was a */
	CU_ASSERT(w[0].done && w[1].done && !w[2].done);
	l = g.conf.limits;
	l.waiters = 3;
	queues_set_limits(qs, &l);
	c.t.wait = 1;
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_FULL);
	queues_stop(qs);
	CU_ASSERT(w[4].done && w[4].err == E_NOTREADY);
	finish();
}

static void
test_wait_kind(void)
{
	uint64_t	at;

	begin();
	wait_all("t", 1000);
	CU_ASSERT(topic_pub(qs, str("t"), str("x"), -1, 1000, &now, &at, NULL)
	    == E_OK);
	rig_work(qs, &now);
	CU_ASSERT(w[0].done && w[0].err == E_QUEUE && w[4].done);
	c.t.wait = 1000;
	CU_ASSERT(client_get(qs, "t", &c, &now) == E_QUEUE);
	CU_ASSERT(put("t", "x") == E_QUEUE);
	finish();
}

static void
test_count(void)
{
	unsigned	i;
	char		text[8];

	begin();
	for (i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "m%u", i);
		put("q", text);
	}
	c.t.count = 4;
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_OK && c.n == 4);
	IS(c.got[3].item, "m3");
	/* The third delivery cannot be logged: two are. */
	g.fail_in = 3;
	g.fail_with = E_NOSPACE;
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_OK);
	CU_ASSERT(c.err == E_OK && c.n == 2 && c.shown == 3);
	IS(get("q"), "m6");
	g.fail_in = 1;
	c.t.wait = 1000;
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_OK);
	CU_ASSERT(c.err == E_NOSPACE && c.n == 0);
	IS(get("q"), "m7");
	c.t.count = 50;
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_OK && c.n == 2);
	finish();
}

static void
test_many_wait(void)
{
	enum { QUEUES = 100, WAIT = 10000 };
	struct client	*all = calloc(WAIT, sizeof(*all));
	char		 name[16], item[16];
	unsigned	 i, wrong = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	begin();
	for (i = 0; i < WAIT; i++) {
		client_init(&all[i]);
		all[i].t.wait = 1000000;
		snprintf(name, sizeof(name), "q%u", i % QUEUES);
		wrong += client_get(qs, name, &all[i], &now) != E_OK;
	}
	for (i = 0; i < WAIT; i++) {
		snprintf(name, sizeof(name), "q%u", i % QUEUES);
		snprintf(item, sizeof(item), "%u", i);
		wrong += put(name, item) != E_OK;
	}
	for (i = 0; i < WAIT; i++)	/* each in its turn, each one */
		wrong += !all[i].done || all[i].n != 1 ||
		    strtoul(all[i].got[0].item, NULL, 10) != i;
	CU_ASSERT(wrong == 0);
	finish();
	free(all);
}

static int
never(struct queue_taker *t)
{
	(void)t;
	return 0;
}

/* Who cannot take anything when its turn comes is passed by. */
static void
test_not_ready(void)
{
	unsigned	i;

	begin();
	wait_all("q", 10000);
	w[0].t.ready = w[1].t.ready = never;
	put("q", "a");
	for (i = 0; i < 2; i++)
		CU_ASSERT(w[i].done && w[i].err == E_AGAIN && w[i].n == 0);
	CU_ASSERT(queue_cancel(qs, &w[0].t) == 0);
	CU_ASSERT(w[2].done && !w[3].done);
	IS(w[2].got[0].item, "a");
	CU_ASSERT(stat_of("q").waiting == 2);
	w[3].t.ready = w[4].t.ready = never;
	put("q", "b");
	CU_ASSERT(w[3].err == E_AGAIN && w[4].err == E_AGAIN);
	CU_ASSERT(stat_of("q").waiting == 0 && stat_of("q").ready[0] == 1);
	IS(get("q"), "b");
	CU_ASSERT(c.got[0].deliveries == 1);
	finish();
}

#define STALE	1000u
#define CROWD	300u

static void
put_stale(void)
{
	static struct queue_str	items[STALE];
	struct queue_put	p = { items, STALE, 0, 1000, 0 };
	unsigned		i, done;
	uint64_t		mark = 0;

	for (i = 0; i < STALE; i++)
		items[i] = str("stale");
	CU_ASSERT(queue_put(qs, str("q"), &p, &now, &done, &mark) == E_OK);
	CU_ASSERT(done == STALE);
}

/* All that can be done without that time passes. */
static void
work_on(void)
{
	unsigned	n = 0;

	while (queues_next(qs, &now) == 0 && n++ < 1000)
		(void)queues_work(qs, &now);
}

/*
 * Messages that expire while some wait for their turn are passed over in
 * steps, with no rest between them as if storage had refused something.
 */
static void
test_passed_over(void)
{
	struct client		*all = calloc(CROWD, sizeof(*all));
	struct queues_total	 t;
	unsigned		 i, served = 0;

	begin();
	for (i = 0; i < CROWD; i++) {
		client_init(&all[i]);
		all[i].t.wait = 3600000000;
		CU_ASSERT(client_get(qs, "q", &all[i], &now) == E_OK);
	}
	put_stale();
	for (i = 0; i < CROWD; i++)
		served += all[i].done;
	CU_ASSERT(served > 0 && served < CROWD);
	now.wall += 2000;
	put("q", "fresh");
	work_on();
	queues_total(qs, &t);
	CU_ASSERT(t.expired == STALE - served && stat_of("q").ready[0] == 0);
	CU_ASSERT(stat_of("q").waiting == CROWD - served - 1);
	CU_ASSERT(all[served].done);
	IS(all[served].got[0].item, "fresh");
	finish();
	free(all);
}

/* Who comes to much that is expired waits as the first, if it will wait. */
static void
test_behind_stale(void)
{
	begin();
	put_stale();
	now.wall += 2000;
	put("q", "fresh");
	client_init(&c);
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_OK);
	CU_ASSERT(c.done && c.err == E_AGAIN);
	c.t.wait = 1000000;
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_OK);
	CU_ASSERT(!c.done && stat_of("q").waiting == 1);
	work_on();
	CU_ASSERT(c.done && c.err == E_OK);
	IS(c.got[0].item, "fresh");
	finish();
}

/* A refusal of storage is another thing: then all work rests. */
static void
test_refused_behind(void)
{
	begin();
	put_stale();
	now.wall += 2000;
	put("q", "fresh");
	client_init(&c);
	c.t.wait = 1000000;
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_OK && !c.done);
	g.fail_in = 1;
	g.fail_many = 1;
	g.fail_with = E_AGAIN;
	work_on();
	CU_ASSERT(!c.done && queues_next(qs, &now) > 0);
	now.mono.us += 50000;
	work_on();
	CU_ASSERT(c.done && c.err == E_OK);
	finish();
}

static const CU_TestInfo tests[] = {
	{ "order", test_order },
	{ "params", test_params },
	{ "redelivery", test_redelivery },
	{ "nack", test_nack },
	{ "delay and ttl", test_delay_and_ttl },
	{ "limits", test_limits },
	{ "settings", test_settings },
	{ "waiters", test_waiters },
	{ "wait for the other kind", test_wait_kind },
	{ "count", test_count },
	{ "many wait", test_many_wait },
	{ "not ready", test_not_ready },
	{ "passed over", test_passed_over },
	{ "behind stale ones", test_behind_stale },
	{ "refused behind stale ones", test_refused_behind },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_queue", UNIT_SUITE("queue", tests))
