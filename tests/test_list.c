/*
 * test_list.c: what a listing's messages look like byte by byte, that they come
 * back as they went, and that nothing cut short or out of range is taken.
 */
#include <string.h>

#include "proto/buf.h"
#include "proto/msg.h"
#include "proto/msg_list.h"
#include "proto/msg_task.h"
#include "tests/unit.h"

static const struct list_ask	ask = {
	.order = LIST_SCORE, .flags = LIST_VALUES | LIST_REVERSE, .file = 0x1234,
	.start = 1, .end = 1024, .limit = 1000, .offset = 0x1122334455667788,
	.min = INT64_MIN, .max = -2, .cover = 1
};

static void
test_ask(void)
{
	uint8_t		p[LIST_ASK_SIZE];
	struct list_ask	q;

	list_ask_put(p, &ask);
	CU_ASSERT(p[0] == 2 && p[1] == 5 && p[12] == 1);
	CU_ASSERT_EQUAL(le16_get(p + 2), 0x1234);
	CU_ASSERT_EQUAL(le16_get(p + 6), 1024);
	CU_ASSERT_EQUAL(le64_get(p + 16), 0x1122334455667788);
	CU_ASSERT_EQUAL(le64_get(p + 32), (uint64_t)-2);
	CU_ASSERT_EQUAL(list_ask_get(&q, p, sizeof(p)), E_OK);
	CU_ASSERT(q.order == ask.order && q.flags == ask.flags);
	CU_ASSERT(q.file == ask.file && q.start == 1 && q.end == 1024);
	CU_ASSERT(q.limit == 1000 && q.offset == ask.offset && q.cover == 1);
	CU_ASSERT(q.min == INT64_MIN && q.max == -2);
}

static void
test_ask_bad(void)
{
	static const int	zero[] = { 13, 15, 40, 63 };
	uint8_t			p[LIST_ASK_SIZE + 1] = { 0 };
	struct list_ask		q;
	size_t			i;

	list_ask_put(p, &ask);
	for (i = 0; i < LIST_ASK_SIZE; i++)
		CU_ASSERT_EQUAL(list_ask_get(&q, p, i), E_BADMSG);
	CU_ASSERT_EQUAL(list_ask_get(&q, p, LIST_ASK_SIZE + 1), E_BADMSG);
	for (i = 0; i < sizeof(zero) / sizeof(zero[0]); i++) {
		p[zero[i]] = 1;
		CU_ASSERT_EQUAL(list_ask_get(&q, p, LIST_ASK_SIZE), E_BADMSG);
		p[zero[i]] = 0;
	}
	p[0] = LIST_SCORE + 1;
	CU_ASSERT_EQUAL(list_ask_get(&q, p, LIST_ASK_SIZE), E_BADMSG);
	p[0] = LIST_KEYS;
	p[1] = LIST_MORE;
	CU_ASSERT_EQUAL(list_ask_get(&q, p, LIST_ASK_SIZE), E_BADMSG);
	p[1] = 0;
	p[12] = 2;
	CU_ASSERT_EQUAL(list_ask_get(&q, p, LIST_ASK_SIZE), E_BADMSG);
}

static void
test_head(void)
{
	struct list_head	h = { .flags = LIST_MORE, .file = 15,
		.count = 1000, .passed = 7, .total = UINT64_MAX }, g;
	uint8_t			p[LIST_HEAD_SIZE];
	size_t			i;

	list_head_put(p, &h);
	CU_ASSERT(p[0] == LIST_MORE && le16_get(p + 2) == 15);
	CU_ASSERT(le32_get(p + 4) == 1000 && le64_get(p + 8) == 7);
	CU_ASSERT_EQUAL(list_head_get(&g, p, sizeof(p)), E_OK);
	CU_ASSERT(g.flags == h.flags && g.file == 15 && g.count == 1000);
	CU_ASSERT(g.passed == 7 && g.total == UINT64_MAX);
	for (i = 0; i < sizeof(p); i++)
		CU_ASSERT_EQUAL(list_head_get(&g, p, i), E_BADMSG);
	p[1] = 1;
	CU_ASSERT_EQUAL(list_head_get(&g, p, sizeof(p)), E_BADMSG);
	p[1] = 0;
	p[0] = LIST_VALUES;
	CU_ASSERT_EQUAL(list_head_get(&g, p, sizeof(p)), E_BADMSG);
}

static const struct list_item	item = {
	.type = 'Z', .damaged = 1, .version = 4194303, .ttl = 1234567890123,
	.score = INT64_MIN, .tablen = 3, .keylen = 5, .vallen = 2,
	.tab = (const uint8_t *)"tab", .key = (const uint8_t *)"a\0b\0c",
	.val = (const uint8_t *)"\xff\n"
};

