/*
 * test_bench.c: the load generator's histogram, its parsers, the choice of
 * ops: what the figures rest on.
 */
#include <stdarg.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/unit.h"

static struct hist	h, fixed;

void
die(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	exit(1);
}

/* At most 1/128 above what was recorded, never below. */
static void
test_hist_error(void)
{
	int64_t	ns, q;

	for (ns = 1; ns < HIST_TOP / 2; ns += ns / 3 + 1) {
		memset(&h, 0, sizeof(h));
		hist_add(&h, ns, 1);
		hist_add(&h, HIST_TOP, 1);
		q = hist_quantile(&h, .5);
		CU_ASSERT(q >= ns && q - ns <= ns / 128);
	}
}

static void
test_hist_quantile(void)
{
	int64_t	ns;

	memset(&h, 0, sizeof(h));
	CU_ASSERT_EQUAL(hist_quantile(&h, .5), 0);
	for (ns = 1; ns <= 200; ns++)
		hist_add(&h, ns, 1);
	CU_ASSERT_EQUAL(hist_quantile(&h, .5), 100);
	CU_ASSERT_EQUAL(hist_quantile(&h, .99), 198);
	CU_ASSERT_EQUAL(hist_quantile(&h, 1), 200);
	hist_add(&h, INT64_MAX, 1);
	CU_ASSERT_EQUAL(h.max, INT64_MAX);
	CU_ASSERT_EQUAL(hist_quantile(&h, 1), HIST_TOP);
	hist_add(&h, -5, 1);
	CU_ASSERT_EQUAL(h.n, 202);
	CU_ASSERT_EQUAL(h.count[0], 1);
}

/* One stall of 1,000 where 100 was expected hid those of 900, 800 ... 100. */
static void
test_hist_correct(void)
{
	memset(&h, 0, sizeof(h));
	memset(&fixed, 0, sizeof(fixed));
	hist_add(&h, 50, 99);
	hist_add(&h, 250, 1);
	hist_correct(&fixed, &h, 100);
	CU_ASSERT_EQUAL(fixed.n, 101);
	CU_ASSERT_EQUAL(fixed.count[150], 1);
	CU_ASSERT_EQUAL(fixed.max, 250);
	memset(&fixed, 0, sizeof(fixed));
	hist_correct(&fixed, &h, 10);
	CU_ASSERT_EQUAL(fixed.n, 100 + 99 * 4 + 24);
	memset(&fixed, 0, sizeof(fixed));
	hist_correct(&fixed, &h, 0);
	CU_ASSERT_EQUAL(fixed.n, 100);
}

/* Whole, it is taken whole; short of one byte, more is asked for. */
static void
check_reply(const struct wire *w, const char *text, int status, int has_body,
    uint64_t body, uint64_t tail)
{
	struct reply	r;
	size_t		n, len = strlen(text);

	for (n = 0; n < len; n++)
		CU_ASSERT_EQUAL(w->reply(text, n, &r), 0);
	CU_ASSERT_EQUAL(w->reply(text, len, &r), (ssize_t)len);
	CU_ASSERT_EQUAL(r.status, status);
	CU_ASSERT_EQUAL(r.has_body, has_body);
	CU_ASSERT_EQUAL(r.body, body);
	CU_ASSERT_EQUAL(r.tail, tail);
}

static void
test_http(void)
{
	struct reply	r;

	check_reply(&wire_http, "HTTP/1.1 200 OK\r\nDate: x\r\n"
	    "Content-Length: 65536\r\nVersion: 7\r\n\r\n", 200, 1, 65536, 0);
	check_reply(&wire_http, "HTTP/1.1 404 Not Found\r\n"
	    "content-length:0\r\n\r\n", 404, 1, 0, 0);
	check_reply(&wire_http, "HTTP/1.0 503 No\nConnection: close\n"
	    "Content-Length: 12\n\n", 503, 1, 12, 0);
	CU_ASSERT_EQUAL(wire_http.reply("HTTP/1.1 200 OK\r\n\r\n", 19, &r),
	    -1);
	CU_ASSERT_EQUAL(wire_http.reply("xxxxxxxxxxxxxxxx", 16, &r), -1);
}

static void
test_resp(void)
{
	struct reply	r;

	check_reply(&wire_resp, "+OK\r\n", 200, 0, 0, 0);
	check_reply(&wire_resp, "$256\r\n", 200, 1, 256, 2);
	check_reply(&wire_resp, "$0\r\n", 200, 1, 0, 2);
	check_reply(&wire_resp, "$-1\r\n", 404, 0, 0, 0);
	check_reply(&wire_resp, ":1\r\n", 200, 0, 0, 0);
	check_reply(&wire_resp, ":0\r\n", 404, 0, 0, 0);
	check_reply(&wire_resp, "-ERR no\r\n", 500, 0, 0, 0);
	CU_ASSERT_EQUAL(wire_resp.reply("HTTP\r\n", 6, &r), -1);
}

