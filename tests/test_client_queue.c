/*
 * test_client_queue.c: libwharf's queues, topics and tasks without a node: what
 * each command looks like to its router, what is refused, and what becomes of
 * waits: cancelled, crossed by an answer, out of time, their router lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/msg_queue.h"
#include "proto/slot.h"
#include "tests/client_rig.h"
#include "tests/unit.h"

#define LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define OP(cmd)	.size = sizeof(struct wharf_queue_op), .command = WHARF_Q_##cmd
#define NAMED(cmd) OP(cmd), .name = "que"
#define V	.value = "value", .length = 5
#define T	.token = "1:2.3"

static const struct wharf_bytes	two[] = { { "ab", 2 }, { "c", 1 } };
static const struct wharf_settings set = { .size = sizeof(set),
	.mask = WHARF_SET_LOCK, .lock = 1 };

static const struct {
	struct wharf_queue_op	op;
	unsigned	msg;
	int64_t		ttl, score;
	unsigned	type, flags;
	const char	*key;
	size_t		vallen;
} frames[] = {
	{ { NAMED(PUT), V, .priority = 2, .ttl = 9, .delay = 7 },
	    MSG_QUEUE_PUT, 9, 7, '2', 0, "", 5 },
	{ { NAMED(MPUT), .items = two, .count = 2 }, MSG_QUEUE_MPUT, 0, 0, 0,
	    0, "", 11 },
	{ { NAMED(GET), .other = "worker", .wait = 50, .flags = WHARF_AUTO },
	    MSG_QUEUE_GET, 50, 0, 0, FRAME_AUTO, "worker", 0 },
	{ { NAMED(GET), .count = 3 }, MSG_QUEUE_GET, 0, 3, 0, 0, "", 0 },
	{ { NAMED(ACK), T }, MSG_QUEUE_ACK, 0, 0, 0, 0, "1:2.3", 0 },
	{ { NAMED(ACK), .items = two, .count = 2 }, MSG_QUEUE_ACK, 0, 0, 0, 0,
	    "", 5 },
	{ { NAMED(NACK), T, .delay = 8 }, MSG_QUEUE_NACK, 8, 0, 0, 0,
	    "1:2.3", 0 },
	{ { NAMED(TOUCH), T, .ttl = 8 }, MSG_QUEUE_TOUCH, 8, 0, 0, 0,
	    "1:2.3", 0 },
	{ { NAMED(PEEK), .priority = -1, .index = 4 }, MSG_QUEUE_PEEK, 0, 4,
	    0, 0, "", 0 },
	{ { NAMED(PEEK) }, MSG_QUEUE_PEEK, 0, 0, '0', 0, "", 0 },
	{ { NAMED(MOVE), .other = "to", .count = 9 }, MSG_QUEUE_MOVE, 0, 9, 0,
	    0, "to", 0 },
	{ { NAMED(SET), .settings = &set, .flags = WHARF_CREATE },
	    MSG_QUEUE_SET, 0, 0, 0, FRAME_CREATE, "", 23 },
	{ { NAMED(PURGE), .priority = 1 }, MSG_QUEUE_PURGE, 0, 0, '1', 0, "",
	    0 },
	{ { NAMED(WORKERS) }, MSG_QUEUE_WORKERS, 0, 0, 0, 0, "", 0 },
	{ { NAMED(STAT) }, MSG_QUEUE_STAT, 0, 0, 0, 0, "", 0 },
	{ { OP(STAT_ALL), .other = "after", .router = 1 }, MSG_QUEUE_STAT, 0,
	    0, 0, 0, "after", 0 },
	{ { NAMED(PUB), V, .index = -1, .ttl = 5 }, MSG_TOPIC_PUB, 5, -1, 0, 0,
	    "", 5 },
	{ { NAMED(SUB), .index = 11000003, .wait = 5 }, MSG_TOPIC_SUB, 5, 3, 0,
	    0, "", 0 },
	{ { NAMED(ASK), V, .wait = 5 }, MSG_TASK_ASK, 5, 0, 0, 0, "", 5 },
	{ { OP(CLAIM), .wait = 5 }, MSG_TASK_CLAIM, 5, 0, 0, 0, "", 0 },
	{ { OP(DONE), T, V }, MSG_TASK_DONE, 0, 0, 0, 0, "1:2.3", 5 },
	{ { OP(BACK), T }, MSG_TASK_DONE, 0, 0, 0, FRAME_FORGET, "1:2.3", 0 },
	{ { OP(COUNTS) }, MSG_TASK_STAT, 0, 0, 0, 0, "", 0 },
};

/* Stores 1, routers 2: a router's number behind the store's. */
static unsigned
router_of(unsigned i)
{
	const struct wharf_queue_op	*op = &frames[i].op;

	if (frames[i].msg >= MSG_TASK_ASK)
		return 1;
	return 1 + (op->name == NULL ? op->router :
	    slot_of(op->name, strlen(op->name)) % 2);
}

