/*
 * test_queue_keep.c: dead letters, purges, starts, storage that fails, and the
 * commands for people who look after queues.
 */
#include <string.h>

#include "queue/form.h"
#include "queue/topic.h"
#include "tests/queue_play.h"
#include "tests/unit.h"

/* --- dead letters --- */

static void
test_dead(void)
{
	struct settings	s = { .maxdeliver = 2, .lock = 1, .max = 1 };

	begin();
	CU_ASSERT(set("dead", SET_LOCK | SET_MAX, s, "") == E_OK);
	s.lock = 0;
	CU_ASSERT(set("q", SET_MAXDELIVER | SET_DEAD, s, "dead") == E_OK);
	put_with("q", "bad", 1, 0, 0);
	put("q", "good");
	IS(get("q"), "bad");
	nack("q", c.got[0].token, 0);
	IS(get("q"), "bad");
	CU_ASSERT(nack("q", c.got[0].token, 5000) == E_OK);
	IS(get("dead"), "bad");		/* its lock and max do not hold it up */
	CU_ASSERT(c.got[0].deliveries == 1 && c.got[0].priority == 1);
	IS(get("q"), "good");
	later(300000);
	IS(get("q"), "good");
	later(300000);			/* not acked in time, twice */
	IS(get("q"), "");
	again(g.mark);
	IS(get("dead"), "bad");
	IS(get("dead"), "good");
	CU_ASSERT(rig_count(&g, 'M') == 2);
	finish();
}

/* What nobody had does not count, over a start neither, logged or not. */
static void
test_unseen(void)
{
	struct settings	s = { .maxdeliver = 1 };
	char		token[TOKEN_MAX + 1];
	unsigned	i;

	begin();
	CU_ASSERT(set("q", SET_MAXDELIVER | SET_DEAD, s, "dead") == E_OK);
	put("q", "a");
	for (i = 0; i < 6; i++) {
		c.t.autoack = i % 2 == 0;
		IS(get("q"), "a");
		CU_ASSERT(c.got[0].deliveries == 1);
		snprintf(token, sizeof(token), "%s", c.got[0].token);
		CU_ASSERT(unseen("q", token) == E_OK);
		CU_ASSERT(unseen("q", token) == E_TOKEN);
		CU_ASSERT(stat_of("q").ready[0] == 1);
		if (i == 3)
			again(g.mark);
	}
	IS(get("dead"), "");
	IS(get("q"), "a");		/* this one counts */
	CU_ASSERT(c.got[0].deliveries == 1 &&
	    nack("q", c.got[0].token, 0) == E_OK);
	IS(get("dead"), "a");
	finish();
}

/* What was out without a record is lent anew after a start. */
static void
test_unseen_before(void)
{
	char	token[TOKEN_MAX + 1];

	begin();
	put("q", "a");
	c.t.autoack = 1;
	IS(get("q"), "a");
	snprintf(token, sizeof(token), "%s", c.got[0].token);
	again(g.mark);
	c.t.autoack = 1;
	IS(get("q"), "a");
	CU_ASSERT(unseen("q", token) == E_TOKEN && nack("q", token, 0) ==
	    E_TOKEN);
	CU_ASSERT(stat_of("q").unacked == 1);
	CU_ASSERT(ack("q", token) == E_OK);
	finish();
}

static void
test_dead_fails(void)
{
	struct settings	s = { .maxdeliver = 1 };
	uint64_t	at;

	begin();
	set("q", SET_MAXDELIVER | SET_DEAD, s, "topic");
	topic_pub(qs, str("topic"), str("x"), -1, 1000, &now, &at, NULL);
	put("q", "a");
	IS(get("q"), "a");
	CU_ASSERT(nack("q", c.got[0].token, 0) == E_OK);
	later(5000);
	CU_ASSERT(stat_of("q").delayed == 1);	/* it stays, and is kept */
	set("q", SET_DEAD, s, "dead");
	later(1000);
	/* The old one cannot be deleted now: that is caught up with. */
	IS(get("dead"), "a");
	put("q", "b");
	IS(get("q"), "b");
	g.fail_in = 2;
	g.fail_many = 2;
	g.fail_with = E_AGAIN;
	CU_ASSERT(nack("q", c.got[0].token, 0) == E_OK);
	CU_ASSERT(stat_of("q").unacked == 0 && rig_count(&g, 'M') == 3);
	later(1000);
	later(1000);
	later(1000);
	IS(get("dead"), "b");
	IS(get("dead"), "");
	CU_ASSERT(stat_of("q").delayed == 0 && rig_count(&g, 'M') == 2);
	finish();
}

