/*
 * test_topic.c: pub and sub (contract 3.4 and 5).
 */
#include <string.h>

#include "queue/form.h"
#include "queue/topic.h"
#include "tests/queue_rig.h"
#include "tests/unit.h"

static struct rig	 g;
static struct queues	*qs;
static struct queue_now	 now;

struct reader {
	struct topic_reader	r;		/* first */
	int			done;
	enum err		err;
	char			item[32];
	struct topic_window	w;
};

static void
on_done(struct topic_reader *r, enum err e, struct queue_str item,
    const struct topic_window *w, uint64_t mark)
{
	struct reader	*x = (struct reader *)r;

	(void)mark;
	CU_ASSERT(!x->done);
	x->done = 1;
	x->err = e;
	x->w = *w;
	snprintf(x->item, sizeof(x->item), "%.*s", (int)item.n,
	    item.n > 0 ? (const char *)item.p : "");
}

static void
begin(void)
{
	rig_seed(4);
	rig_open(&g);
	now = (struct queue_now){ 1700000000000, { 1000000 } };
	qs = rig_start(&g, &now, 0, 0);
}

static void
finish(void)
{
	queues_stop(qs);
	queues_free(qs);
	rig_close(&g);
}

static void
again(void)
{
	queues_stop(qs);
	queues_free(qs);
	qs = rig_start(&g, &now, 6, 0);
}

static void
later(int64_t ms)
{
	now.wall += ms;
	now.mono.us += ms * 1000;
	rig_work(qs, &now);
}

static uint64_t
pub(const char *item, int64_t idx, int64_t ttl)
{
	uint64_t	at = 0, mark = 0;

	if (topic_pub(qs, str("t"), str(item), idx, ttl, &now, &at, &mark) !=
	    E_OK)
		return 0;
	CU_ASSERT(mark > 0 && mark <= g.mark);
	return at;
}

static enum err
sub(struct reader *x, const char *topic, uint32_t idx, int64_t ms)
{
	memset(x, 0, sizeof(*x));
	x->r.done = on_done;
	x->r.idx = idx;
	x->r.wait = ms * 1000;
	return topic_sub(qs, str(topic), &x->r, &now);
}

/* The item at once; "401" not in the window, "404" expired or none. */
static const char *
at(uint32_t idx)
{
	static struct reader	x;

	CU_ASSERT(sub(&x, "t", idx, 0) == E_OK);
	CU_ASSERT(x.done);
	return x.err == E_OK ? x.item : x.err == E_WINDOW ? "401" :
	    x.err == E_NOTFOUND ? "404" : "?";
}

static void
window(uint64_t sp, uint64_t ep)
{
	struct queue_stat	st = { .si = 1, .ci = 1 };

	CU_ASSERT(queue_stat(qs, str("t"), &st, NULL) == E_OK);
	CU_ASSERT(st.si == sp && st.ci == ep && st.ready[0] == ep - sp);
}

#define IS(a, b) CU_ASSERT_STRING_EQUAL(a, b)

static void
test_window(void)
{
	struct reader	x;

	begin();
	CU_ASSERT(sub(&x, "t", 1, 0) == E_QUEUE);
	CU_ASSERT(sub(&x, "t", TOPIC_RING, 0) == E_PARAM);
	CU_ASSERT(pub("", -1, 1000) == 0 && pub("x", -1, 0) == 0);
	CU_ASSERT(pub("x", -2, 1000) == 0 && pub("x", TOPIC_RING, 1) == 0);
	CU_ASSERT(pub("a", -1, 1000) == 1);
	CU_ASSERT(pub("b", -1, 5000) == 2);
	window(0, 2);
	IS(at(1), "a");
	IS(at(2), "b");
	IS(at(0), "401");
	IS(at(3), "401");
	CU_ASSERT(sub(&x, "t", 3, 0) == E_OK && x.w.sp == 0 && x.w.ep == 2);
	later(1000);
	IS(at(1), "404");		/* expired, and the window stays */
	window(0, 2);
	CU_ASSERT(pub("c", -1, 5000) == 3);
	window(1, 3);
	IS(at(1), "401");
	rig_work(qs, &now);
	CU_ASSERT(rig_count(&g, 'T') == 2);
	later(9000);
	CU_ASSERT(pub("d", -1, 5000) == 4);
	window(3, 4);
	finish();
}