static void
check_frame(const struct frame *f, unsigned i)
{
	const char	*name = frames[i].op.name;

	CU_ASSERT(f->msg == frames[i].msg && f->flags == frames[i].flags);
	CU_ASSERT(f->ttl == frames[i].ttl && f->score == frames[i].score);
	CU_ASSERT_EQUAL(f->type, frames[i].type);
	CU_ASSERT(f->tablen == (name == NULL ? 0 : 3) &&
	    (name == NULL || memcmp(f->tab, name, 3) == 0));
	CU_ASSERT(f->keylen == strlen(frames[i].key) &&
	    memcmp(f->key, frames[i].key, f->keylen) == 0);
	CU_ASSERT_EQUAL(f->vallen, frames[i].vallen);
	CU_ASSERT_EQUAL(msg_check(f, FROM_CLIENT), E_OK);
}

static void
test_frames(void)
{
	struct frame	f;
	unsigned	i;

	begin_node(1, 2, 64, 1 << 20);
	for (i = 0; i < LEN(frames); i++) {
		CU_ASSERT_EQUAL_FATAL(wharf_queue_submit(w, &frames[i].op,
		    on_answer, NULL, NULL), WHARF_OK);
		CU_ASSERT_FATAL(take_from(router_of(i), &f));
		check_frame(&f, i);
		take_done_from(router_of(i));
	}
	finish();
}

static const struct wharf_queue_op bad[] = {
	{ OP(PUT), V }, { NAMED(PUT) }, { NAMED(PUT), .value = "", .length = 0 },
	{ NAMED(PUT), V, .priority = 3 }, { NAMED(PUT), V, .priority = -1 },
	{ NAMED(PUT), V, .ttl = -1 }, { NAMED(PUT), V, .delay = 2592000001 },
	{ NAMED(PUT), V, .wait = 1 }, { NAMED(PUT), V, .count = 1 },
	{ NAMED(PUT), V, T }, { NAMED(PUT), V, .flags = WHARF_AUTO },
	{ NAMED(PUT), V, .other = "x" }, { NAMED(PUT), V, .router = 1 },
	{ NAMED(PUT), V, .settings = &set }, { NAMED(PUT), V, .items = two },
	{ OP(PUT), V, .name = "no/slash" }, { OP(PUT), V, .name = "" },
	{ NAMED(MPUT) }, { NAMED(MPUT), .items = two },
	{ NAMED(MPUT), .items = two, .count = 1001 },
	{ NAMED(GET), .other = "four" }, { NAMED(GET), .count = 1001 },
	{ NAMED(GET), .wait = -1 }, { NAMED(GET), .wait = 1500001 },
	{ NAMED(ACK) }, { NAMED(ACK), T, .items = two, .count = 2 },
	{ NAMED(ACK), T, .count = 1 }, { NAMED(ACK), .token = "" },
	{ NAMED(MOVE), .other = "to" }, { NAMED(MOVE), .count = 1 },
	{ NAMED(SET) }, { OP(STAT) }, { NAMED(STAT_ALL) },
	{ OP(STAT_ALL), .router = 2 }, { NAMED(PUB), V, .index = -2 },
	{ NAMED(SUB), .index = -1 }, { NAMED(ASK), V }, { OP(DONE), T },
	{ OP(DONE), V }, { NAMED(BACK), T }, { OP(PUB) },
	{ .size = sizeof(struct wharf_queue_op) },
	{ .size = sizeof(struct wharf_queue_op), .command = 99, .name = "q" },
	{ .size = 8, .command = WHARF_Q_STAT, .name = "q" },
	{ NAMED(STAT), .reserved_ = { 1 } },
};