/* What cannot be read now is not made worse: what belongs to it stays. */
static void
test_doubt(void)
{
	struct settings		 s = { .maxdeliver = 7 };
	struct queue_key	 k;
	struct queue_str	 none = { NULL, 0 };
	struct rig_rec		*r;
	uint8_t			 key[RIG_KEY], val[64];
	size_t			 n;
	uint64_t		 mark = 0, at;

	begin();
	set("q", SET_MAXDELIVER, s, "dead");
	put("q", "a");
	IS(get("q"), "a");
	CU_ASSERT(nack("q", c.got[0].token, 0) == E_OK);
	k = (struct queue_key){ QUEUE_MESSAGE, str("q"), { key, 9 } };
	form_message_key(key, 0, c.got[0].id);
	CU_ASSERT_PTR_NOT_NULL_FATAL(r = rig_find(&g, &k));
	n = r->vallen;
	memcpy(val, r->val, n);
	rig_ops.del(&g, &k, &mark);	/* as one that fails its checksum */
	g.doubtful = 'q';
	again(g.mark);
	later(1000);
	IS(get("q"), "");
	put("q", "b");
	IS(get("q"), "b");
	CU_ASSERT(ack("q", c.got[0].token) == E_OK);
	CU_ASSERT(rig_count(&g, 'D') == 1);
	rig_ops.put(&g, &k, none, (struct queue_str){ val, n }, &mark);
	g.doubtful = 0;
	again(g.mark);
	IS(get("q"), "a");
	CU_ASSERT(c.got[0].deliveries == 2);
	/* The number of an item that cannot be read is not given again. */
	topic_pub(qs, str("topic"), str("x"), -1, 1000, &now, &at, NULL);
	queues_stop(qs);
	queues_free(qs);
	qs = rig_start(&g, &now, 1, 1);
	form_item_key(key, 7);
	k = (struct queue_key){ QUEUE_ITEM, str("topic"), { key, 8 } };
	CU_ASSERT(queues_feed_ill(qs, &k) == E_OK);
	queues_feed_done(qs, &now);
	rig_work(qs, &now);
	CU_ASSERT(topic_pub(qs, str("topic"), str("y"), -1, 1000, &now, &at,
	    NULL) == E_OK && at == 8);
	finish();
}

/* A record of settings that is damaged must not take the messages along. */
static void
lose_settings(const char *name)
{
	struct queue_key	k = { QUEUE_SETTINGS, str(name), { NULL, 0 } };
	uint64_t		mark = 0;

	CU_ASSERT(rig_ops.del(&g, &k, &mark) == E_OK);
}

static void
test_settings_lost(void)
{
	struct settings	s = { .max = 5 }, out;
	uint64_t	at = 0;

	begin();
	set("q", SET_MAX, s, "");
	put("q", "a");
	put("q", "b");
	put("q", "c");
	IS(get("q"), "a");
	CU_ASSERT(ack("q", c.got[0].token) == E_OK);
	IS(get("q"), "b");
	topic_pub(qs, str("t"), str("x"), -1, 100000, &now, &at, NULL);
	lose_settings("q");
	lose_settings("t");
	again(g.mark);
	CU_ASSERT(queue_settings(qs, str("q"), &out, NULL) == E_OK);
	CU_ASSERT(out.max == 0 && out.kind == KIND_QUEUE);
	CU_ASSERT(stat_of("q").unacked == 1);
	IS(get("q"), "c");
	IS(get("q"), "");
	later(300000);
	IS(get("q"), "b");
	CU_ASSERT(queue_settings(qs, str("t"), &out, NULL) == E_OK);
	CU_ASSERT(out.kind == KIND_TOPIC && stat_of("t").ready[0] == 1);
	CU_ASSERT(queues_save(qs, NULL) == E_OK);
	CU_ASSERT(rig_count(&g, 'C') == 2);
	finish();
}

