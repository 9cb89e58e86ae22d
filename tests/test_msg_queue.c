/*
 * test_msg_queue.c: what messages of queues carry: there and back, the bytes as
 * doc/protocol.7 has them, and cut short at every length.
 */
#include <stdio.h>
#include <string.h>

#include "proto/msg_queue.h"
#include "tests/unit.h"

#define BYTES(s)	(const uint8_t *)s, sizeof(s) - 1

static void
test_set(void)
{
	static const uint8_t	want[] = {
		QSET_ALL, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0,
		6, 0, 0, 0, 2, 'd', 'q'
	};
	struct queue_set	in = { .mask = QSET_ALL, .lock = 1, .max = 2,
	    .timeout = 3, .maxdeliver = 4, .ttl = 5, .delay = 6,
	    .dead = (const uint8_t *)"dq", .deadlen = 2 }, out;
	uint8_t			buf[QUEUE_SET_MAX];
	struct wbuf		w;
	struct rbuf		r;
	size_t			n;

	wbuf_init(&w, buf, sizeof(buf));
	queue_set_put(&w, &in);
	CU_ASSERT(w.len == sizeof(want) && memcmp(buf, want, w.len) == 0);
	rbuf_init(&r, buf, w.len);
	queue_set_get(&r, &out);
	CU_ASSERT_EQUAL(rbuf_end(&r), E_OK);
	CU_ASSERT(out.max == 2 && out.delay == 6 && out.deadlen == 2 &&
	    memcmp(out.dead, "dq", 2) == 0);
	for (n = 0; n < w.len; n++) {
		rbuf_init(&r, buf, n);
		queue_set_get(&r, &out);
		CU_ASSERT_EQUAL(rbuf_end(&r), E_BADMSG);
	}
	buf[0] = 128;
	rbuf_init(&r, buf, w.len);
	queue_set_get(&r, &out);
	CU_ASSERT_EQUAL(rbuf_end(&r), E_BADMSG);
}

static void
test_row(void)
{
	struct queue_row	in = { .name = (const uint8_t *)"jobs",
	    .len = 4, .topic = 1, .set = { .mask = QSET_ALL, .max = 9 },
	    .ready = { 1, 2, UINT64_MAX }, .delayed = 4, .unacked = 5,
	    .waiting = 6, .si = 7, .ci = 8, .tm = 1700000000 }, out;
	uint8_t			buf[QUEUE_ROW_MAX];
	struct wbuf		w;
	struct rbuf		r;
	size_t			n;

	wbuf_init(&w, buf, sizeof(buf));
	queue_row_put(&w, &in);
	CU_ASSERT_EQUAL_FATAL(wbuf_end(&w), E_OK);
	rbuf_init(&r, buf, w.len);
	queue_row_get(&r, &out);
	CU_ASSERT_EQUAL(rbuf_end(&r), E_OK);
	CU_ASSERT(out.len == 4 && memcmp(out.name, "jobs", 4) == 0);
	CU_ASSERT(out.topic == 1 && out.set.max == 9 && out.ready[1] == 2 &&
	    out.ready[2] == UINT64_MAX && out.waiting == 6 && out.si == 7 &&
	    out.ci == 8 && out.tm == 1700000000);
	for (n = 0; n < w.len; n++) {
		rbuf_init(&r, buf, n);
		queue_row_get(&r, &out);
		CU_ASSERT_EQUAL(rbuf_end(&r), E_BADMSG);
	}
}

/* The longest row fits where rows are made. */
static void
test_longest_row(void)
{
	static uint8_t		name[TABLE_MAX];
	struct queue_row	in = { .name = name, .len = TABLE_MAX,
	    .set = { .dead = name, .deadlen = TABLE_MAX } };
	uint8_t			buf[QUEUE_ROW_MAX];
	struct wbuf		w;

	wbuf_init(&w, buf, sizeof(buf));
	queue_row_put(&w, &in);
	CU_ASSERT_EQUAL(wbuf_end(&w), E_OK);
	wbuf_init(&w, buf, QUEUE_SET_MAX);
	queue_set_put(&w, &in.set);
	CU_ASSERT_EQUAL(wbuf_end(&w), E_OK);
}