static void
test_refused(void)
{
	struct frame	f;
	unsigned	i;

	begin_node(1, 2, 64, 1 << 20);
	for (i = 0; i < LEN(bad); i++)
		CU_ASSERT_EQUAL(wharf_queue_submit(w, &bad[i], NULL, NULL,
		    NULL), WHARF_PARAM);
	CU_ASSERT(wharf_in_flight(w) == 0 && !take_from(1, &f) &&
	    !take_from(2, &f));
	finish();
	begin_node(1, 0, 64, 1 << 20);
	CU_ASSERT_EQUAL(wharf_queue_submit(w, &frames[0].op, NULL, NULL, NULL),
	    WHARF_NOTREADY);
	finish();
}

/* --- waits --- */

static const struct wharf_queue_op	get = { NAMED(GET), .wait = 600000 };
static const struct wharf_queue_op	claim = { OP(CLAIM), .wait = 600000 };

/* Submits and gives the frame that the router gets. */
static uint64_t
ask(const struct wharf_queue_op *op, struct frame *f, int number)
{
	uint64_t	handle = 0;

	CU_ASSERT_EQUAL_FATAL(wharf_queue_submit(w, op, on_answer,
	    (void *)(intptr_t)number, &handle), WHARF_OK);
	wharf_flush(w);
	CU_ASSERT_FATAL(take_from(1, f));
	take_done_from(1);
	return handle;
}

static struct frame
delivery(const struct frame *f)
{
	struct frame	r = answer_to(f, E_OK);

	r.tab = (const uint8_t *)"que";
	r.tablen = 3;
	r.key = (const uint8_t *)"0:1.2";
	r.keylen = 5;
	r.val = (const uint8_t *)"item";
	r.vallen = r.vtotal = 4;
	r.ver = 1;
	return r;
}

/* The router is told, fn is called at once, and a second time is in vain. */
static void
test_cancel(void)
{
	struct frame	f, c;
	uint64_t	h;

	begin_node(1, 1, 4, 1 << 20);
	h = ask(&get, &f, 1);
	CU_ASSERT(h == f.id && wharf_cancel(w, h) == 1);
	CU_ASSERT(wharf_cancel(w, h) == 0);
	wharf_process(w);
	CU_ASSERT(nseen == 1 && seen[0].status == WHARF_NOTFOUND);
	CU_ASSERT_FATAL(take_from(1, &c));
	CU_ASSERT(c.msg == MSG_ROUTER_CANCEL && (uint64_t)c.score == f.id);
	CU_ASSERT_EQUAL(msg_check(&c, FROM_CLIENT), E_OK);
	take_done_from(1);
	h = ask(&claim, &f, 2);
	CU_ASSERT(wharf_cancel(w, h) == 1);
	wharf_process(w);
	CU_ASSERT(nseen == 2 && seen[1].status == WHARF_WAITED);
	CU_ASSERT(wharf_in_flight(w) == 0 && wharf_cancel(w, 99) == 0);
	finish();
}