static void
test_sp(void)
{
	static const char	greeting[] = { 0, 'S', 'P', 0, 0, 0x20, 0, 0 };
	static const char	item[] = "\1\0\0\0\0\0\0\1\4bt\n";
	struct reply		r;
	size_t			n;

	CU_ASSERT_EQUAL(wire_sp.reply(greeting, 7, &r), 0);
	CU_ASSERT_EQUAL(wire_sp.reply(greeting, 8, &r), 8);
	CU_ASSERT_EQUAL(r.body, 0);
	for (n = 0; n < 12; n++)
		CU_ASSERT_EQUAL(wire_sp.reply(item, n, &r), 0);
	CU_ASSERT_EQUAL(wire_sp.reply(item, 12, &r), 12);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL(r.body, 257);
	CU_ASSERT_EQUAL(wire_sp.reply("\2", 1, &r), -1);
	/* The newline belongs to what follows the message. */
	CU_ASSERT_EQUAL(wire_sp.reply("\1\0\0\0\0\0\0\0\2bt\n", 12, &r),
	    -1);
}

static void
check_request(const struct wire *w, enum kind kind, const char *wanted)
{
	struct options	o = { .address = "h:1", .size = 300, .first = 7 };
	struct request	r;
	char		text[sizeof(r.text) + 512];

	w->request(&o, kind, &r);
	if (r.ndigits > 0)
		key_digits(r.text + r.digits[0].at, 123456);
	CU_ASSERT_EQUAL(r.len, strlen(r.text));
	snprintf(text, sizeof(text), "%s%.*s", r.text, (int)r.tail_len,
	    r.tail_len > 0 ? r.tail : "");
	CU_ASSERT_STRING_EQUAL(text, wanted);
}

static void
test_request(void)
{
	check_request(&wire_http, OP_GET, "GET /hustdb/get?key=key:"
	    "000000123456 HTTP/1.1\r\nHost: h:1\r\n\r\n");
	check_request(&wire_http, OP_PUT, "POST /hustdb/put?key=key:"
	    "000000123456 HTTP/1.1\r\nHost: h:1\r\n"
	    "Content-Length: 300\r\n\r\n");
	check_request(&wire_http, OP_DEL, "GET /hustdb/del?key=key:"
	    "000000123456 HTTP/1.1\r\nHost: h:1\r\n\r\n");
	check_request(&wire_http, OP_QPUT, "POST /hustmq/put?queue=bq"
	    "000000123456 HTTP/1.1\r\nHost: h:1\r\n"
	    "Content-Length: 300\r\n\r\n");
	check_request(&wire_http, OP_EVGET, "GET /evget?queue=bq"
	    "000000123456&worker=bench HTTP/1.1\r\nHost: h:1\r\n\r\n");
	check_request(&wire_http, OP_SUB, "GET /evsub?queue=bt"
	    "000000000007&idx=000000123456 HTTP/1.1\r\nHost: h:1\r\n\r\n");
	check_request(&wire_resp, OP_EVGET, "*3\r\n$5\r\nBRPOP\r\n$14\r\n"
	    "bq000000123456\r\n$1\r\n0\r\n");
	check_request(&wire_resp, OP_SUB, "");
	check_request(&wire_resp, OP_QGET,
	    "*2\r\n$4\r\nRPOP\r\n$14\r\nbq000000123456\r\n");
	check_request(&wire_resp, OP_GET,
	    "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000123456\r\n");
	check_request(&wire_resp, OP_DEL,
	    "*2\r\n$3\r\nDEL\r\n$16\r\nkey:000000123456\r\n");
	check_request(&wire_resp, OP_PUT,
	    "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000123456\r\n$300\r\n\r\n");
}

/* What the n-th of some subscribers, or of users of three keys, says first. */
static void
check_hello(const struct wire *w, unsigned n, unsigned answers,
    const char *wanted)
{
	struct options	o = { .address = "h:1", .size = 300, .first = 7,
			    .keys = 3, .mix = { [OP_SUB] = 100 } };
	struct request	r = { .tail = "" };

	CU_ASSERT_EQUAL(w->hello(&o, n, &r), answers);
	CU_ASSERT_EQUAL(r.len, strlen(r.text));
	CU_ASSERT_STRING_EQUAL(r.text, wanted);
	o.mix[OP_SUB] = 0;
	CU_ASSERT_EQUAL(w->hello(&o, n, &r), w == &wire_beans ? 3 : 0);
}

static void
test_hello(void)
{
	check_hello(&wire_http, 0, 1, "POST /hustmq/pub?queue=bt000000000007 "
	    "HTTP/1.1\r\nHost: h:1\r\nContent-Length: 1\r\n\r\nx");
	check_hello(&wire_http, 1, 0, "");
	check_hello(&wire_resp, 0, 0, "");
	check_hello(&wire_resp, 1, 1, "SUBSCRIBE bt000000000007\r\n");
	check_hello(&wire_beans, 5, 3, "use bq000000000009\r\n"
	    "watch bq000000000009\r\nignore default\r\n");
	check_reply(&wire_beans, "USING bq000000000009\r\n", 200, 0, 0, 0);
	check_reply(&wire_beans, "WATCHING 2\r\n", 200, 0, 0, 0);
}