/* --- purge --- */

static void
test_purge(void)
{
	struct settings	s = { .max = 5 }, out;

	begin();
	put("q", "a");
	put("q", "b");
	put_with("q", "c", 1, 0, 0);
	IS(get("q"), "c");
	CU_ASSERT(queue_purge(qs, str("q"), 3, &now, NULL) == E_PARAM);
	CU_ASSERT(queue_purge(qs, str("p"), 0, &now, NULL) == E_QUEUE);
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, NULL) == E_OK);
	CU_ASSERT(stat_of("q").ready[0] == 0 && stat_of("q").unacked == 1);
	CU_ASSERT(queue_purge(qs, str("q"), 1, &now, NULL) == E_OK);
	CU_ASSERT(stat_of("q").unacked == 1);	/* W12 */
	rig_work(qs, &now);
	CU_ASSERT(rig_count(&g, 'M') == 1);
	CU_ASSERT(ack("q", c.got[0].token) == E_OK);
	CU_ASSERT(queue_purge(qs, str("q"), 2, &now, NULL) == E_OK);
	CU_ASSERT(queue_settings(qs, str("q"), &out, NULL) == E_QUEUE);
	rig_work(qs, &now);
	CU_ASSERT(g.records == 0);
	set("q", SET_MAX, s, "");
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, NULL) == E_OK);
	CU_ASSERT(queue_settings(qs, str("q"), &out, NULL) == E_OK);
	finish();
}

/* A queue of many goes at once, and its records by and by. */
static void
test_purge_steps(void)
{
	struct queues_total	t;
	uint64_t		cut;
	unsigned		i;

	begin();
	for (i = 0; i < 3000; i++)
		put("q", "old");
	IS(get("q"), "old");
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, NULL) == E_OK);
	cut = g.mark;
	queues_total(qs, &t);
	CU_ASSERT(t.messages == 1 && t.backlog == 2999);
	CU_ASSERT(queues_work(qs, &now) == 1);
	CU_ASSERT(rig_count(&g, 'M') < 3000 && rig_count(&g, 'M') > 2000);
	put("q", "new");
	IS(get("q"), "new");
	ack("q", c.got[0].token);
	again(cut);			/* the sweep has to begin anew */
	CU_ASSERT(stat_of("q").unacked == 1 && stat_of("q").ready[0] == 0);
	rig_work(qs, &now);
	CU_ASSERT(rig_count(&g, 'M') == 1);
	queues_total(qs, &t);
	CU_ASSERT(t.backlog == 0);
	later(300000);
	IS(get("q"), "old");
	CU_ASSERT(ack("q", c.got[0].token) == E_OK);
	finish();
}

/* Gone, and there again before its old messages are deleted. */
static void
test_purge_revived(void)
{
	unsigned	i;

	begin();
	for (i = 0; i < 1000; i++)
		put("q", "old");
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, NULL) == E_OK);
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_QUEUE);
	put("q", "new");
	again(g.mark);
	IS(get("q"), "new");
	IS(get("q"), "");
	rig_work(qs, &now);
	CU_ASSERT(rig_count(&g, 'M') == 1);
	finish();
}

static void
test_purge_auto(void)
{
	begin();
	put("q", "a");
	c.t.autoack = 1;
	IS(get("q"), "a");
	CU_ASSERT(rig_count(&g, 'D') == 0);
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, NULL) == E_OK);
	again(g.mark);			/* it was out, a purge leaves it */
	later(300000);
	IS(get("q"), "a");
	finish();
}

/* --- a start --- */