/* What does not wait cannot be cancelled. */
static void
test_cancel_put(void)
{
	struct frame	f;

	begin_node(1, 1, 4, 1 << 20);
	CU_ASSERT(wharf_cancel(w, ask(&frames[0].op, &f, 1)) == 0);
	CU_ASSERT(wharf_in_flight(w) == 1);
	finish();
}

/* An answer that crosses is given back: the message, and the task. */
static void
check_back(const struct wharf_queue_op *op, unsigned msg, unsigned flags)
{
	struct frame	f, r;

	CU_ASSERT(wharf_cancel(w, ask(op, &f, 1)) == 1);
	r = delivery(&f);
	CU_ASSERT_FATAL(say_from(1, &r));
	wharf_process(w);
	CU_ASSERT_FATAL(take_from(1, &f));
	CU_ASSERT_EQUAL(f.msg, MSG_ROUTER_CANCEL);
	take_done_from(1);
	CU_ASSERT_FATAL(take_from(1, &f));
	CU_ASSERT(f.msg == msg && f.flags == flags && f.keylen == 5 &&
	    memcmp(f.key, "0:1.2", 5) == 0 && f.vallen == 0);
	CU_ASSERT(msg != MSG_QUEUE_NACK || (f.tablen == 3 &&
	    memcmp(f.tab, "que", 3) == 0));
	CU_ASSERT_EQUAL(msg_check(&f, FROM_CLIENT), E_OK);
	take_done_from(1);
	CU_ASSERT_EQUAL(take_from(1, &f), 0);
}

static void
test_crossing(void)
{
	begin_node(1, 1, 4, 1 << 20);
	check_back(&get, MSG_QUEUE_NACK, FRAME_UNSEEN);
	check_back(&claim, MSG_TASK_DONE, FRAME_FORGET);
	CU_ASSERT_EQUAL(nseen, 2);
	finish();
}

static size_t
list_of(uint8_t *out, size_t max, unsigned n, size_t itemlen)
{
	static uint8_t		item[200000];
	char			token[16];
	struct wbuf		b;
	unsigned		i;
	struct queue_delivery	d = { .token = (uint8_t *)token, .item = item,
	    .itemlen = itemlen, .deliveries = 3 };

	wbuf_init(&b, out, max);
	for (i = 0; i < n; i++) {
		d.tokenlen = (size_t)snprintf(token, sizeof(token), "0:%u", i);
		queue_delivery_put(&b, &d);
	}
	CU_ASSERT_FATAL(!b.bad);
	return b.len;
}

/* A list in pieces that comes too late: each token goes back. */
static void
test_crossing_list(void)
{
	struct wharf_queue_op	 many = get;
	uint8_t			*out = malloc(600000);
	struct frame		 f, r;
	size_t			 n = list_of(out, 600000, 3, 100000);
	unsigned		 i;

	begin_node(1, 1, 4, 1 << 20);
	many.count = 3;
	CU_ASSERT(wharf_cancel(w, ask(&many, &f, 1)) == 1);
	r = delivery(&f);
	r.key = NULL;
	r.keylen = 0;
	r.ver = 3;
	r.vtotal = (uint32_t)n;
	for (; r.voff < n; r.voff += r.vallen, r.tablen = 0) {
		r.val = out + r.voff;
		r.vallen = n - r.voff > 100000 ? 100000 :
		    (uint32_t)n - r.voff;
		CU_ASSERT_FATAL(say_from(1, &r));
		wharf_process(w);
	}
	CU_ASSERT_FATAL(take_from(1, &f));
	take_done_from(1);			/* the cancel */
	for (i = 0; i < 3; i++) {
		CU_ASSERT_FATAL(take_from(1, &f));
		CU_ASSERT(f.msg == MSG_QUEUE_NACK && f.keylen == 3 &&
		    f.key[2] == '0' + i && f.tablen == 3);
		take_done_from(1);
	}
	CU_ASSERT(w->assembled == 0 && !take_from(1, &f));
	free(out);
	finish();
}