static void
test_index(void)
{
	unsigned	i;

	begin();
	for (i = 0; i < 10; i++)
		pub("x", -1, 1000);
	CU_ASSERT(pub("y", 4, 1000) == 11);	/* what is before 4 goes */
	window(3, 11);
	CU_ASSERT(pub("z", 100, 1000) == 100);	/* the window begins anew */
	window(99, 100);
	CU_ASSERT(pub("z", 101, 1000) == 101);
	window(100, 101);
	CU_ASSERT(pub("z", 50, 1000) == 102);	/* behind: nothing to drop */
	window(100, 102);
	rig_work(qs, &now);
	CU_ASSERT(rig_count(&g, 'T') == 2);
	IS(at(102), "z");
	again();
	window(100, 102);
	CU_ASSERT(pub("w", -1, 1000) == 103);
	finish();
}

static void
test_ring(void)
{
	begin();
	CU_ASSERT(pub("a", 10999999, 1000) == 10999999);
	CU_ASSERT(pub("b", -1, 1000) == 11000000);
	CU_ASSERT(pub("c", -1, 1000) == 11000001);
	IS(at(10999999), "a");
	IS(at(0), "b");
	IS(at(1), "c");
	IS(at(2), "401");
	IS(at(10999998), "401");
	again();
	window(10999998, 11000001);
	CU_ASSERT(pub("d", 0, 1000) == 11000002);
	window(10999999, 11000002);
	IS(at(10999999), "401");
	IS(at(2), "d");
	CU_ASSERT(pub("e", 5, 1000) == 11000005);
	CU_ASSERT(pub("f", 10999000, 1000) == 11000006);
	window(11000004, 11000006);
	finish();
}

/* A long trim goes on after the pub that began it. */
static void
test_trim(void)
{
	unsigned	i;

	begin();
	for (i = 0; i < 1000; i++)
		pub("x", -1, 1000);
	pub("y", -1, 9000);
	later(1000);
	CU_ASSERT(rig_count(&g, 'T') == 1001);
	CU_ASSERT(pub("z", -1, 1000) == 1002);
	CU_ASSERT(rig_count(&g, 'T') == 1002);
	IS(at(700), "404");
	rig_work(qs, &now);
	window(1000, 1002);
	CU_ASSERT(rig_count(&g, 'T') == 2);
	IS(at(700), "401");
	IS(at(1001), "y");
	/* All are over: the newest stays until the next pub, it knows where. */
	later(9000);
	again();
	CU_ASSERT(pub("new", -1, 1000) == 1003);
	finish();
}

/* Killed while what left the window was being deleted. */
static void
test_start(void)
{
	unsigned	i;

	begin();
	for (i = 0; i < 600; i++)
		pub("x", -1, 1000);
	CU_ASSERT(pub("y", 599, 1000) == 601);
	queues_work(qs, &now);
	CU_ASSERT(rig_count(&g, 'T') > 300);
	again();
	window(598, 601);
	rig_work(qs, &now);
	CU_ASSERT(rig_count(&g, 'T') == 3);
	CU_ASSERT(pub("z", -1, 1000) == 602);
	finish();
}

static void
test_refused(void)
{
	begin();
	pub("a", -1, 1000);
	pub("b", -1, 1000);
	g.fail_in = 1;
	g.fail_with = E_NOSPACE;
	CU_ASSERT(pub("c", 2, 1000) == 0);
	window(0, 2);
	CU_ASSERT(pub("c", 2, 1000) == 3);
	g.fail_in = 1;
	CU_ASSERT(queues_work(qs, &now) == 0);
	later(100);
	CU_ASSERT(rig_count(&g, 'T') == 2);
	finish();
}

/* A window as full as it may be, as after a start. */
static void
test_full(void)
{
	struct form_item	t = { 1700000000000, INT64_MAX, 1 };
	struct queue_key	k = { 'T', str("t"), { NULL, 0 } };
	uint8_t			key[FORM_ITEM_KEY], val[FORM_ITEM];
	uint64_t		mark;
	unsigned		idx;

	begin();
	pub("x", -1, 1000000);
	for (idx = TOPIC_ITEMS - 1; idx <= TOPIC_ITEMS; idx++) {
		form_item_key(key, idx);
		form_item(val, &t);
		k.key = (struct queue_str){ key, sizeof(key) };
		rig_ops.put(&g, &k, (struct queue_str){ val, sizeof(val) },
		    str("x"), &mark);
		again();
		CU_ASSERT(pub("y", -1, 1000) == (idx < TOPIC_ITEMS ?
		    TOPIC_ITEMS : 0));
	}
	window(0, TOPIC_ITEMS);
	CU_ASSERT(pub("y", 2, 1000) == TOPIC_ITEMS + 1);
	finish();
}

