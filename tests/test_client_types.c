/*
 * test_client_types.c: libwharf's commands on all types, without a node: what
 * each looks like to a store, what is refused, what is made of each answer,
 * also of malformed ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/msg.h"
#include "proto/msg_stat.h"
#include "proto/slot.h"
#include "tests/client_rig.h"
#include "tests/unit.h"

#define V	((const void *)"value")
#define LEN(a)	(sizeof(a) / sizeof((a)[0]))

static const struct wharf_write	how = { sizeof(how), 7, 0, 0 },
	how_ttl = { sizeof(how), 7, 0, 1500 },
	how_dup = { sizeof(how), 7, WHARF_IS_DUP, 1500 };

#define OP(cmd, t, tab) .size = sizeof(struct wharf_op), .command = cmd, \
	.type = t, .table = tab
#define REC(cmd, t, tab) OP(cmd, t, tab), .key = "key", .keylen = 3

/* Frames */

/* An op, and the frame that it becomes. */
static const struct {
	struct wharf_op	op;
	unsigned	msg, flags;
	uint32_t	ver;
	int64_t		ttl;
} frames[] = {
	{ { REC(WHARF_OP_GET, 'K', NULL) }, MSG_STORE_GET, 0, 0, 0 },
	{ { REC(WHARF_OP_GET, 'H', "tab") }, MSG_STORE_GET, 0, 0, 0 },
	{ { REC(WHARF_OP_GET, 'S', "tab") }, MSG_STORE_GET, 0, 0, 0 },
	{ { REC(WHARF_OP_GET, 'Z', "tab") }, MSG_STORE_GET, 0, 0, 0 },
	{ { REC(WHARF_OP_PUT, 'K', NULL), .value = V, .length = 5,
	    .write = &how_dup }, MSG_STORE_PUT, FRAME_IS_DUP, 7, 1500 },
	{ { REC(WHARF_OP_PUT, 'H', "tab"), .value = V, .length = 5,
	    .write = &how_ttl }, MSG_STORE_PUT, 0, 7, 1500 },
	{ { REC(WHARF_OP_PUT, 'S', "tab"), .write = &how_ttl }, MSG_STORE_PUT,
	    0, 7, 1500 },
	{ { REC(WHARF_OP_DEL, 'S', "tab"), .write = &how }, MSG_STORE_DEL, 0,
	    7, 0 },
	{ { REC(WHARF_OP_DEL, 'Z', "tab") }, MSG_STORE_DEL, 0, 0, 0 },
	{ { REC(WHARF_OP_EXIST, 'Z', "tab") }, MSG_STORE_EXIST, 0, 0, 0 },
	{ { REC(WHARF_OP_INCR, 'K', NULL), .score = -5, .write = &how_ttl },
	    MSG_STORE_INCR, 0, 7, 1500 },
	{ { REC(WHARF_OP_INCR, 'H', "tab"), .score = INT64_MIN },
	    MSG_STORE_INCR, 0, 0, 0 },
	{ { REC(WHARF_OP_ZADD, 'Z', "tab"), .score = -1 }, MSG_STORE_ZADD, 0,
	    0, 0 },
	{ { REC(WHARF_OP_ZADD, 'Z', "tab"), .score = 2, .flags = WHARF_PLUS },
	    MSG_STORE_ZADD, FRAME_ADD, 0, 0 },
	{ { REC(WHARF_OP_ZADD, 'Z', "tab"), .score = 2, .flags = WHARF_MINUS,
	    .write = &how_dup }, MSG_STORE_ZADD, FRAME_SUB | FRAME_IS_DUP, 7,
	    1500 },
	{ { REC(WHARF_OP_EXPIRE, 'H', "tab"), .write = &how_ttl },
	    MSG_STORE_EXPIRE, 0, 7, 1500 },
	{ { REC(WHARF_OP_PERSIST, 'K', NULL), .write = &how },
	    MSG_STORE_EXPIRE, 0, 7, 0 },
	{ { REC(WHARF_OP_RANK, 'Z', "tab"), .flags = WHARF_REVERSE },
	    MSG_STORE_ZRANK, FRAME_REVERSE, 0, 0 },
	{ { OP(WHARF_OP_COUNT, 'S', "tab") }, MSG_STORE_STAT, 0, 0, 0 },
	{ { OP(WHARF_OP_COUNT, 'Z', "tab"), .flags = WHARF_BY_SCORE,
	    .min = -3, .max = 4 }, MSG_STORE_ZCOUNT, 0, 0, 0 },
	{ { OP(WHARF_OP_STAT, 0, "tab") }, MSG_STORE_STAT, 0, 0, 0 },
	{ { OP(WHARF_OP_STAT, 0, NULL) }, MSG_STORE_STAT, 0, 0, 0 },
	{ { OP(WHARF_OP_STAT_ALL, 0, NULL) }, MSG_STORE_STATS, 0, 0, 0 },
	{ { OP(WHARF_OP_LIST, 'H', "tab") }, MSG_STORE_LIST, 0, 0, 0 },
};

