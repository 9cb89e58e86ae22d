/*
 * test_frame.c: the codec of the header, its bounds, and the bounded reader
 * and writer.
 */
#include <string.h>

#include "proto/buf.h"
#include "proto/frame.h"
#include "proto/msg.h"
#include "tests/unit.h"

static const uint8_t	bytes[] = "tablekeyvalue";

static struct frame
sample(void)
{
	struct frame	f = {
		.msg = 0x0102, .flags = FRAME_REPLY | FRAME_VERERROR,
		.status = E_NOTFOUND, .slot = 1023, .type = 7, .kind = 9,
		.id = 0x1122334455667788, .from = 0xa1a2a3a4,
		.to = 0xb1b2b3b4, .epoch = 0xc1c2c3c4, .deadline = 5000000,
		.voff = 5, .vtotal = 10, .ver = 4194303, .ttl = -2,
		.score = INT64_MIN,
		.stamp = { 0x0102030405060708, 3, 4, 5 },
		.prev = { UINT64_MAX, UINT32_MAX, UINT16_MAX, 1 },
		.tablen = 5, .keylen = 3, .vallen = 5,
		.tab = bytes, .key = bytes + 5, .val = bytes + 8
	};

	return f;
}

static int
same(const struct frame *a, const struct frame *b)
{
	return a->msg == b->msg && a->flags == b->flags &&
	    a->status == b->status && a->slot == b->slot &&
	    a->type == b->type && a->kind == b->kind && a->id == b->id &&
	    a->from == b->from && a->to == b->to && a->epoch == b->epoch &&
	    a->deadline == b->deadline && a->voff == b->voff &&
	    a->vtotal == b->vtotal && a->ver == b->ver && a->ttl == b->ttl &&
	    a->score == b->score &&
	    stamp_cmp(&a->stamp, &b->stamp) == 0 &&
	    a->stamp.store == b->stamp.store &&
	    stamp_cmp(&a->prev, &b->prev) == 0 &&
	    a->prev.store == b->prev.store &&
	    a->tablen == b->tablen && a->keylen == b->keylen &&
	    a->vallen == b->vallen &&
	    memcmp(a->tab, b->tab, a->tablen) == 0 &&
	    memcmp(a->key, b->key, a->keylen) == 0 &&
	    memcmp(a->val, b->val, a->vallen) == 0;
}

static void
test_round_trip(void)
{
	struct frame	 f = sample(), g;
	uint8_t		 out[256];
	size_t		 n = frame_put(out, &f);

	CU_ASSERT(n == FRAME_HEAD + 13 && n == frame_size(&f));
	CU_ASSERT(frame_get(&g, out, n) == E_OK);
	CU_ASSERT(same(&f, &g));
}

/* The bytes that doc/protocol.7 promises. */
static void
test_places(void)
{
	struct frame	f = sample();
	uint8_t		out[256];

	frame_put(out, &f);
	CU_ASSERT(memcmp(out, "WRF1\x01\x0e\x02\x01\x09\x00", 10) == 0);
	CU_ASSERT(le16_get(out + 10) == E_NOTFOUND);
	CU_ASSERT(le16_get(out + 12) == 1023);
	CU_ASSERT(out[14] == 7 && out[15] == 9);
	CU_ASSERT(le64_get(out + 16) == 0x1122334455667788);
	CU_ASSERT(le32_get(out + 24) == 0xa1a2a3a4);
	CU_ASSERT(le32_get(out + 28) == 0xb1b2b3b4);
	CU_ASSERT(le32_get(out + 32) == 0xc1c2c3c4);
	CU_ASSERT(le32_get(out + 36) == 5000000);
	CU_ASSERT(le16_get(out + 40) == 5 && le16_get(out + 42) == 0);
	CU_ASSERT(le32_get(out + 44) == 3 && le32_get(out + 48) == 5);
	CU_ASSERT(le32_get(out + 52) == 5 && le32_get(out + 56) == 10);
	CU_ASSERT(le32_get(out + 60) == 4194303);
	CU_ASSERT((int64_t)le64_get(out + 64) == -2);
	CU_ASSERT((int64_t)le64_get(out + 72) == INT64_MIN);
	CU_ASSERT(le64_get(out + 80) == 0x0102030405060708);
	CU_ASSERT(le32_get(out + 88) == 3 && le16_get(out + 92) == 4 &&
	    le16_get(out + 94) == 5);
	CU_ASSERT(le64_get(out + 96) == UINT64_MAX);
	CU_ASSERT(memcmp(out + 112, "tablekeyvalue", 13) == 0);
}

