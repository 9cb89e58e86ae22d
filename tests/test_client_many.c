/*
 * test_client_many.c: libwharf's mget and mput and its exports, without a node:
 * divided by store, answered record by record, bounded; malformed answers; and
 * what waits refuses to be called from a callback.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/msg.h"
#include "proto/msg_many.h"
#include "proto/slot.h"
#include "tests/client_rig.h"
#include "tests/unit.h"

#define LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define OP(cmd, t, tab) .size = sizeof(struct wharf_op), .command = cmd, \
	.type = t, .table = tab
#define REC(cmd, t, tab) OP(cmd, t, tab), .key = "key", .keylen = 3

#define STORES	3u
#define MANY	200u

static struct wharf_record	records[MANY];
static struct wharf_answer	answers[MANY];
static char			many_keys[MANY][16];
static unsigned			many_calls, many_frames;
static unsigned			damage;		/* of the answers */

/* Every fifth is not right by itself. */
static void
records_make(int put)
{
	unsigned	i;

	memset(records, 0, sizeof(records));
	many_calls = many_frames = damage = 0;
	for (i = 0; i < MANY; i++) {
		snprintf(many_keys[i], sizeof(many_keys[i]), "m%u", i);
		records[i].type = i % 2 ? WHARF_KEY : WHARF_HASH;
		records[i].table = i % 2 ? NULL : "tab";
		records[i].key = many_keys[i];
		records[i].keylen = i % 5 ? strlen(many_keys[i]) : 0;
		if (put) {
			records[i].value = many_keys[i];
			records[i].length = strlen(many_keys[i]);
			records[i].version = i;
			records[i].ttl = 5;
		}
	}
}

/* Each answer tells its record's number; every seventh is not there. */
static size_t
many_answers(const struct frame *f, uint8_t *out)
{
	struct many_op		o;
	struct many_answer	a;
	size_t			at, used, n = 0;
	unsigned		number;

	for (at = 0; at < f->vallen; at += used) {
		if (many_op_get(&o, f->val + at, f->vallen - at, &used))
			return 0;
		number = (unsigned)atoi((const char *)o.key + 1);
		memset(&a, 0, sizeof(a));
		a.status = number % 7 == 0 ? E_NOTFOUND : E_OK;
		a.ver = o.ver + 1;
		a.ttl = o.ttl;
		a.val = o.key;
		a.vallen = number % 7 == 0 ? 0 : o.keylen;
		n += many_answer_put(out + n, &a);
	}
	return n;
}

static void
serve_many(unsigned store, const struct frame *f, struct frame *r, uint8_t *out)
{
	(void)store;
	many_frames++;
	if (msg_check(f, FROM_CLIENT) != E_OK)
		return;
	r->vallen = (uint32_t)many_answers(f, out);
	if (damage == 1)
		r->vallen -= 3;
	else if (damage == 2)
		memcpy(out + r->vallen, out, 20), r->vallen += 20;
	else if (damage == 3)
		r->status = E_FULL, r->vallen = 0;
	else if (damage == 4)
		r->vallen = 0;
}

/* How many answers are as they should be. */
static unsigned
many_good(const struct wharf_answer *a)
{
	unsigned	i, good = 0;

	for (i = 0; i < MANY; i++) {
		if (i % 5 == 0)
			good += a[i].status == WHARF_PARAM && a[i].length == 0;
		else if (i % 7 == 0)
			good += a[i].status == WHARF_NOTFOUND &&
			    a[i].length == 0;
		else
			good += a[i].status == WHARF_OK &&
			    a[i].version == records[i].version + 1 &&
			    a[i].length == strlen(many_keys[i]) &&
			    memcmp(a[i].value, many_keys[i], a[i].length) == 0;
	}
	return good;
}

static void
on_many(struct wharf *from, const struct wharf_answer *a, size_t n, void *arg)
{
	CU_ASSERT(from == w && n == MANY && many_good(a) == MANY);
	++*(unsigned *)arg;
}