static void
test_lists(void)
{
	struct queue_delivery	d = { (const uint8_t *)"0:1", (const uint8_t *)
	    "item", 3, 4, 7 }, e;
	uint8_t			buf[256];
	const uint8_t		*p;
	struct wbuf		w;
	struct rbuf		r;
	int64_t			sec;
	size_t			n;

	wbuf_init(&w, buf, sizeof(buf));
	queue_delivery_put(&w, &d);
	CU_ASSERT_EQUAL(w.len, queue_delivery_size(&d));
	queue_item_put(&w, BYTES("two"));
	queue_token_put(&w, BYTES("1:2"));
	queue_worker_put(&w, BYTES("worker"), 1234);
	rbuf_init(&r, buf, w.len);
	queue_delivery_get(&r, &e);
	CU_ASSERT(e.deliveries == 7 && e.tokenlen == 3 && e.itemlen == 4 &&
	    memcmp(e.item, "item", 4) == 0);
	p = queue_item_get(&r, &n);
	CU_ASSERT(n == 3 && memcmp(p, "two", 3) == 0);
	p = queue_token_get(&r, &n);
	CU_ASSERT(n == 3 && memcmp(p, "1:2", 3) == 0);
	p = queue_worker_get(&r, &n, &sec);
	CU_ASSERT(n == 6 && sec == 1234 && memcmp(p, "worker", 6) == 0);
	CU_ASSERT_EQUAL(rbuf_end(&r), E_OK);
	/* A length that reaches beyond the message. */
	rbuf_init(&r, BYTES("\xff\xff\xff\xff" "abc"));
	CU_ASSERT_PTR_NULL(queue_item_get(&r, &n));
	CU_ASSERT_EQUAL(rbuf_end(&r), E_BADMSG);
	rbuf_init(&r, BYTES("\x41" "abc"));
	CU_ASSERT_PTR_NULL(queue_token_get(&r, &n));
}

static void
token_note(void *arg, const uint8_t *p, size_t n)
{
	char	*said = arg;

	snprintf(said + strlen(said), 32, "%.*s ", (int)n, (const char *)p);
}

/* Of one message, of many, and of what does not end as it should. */
static void
test_tokens(void)
{
	static const struct queue_delivery	d[2] = {
		{ (const uint8_t *)"0:1", (const uint8_t *)"item", 3, 4, 1 },
		{ (const uint8_t *)"1:22", (const uint8_t *)"", 4, 0, 9 }
	};
	uint8_t		buf[64];
	struct wbuf	w;
	struct frame	f = { .key = (const uint8_t *)"2:3", .keylen = 3,
			    .val = buf };
	char		said[64] = "";

	wbuf_init(&w, buf, sizeof(buf));
	queue_delivery_put(&w, &d[0]);
	queue_delivery_put(&w, &d[1]);
	f.vallen = (uint32_t)w.len;
	queue_tokens(&f, token_note, said);
	CU_ASSERT_STRING_EQUAL(said, "2:3 ");
	f.keylen = 0;
	queue_tokens(&f, token_note, said);
	CU_ASSERT_STRING_EQUAL(said, "2:3 0:1 1:22 ");
	f.vallen--;
	queue_tokens(&f, token_note, said);
	CU_ASSERT_STRING_EQUAL(said, "2:3 0:1 1:22 0:1 ");
}

static const CU_TestInfo tests[] = {
	{ "set", test_set },
	{ "row", test_row },
	{ "longest row", test_longest_row },
	{ "lists", test_lists },
	{ "tokens", test_tokens },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_msg_queue", UNIT_SUITE("msg_queue", tests))