static enum err
with(size_t at, const void *p, size_t n)
{
	struct frame	f = sample(), g;
	uint8_t		out[256];
	size_t		len = frame_put(out, &f);

	memcpy(out + at, p, n);
	return frame_get(&g, out, len);
}

static void
test_refused(void)
{
	struct frame	f = sample(), g;
	uint8_t		out[256];
	size_t		i, n = frame_put(out, &f);

	for (i = 0; i < n; i++)
		CU_ASSERT(frame_get(&g, out, i) == E_BADMSG);
	CU_ASSERT(frame_get(&g, out, n + 1) == E_BADMSG);
	CU_ASSERT(with(0, "X", 1) == E_BADMSG);
	CU_ASSERT(with(4, "\x02", 1) == E_BADMSG);
	CU_ASSERT(with(5, "\x0d", 1) == E_BADMSG);	/* shorter header */
	CU_ASSERT(with(5, "\xff", 1) == E_BADMSG);	/* beyond the end */
	CU_ASSERT(with(10, "\x01\x00", 2) == E_BADMSG);	/* E_PENDING */
	CU_ASSERT(with(10, "\xe8\x03", 2) == E_BADMSG);	/* no status 1000 */
	CU_ASSERT(with(12, "\x00\x04", 2) == E_BADMSG);	/* slot 1024 */
	CU_ASSERT(with(40, "\x41\x00", 2) == E_BADMSG);	/* longer than all */
	CU_ASSERT(with(44, "\x01\x00\x01\x00", 4) == E_BADMSG);
	CU_ASSERT(with(48, "\xff\xff\xff\xff", 4) == E_BADMSG);
	CU_ASSERT(with(48, "\x00\x00\x00\x00", 4) == E_BADMSG);
	CU_ASSERT(with(52, "\x06\x00\x00\x00", 4) == E_BADMSG);
	CU_ASSERT(with(52, "\xff\xff\xff\xff", 4) == E_BADMSG);
	CU_ASSERT(with(56, "\x01\x00\x00\x04", 4) == E_BADMSG);
	CU_ASSERT(with(56, "\x00\x00\x00\x04", 4) == E_OK);	/* 64 MiB */
}

/* A piece of nothing would never bring a value to its end. */
/* The name of a cache's hash may be as long as a key, and no longer. */
static void
test_long_table(void)
{
	static uint8_t	name[FRAME_NAME + 1], out[FRAME_HEAD + sizeof(name)];
	struct frame	f = { .msg = MSG_CACHE_HGET, .tab = name }, g;
	size_t		n;

	memset(name, 'n', sizeof(name));
	f.tablen = FRAME_NAME;
	n = frame_put(out, &f);
	CU_ASSERT(frame_get(&g, out, n) == E_OK && g.tablen == FRAME_NAME &&
	    memcmp(g.tab, name, FRAME_NAME) == 0);
	f.tablen++;
	n = frame_put(out, &f);
	CU_ASSERT(frame_get(&g, out, n) == E_BADMSG);
}

static void
test_empty_piece(void)
{
	struct frame	f = sample(), g;
	uint8_t		out[256];

	f.vallen = 0;
	CU_ASSERT(frame_get(&g, out, frame_put(out, &f)) == E_BADMSG);
	f.voff = f.vtotal = 0;
	CU_ASSERT(frame_get(&g, out, frame_put(out, &f)) == E_OK);
}