static void
test_building(void)
{
	struct queue_stat	st;
	uint64_t		at;

	begin();
	put("q", "a");
	put("q", "b");
	topic_pub(qs, str("t"), str("x"), -1, 1000, &now, &at, NULL);
	IS(get("q"), "a");
	queues_free(qs);
	qs = queues_new(&g.conf);
	CU_ASSERT(put("q", "c") == E_BUILDING);
	queues_free(qs);
	qs = rig_start(&g, &now, 9, 1);
	CU_ASSERT(queues_building(qs) && queues_next(qs, &now) == -1);
	CU_ASSERT(put("q", "c") == E_OK && put("t", "x") == E_QUEUE);
	CU_ASSERT(put("new", "n") == E_OK);
	CU_ASSERT(client_get(qs, "q", &c, &now) == E_BUILDING);
	CU_ASSERT(queue_stat(qs, str("q"), &st, NULL) == E_BUILDING);
	CU_ASSERT(ack("q", c.got[0].token) == E_BUILDING);
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, NULL) == E_BUILDING);
	CU_ASSERT(topic_pub(qs, str("t"), str("y"), -1, 1000, &now, &at, NULL)
	    == E_BUILDING);
	queues_feed_done(qs, &now);
	while (queues_building(qs))
		CU_ASSERT(queues_work(qs, &now) == 1 || !queues_building(qs));
	CU_ASSERT(ack("q", c.got[0].token) == E_OK);
	IS(get("q"), "b");
	IS(get("q"), "c");
	IS(get("new"), "n");
	CU_ASSERT(stat_of("q").ci == 3);
	finish();
}

static enum err
feed(uint8_t type, const char *queue, const void *key, size_t keylen,
    const void *val, size_t len)
{
	struct queue_key	k = { type, str(queue), { key, keylen } };

	return queues_feed(qs, &k, val, len);
}

/* Records that belong to nothing are deleted, nonsense is refused. */
static void
test_strays(void)
{
	struct queue_key	k = { 'M', str("topic"), { NULL, 0 } };
	struct form_delivery	d = { 1, 1, 1000, 5, 5 };
	struct form_item	item = { 1, 2, 3 };
	uint8_t			key[FORM_MESSAGE_KEY], val[64] = { 1 };
	uint64_t		mark = 0, at;
	unsigned		i;
	static const uint8_t	types[4] = { 'M', 'D', 'T', 'W' };

	begin();
	put("q", "a");
	topic_pub(qs, str("topic"), str("x"), -1, 1000, &now, &at, &mark);
	form_message_key(key, 1, 777);
	for (i = 0; i < 4; i++) {
		k.type = types[i];
		k.tab = str(i < 2 ? "topic" : "q");
		k.key = (struct queue_str){ key, i == 2 ? 8u : 9u };
		if (i == 1)
			form_delivery(val, &d);
		else
			form_item(val, &item);
		CU_ASSERT(rig_ops.put(&g, &k, (struct queue_str){ val,
		    i == 3 ? FORM_WORKER : FORM_DELIVERY - (i != 1) },
		    (struct queue_str){ NULL, 0 }, &mark) == E_OK);
	}
	k = (struct queue_key){ 'D', str("q"), { key, 9 } };
	form_delivery(val, &d);
	rig_ops.put(&g, &k, (struct queue_str){ val, FORM_DELIVERY },
	    (struct queue_str){ NULL, 0 }, &mark);
	again(g.mark);
	rig_work(qs, &now);
	/* Settings of both, a, x, and the worker. */
	CU_ASSERT(g.records == 5 && rig_count(&g, 'M') == 1);
	CU_ASSERT(rig_count(&g, 'D') == 0 && rig_count(&g, 'T') == 1);
	IS(get("q"), "a");
	queues_free(qs);
	qs = queues_new(&g.conf);
	CU_ASSERT(feed('C', "q", NULL, 0, "bad", 3) == E_BADMSG);
	CU_ASSERT(feed('C', "", NULL, 0, "anything", 8) == E_OK);
	CU_ASSERT(feed('M', "q", key, 9, val, 30) == E_BADMSG);
	queues_feed_names(qs);
	CU_ASSERT(feed('M', "q", key, 8, val, 30) == E_BADMSG);
	CU_ASSERT(feed('M', "", key, 9, val, 30) == E_BADMSG);
	CU_ASSERT(feed('M', "q", key, 9, val, 3) == E_BADMSG);
	CU_ASSERT(feed('Z', "q", key, 9, val, 30) == E_BADMSG);
	finish();
}

/* --- storage that fails --- */