/* Bytes of the frame against those of the op. */
static void
check_bytes(const struct frame *f, const struct wharf_op *op)
{
	size_t	tablen = op->table == NULL ? 0 : strlen(op->table);

	CU_ASSERT(f->tablen == tablen &&
	    memcmp(f->tab, tablen ? op->table : "", tablen) == 0);
	CU_ASSERT(f->keylen == op->keylen &&
	    memcmp(f->key, op->keylen ? op->key : "", op->keylen) == 0);
	if (op->length != 0)
		CU_ASSERT(f->vallen == op->length &&
		    memcmp(f->val, op->value, op->length) == 0);
	if (op->keylen != 0)
		CU_ASSERT(f->slot == (op->type == 'Z' ? slot_of("tab", 3) :
		    slot_of("key", 3)) && f->type == op->type);
	CU_ASSERT_EQUAL(f->score, op->score);
}

static void
test_frames(void)
{
	struct frame	f;
	unsigned	i;

	begin(64, 1 << 20);
	for (i = 0; i < LEN(frames); i++) {
		CU_ASSERT_EQUAL(wharf_submit(w, &frames[i].op, on_answer,
		    NULL), WHARF_OK);
		CU_ASSERT_FATAL(take(&f));
		CU_ASSERT(f.msg == frames[i].msg &&
		    f.flags == frames[i].flags && f.ver == frames[i].ver &&
		    f.ttl == frames[i].ttl);
		CU_ASSERT_EQUAL(msg_check(&f, FROM_CLIENT), E_OK);
		check_bytes(&f, &frames[i].op);
		take_done();
	}
	finish();
}