/* Room to grow: what a longer header has more is passed over. */
static void
test_longer_header(void)
{
	struct frame	f = sample(), g;
	uint8_t		out[256], longer[256];
	size_t		n = frame_put(out, &f);

	memcpy(longer, out, FRAME_HEAD);
	memset(longer + FRAME_HEAD, 0xee, 16);
	memcpy(longer + FRAME_HEAD + 16, out + FRAME_HEAD, n - FRAME_HEAD);
	longer[5] += 2;
	CU_ASSERT(frame_get(&g, longer, n + 16) == E_OK);
	CU_ASSERT(same(&f, &g));
}

static void
test_stream(void)
{
	struct frame	f = sample(), g;
	uint8_t		out[512];
	size_t		used, at = 0, all;

	all = frame_put(out, &f);
	f.id = 2;
	f.keylen = 0;
	all += frame_put(out + all, &f);
	CU_ASSERT(frame_next(&g, out, all, &used) == E_OK);
	CU_ASSERT(g.id == 0x1122334455667788 && used == FRAME_HEAD + 13);
	at += used;
	CU_ASSERT(frame_next(&g, out + at, all - at, &used) == E_OK);
	CU_ASSERT(g.id == 2 && at + used == all);
	CU_ASSERT(frame_next(&g, out + all, 0, &used) == E_BADMSG);
}

static void
test_stamps(void)
{
	struct stamp	a = { 5, 1, 1, 1 }, b = a, c;
	uint8_t		out[16];

	CU_ASSERT(stamp_cmp(&a, &b) == 0);
	b.store = 9;
	CU_ASSERT(stamp_cmp(&a, &b) == 0);	/* not part of the order */
	b.node = 2;
	CU_ASSERT(stamp_cmp(&a, &b) < 0 && stamp_cmp(&b, &a) > 0);
	a.hlc = 6;
	CU_ASSERT(stamp_cmp(&a, &b) > 0 && stamp_cmp(&b, &a) < 0);
	b.epoch = 2;
	CU_ASSERT(stamp_cmp(&a, &b) < 0 && stamp_cmp(&b, &a) > 0);
	stamp_put(out, &b);
	stamp_get(&c, out);
	CU_ASSERT(stamp_cmp(&b, &c) == 0 && c.store == 9);
}

static void
test_buf(void)
{
	uint8_t		 mem[16];
	struct wbuf	 w;
	struct rbuf	 r;
	const uint8_t	*p;
	size_t		 n;

	wbuf_init(&w, mem, sizeof(mem));
	wbuf_u8(&w, 1);
	wbuf_u16(&w, 2);
	wbuf_u32(&w, 3);
	wbuf_blob(&w, "abc", 3);
	CU_ASSERT(wbuf_end(&w) == E_OK && w.len == 12);
	wbuf_u64(&w, 4);
	CU_ASSERT(wbuf_end(&w) == E_FULL && w.len == 12);
	wbuf_u8(&w, 5);
	CU_ASSERT(wbuf_end(&w) == E_FULL && w.len == 12);

	rbuf_init(&r, mem, 12);
	CU_ASSERT(rbuf_u8(&r) == 1 && rbuf_u16(&r) == 2 && rbuf_u32(&r) == 3);
	CU_ASSERT(rbuf_end(&r) == E_BADMSG);	/* bytes are left */
	p = rbuf_blob(&r, 3, &n);
	CU_ASSERT(n == 3 && p != NULL && memcmp(p, "abc", 3) == 0);
	CU_ASSERT(rbuf_end(&r) == E_OK);
	CU_ASSERT(rbuf_u64(&r) == 0 && rbuf_end(&r) == E_BADMSG);

	rbuf_init(&r, mem + 7, 5);
	CU_ASSERT(rbuf_blob(&r, 2, &n) == NULL && rbuf_end(&r) == E_BADMSG);
}

static const CU_TestInfo tests[] = {
	{ "round trip", test_round_trip },
	{ "places of the fields", test_places },
	{ "refused headers", test_refused },
	{ "long table", test_long_table },
	{ "empty piece", test_empty_piece },
	{ "longer header", test_longer_header },
	{ "frames back to back", test_stream },
	{ "stamps", test_stamps },
	{ "reader and writer", test_buf },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_frame", UNIT_SUITE("frame", tests))