static void
test_many(void)
{
	begin_stores(STORES, 8, 1 << 20);
	serve_begin(serve_many);
	records_make(0);
	CU_ASSERT_EQUAL(wharf_mget(w, records, MANY, answers), WHARF_OK);
	CU_ASSERT_EQUAL(many_good(answers), MANY);
	CU_ASSERT_EQUAL(many_frames, STORES);
	records_make(1);
	CU_ASSERT_EQUAL(wharf_mput(w, records, MANY, answers), WHARF_OK);
	CU_ASSERT_EQUAL(many_good(answers), MANY);
	CU_ASSERT(w->assembled == 0 && wharf_in_flight(w) == 0);
	CU_ASSERT_EQUAL(wharf_submit_mput(w, records, MANY, on_many,
	    &many_calls), WHARF_OK);
	CU_ASSERT_EQUAL(wharf_submit_mput(w, records, MANY, on_many,
	    &many_calls), WHARF_OK);
	while (wharf_in_flight(w) > 0)
		wharf_wait(w, -1);
	CU_ASSERT_EQUAL(many_calls, 2);
	serve_end();
	finish();
}

/* Malformed: nobody knows what a write has come to; a read is malformed. */
static void
test_many_wrong(void)
{
	static const enum wharf_status	get[] = { WHARF_BADMSG, WHARF_BADMSG,
		WHARF_FULL, WHARF_BADMSG }, put[] = { WHARF_UNSURE,
		WHARF_UNSURE, WHARF_FULL, WHARF_UNSURE };
	unsigned	i, d;

	begin_stores(STORES, 8, 1 << 20);
	serve_begin(serve_many);
	for (d = 0; d < LEN(get); d++) {
		records_make(0);
		damage = d + 1;
		CU_ASSERT_EQUAL(wharf_mget(w, records, MANY, answers),
		    WHARF_OK);
		for (i = 0; i < MANY; i++)
			CU_ASSERT(answers[i].status == (i % 5 ? get[d] :
			    WHARF_PARAM) && answers[i].value == NULL);
		records_make(1);
		damage = d + 1;
		CU_ASSERT_EQUAL(wharf_mput(w, records, MANY, answers),
		    WHARF_OK);
		for (i = 0; i < MANY; i++)
			CU_ASSERT_EQUAL(answers[i].status, i % 5 ? put[d] :
			    WHARF_PARAM);
	}
	CU_ASSERT(w->assembled == 0 && wharf_in_flight(w) == 0);
	serve_end();
	finish();
}

static void
test_many_bounds(void)
{
	static uint8_t	big[300000];
	unsigned	i, sent;
	struct frame	f;

	records_make(1);
	for (i = 0; i < MANY; i++) {
		records[i].value = big;
		records[i].length = i == 1 ? sizeof(big) : 1;
	}
	begin_stores(STORES, 8, 1 << 20);
	CU_ASSERT_EQUAL(wharf_submit_mput(w, records, 0, on_many, NULL),
	    WHARF_PARAM);
	CU_ASSERT_EQUAL(wharf_submit_mput(w, records, WHARF_MANY_MAX + 1u,
	    on_many, NULL), WHARF_PARAM);
	CU_ASSERT_EQUAL(wharf_submit_mput(w, records, 1, on_many, NULL),
	    WHARF_PARAM);		/* none is right */
	CU_ASSERT_EQUAL(wharf_submit_mget(w, records, MANY, on_many, NULL),
	    WHARF_PARAM);		/* these have values */
	w->memory = sizeof(big);
	CU_ASSERT_EQUAL(wharf_submit_mput(w, records, MANY, on_many, NULL),
	    WHARF_TOOBIG);
	w->memory = 1 << 20;
	/* All messages or none: two places are free, three are needed. */
	for (i = 0; i < 6; i++)
		CU_ASSERT(wharf_submit_get(w, "k", 1, NULL, NULL) == WHARF_OK);
	CU_ASSERT_EQUAL(wharf_submit_mput(w, records, MANY, on_many, NULL),
	    WHARF_AGAIN);
	for (i = 0, sent = 0; i < STORES; i++)
		for (; take_from(i, &f); sent++)
			take_done_from(i);
	CU_ASSERT_EQUAL(sent, 6);
	finish();
	/* What is cut goes in order; what is not over at the end is forgotten. */
	begin_stores(STORES, 64, 64 << 20);
	for (i = 0; i < MANY; i++) {
		records[i].type = WHARF_KEY;
		records[i].table = NULL;
		records[i].key = "same";
		records[i].keylen = 4;
		records[i].length = 100000;
	}
	CU_ASSERT_EQUAL(wharf_submit_mput(w, records, MANY, on_many, NULL),
	    WHARF_OK);
	CU_ASSERT(wharf_in_flight(w) == MANY / 10);
	finish();
}