/* Each is wrong in one way. */
static const struct wharf_op	wrong[] = {
	{ OP(0, 'K', NULL) },
	{ REC(99, 'K', NULL) },
	{ REC(WHARF_OP_GET, 0, NULL) },
	{ REC(WHARF_OP_GET, 'Q', "tab") },
	{ REC(WHARF_OP_GET, (enum wharf_type)('H' + 256), "tab") },
	{ REC(WHARF_OP_GET, (enum wharf_type)-1, "tab") },
	{ REC(WHARF_OP_GET, 'K', "tab") },
	{ REC(WHARF_OP_GET, 'H', NULL) },
	{ REC(WHARF_OP_GET, 'H', "") },
	{ REC(WHARF_OP_GET, 'H', "a b") },
	{ REC(WHARF_OP_GET, 'H', "0123456789012345678901234567890123456789"
	    "0123456789012345678901234") },
	{ OP(WHARF_OP_GET, 'H', "tab") },
	{ OP(WHARF_OP_GET, 'H', "tab"), .key = "k" },
	{ OP(WHARF_OP_GET, 'H', "tab"), .keylen = 3 },
	{ OP(WHARF_OP_GET, 'H', "tab"), .key = V,
	    .keylen = WHARF_KEY_MAX + 1 },
	{ REC(WHARF_OP_GET, 'H', "tab"), .length = 1, .value = V },
	{ REC(WHARF_OP_GET, 'H', "tab"), .write = &how },
	{ REC(WHARF_OP_GET, 'H', "tab"), .flags = WHARF_REVERSE },
	{ REC(WHARF_OP_GET, 'H', "tab"), .score = 1 },
	{ REC(WHARF_OP_GET, 'H', "tab"), .reserved_ = { 0, 1 } },
	{ REC(WHARF_OP_PUT, 'H', "tab") },
	{ REC(WHARF_OP_PUT, 'S', "tab"), .value = V, .length = 5 },
	{ REC(WHARF_OP_PUT, 'Z', "tab"), .value = V, .length = 5 },
	{ REC(WHARF_OP_PUT, 'H', "tab"), .value = V,
	    .length = WHARF_VALUE_MAX + 1u },
	{ REC(WHARF_OP_INCR, 'S', "tab") },
	{ REC(WHARF_OP_ZADD, 'H', "tab") },
	{ REC(WHARF_OP_ZADD, 'Z', "tab"), .flags = WHARF_PLUS | WHARF_MINUS },
	{ REC(WHARF_OP_EXPIRE, 'H', "tab") },
	{ REC(WHARF_OP_EXPIRE, 'H', "tab"), .write = &how },
	{ REC(WHARF_OP_EXPIRE, 'H', "tab"), .write = &how_dup },
	{ REC(WHARF_OP_PERSIST, 'H', "tab"), .write = &how_ttl },
	{ REC(WHARF_OP_RANK, 'S', "tab") },
	{ REC(WHARF_OP_COUNT, 'S', "tab") },
	{ OP(WHARF_OP_COUNT, 'K', NULL) },
	{ OP(WHARF_OP_COUNT, 'S', "tab"), .flags = WHARF_BY_SCORE },
	{ OP(WHARF_OP_COUNT, 'Z', "tab"), .min = 1, .max = 2 },
	{ OP(WHARF_OP_COUNT, 'Z', "tab"), .flags = WHARF_BY_SCORE, .min = 3,
	    .max = 2 },
	{ OP(WHARF_OP_STAT, 'H', "tab") },
	{ OP(WHARF_OP_STAT_ALL, 0, "tab") },
	{ OP(WHARF_OP_LIST, 0, "tab") },
	{ OP(WHARF_OP_LIST, 'H', NULL) },
	{ OP(WHARF_OP_LIST, 'H', "tab"), .flags = WHARF_BY_RANK },
	{ OP(WHARF_OP_LIST, 'Z', "tab"), .flags = WHARF_REVERSE },
	{ OP(WHARF_OP_LIST, 'Z', "tab"),
	    .flags = WHARF_BY_RANK | WHARF_BY_SCORE },
	{ OP(WHARF_OP_LIST, 'Z', "tab"), .flags = WHARF_BY_RANK, .max = 1 },
	{ OP(WHARF_OP_LIST, 'Z', "tab"), .flags = WHARF_BY_SCORE, .min = 1 },
	{ OP(WHARF_OP_LIST, 'Z', "tab"), .flags = WHARF_ONE_FILE },
	{ OP(WHARF_OP_LIST, 0, NULL), .limit = WHARF_PAGE_MAX + 1 },
	{ OP(WHARF_OP_LIST, 0, NULL), .file = 1 },
	{ OP(WHARF_OP_LIST, 0, NULL), .flags = WHARF_ONE_FILE, .file = FILES },
	{ OP(WHARF_OP_LIST, 0, NULL), .start = 5, .end = 5 },
	{ OP(WHARF_OP_LIST, 0, NULL), .end = 1025 },
	{ OP(WHARF_OP_LIST, 0, NULL), .cursor = "x", .cursorlen = 1 },
	{ OP(WHARF_OP_LIST, 0, NULL), .flags = WHARF_REPLACE },
	{ .size = 8, .command = WHARF_OP_GET, .type = 'K', .key = V,
	    .keylen = 5 },
};