/* --- waiting --- */

static void
test_wait(void)
{
	struct reader	early, x, y, ahead;

	begin();
	CU_ASSERT(sub(&early, "t", 1, 5000) == E_OK && !early.done);
	CU_ASSERT(sub(&ahead, "t", 5, 5000) == E_OK && !ahead.done);
	pub("a", -1, 1000);
	CU_ASSERT(early.done && early.err == E_OK);
	IS(early.item, "a");
	CU_ASSERT(ahead.done && ahead.err == E_WINDOW && ahead.w.ep == 1);
	CU_ASSERT(sub(&x, "t", 1, 5000) == E_OK && x.done);
	CU_ASSERT(sub(&x, "t", 0, 5000) == E_OK && x.err == E_WINDOW);
	CU_ASSERT(sub(&x, "t", 2, 5000) == E_OK && !x.done);
	CU_ASSERT(sub(&y, "t", 2, 5000) == E_OK && !y.done);
	CU_ASSERT(topic_cancel(qs, &y.r) == 1 && topic_cancel(qs, &y.r) == 0);
	later(4999);
	CU_ASSERT(!x.done);
	later(1);
	CU_ASSERT(x.done && x.err == E_NOTFOUND && !y.done);
	CU_ASSERT(sub(&x, "t", 2, 5000) == E_OK);
	queues_stop(qs);
	CU_ASSERT(x.done && x.err == E_NOTREADY);
	finish();
}

static void
test_kind(void)
{
	struct queue_str	i = str("x");
	struct queue_put	p = { &i, 1, 0, 0, 0 };
	struct reader		x;
	unsigned		done;

	begin();
	CU_ASSERT(sub(&x, "t", 1, 5000) == E_OK);
	CU_ASSERT(queue_put(qs, str("t"), &p, &now, &done, NULL) == E_OK);
	rig_work(qs, &now);
	CU_ASSERT(x.done && x.err == E_QUEUE);
	CU_ASSERT(pub("x", -1, 1000) == 0);
	CU_ASSERT(sub(&x, "t", 1, 5000) == E_QUEUE);
	finish();
}

static void
test_many(void)
{
	enum { READERS = 10000 };
	struct reader	*all = calloc(READERS, sizeof(*all));
	uint64_t	 reads;
	unsigned	 i, wrong = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(all);
	begin();
	pub("first", -1, 1000);
	for (i = 0; i < READERS; i++)
		wrong += sub(&all[i], "t", 2, 5000) != E_OK;
	reads = g.reads;
	pub("second", -1, 1000);
	for (i = 0; i < READERS; i++)
		wrong += all[i].done != (i < 200);	/* in steps */
	rig_work(qs, &now);
	for (i = 0; i < READERS; i++)
		wrong += !all[i].done || strcmp(all[i].item, "second") != 0;
	CU_ASSERT(wrong == 0);
	CU_ASSERT(g.reads - reads < READERS / 50);
	finish();
	free(all);
}

/* An item is read once for those who ask one after the other. */
static void
test_kept_item(void)
{
	struct reader	x;
	uint64_t	reads;

	begin();
	pub("a", -1, 5000);
	pub("b", -1, 5000);
	IS(at(1), "a");
	reads = g.reads;
	IS(at(1), "a");
	CU_ASSERT(g.reads == reads);
	IS(at(2), "b");
	IS(at(1), "a");
	CU_ASSERT(g.reads == reads + 2);
	CU_ASSERT(topic_pub(qs, str("u"), str("c"), 1, 5000, &now,
	    &(uint64_t){ 0 }, NULL) == E_OK);
	CU_ASSERT(sub(&x, "u", 1, 0) == E_OK);
	IS(x.item, "c");		/* of another topic */
	IS(at(1), "a");
	later(5000);
	IS(at(1), "404");
	pub("d", 1, 5000);
	again();
	IS(at(3), "d");
	finish();
}

static const CU_TestInfo tests[] = {
	{ "window", test_window },
	{ "index", test_index },
	{ "ring", test_ring },
	{ "trim", test_trim },
	{ "start", test_start },
	{ "refused", test_refused },
	{ "full", test_full },
	{ "wait", test_wait },
	{ "kind", test_kind },
	{ "many", test_many },
	{ "kept item", test_kept_item },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_topic", UNIT_SUITE("topic", tests))