static void
test_refused(void)
{
	struct queue_str	items[3] = { str("a"), str("b"), str("c") };
	struct queue_put	p = { items, 3, 0, 0, 0 };
	unsigned		done = 0;

	begin();
	put("q", "first");
	g.fail_in = 3;
	g.fail_with = E_NOSPACE;
	CU_ASSERT(queue_put(qs, str("q"), &p, &now, &done, NULL) == E_NOSPACE);
	CU_ASSERT(done == 2 && stat_of("q").ready[0] == 3);
	IS(get("q"), "first");
	g.fail_in = 1;
	CU_ASSERT(ack("q", c.got[0].token) == E_NOSPACE);
	CU_ASSERT(stat_of("q").unacked == 1);
	g.fail_in = 2;			/* the delivery's record stays a while */
	CU_ASSERT(ack("q", c.got[0].token) == E_OK);
	CU_ASSERT(rig_count(&g, 'D') == 1);
	rig_work(qs, &now);
	CU_ASSERT(rig_count(&g, 'D') == 0);
	g.fail_in = 1;
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, NULL) == E_NOSPACE);
	CU_ASSERT(stat_of("q").ready[0] == 2);
	CU_ASSERT(queue_purge(qs, str("q"), 0, &now, NULL) == E_OK);
	g.fail_in = 1;
	CU_ASSERT(queues_work(qs, &now) == 0);	/* later, not at once */
	CU_ASSERT(queues_next(qs, &now) > 0);
	later(100);
	CU_ASSERT(g.records == 0);
	g.fail_in = 1;
	CU_ASSERT(put("r", "x") == E_NOSPACE && g.records == 0);
	CU_ASSERT(put("r", "x") == E_OK);
	finish();
}

static void
test_damaged(void)
{
	begin();
	put("q", "a");
	g.read_damaged = 1;
	IS(get("q"), "");
	CU_ASSERT(c.err == E_DAMAGED);
	put("q", "b");
	g.read_damaged = 0;
	IS(get("q"), "b");		/* it does not stand in the way */
	IS(get("q"), "");
	later(300000);
	IS(get("q"), "b");
	IS(get("q"), "a");
	finish();
}

/* --- the rest --- */

static char	seen[64];

static void
on_peek(void *arg, const struct queue_msg *m)
{
	(void)arg;
	snprintf(seen, sizeof(seen), "%.*s/%u", (int)m->item.n,
	    (const char *)m->item.p, m->deliveries);
}

static const char *
peek(int priority, uint64_t offset)
{
	strcpy(seen, "");
	queue_peek(qs, str("q"), priority, offset, on_peek, NULL, &now, NULL);
	return seen;
}

static void
test_peek(void)
{
	begin();
	put("q", "a");
	put("q", "b");
	put_with("q", "late", 1, 0, 1000);
	IS(peek(-1, 0), "late/0");
	IS(peek(-1, 1), "a/0");
	IS(get("q"), "a");
	IS(peek(-1, 1), "b/0");
	IS(peek(-1, 2), "");
	IS(peek(0, 0), "b/0");
	IS(peek(2, 0), "");
	nack("q", c.got[0].token, 0);
	IS(peek(0, 0), "a/1");
	CU_ASSERT(queue_peek(qs, str("q"), 3, 0, on_peek, NULL, &now, NULL) ==
	    E_PARAM);
	finish();
}

static unsigned
move(const char *from, const char *to, unsigned most, enum err want)
{
	unsigned	moved = 0;

	CU_ASSERT(queue_move(qs, str(from), str(to), most, &moved, &now, NULL)
	    == want);
	return moved;
}

static void
test_move(void)
{
	struct settings	s = { .max = 1 };

	begin();
	put("q", "a");
	put_with("q", "b", 2, 5000, 0);
	put("q", "c");
	CU_ASSERT(move("q", "q", 1, E_PARAM) == 0);
	CU_ASSERT(move("q", "to", 0, E_PARAM) == 0);
	CU_ASSERT(move("none", "to", 1, E_QUEUE) == 0);
	CU_ASSERT(move("q", "to", 2, E_OK) == 2);
	CU_ASSERT(stat_of("q").ready[0] == 1 && rig_count(&g, 'M') == 3);
	again(g.mark);
	IS(get("to"), "b");
	IS(get("to"), "a");
	later(5000);
	CU_ASSERT(nack("to", c.got[0].token, 0) == E_OK);
	IS(get("to"), "a");
	set("tiny", SET_MAX, s, "");
	put("q", "d");
	CU_ASSERT(move("q", "tiny", 9, E_QFULL) == 1);
	CU_ASSERT(move("q", "back", 9, E_OK) == 1);
	IS(get("back"), "d");
	g.foreign = 'f';
	put("q", "e");
	CU_ASSERT(move("q", "far", 9, E_OK) == 1 && g.forwards == 1);
	finish();
}