static void
test_wrong(void)
{
	struct wharf_answer	a;
	unsigned		i;

	begin(4, 1 << 20);
	for (i = 0; i < LEN(wrong); i++) {
		CU_ASSERT_EQUAL(wharf_submit(w, &wrong[i], on_answer, NULL),
		    WHARF_PARAM);
		CU_ASSERT_EQUAL(wharf_do(w, &wrong[i], &a), WHARF_PARAM);
		CU_ASSERT(a.value == NULL && a.length == 0);
		if (wharf_in_flight(w) != 0)
			printf("op %u was taken\n", i);
	}
	CU_ASSERT(wharf_in_flight(w) == 0 && seat->put == 0);
	finish();
}

/* Answers */

/* Whether the next page, count or row of one op is what it should be. */
static enum wharf_status
answered(const struct wharf_op *op, enum err status, const void *val, size_t n)
{
	struct frame	f, r;

	nseen = 0;
	CU_ASSERT_FATAL(wharf_submit(w, op, on_answer, NULL) == WHARF_OK);
	CU_ASSERT_FATAL(take(&f));
	r = answer_to(&f, status);
	r.val = val;
	r.vallen = r.vtotal = (uint32_t)n;
	r.score = 42;
	take_done();
	CU_ASSERT(say(&r) && wharf_process(w) == 1 && nseen == 1);
	return seen[0].status;
}

static size_t
row_put(uint8_t *out, uint8_t type, const char *name, int64_t count)
{
	struct stat_row	r = { .type = type, .namelen = (uint8_t)strlen(name),
		.count = count, .size = 10 * count, .capacity = 1024 * count,
		.name = (const uint8_t *)name };

	return stat_row_put(out, &r);
}

static void
test_numbers(void)
{
	const struct wharf_op	get = { REC(WHARF_OP_GET, 'Z', "tab") },
		rank = { REC(WHARF_OP_RANK, 'Z', "tab") };

	begin(4, 1 << 20);
	CU_ASSERT(answered(&get, E_OK, "42", 2) == WHARF_OK &&
	    seen[0].score == 42 && seen[0].length == 2);
	CU_ASSERT(answered(&rank, E_OK, NULL, 0) == WHARF_OK &&
	    seen[0].score == 42 && seen[0].length == 0);
	CU_ASSERT_EQUAL(answered(&rank, E_BUILDING, NULL, 0), WHARF_BUILDING);
	CU_ASSERT_EQUAL(answered(&get, E_NUMBER, NULL, 0), WHARF_NUMBER);
	finish();
}

static void
test_count(void)
{
	const struct wharf_op	op = { OP(WHARF_OP_COUNT, 'S', "tab") };
	uint8_t			row[200];
	size_t			n, i;

	begin(4, 1 << 20);
	n = row_put(row, 'S', "tab", 17);
	CU_ASSERT(answered(&op, E_OK, row, n) == WHARF_OK &&
	    seen[0].score == 17 && seen[0].length == 0);
	row[0] = 'H';
	CU_ASSERT_EQUAL(answered(&op, E_OK, row, n), WHARF_TYPE);
	CU_ASSERT_EQUAL(answered(&op, E_NOTFOUND, NULL, 0), WHARF_TYPE);
	CU_ASSERT_EQUAL(answered(&op, E_NOTREADY, NULL, 0), WHARF_NOTREADY);
	row[0] = 'S';
	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(answered(&op, E_OK, row, i), WHARF_BADMSG);
	CU_ASSERT_EQUAL(answered(&op, E_OK, row, n + 1), WHARF_BADMSG);
	finish();
}

/* What wharf_next_table says of the rows. */
static void
on_rows(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	struct wharf_table	t;
	size_t			place = 0;
	int64_t			sum = 0;
	unsigned		rows = 0;

	(void)from;
	for (; wharf_next_table(a, &place, &t); rows++) {
		CU_ASSERT(t.size == 10 * t.count &&
		    t.capacity == 1024 * t.count);
		sum += t.count;
		CU_ASSERT_STRING_EQUAL(t.name, rows == 2 ? "name" : "");
		CU_ASSERT_EQUAL((char)t.type, "KHZ"[rows]);
	}
	CU_ASSERT(place == a->length && rows == a->count);
	*(int64_t *)arg = a->status == WHARF_OK ? sum : -1;
}

