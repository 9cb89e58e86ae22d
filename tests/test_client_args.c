/*
 * test_client_args.c: what a program may give libwharf: bytes of the answer
 * before; structures of a later version; and what mget makes of numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg.h"
#include "proto/msg_many.h"
#include "tests/client_rig.h"
#include "tests/unit.h"

#define LEN(a)	(sizeof(a) / sizeof((a)[0]))

/* The last answer's bytes */

/* Each key's value is the key that comes next: "a" has "b" ... */
static void
serve_next(unsigned store, const struct frame *f, struct frame *r, uint8_t *out)
{
	uint32_t	i;

	(void)store;
	for (i = 0; i < f->keylen; i++)
		out[i] = (uint8_t)(f->key[i] + 1);
	r->vallen = f->keylen;
}

static void
test_key_of_last_answer(void)
{
	struct wharf_answer	a = { .value = "aaaaaaaaaaaaaaaa", .length = 16 };
	int			i;

	begin_stores(3, 4, 1 << 20);
	serve_begin(serve_next);
	for (i = 1; i < 20; i++) {
		CU_ASSERT_EQUAL(wharf_get(w, a.value, a.length, &a), WHARF_OK);
		CU_ASSERT(a.length == 16 && *(const char *)a.value == 'a' + i);
	}
	serve_end();
	finish();
}

/* A page of one member, "m", and there are more. */
static void
serve_page(unsigned store, const struct frame *f, struct frame *r, uint8_t *out)
{
	struct list_head	h = { .flags = LIST_MORE, .count = 1 };
	struct list_item	i = { .type = 'S', .version = 1, .tablen = 3,
		.keylen = 1, .tab = (const uint8_t *)"tab",
		.key = (const uint8_t *)"m" };

	(void)store;
	i.version = 1 + f->keylen;	/* of the last key seen */
	list_head_put(out, &h);
	r->vallen = (uint32_t)(LIST_HEAD_SIZE +
	    list_item_put(out + LIST_HEAD_SIZE, &i));
}

static void
test_cursor_of_last_answer(void)
{
	struct wharf_op		op = WHARF_OP_INIT(WHARF_OP_LIST, WHARF_SET);
	struct wharf_answer	a;
	struct wharf_item	item;
	size_t			place;
	unsigned		i;

	op.table = "tab";
	begin_stores(3, 4, 1 << 20);
	serve_begin(serve_page);
	for (i = 0; i < 5; i++) {
		CU_ASSERT_FATAL(wharf_do(w, &op, &a) == WHARF_OK);
		place = 0;
		CU_ASSERT(wharf_next_item(&a, &place, &item) &&
		    item.version == (i == 0 ? 1 : 1 + sizeof("Stab") + 1));
		CU_ASSERT_FATAL(a.cursor != NULL);
		op.cursor = a.cursor;
		op.cursorlen = a.cursorlen;
	}
	serve_end();
	finish();
}

/* Each answer's value is the key. */
static void
serve_many(unsigned store, const struct frame *f, struct frame *r, uint8_t *out)
{
	struct many_op		o;
	struct many_answer	a;
	size_t			at, used;

	(void)store;
	for (at = 0; at < f->vallen; at += used) {
		if (many_op_get(&o, f->val + at, f->vallen - at, &used))
			return;
		memset(&a, 0, sizeof(a));
		a.val = o.key;
		a.vallen = o.keylen;
		r->vallen += (uint32_t)many_answer_put(out + r->vallen, &a);
	}
}

/* And the score of a sorted set's member only is a number. */
static void
test_many_of_last_answer(void)
{
	struct wharf_record	r[2] = { { .type = WHARF_KEY },
		{ .type = WHARF_ZSET, .table = "tab" } };
	struct wharf_answer	a[2];
	int			i;

	r[0].key = r[1].key = "-17";
	r[0].keylen = r[1].keylen = 3;
	begin_stores(3, 4, 1 << 20);
	serve_begin(serve_many);
	for (i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(wharf_mget(w, r, 2, a), WHARF_OK);
		CU_ASSERT(a[0].number == 0 && a[1].number == -17);
		CU_ASSERT_FATAL(a[0].length == 3 && a[1].length == 3);
		CU_ASSERT(memcmp(a[0].value, "-17", 3) == 0);
		r[0].key = a[1].value;
		r[1].key = a[0].value;
	}
	serve_end();
	finish();
}

/* Later versions */

/* Fields behind those we know: 0 is what they were before. */
static void
test_longer(void)
{
	struct {
		struct wharf_op		op;
		uint64_t		later;
	} op = { WHARF_OP_INIT(WHARF_OP_GET, WHARF_KEY), 0 };
	struct {
		struct wharf_write	how;
		uint64_t		later;
	} how = { WHARF_WRITE_INIT, 0 };
	struct wharf_op			del = WHARF_OP_INIT(WHARF_OP_DEL,
					    WHARF_KEY);

	begin(8, 1 << 20);
	op.op.size = sizeof(op);
	how.how.size = sizeof(how);
	del.key = op.op.key = "key";
	del.keylen = op.op.keylen = 3;
	del.write = &how.how;
	CU_ASSERT_EQUAL(wharf_submit(w, &op.op, on_answer, NULL), WHARF_OK);
	CU_ASSERT_EQUAL(wharf_submit(w, &del, on_answer, NULL), WHARF_OK);
	op.later = how.later = UINT64_C(1) << 40;
	CU_ASSERT_EQUAL(wharf_submit(w, &op.op, on_answer, NULL), WHARF_PARAM);
	CU_ASSERT_EQUAL(wharf_submit(w, &del, on_answer, NULL), WHARF_PARAM);
	op.op.size = SIZE_MAX;
	CU_ASSERT_EQUAL(wharf_submit(w, &op.op, on_answer, NULL), WHARF_PARAM);
	finish();
}

static void
test_reserved(void)
{
	struct wharf_record	r = { .type = WHARF_KEY, .key = "k",
		.keylen = 1, .reserved_ = { 0, 0, 1 } };

	begin(8, 1 << 20);
	CU_ASSERT_EQUAL(wharf_submit_mget(w, &r, 1, NULL, NULL), WHARF_PARAM);
	r.reserved_[2] = 0;
	CU_ASSERT_EQUAL(wharf_submit_mget(w, &r, 1, NULL, NULL), WHARF_OK);
	finish();
}

static const CU_TestInfo	tests[] = {
	{ "key of last answer", test_key_of_last_answer },
	{ "cursor of last answer", test_cursor_of_last_answer },
	{ "many of last answer", test_many_of_last_answer },
	{ "longer structures", test_longer },
	{ "reserved", test_reserved },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_client_args", UNIT_SUITE("client args", tests))