static void
test_beans(void)
{
	struct options	o = { .size = 300 };
	struct request	r;
	struct reply	a;

	wire_beans.request(&o, OP_QPUT, &r);
	CU_ASSERT_STRING_EQUAL(r.text, "put 0 0 60 300\r\n");
	CU_ASSERT(r.value && r.tail_len == 2);
	wire_beans.request(&o, OP_QGET, &r);
	CU_ASSERT_STRING_EQUAL(r.text, "reserve-with-timeout 0\r\n");
	check_reply(&wire_beans, "INSERTED 12\r\n", 200, 0, 0, 0);
	check_reply(&wire_beans, "TIMED_OUT\r\n", 404, 0, 0, 0);
	check_reply(&wire_beans, "DRAINING\r\n", 500, 0, 0, 0);
	check_reply(&wire_beans, "RESERVED 77 300\r\n", 200, 1, 300, 2);
	(void)wire_beans.reply("RESERVED 77 300\r\n", 17, &a);
	CU_ASSERT_STRING_EQUAL(a.more, "delete 77\r\n");
	(void)wire_beans.reply("DELETED\r\n", 9, &a);
	CU_ASSERT(a.status == 200 && a.more[0] == '\0');
}

static struct bench *
bench_of(const struct options *o)
{
	static struct bench	b;

	free(b.pool);
	memset(&b, 0, sizeof(b));
	b.o = *o;
	bench_init(&b);
	bench_start(&b);
	return &b;
}

static void
test_ops(void)
{
	struct options	 o = { .mix = { 70, 20, 10 }, .size = 100,
			    .keys = 1000, .first = 5000, .count = 100000 };
	struct bench	*b;
	struct op	 op;
	unsigned	 kinds[OP_KINDS];

	for (o.dist = DIST_UNIFORM; o.dist <= DIST_ZIPF; o.dist++) {
		b = bench_of(&o);
		memset(kinds, 0, sizeof(kinds));
		for (; op_next(b, &op, now_ns()); kinds[op.kind]++) {
			CU_ASSERT(op.key >= 5000 && op.key < 6000);
			if (o.dist == DIST_SEQUENTIAL)
				CU_ASSERT_EQUAL(op.key,
				    5000 + (b->issued - 1) % 1000);
		}
		CU_ASSERT_EQUAL(b->issued, 100000);
		CU_ASSERT(kinds[OP_GET] > 69000 && kinds[OP_GET] < 71000);
		CU_ASSERT(kinds[OP_DEL] > 9500 && kinds[OP_DEL] < 10500);
	}
}

/* The share of the first rank is 1 / zeta(1000, 0.99) = 13.0 %. */
static void
test_zipf(void)
{
	struct options	 o = { .mix = { 100, 0, 0 }, .keys = 1000,
			    .dist = DIST_ZIPF, .count = 100000 };
	static unsigned	 seen[1000];
	struct bench	*b = bench_of(&o);
	struct op	 op;
	unsigned	 i, most = 0;

	while (op_next(b, &op, now_ns()))
		seen[op.key]++;
	for (i = 0; i < 1000; i++)
		if (seen[i] > most)
			most = seen[i];
	CU_ASSERT(most > 12000 && most < 14500);
}

/* Open loop: as many as are due, each from its own moment. */
static void
test_open_loop(void)
{
	struct options	 o = { .mix = { 100, 0, 0 }, .keys = 10, .rate = 1000,
			    .seconds = SECOND, .size = 10 };
	struct bench	*b = bench_of(&o);
	struct op	 op;
	int64_t		 late = b->begin + SECOND / 10;

	while (op_next(b, &op, late))
		CU_ASSERT_EQUAL(op.due - b->begin,
		    (int64_t)(b->issued - 1) * 1000000);
	CU_ASSERT_EQUAL(b->issued, 101);
	op.due = b->begin;
	op.sent = late;
	op_done(b, &op, 200, 10, late + 1000);
	CU_ASSERT_EQUAL(b->raw[OP_GET].max, 1000);
	CU_ASSERT_EQUAL(b->late[OP_GET].max, SECOND / 10 + 1000);
	CU_ASSERT_EQUAL(b->t.size, 0);
	op_done(b, &op, 200, 11, late);
	op_done(b, &op, 404, -1, late);
	op_done(b, &op, 503, 0, late);
	CU_ASSERT_EQUAL(b->t.size, 1);
	CU_ASSERT_EQUAL(b->t.missed, 1);
	CU_ASSERT_EQUAL(b->t.status[503], 1);
	CU_ASSERT_EQUAL(b->t.done, 4);
}

static const CU_TestInfo tests[] = {
	{ "hist_error", test_hist_error },
	{ "hist_quantile", test_hist_quantile },
	{ "hist_correct", test_hist_correct },
	{ "http", test_http },
	{ "resp", test_resp },
	{ "sp", test_sp },
	{ "hello", test_hello },
	{ "beans", test_beans },
	{ "request", test_request },
	{ "ops", test_ops },
	{ "zipf", test_zipf },
	{ "open_loop", test_open_loop },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_bench", UNIT_SUITE("bench", tests))
