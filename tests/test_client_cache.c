/*
 * test_client_cache.c: libwharf's commands for the cache, without a node: what
 * each looks like to a store, names of any bytes, pieces beside long names,
 * and what is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/msg.h"
#include "proto/slot.h"
#include "tests/client_rig.h"
#include "tests/unit.h"

#define V	((const void *)"value")
#define LEN(a)	(sizeof(a) / sizeof((a)[0]))

static const struct wharf_write	life = { sizeof(life), 0, 0, 1500 },
	none = { sizeof(none), 0, 0, 0 }, version = { sizeof(none), 7, 0, 9 },
	flags = { sizeof(none), 0, WHARF_CREATE, 9 };

#define OP(cmd) .size = sizeof(struct wharf_op), .command = WHARF_OP_CACHE_##cmd
#define STR(cmd) OP(cmd), .key = "key", .keylen = 3
#define FLD(cmd) STR(cmd), .table = "a \0b", .tablelen = 4

static const struct {
	struct wharf_op	op;
	unsigned	msg;
	int64_t		ttl;
	const char	*val;
} frames[] = {
	{ { STR(EXIST) }, MSG_CACHE_EXIST, 0, "" },
	{ { STR(GET) }, MSG_CACHE_GET, 0, "" },
	{ { STR(TTL) }, MSG_CACHE_TTL, 0, "" },
	{ { STR(PUT), .value = V, .length = 5 }, MSG_CACHE_PUT, 0, "value" },
	{ { STR(PUT), .value = V, .length = 5, .write = &life },
	    MSG_CACHE_PUT, 1500, "value" },
	{ { STR(PUT), .value = V, .length = 5, .write = &none },
	    MSG_CACHE_PUT, 0, "value" },
	{ { STR(APPEND), .value = V, .length = 5 }, MSG_CACHE_APPEND, 0,
	    "value" },
	{ { STR(DEL) }, MSG_CACHE_DEL, 0, "" },
	{ { STR(EXPIRE), .write = &life }, MSG_CACHE_EXPIRE, 1500, "" },
	{ { STR(PERSIST) }, MSG_CACHE_PERSIST, 0, "" },
	{ { FLD(HEXIST) }, MSG_CACHE_HEXIST, 0, "" },
	{ { FLD(HGET) }, MSG_CACHE_HGET, 0, "" },
	{ { FLD(HSET), .value = V, .length = 5 }, MSG_CACHE_HSET, 0, "value" },
	{ { FLD(HDEL) }, MSG_CACHE_HDEL, 0, "" },
	{ { FLD(HINCRBY), .score = INT64_MIN }, MSG_CACHE_HINCRBY, 0,
	    "-9223372036854775808" },
	{ { FLD(HINCRBY) }, MSG_CACHE_HINCRBY, 0, "0" },
	{ { FLD(HINCRBYFLOAT), .value = "1.5", .length = 3 },
	    MSG_CACHE_HINCRBYFLOAT, 0, "1.5" },
};

static void
check_frame(const struct frame *f, unsigned i)
{
	const struct wharf_op	*op = &frames[i].op;
	size_t			 n = strlen(frames[i].val);

	CU_ASSERT(f->msg == frames[i].msg && f->flags == 0 && f->ver == 0 &&
	    f->type == 0 && f->score == 0 && f->ttl == frames[i].ttl);
	CU_ASSERT(f->tablen == op->tablelen && f->keylen == 3 &&
	    memcmp(f->key, "key", 3) == 0);
	CU_ASSERT(f->tablen == 0 || memcmp(f->tab, "a \0b", 4) == 0);
	CU_ASSERT(f->vallen == n && memcmp(f->val, frames[i].val, n) == 0);
	CU_ASSERT_EQUAL(f->slot, op->table != NULL ? slot_of("a \0b", 4) :
	    slot_of("key", 3));
	CU_ASSERT_EQUAL(msg_check(f, FROM_CLIENT), E_OK);
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
		check_frame(&f, i);
		take_done();
	}
	finish();
}

/* The table's length may be left to its NUL. */
static void
test_nul(void)
{
	struct wharf_op	op = { STR(HGET), .table = "tab" };
	struct frame	f;

	begin(4, 1 << 20);
	CU_ASSERT(wharf_submit(w, &op, NULL, NULL) == WHARF_OK);
	CU_ASSERT_FATAL(take(&f));
	CU_ASSERT(f.tablen == 3 && f.slot == slot_of("tab", 3));
	take_done();
	finish();
}