/* Cancelled before it left: nobody hears of it, what is behind it leaves. */
static void
test_cancel_queued(void)
{
	struct frame	f;
	uint64_t	h;

	begin_node(1, 1, 8, 1 << 20);
	w->seats[1].state = SEAT_OFF;
	CU_ASSERT_EQUAL(wharf_queue_submit(w, &get, on_answer, NULL, &h),
	    WHARF_OK);
	CU_ASSERT_EQUAL(wharf_queue_submit(w, &frames[0].op, on_answer, NULL,
	    NULL), WHARF_OK);
	CU_ASSERT(w->seats[1].due.us != 0);	/* a link is wanted */
	CU_ASSERT_EQUAL(wharf_cancel(w, h), 1);
	w->seats[1].state = SEAT_UP;
	w->seats[1].due.us = 0;
	wharf_process(w);
	CU_ASSERT(nseen == 1 && seen[0].status == WHARF_NOTFOUND);
	CU_ASSERT_FATAL(take_from(1, &f));
	CU_ASSERT_EQUAL(f.msg, MSG_QUEUE_PUT);
	finish();
}

/* Out of time here: the router is told, and what comes then goes back. */
static void
test_timeout(void)
{
	struct wharf_queue_op	brief = get;
	struct frame		f, c;

	begin_node(1, 1, 4, 1 << 20);
	w->timeout = 20000;
	brief.wait = 10;
	ask(&brief, &f, 1);
	while (nseen == 0)
		wharf_wait(w, 100);
	CU_ASSERT_EQUAL(seen[0].status, WHARF_TIMEOUT);
	CU_ASSERT_FATAL(take_from(1, &c));
	CU_ASSERT_EQUAL(c.msg, MSG_ROUTER_CANCEL);
	finish();
}

/* Waits do not end in the order of their beginnings, nor delay others. */
static void
test_order(void)
{
	struct wharf_queue_op	a = get;
	struct frame		f;

	begin_node(1, 1, 8, 1 << 20);
	w->timeout = 20000;
	ask(&get, &f, 1);
	a.wait = 60;
	ask(&a, &f, 2);
	a.wait = 10;
	ask(&a, &f, 3);
	CU_ASSERT_EQUAL(wharf_submit_get(w, "k", 1, on_answer, (void *)4),
	    WHARF_OK);
	while (nseen < 3)
		wharf_wait(w, 100);
	CU_ASSERT(seen[0].number == 4 && seen[1].number == 3 &&
	    seen[2].number == 2);
	CU_ASSERT_EQUAL(wharf_in_flight(w), 1);
	finish();
}

/* A wait has got nothing; what may be done is not known. */
static void
test_lost(void)
{
	static const struct wharf_queue_op	ask_op = { NAMED(ASK), V,
	    .wait = 600000 };
	struct frame	f;

	begin_node(1, 1, 8, 1 << 20);
	ask(&get, &f, 1);
	ask(&claim, &f, 2);
	ask(&frames[0].op, &f, 3);
	ask(&ask_op, &f, 4);
	seat_break(&w->seats[1], WHARF_BADMSG);
	wharf_process(w);
	CU_ASSERT_EQUAL_FATAL(nseen, 4);
	CU_ASSERT(seen[0].number == 3 && seen[0].status == WHARF_UNSURE);
	CU_ASSERT(seen[1].number == 1 && seen[1].status == WHARF_NOTREADY);
	CU_ASSERT(seen[2].number == 2 && seen[2].status == WHARF_NOTREADY);
	CU_ASSERT(seen[3].number == 4 && seen[3].status == WHARF_UNSURE);
	finish();
}