static void
test_item(void)
{
	uint8_t			p[64];
	struct list_item	i;
	size_t			n, used;

	n = list_item_put(p, &item);
	CU_ASSERT_EQUAL(n, 32 + 3 + 5 + 2);
	CU_ASSERT_EQUAL(n, list_item_size(&item));
	CU_ASSERT(p[0] == 'Z' && p[1] == 1 && p[2] == 3 && p[3] == 0);
	CU_ASSERT_EQUAL(le32_get(p + 24), 5);
	CU_ASSERT_EQUAL(list_item_get(&i, p, sizeof(p), &used), E_OK);
	CU_ASSERT_EQUAL(used, n);
	CU_ASSERT(i.type == 'Z' && i.damaged == 1 && i.version == 4194303);
	CU_ASSERT(i.ttl == item.ttl && i.score == INT64_MIN);
	CU_ASSERT(i.tablen == 3 && memcmp(i.tab, "tab", 3) == 0);
	CU_ASSERT(i.keylen == 5 && memcmp(i.key, "a\0b\0c", 5) == 0);
	CU_ASSERT(i.vallen == 2 && memcmp(i.val, "\xff\n", 2) == 0);
	for (used = 0; used < n; used++) {
		size_t	u;

		CU_ASSERT_EQUAL(list_item_get(&i, p, used, &u), E_BADMSG);
		CU_ASSERT_EQUAL(u, 0);
	}
}

static void
test_item_bad(void)
{
	static const struct { int at; uint32_t v; } bad[] = {
		{ 1, 2 }, { 2, TABLE_MAX + 1 }, { 3, 1 }
	};
	struct list_item	i = { .type = 'K' };
	uint8_t			p[64] = { 0 };
	size_t			used, k;

	for (k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
		list_item_put(p, &i);
		p[bad[k].at] = (uint8_t)bad[k].v;
		CU_ASSERT_EQUAL(list_item_get(&i, p, sizeof(p), &used),
		    E_BADMSG);
		memset(&i, 0, sizeof(i));
	}
	for (k = 24; k <= 28; k += 4) {
		list_item_put(p, &i);
		le32_put(p + k, UINT32_MAX);
		CU_ASSERT_EQUAL(list_item_get(&i, p, sizeof(p), &used),
		    E_BADMSG);
		memset(&i, 0, sizeof(i));
	}
}

/* memcmp has scores in their order, and they come back. */
static void
test_ordered(void)
{
	static const int64_t	n[] = { INT64_MIN, INT64_MIN + 1, -256, -255,
	    -1, 0, 1, 255, 256, INT64_MAX - 1, INT64_MAX };
	uint8_t			was[ORDERED_SIZE], is[ORDERED_SIZE];
	size_t			i;

	for (i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
		ordered_put(is, n[i]);
		CU_ASSERT_EQUAL(ordered_get(is), n[i]);
		if (i > 0)
			CU_ASSERT(memcmp(was, is, sizeof(is)) < 0);
		memcpy(was, is, sizeof(was));
	}
	ordered_put(is, -2);
	CU_ASSERT_EQUAL(memcmp(is, "\x7f\xff\xff\xff\xff\xff\xff\xfe", 8), 0);
}

static enum task_state
state_of(unsigned waits, unsigned runs, unsigned done, unsigned unknown,
    int64_t token)
{
	const unsigned	said[TASK_STATES] = { waits, runs, done, unknown };

	return task_state_of(said, token);
}

static void
test_tasks(void)
{
	int64_t	one = task_token(7, 3), all = one | TASK_EVERYWHERE;

	CU_ASSERT(one != all && one != task_token(7, 4) &&
	    one != task_token(8, 3) && all < task_token(8, 0));
	CU_ASSERT_EQUAL(task_token(7, 64), task_token(7, 0));
	CU_ASSERT_EQUAL(state_of(0, 0, 0, 2, one), TASK_UNKNOWN);
	CU_ASSERT_EQUAL(state_of(0, 0, 1, 1, one), TASK_DONE);
	CU_ASSERT_EQUAL(state_of(0, 0, 1, 1, all), TASK_UNKNOWN);
	CU_ASSERT_EQUAL(state_of(0, 0, 2, 0, all), TASK_DONE);
	CU_ASSERT_EQUAL(state_of(1, 0, 1, 0, all), TASK_RUNS);
	CU_ASSERT_EQUAL(state_of(1, 1, 0, 0, all), TASK_RUNS);
	CU_ASSERT_EQUAL(state_of(2, 0, 0, 0, all), TASK_WAITS);
	CU_ASSERT_EQUAL(state_of(1, 0, 0, 1, one), TASK_WAITS);
}

static const CU_TestInfo	tests[] = {
	{ "a question byte by byte and back", test_ask },
	{ "questions that are none", test_ask_bad },
	{ "a head byte by byte, back, cut short", test_head },
	{ "an item byte by byte, back, cut short", test_item },
	{ "items that are none", test_item_bad },
	{ "scores in order", test_ordered },
	{ "states of tasks", test_tasks },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_list", UNIT_SUITE("list", tests))