static void
test_rows(void)
{
	const struct wharf_op	op = { OP(WHARF_OP_STAT_ALL, 0, NULL) };
	uint8_t			rows[300];
	struct frame		f, r;
	size_t			n, cut;
	int64_t			sum;

	n = row_put(rows, 'K', "", 1);
	n += row_put(rows + n, 'H', "", 2);
	n += row_put(rows + n, 'Z', "name", 4);
	begin(4, 1 << 20);
	for (cut = 0; cut <= n; cut++) {
		CU_ASSERT_FATAL(wharf_submit(w, &op, on_rows, &sum) ==
		    WHARF_OK);
		CU_ASSERT_FATAL(take(&f));
		r = answer_to(&f, E_OK);
		r.val = rows;
		r.vallen = r.vtotal = (uint32_t)cut;
		take_done();
		CU_ASSERT(say(&r) && wharf_process(w) == 1);
		CU_ASSERT_EQUAL(sum, cut == n ? 7 : cut == STAT_ROW_HEAD ? 1 :
		    cut == 2 * STAT_ROW_HEAD ? 3 : -1);
	}
	finish();
}

/* The short forms */

static struct frame	last;		/* as a store had it */
static char		last_bytes[3][16];	/* table, key, value */

static void
serve_short(unsigned store, const struct frame *f, struct frame *r, uint8_t *out)
{
	(void)store;
	last = *f;
	memset(last_bytes, 0, sizeof(last_bytes));
	memcpy(last_bytes[0], f->tab, f->tablen);
	memcpy(last_bytes[1], f->key, f->keylen);
	if (f->vallen < sizeof(last_bytes[2]))
		memcpy(last_bytes[2], f->val, f->vallen);
	r->score = 12;
	r->ver = 3;
	if (f->msg == MSG_STORE_STAT)
		r->vallen = (uint32_t)row_put(out, f->slot % 2 ? 'S' : 'Z',
		    "tab", 8);
}

/* What the last call looked like: message, type, table, value. */
static int
was(unsigned msg, char type, const char *tab, const char *val, int64_t score,
    unsigned flags)
{
	return last.msg == msg && last.type == type && last.score == score &&
	    last.flags == flags && strcmp(last_bytes[0], tab) == 0 &&
	    strcmp(last_bytes[1], last.keylen ? "key" : "") == 0 &&
	    strcmp(last_bytes[2], val) == 0;
}