/* A router that does not come back: the wait is not for that. */
static void
test_no_router(void)
{
	begin_node(1, 1, 8, 1 << 20);
	w->timeout = 30000;
	seat_break(&w->seats[1], WHARF_BADMSG);
	wharf_process(w);
	CU_ASSERT_EQUAL(wharf_queue_submit(w, &get, on_answer, NULL, NULL),
	    WHARF_OK);
	while (nseen == 0)
		wharf_wait(w, 1000);
	CU_ASSERT_EQUAL(seen[0].status, WHARF_NOTREADY);
	finish();
}

/* --- answers --- */

static char	said_token[80];

static void
on_token(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	on_answer(from, a, arg);
	snprintf(said_token, sizeof(said_token), "%s", a->token == NULL ? "" :
	    a->token);
}

/* Acknowledged after the callback, whatever it says; then nothing is owed. */
static void
test_auto(void)
{
	struct wharf_queue_op	a = { NAMED(GET), .flags = WHARF_AUTO };
	struct frame		f, r;

	begin_node(1, 1, 4, 1 << 20);
	CU_ASSERT_EQUAL(wharf_queue_submit(w, &a, on_token, NULL, NULL),
	    WHARF_OK);
	CU_ASSERT_FATAL(take_from(1, &f));
	take_done_from(1);
	r = delivery(&f);
	CU_ASSERT_FATAL(say_from(1, &r));
	wharf_process(w);
	CU_ASSERT(nseen == 1 && strcmp(said_token, "0:1.2") == 0);
	CU_ASSERT_FATAL(take_from(1, &f));
	CU_ASSERT(f.msg == MSG_QUEUE_ACK && f.vallen == 6 &&
	    memcmp(f.val, "\0050:1.2", 6) == 0);
	CU_ASSERT_EQUAL(msg_check(&f, FROM_CLIENT), E_OK);
	take_done_from(1);
	CU_ASSERT(w->acks == 1);
	r = answer_to(&f, E_OK);
	CU_ASSERT_FATAL(say_from(1, &r));
	wharf_process(w);
	CU_ASSERT(w->acks == 0 && wharf_in_flight(w) == 0);
	finish();
}

static struct wharf_message	rows[8];
static unsigned			nrows;

static void
on_rows(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	size_t	at = 0;

	on_answer(from, a, arg);
	for (nrows = 0; nrows < 8 && wharf_next_message(a, &at, &rows[nrows]);)
		nrows++;
}

static void
test_list(void)
{
	struct wharf_queue_op	a = { NAMED(GET), .count = 5 };
	uint8_t			out[512];
	struct frame		f, r;
	size_t			cut;

	begin_node(1, 1, 4, 1 << 20);
	for (cut = 0; cut < 2; cut++) {
		CU_ASSERT_EQUAL(wharf_queue_submit(w, &a, on_rows, NULL,
		    NULL), WHARF_OK);
		CU_ASSERT_FATAL(take_from(1, &f));
		r = answer_to(&f, E_OK);
		take_done_from(1);
		r.ver = 3;
		r.val = out;
		r.vallen = r.vtotal = (uint32_t)(list_of(out, sizeof(out), 3,
		    20) - cut);
		CU_ASSERT_FATAL(say_from(1, &r));
		wharf_process(w);
		CU_ASSERT_EQUAL(nrows, cut == 0 ? 3 : 0);
	}
	CU_ASSERT(nseen == 2 && seen[0].count == 3 &&
	    seen[0].status == WHARF_OK);
	CU_ASSERT_EQUAL(seen[1].status, WHARF_BADMSG);
	CU_ASSERT(strcmp(rows[2].token, "0:2") == 0 && rows[2].length == 20 &&
	    rows[2].deliveries == 3);
	finish();
}