/* The first piece alone has table and key, and each fits the lane. */
static void
check_pieces(size_t tablen, size_t keylen, size_t len)
{
	char		*bytes = malloc(len);
	struct wharf_op	 op = { OP(HSET), .table = bytes, .key = bytes,
		.value = bytes, .length = len, .keylen = keylen,
		.tablelen = (unsigned)tablen };
	struct frame	 f;
	size_t		 got = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	memset(bytes, 'x', len);
	CU_ASSERT_FATAL(wharf_submit(w, &op, NULL, NULL) == WHARF_OK);
	wharf_flush(w);
	while (got < len && take(&f)) {
		CU_ASSERT(f.voff == got && f.vtotal == len);
		CU_ASSERT_EQUAL(f.tablen, got == 0 ? tablen : 0);
		CU_ASSERT_EQUAL(f.keylen, got == 0 ? keylen : 0);
		got += f.vallen;
		take_done();
		wharf_flush(w);
	}
	CU_ASSERT_EQUAL(got, len);
	free(bytes);
}

static void
test_pieces(void)
{
	begin(4, 16 << 20);
	check_pieces(3, 3, 300000);
	check_pieces(CACHE_NAME_MAX, WHARF_KEY_MAX, 300000);
	check_pieces(65, 1, 131072);
	finish();
}

static const struct wharf_op	wrong[] = {
	{ OP(GET) },
	{ OP(GET), .key = V, .keylen = WHARF_KEY_MAX + 1 },
	{ STR(GET), .type = WHARF_KEY },
	{ STR(GET), .table = "tab" },
	{ STR(GET), .tablelen = 3 },
	{ STR(GET), .value = V, .length = 5 },
	{ STR(GET), .write = &none },
	{ STR(GET), .flags = WHARF_REVERSE },
	{ STR(GET), .reserved_ = { 1 } },
	{ STR(PUT) },
	{ STR(PUT), .value = V, .length = WHARF_CACHED_MAX + 1 },
	{ STR(PUT), .value = V, .length = 5, .write = &version },
	{ STR(PUT), .value = V, .length = 5, .write = &flags },
	{ STR(APPEND), .value = V, .length = 5, .write = &life },
	{ STR(EXPIRE) },
	{ STR(EXPIRE), .write = &none },
	{ STR(PERSIST), .write = &life },
	{ STR(HGET) },
	{ STR(HGET), .tablelen = 3 },
	{ STR(HGET), .table = "" },
	{ STR(HGET), .table = "tab", .tablelen = CACHE_NAME_MAX + 1 },
	{ FLD(HGET), .type = WHARF_HASH },
	{ FLD(HSET) },
	{ FLD(HINCRBY), .value = "1", .length = 1 },
	{ FLD(HINCRBYFLOAT), .score = 1 },
	{ FLD(HINCRBYFLOAT), .value = V, .length = CACHE_TEXT_MAX + 1 },
	/* Between the last of the records' and the first of the cache's. */
	{ .size = sizeof(struct wharf_op), .command = WHARF_OP_CACHE_EXIST - 1,
	    .key = "key", .keylen = 3, .type = WHARF_KEY },
	{ .size = sizeof(struct wharf_op),
	    .command = WHARF_OP_CACHE_HINCRBYFLOAT + 1, .key = "key",
	    .keylen = 3 },
	/* A length only where a hash of the cache is. */
	{ .size = sizeof(struct wharf_op), .command = WHARF_OP_GET,
	    .type = WHARF_HASH, .table = "tab", .tablelen = 3, .key = "key",
	    .keylen = 3 },
};

static void
test_wrong(void)
{
	unsigned	i;

	begin(4, 1 << 20);
	for (i = 0; i < LEN(wrong); i++) {
		CU_ASSERT_EQUAL(wharf_submit(w, &wrong[i], NULL, NULL),
		    WHARF_PARAM);
		if (wharf_in_flight(w) != 0)
			printf("op %u was taken\n", i);
	}
	CU_ASSERT(wharf_in_flight(w) == 0 && seat->put == 0);
	CU_ASSERT(wharf_cache_hget(w, "h", 0, "k", 1, NULL) == WHARF_PARAM);
	CU_ASSERT(wharf_cache_hget(w, "h", ((size_t)1 << 32) + 1, "k", 1,
	    NULL) == WHARF_PARAM);
	finish();
}

static const CU_TestInfo tests[] = {
	{ "frames", test_frames },
	{ "name with a NUL", test_nul },
	{ "pieces", test_pieces },
	{ "wrong", test_wrong },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_client_cache", UNIT_SUITE("client_cache", tests))