static void
test_short(void)
{
	struct wharf_answer	a;
	int64_t			n = 0;

	begin(4, 1 << 20);
	serve_begin(serve_short);
#define K	"key", 3
#define T	"tab", "key", 3
#define DO(call) CU_ASSERT_EQUAL(call, WHARF_OK)
#define WAS(...) CU_ASSERT(was(__VA_ARGS__))
	DO(wharf_put(w, K, V, 5, NULL, &a));
	WAS(MSG_STORE_PUT, 'K', "", "value", 0, 0);
	DO(wharf_get(w, K, &a));
	WAS(MSG_STORE_GET, 'K', "", "", 0, 0);
	DO(wharf_exist(w, K, &a));
	WAS(MSG_STORE_EXIST, 'K', "", "", 0, 0);
	DO(wharf_del(w, K, &how, &a));
	WAS(MSG_STORE_DEL, 'K', "", "", 0, 0);
	DO(wharf_incrby(w, K, -3, NULL, &a));
	WAS(MSG_STORE_INCR, 'K', "", "", -3, 0);
	CU_ASSERT(a.number == 12 && a.version == 3);
	DO(wharf_hset(w, T, V, 5, &how_dup, &a));
	WAS(MSG_STORE_PUT, 'H', "tab", "value", 0, FRAME_IS_DUP);
	CU_ASSERT(last.ver == 7 && last.ttl == 1500);
	DO(wharf_hget(w, T, &a));
	WAS(MSG_STORE_GET, 'H', "tab", "", 0, 0);
	DO(wharf_hdel(w, T, NULL, NULL));
	WAS(MSG_STORE_DEL, 'H', "tab", "", 0, 0);
	DO(wharf_hexist(w, T, &a));
	WAS(MSG_STORE_EXIST, 'H', "tab", "", 0, 0);
	DO(wharf_hincrby(w, T, 4, NULL, &a));
	WAS(MSG_STORE_INCR, 'H', "tab", "", 4, 0);
	DO(wharf_sadd(w, T, &how, &a));
	WAS(MSG_STORE_PUT, 'S', "tab", "", 0, 0);
	DO(wharf_srem(w, T, NULL, &a));
	WAS(MSG_STORE_DEL, 'S', "tab", "", 0, 0);
	DO(wharf_sismember(w, T, &a));
	WAS(MSG_STORE_EXIST, 'S', "tab", "", 0, 0);
	DO(wharf_zadd(w, T, -9, NULL, &a));
	WAS(MSG_STORE_ZADD, 'Z', "tab", "", -9, 0);
	DO(wharf_zincrby(w, T, 9, &how, &a));
	WAS(MSG_STORE_ZADD, 'Z', "tab", "", 9, FRAME_ADD);
	DO(wharf_zrem(w, T, NULL, &a));
	WAS(MSG_STORE_DEL, 'Z', "tab", "", 0, 0);
	DO(wharf_zscore(w, T, &n));
	WAS(MSG_STORE_GET, 'Z', "tab", "", 0, 0);
	CU_ASSERT_EQUAL(n, 12);
	DO(wharf_zscore(w, T, NULL));
	DO(wharf_zrank(w, T, 0, (uint64_t *)&n));
	WAS(MSG_STORE_ZRANK, 'Z', "tab", "", 0, 0);
	DO(wharf_zrank(w, T, 1, NULL));
	WAS(MSG_STORE_ZRANK, 'Z', "tab", "", 0, FRAME_REVERSE);
	DO(wharf_zcount(w, "tab", -1, 5, (uint64_t *)&n));
	CU_ASSERT(last.msg == MSG_STORE_ZCOUNT && last.type == 'Z');
	DO(wharf_expire(w, WHARF_SET, T, 100, &a));
	WAS(MSG_STORE_EXPIRE, 'S', "tab", "", 0, 0);
	CU_ASSERT(last.ttl == 100 && a.version == 3);
	DO(wharf_persist(w, WHARF_KEY, NULL, K, &a));
	WAS(MSG_STORE_EXPIRE, 'K', "", "", 0, 0);
	CU_ASSERT_EQUAL(last.ttl, 0);
	serve_end();
	finish();
}

static void
test_short_stat(void)
{
	struct wharf_table	t;
	const char		*name = slot_of("a", 1) % 2 ? "a" : "b",
				*other = slot_of("a", 1) % 2 ? "b" : "a";
	uint64_t		n = 0;

	CU_ASSERT(slot_of(name, 1) % 2 == 1 && slot_of(other, 1) % 2 == 0);
	begin(4, 1 << 20);
	serve_begin(serve_short);
	CU_ASSERT(wharf_scard(w, name, &n) == WHARF_OK && n == 8);
	CU_ASSERT_EQUAL(wharf_scard(w, other, &n), WHARF_TYPE);
	CU_ASSERT(wharf_zcard(w, other, &n) == WHARF_OK);
	CU_ASSERT_EQUAL(wharf_zcard(w, name, &n), WHARF_TYPE);
	CU_ASSERT_EQUAL(wharf_hlen(w, name, &n), WHARF_TYPE);
	CU_ASSERT_EQUAL(wharf_stat(w, name, &t), WHARF_OK);
	CU_ASSERT(t.type == WHARF_SET && t.count == 8 && t.size == 80);
	CU_ASSERT_EQUAL(wharf_stat(w, NULL, &t), WHARF_PARAM);
	CU_ASSERT_EQUAL(wharf_stat(w, "a b", &t), WHARF_PARAM);
	serve_end();
	finish();
}

static const CU_TestInfo	tests[] = {
	{ "frames", test_frames },
	{ "wrong", test_wrong },
	{ "numbers", test_numbers },
	{ "count", test_count },
	{ "rows", test_rows },
	{ "short", test_short },
	{ "short stat", test_short_stat },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_client_types", UNIT_SUITE("client types", tests))