/* One store is lost: its records fail, the others are answered. */
static void
test_many_lost(void)
{
	struct frame	f, r;
	static uint8_t	out[RING / 2];
	unsigned	i, s, lost = 0;

	begin_stores(STORES, 8, 1 << 20);
	records_make(0);
	for (i = 0; i < MANY; i++)
		records[i].keylen = strlen(many_keys[i]);
	memset(answers, 0, sizeof(answers));
	CU_ASSERT_EQUAL(wharf_submit_mget(w, records, MANY, NULL, NULL),
	    WHARF_OK);
	for (s = 0; s < STORES; s++) {
		CU_ASSERT_FATAL(take_from(s, &f));
		r = answer_to(&f, E_OK);
		r.val = out;
		r.vallen = r.vtotal = (uint32_t)many_answers(&f, out);
		for (i = 0; s == 1 && i < f.vallen; i++)
			lost += f.val[i] == 'm';
		take_done_from(s);
		CU_ASSERT(s == 1 || say_from(s, &r));
	}
	CU_ASSERT(wharf_process(w) == 2 && lost > 0);
	seat_break(&w->seats[1], WHARF_NOTREADY);
	CU_ASSERT(wharf_process(w) == 1 && wharf_in_flight(w) == 0);
	CU_ASSERT(w->assembled == 0 && LIST_EMPTY(&w->batches));
	finish();
}

/* Exports */

static struct frame	last;		/* as a store had it */
static unsigned		export_stores, export_forgot;	/* bits */

static void
serve_export(unsigned store, const struct frame *f, struct frame *r, uint8_t *out)
{
	struct list_ask	a;

	if (msg_check(f, FROM_CLIENT) != E_OK) {
		r->status = E_BADMSG;
		return;
	}
	last = *f;
	if (f->msg == MSG_STORE_EXPORT) {
		if (list_ask_get(&a, f->val, f->vallen) != E_OK ||
		    a.cover != (f->type == 'S'))
			r->status = E_PARAM;
		else if (f->tablen == 4 && store == STORES - 1)
			r->status = E_TASKS;
		else
			export_stores |= 1u << store;
	} else if ((f->flags & FRAME_FORGET) != 0)
		export_forgot |= 1u << store;
	else if (f->score != 0)
		r->score = store == 2 ? 2 : 3;	/* done; unknown */
	else {
		memset(out, 0, 12);
		out[0] = (uint8_t)store;
		out[8] = 4;
		r->vallen = 12;
	}
}

/* The last store refuses: the others are told to forget their parts. */
static void
export_later_refusal(void)
{
	struct wharf_op	op = { OP(WHARF_OP_LIST, 'H', "full") };
	uint64_t	token;

	export_stores = export_forgot = 0;
	CU_ASSERT_EQUAL(wharf_export(w, &op, &token), WHARF_TASKS);
	CU_ASSERT(export_stores == 3 && export_forgot == 3);
	CU_ASSERT_EQUAL((uint64_t)last.score, token);
}

