/*
 * test_many.c: operations and answers of STORE_MGET and STORE_MPUT: what is
 * written is read again, byte by byte as doc/protocol.7 has it, and nothing
 * that is cut short, too long or out of range is taken.
 */
#include <string.h>

#include "proto/msg.h"
#include "proto/msg_many.h"
#include "tests/unit.h"

static const struct many_op op = {
	.type = 'H', .flags = FRAME_IS_DUP, .ver = 0x01020304,
	.ttl = 0x1112131415161718, .tablen = 3, .keylen = 4, .vallen = 5,
	.tab = (const uint8_t *)"tab", .key = (const uint8_t *)"key!",
	.val = (const uint8_t *)"value"
};
static const uint8_t op_bytes[] = {
	'H', 3, 2, 0, 4, 3, 2, 1,
	0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
	4, 0, 0, 0, 5, 0, 0, 0,
	't', 'a', 'b', 'k', 'e', 'y', '!', 'v', 'a', 'l', 'u', 'e'
};
static const struct many_answer answer = {
	.status = E_VERSION, .flags = FRAME_VERERROR, .ver = 0x01020304,
	.ttl = 0x1112131415161718, .vallen = 2, .val = (const uint8_t *)"ab"
};
static const uint8_t answer_bytes[] = {
	7, 0, 8, 0, 4, 3, 2, 1,
	0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
	2, 0, 0, 0, 'a', 'b'
};

static void
op_round(void)
{
	struct many_op	o;
	uint8_t		out[sizeof(op_bytes)];
	size_t		i, used;

	CU_ASSERT_EQUAL(many_op_size(&op), sizeof(op_bytes));
	CU_ASSERT_EQUAL(many_op_put(out, &op), sizeof(op_bytes));
	CU_ASSERT_EQUAL(memcmp(out, op_bytes, sizeof(out)), 0);
	CU_ASSERT_EQUAL(many_op_get(&o, out, sizeof(out), &used), E_OK);
	CU_ASSERT_EQUAL(used, sizeof(out));
	CU_ASSERT(o.type == 'H' && o.flags == FRAME_IS_DUP && o.ver == op.ver &&
	    o.ttl == op.ttl && o.tablen == 3 && o.keylen == 4 && o.vallen == 5);
	CU_ASSERT(memcmp(o.tab, "tab", 3) == 0 && memcmp(o.key, "key!", 4) == 0 &&
	    memcmp(o.val, "value", 5) == 0);
	for (i = 0; i < sizeof(out); i++)
		CU_ASSERT_EQUAL(many_op_get(&o, out, i, &used), E_BADMSG);
}

static void
answer_round(void)
{
	struct many_answer	a;
	uint8_t			out[sizeof(answer_bytes)];
	size_t			i, used;

	CU_ASSERT_EQUAL(many_answer_size(&answer), sizeof(answer_bytes));
	CU_ASSERT_EQUAL(many_answer_put(out, &answer), sizeof(answer_bytes));
	CU_ASSERT_EQUAL(memcmp(out, answer_bytes, sizeof(out)), 0);
	CU_ASSERT_EQUAL(many_answer_get(&a, out, sizeof(out), &used), E_OK);
	CU_ASSERT_EQUAL(used, sizeof(out));
	CU_ASSERT(a.status == E_VERSION && a.flags == FRAME_VERERROR &&
	    a.ver == answer.ver && a.ttl == answer.ttl && a.vallen == 2 &&
	    memcmp(a.val, "ab", 2) == 0);
	for (i = 0; i < sizeof(out); i++)
		CU_ASSERT_EQUAL(many_answer_get(&a, out, i, &used), E_BADMSG);
}

/* One after the other, the longest key and the longest table among them. */
static void
in_a_row(void)
{
	static uint8_t	out[3 * (MANY_OP_HEAD + TABLE_MAX + KEY_MAX)];
	static uint8_t	bytes[KEY_MAX];
	struct many_op	o, in[3] = { op, op, op };
	size_t		at = 0, used, end;
	int		i;

	in[1].tablen = TABLE_MAX;
	in[1].keylen = KEY_MAX;
	in[1].vallen = 0;
	in[1].tab = in[1].key = bytes;
	in[2].tablen = 0;
	for (i = 0; i < 3; i++)
		at += many_op_put(out + at, &in[i]);
	for (i = 0, end = at, at = 0; i < 3; i++, at += used) {
		CU_ASSERT_EQUAL_FATAL(many_op_get(&o, out + at, end - at, &used),
		    E_OK);
		CU_ASSERT(o.tablen == in[i].tablen &&
		    o.keylen == in[i].keylen && o.vallen == in[i].vallen);
		CU_ASSERT_EQUAL(memcmp(o.key, in[i].key, o.keylen), 0);
	}
	CU_ASSERT_EQUAL(at, end);
}

/* The value at an offset of the head of an operation, or of an answer. */
static enum err
op_with(size_t at, uint8_t lo, uint8_t hi)
{
	uint8_t		p[MANY_OP_HEAD + TABLE_MAX + 16] = { 0 };
	struct many_op	o;
	size_t		used;

	memcpy(p, op_bytes, sizeof(op_bytes));
	p[at] = lo;
	p[at + 3] = hi;
	return many_op_get(&o, p, sizeof(p), &used);
}

static enum err
answer_with(uint16_t status, uint8_t len)
{
	uint8_t			p[sizeof(answer_bytes)];
	struct many_answer	a;
	size_t			used;

	memcpy(p, answer_bytes, sizeof(p));
	p[0] = (uint8_t)status;
	p[1] = (uint8_t)(status >> 8);
	p[19] = len;
	return many_answer_get(&a, p, sizeof(p), &used);
}

static void
out_of_range(void)
{
	CU_ASSERT_EQUAL(op_with(16, 4, 0), E_OK);
	CU_ASSERT_EQUAL(op_with(16, 0, 0), E_BADMSG);	/* no key */
	CU_ASSERT_EQUAL(op_with(16, 4, 0xff), E_BADMSG);
	CU_ASSERT_EQUAL(op_with(20, 5, 0xff), E_BADMSG);
	CU_ASSERT_EQUAL(op_with(1, TABLE_MAX, 0), E_OK);
	CU_ASSERT_EQUAL(op_with(1, TABLE_MAX + 1, 0), E_BADMSG);
	CU_ASSERT_EQUAL(answer_with(E_OK, 0), E_OK);
	CU_ASSERT_EQUAL(answer_with(E_MAX_ - 1, 0), E_OK);
	CU_ASSERT_EQUAL(answer_with(E_MAX_, 0), E_BADMSG);
	CU_ASSERT_EQUAL(answer_with(E_PENDING, 0), E_BADMSG);
	CU_ASSERT_EQUAL(answer_with(0xffff, 0), E_BADMSG);
	CU_ASSERT_EQUAL(answer_with(E_OK, 0xff), E_BADMSG);
}

static const CU_TestInfo tests[] = {
	{ (char *)"an operation", op_round },
	{ (char *)"an answer", answer_round },
	{ (char *)"in a row", in_a_row },
	{ (char *)"out of range", out_of_range },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_many", UNIT_SUITE("many", tests))