/* A token that is none does not reach the program. */
static void
test_bad_token(void)
{
	static const struct { const char *p; uint32_t n; } tokens[] = {
		{ "", 0 }, { "a\0b", 3 },
		{ "01234567890123456789012345678901234567890123456789"
		  "0123456789012345", 65 } };
	struct frame	f, r;
	unsigned	i;

	begin_node(1, 1, 4, 1 << 20);
	for (i = 0; i < LEN(tokens); i++) {
		ask(&get, &f, (int)i);
		r = delivery(&f);
		r.key = (const uint8_t *)tokens[i].p;
		r.keylen = tokens[i].n;
		CU_ASSERT_FATAL(say_from(1, &r));
		wharf_process(w);
		CU_ASSERT(nseen == (int)i + 1 &&
		    seen[i].status == WHARF_BADMSG);
	}
	finish();
}

static void
serve_get(unsigned store, const struct frame *f, struct frame *r, uint8_t *out)
{
	CU_ASSERT_EQUAL(store, 1);
	if (f->msg != MSG_QUEUE_GET)
		return;
	r->tab = (const uint8_t *)"que";
	r->key = (const uint8_t *)"0:7.7";
	r->tablen = 3;
	r->keylen = 5;
	memcpy(out, "kept", 4);
	r->vallen = 4;
	r->ver = 2;
}

/* What a synchronous answer points to stays; its ack has been answered. */
static void
test_sync(void)
{
	struct wharf_answer	a;

	begin_node(1, 1, 4, 1 << 20);
	serve_begin(serve_get);
	CU_ASSERT_EQUAL(wharf_queue_get(w, "que", NULL, 0, WHARF_AUTO, &a),
	    WHARF_OK);
	CU_ASSERT(a.version == 2 && strcmp(a.token, "0:7.7") == 0 &&
	    memcmp(a.value, "kept", 4) == 0);
	CU_ASSERT(w->acks == 0 && wharf_in_flight(w) == 0);
	CU_ASSERT_EQUAL(wharf_queue_ack(w, "que", a.token), WHARF_OK);
	serve_end();
	finish();
}

/* Nothing that waits may be called there, be it good or not. */
static void
waits_inside(struct wharf *from, const struct wharf_answer *got, void *arg)
{
	struct wharf_answer	a = { .status = WHARF_OK, .count = 7 };

	CU_ASSERT_EQUAL(got->status, WHARF_OK);
	CU_ASSERT_EQUAL(wharf_queue_get(from, "que", NULL, 0, WHARF_AUTO, &a),
	    WHARF_AGAIN);
	CU_ASSERT(a.status == WHARF_AGAIN && a.count == 0);
	CU_ASSERT_EQUAL(wharf_queue_put(from, "no/name", "v", 1, 0, 0, 0),
	    WHARF_AGAIN);
	++*(int *)arg;
}

static void
test_from_callback(void)
{
	struct wharf_queue_op	op = { NAMED(PUT), V };
	struct frame		f, r;
	int			called = 0;

	begin_node(1, 1, 4, 1 << 20);
	CU_ASSERT_EQUAL(wharf_queue_submit(w, &op, waits_inside, &called,
	    NULL), WHARF_OK);
	CU_ASSERT_FATAL(take_from(1, &f));
	take_done_from(1);
	r = answer_to(&f, E_OK);
	CU_ASSERT_FATAL(say_from(1, &r));
	wharf_process(w);
	CU_ASSERT(called == 1 && wharf_in_flight(w) == 0);
	CU_ASSERT(!take_from(1, &f));
	finish();
}

static const CU_TestInfo tests[] = {
	{ "frames", test_frames },
	{ "refused", test_refused },
	{ "cancelled", test_cancel },
	{ "put is not cancelled", test_cancel_put },
	{ "an answer crosses", test_crossing },
	{ "a list crosses", test_crossing_list },
	{ "cancelled before it left", test_cancel_queued },
	{ "out of time", test_timeout },
	{ "order of ends", test_order },
	{ "router lost", test_lost },
	{ "router does not come", test_no_router },
	{ "auto", test_auto },
	{ "list", test_list },
	{ "bad token", test_bad_token },
	{ "sync", test_sync },
	{ "from a callback", test_from_callback },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_client_queue", UNIT_SUITE("client_queue", tests))