static void
test_export(void)
{
	struct wharf_op		op = { OP(WHARF_OP_LIST, 'H', "tab") };
	enum wharf_task_state	state;
	unsigned		counts[WHARF_TASK_UNKNOWN];
	uint64_t		token = 0, other;

	begin_stores(STORES, 8, 1 << 20);
	serve_begin(serve_export);
	CU_ASSERT(wharf_export(w, &op, &token) == WHARF_OK && token != 0);
	CU_ASSERT(export_stores == 7 && (uint64_t)last.score == token);
	op.type = 'S';
	op.flags = WHARF_REPLACE | WHARF_VALUES;
	CU_ASSERT(wharf_export(w, &op, &other) == WHARF_OK);
	op.limit = 5;			/* of three stores' parts? */
	CU_ASSERT_EQUAL(wharf_export(w, &op, &other), WHARF_PARAM);
	op.type = 'Z';
	op.flags = 0;
	export_stores = 0;
	CU_ASSERT_EQUAL(wharf_export(w, &op, &other), WHARF_OK);
	CU_ASSERT(export_stores == 1u << slot_store(slot_of("tab", 3),
	    STORES));
	op = (struct wharf_op){ OP(WHARF_OP_LIST, 0, NULL) };
	CU_ASSERT_EQUAL(wharf_export(w, &op, &other), WHARF_PARAM);
	op.flags = WHARF_ONE_FILE;
	op.file = 2 * FILES + 1;
	export_stores = 0;
	CU_ASSERT_EQUAL(wharf_export(w, &op, &other), WHARF_OK);
	CU_ASSERT_EQUAL(export_stores, 4);
	CU_ASSERT(wharf_task(w, other, &state) == WHARF_OK &&
	    state == WHARF_TASK_DONE);
	/* A part that is not known any more. */
	CU_ASSERT(wharf_task(w, token, &state) == WHARF_OK &&
	    state == WHARF_TASK_UNKNOWN);
	export_later_refusal();
	CU_ASSERT(wharf_task(w, 0, &state) == WHARF_OK &&
	    state == WHARF_TASK_UNKNOWN);
	CU_ASSERT(wharf_tasks(w, counts) == WHARF_OK && counts[0] == 2 &&
	    counts[1] == 0 && counts[2] == 4);
	serve_end();
	finish();
}

/* From a callback: everything that waits says AGAIN. */
static void
waits(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	struct wharf_list	*l = arg;
	struct wharf_item	 item;
	struct wharf_op		 op = { OP(WHARF_OP_LIST, 'H', "tab") };
	enum wharf_task_state	 state;
	uint64_t		 token;

	CU_ASSERT_EQUAL(a->status, WHARF_NOTFOUND);
	CU_ASSERT_EQUAL(wharf_hget(from, "tab", "k", 1, NULL), WHARF_AGAIN);
	CU_ASSERT(!wharf_list_next(l, &item) &&
	    wharf_list_status(l) == WHARF_AGAIN);
	records_make(0);
	CU_ASSERT_EQUAL(wharf_mget(from, records, MANY, answers), WHARF_AGAIN);
	CU_ASSERT_EQUAL(wharf_export(from, &op, &token), WHARF_AGAIN);
	CU_ASSERT_EQUAL(wharf_task(from, 5, &state), WHARF_AGAIN);
	nseen++;
}

static void
test_inside(void)
{
	const struct wharf_op	 get = { REC(WHARF_OP_GET, 'H', "tab") },
				 hash = { OP(WHARF_OP_LIST, 'H', "tab") };
	struct wharf_list	*l;
	struct frame		 f, r;

	begin(8, 1 << 20);
	CU_ASSERT_FATAL(wharf_list_open(w, &l, &hash) == WHARF_OK);
	CU_ASSERT(wharf_submit(w, &get, waits, l) == WHARF_OK);
	CU_ASSERT_FATAL(take(&f));
	r = answer_to(&f, E_NOTFOUND);
	take_done();
	CU_ASSERT(say(&r) && wharf_process(w) == 1 && nseen == 1);
	wharf_list_close(l);
	finish();
}

static const CU_TestInfo	tests[] = {
	{ "many", test_many },
	{ "many wrong", test_many_wrong },
	{ "many bounds", test_many_bounds },
	{ "many lost", test_many_lost },
	{ "export", test_export },
	{ "inside", test_inside },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_client_many", UNIT_SUITE("client many", tests))