static char	listed[256];

static int
on_list(void *arg, const struct queue_stat *st)
{
	snprintf(listed + strlen(listed), sizeof(listed) - strlen(listed),
	    "%.*s ", (int)st->name.n, (const char *)st->name.p);
	return --*(int *)arg > 0;
}

static const char *
list(const char *after, int most)
{
	strcpy(listed, "");
	CU_ASSERT(queues_list(qs, str(after), on_list, &most, NULL) == E_OK);
	return listed;
}

static void
on_worker(void *arg, struct queue_str name, int64_t sec)
{
	(void)arg;
	snprintf(listed + strlen(listed), sizeof(listed) - strlen(listed),
	    "%.*s:%lld ", (int)name.n, (const char *)name.p,
	    (long long)(sec - 1700000000));
}

static void
test_list(void)
{
	uint64_t	at;

	begin();
	IS(list("", 9), "");
	put("b", "x");
	put("a", "x");
	put("ab", "x");
	topic_pub(qs, str("aa"), str("x"), -1, 1000, &now, &at, NULL);
	wait_all("ghost", 1000);
	IS(list("", 9), "a aa ab b ");
	IS(list("a", 2), "aa ab ");
	IS(list("aaa", 9), "ab b ");
	IS(list("b", 9), "");
	queue_purge(qs, str("ab"), 0, &now, NULL);
	IS(list("", 9), "a aa b ");
	finish();
}

static void
test_workers(void)
{
	begin();
	put("q", "x");
	queue_get(qs, str("q"), str("zoe"), &c.t, &now);
	now.wall += 3000;
	c.done = 0;
	queue_get(qs, str("q"), str("adam"), &c.t, &now);
	again(g.mark);
	strcpy(listed, "");
	CU_ASSERT(queue_workers(qs, str("q"), &now, on_worker, NULL, NULL) ==
	    E_OK);
	IS(listed, "adam:3 zoe:0 ");
	now.wall += 510000;
	strcpy(listed, "");
	queue_workers(qs, str("q"), &now, on_worker, NULL, NULL);
	IS(listed, "adam:3 ");
	CU_ASSERT(rig_count(&g, 'W') == 2);
	c.done = 0;
	queue_get(qs, str("q"), str("eve"), &c.t, &now);
	CU_ASSERT(rig_count(&g, 'W') == 2);	/* zoe was not seen for long */
	finish();
}

static void
test_save(void)
{
	uint64_t	mark = 0;

	begin();
	put("q", "a");
	put("q", "b");
	IS(get("q"), "a");
	ack("q", c.got[0].token);
	CU_ASSERT(queues_save(qs, &mark) == E_OK && mark == g.mark);
	mark = 0;
	CU_ASSERT(queues_save(qs, &mark) == E_OK && mark == 0);
	again(g.mark);
	CU_ASSERT(stat_of("q").ci == 2 && stat_of("q").si == 1);
	finish();
}

static const CU_TestInfo tests[] = {
	{ "dead letters", test_dead },
	{ "doubt", test_doubt },
	{ "unseen", test_unseen }, { "unseen before", test_unseen_before },
	{ "dead letters fail", test_dead_fails },
	{ "settings lost", test_settings_lost },
	{ "purge", test_purge },
	{ "purge in steps", test_purge_steps },
	{ "purge, then revived", test_purge_revived },
	{ "purge of what is out", test_purge_auto },
	{ "building", test_building },
	{ "strays", test_strays },
	{ "refused", test_refused },
	{ "damaged", test_damaged },
	{ "peek", test_peek },
	{ "move", test_move },
	{ "list", test_list },
	{ "workers", test_workers },
	{ "save", test_save },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_queue_keep", UNIT_SUITE("queue keeping", tests))
