/*
 * test_client.c: libwharf's inside, without a node and without nng: the test is
 * the store at the other end of a lane.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/msg.h"
#include "proto/slot.h"
#include "tests/client_rig.h"
#include "tests/unit.h"

static void
test_statuses(void)
{
	unsigned	n = 0;

#define X(name, num, http, text)					\
	CU_ASSERT_EQUAL(wharf_status_http((enum wharf_status)num), http); \
	CU_ASSERT_STRING_EQUAL(wharf_status_text((enum wharf_status)num), text); \
	CU_ASSERT_STRING_EQUAL(wharf_status_name((enum wharf_status)num), \
	    &#name[2]);							\
	n++;
#include "proto/err.def"
#undef X
	/* Each row of the table but PENDING has its constant, and no other. */
	CU_ASSERT_EQUAL(n, (unsigned)E_MAX_);
#define SAME(name)	CU_ASSERT_EQUAL((int)WHARF_##name, (int)E_##name)
	SAME(OK); SAME(BADMSG); SAME(PARAM); SAME(ESCAPE); SAME(REQUEST);
	SAME(AUTH); SAME(VERSION); SAME(DENIED); SAME(LIMIT); SAME(NOTFOUND);
	SAME(MISSING); SAME(NOPATH); SAME(METHOD); SAME(SLOW); SAME(TYPE);
	SAME(EXISTS); SAME(TOOBIG); SAME(URI); SAME(HEADERS); SAME(DAMAGED);
	SAME(INTERNAL); SAME(UNKNOWN); SAME(NOTREADY); SAME(AGAIN); SAME(FULL);
	SAME(NOMEM); SAME(STALE); SAME(READONLY); SAME(EXPIRED); SAME(TIMEOUT);
	SAME(UNSURE); SAME(NOSPACE); SAME(NUMBER); SAME(TABLES);
	SAME(BUILDING); SAME(INDEX); SAME(TASKS); SAME(SNAPSHOT); SAME(COVER);
	SAME(PEER); SAME(CACHE_TYPE); SAME(CACHE_NUMBER); SAME(CACHE_TOOBIG);
	SAME(CACHE_VALUE); SAME(ROLE); SAME(AUTHBUSY); SAME(CACHE_OFF);
	SAME(LIMIT_VALUE); SAME(QUEUE); SAME(QUEUES); SAME(QLOCKED);
	SAME(QFULL); SAME(TOKEN); SAME(WINDOW); SAME(LIMIT_MESSAGES);
	SAME(WAITED); SAME(TASKS_FULL); SAME(ELSEWHERE); SAME(BEHIND);
	CU_ASSERT_EQUAL(E_MAX_, WHARF_PARTLY + 1);
	CU_ASSERT_EQUAL(wharf_status_http((enum wharf_status)9999), 500);
}

static void
test_arguments(void)
{
	struct wharf_write	how = WHARF_WRITE_INIT;
	struct wharf_options	o = WHARF_OPTIONS_INIT;
	struct wharf		*other = (struct wharf *)&o;

	begin(4, 1 << 20);
	CU_ASSERT(wharf_submit_get(w, "", 0, NULL, NULL) == WHARF_PARAM);
	CU_ASSERT(wharf_submit_get(w, NULL, 3, NULL, NULL) == WHARF_PARAM);
	CU_ASSERT(wharf_submit_get(w, "k", WHARF_KEY_MAX + 1, NULL, NULL) ==
	    WHARF_PARAM);
	CU_ASSERT(wharf_submit_put(w, "k", 1, "", 0, NULL, NULL, NULL) ==
	    WHARF_PARAM);
	CU_ASSERT(wharf_submit_put(w, "k", 1, "v", WHARF_VALUE_MAX + 1u, NULL,
	    NULL, NULL) == WHARF_PARAM);
	how.ttl = -1;
	CU_ASSERT(wharf_put(w, "k", 1, "v", 1, &how, NULL) == WHARF_PARAM);
	how.ttl = 0;
	how.size = 4;
	CU_ASSERT(wharf_put(w, "k", 1, "v", 1, &how, NULL) == WHARF_PARAM);
	how.size = sizeof(how);
	how.flags = WHARF_CREATE;
	CU_ASSERT(wharf_del(w, "k", 1, &how, NULL) == WHARF_PARAM);
	CU_ASSERT(wharf_in_flight(w) == 0 && seat->put == 0);
	o.size = 3;
	CU_ASSERT(wharf_connect(&other, "/tmp", &o) == WHARF_PARAM);
	CU_ASSERT_PTR_NULL(other);
	CU_ASSERT(wharf_connect(&other, NULL, NULL) == WHARF_PARAM);
	finish();
}

/* What a put looks like to the store, and its answer to the caller. */
static void
test_round(void)
{
	struct wharf_write	how = WHARF_WRITE_INIT;
	struct frame		f, r;

	begin(4, 1 << 20);
	how.version = 7;
	how.ttl = 1500;
	how.flags = WHARF_IS_DUP | WHARF_CREATE;
	CU_ASSERT(wharf_submit_put(w, "key", 3, "value", 5, &how, on_answer,
	    (void *)1) == WHARF_OK);
	CU_ASSERT(wharf_submit_get(w, "other", 5, on_answer, (void *)2) ==
	    WHARF_OK);
	CU_ASSERT(wharf_in_flight(w) == 2 && wharf_process(w) == 0);
	CU_ASSERT_FATAL(take(&f));
	CU_ASSERT(f.msg == MSG_STORE_PUT && f.type == 'K' && f.ver == 7 &&
	    f.ttl == 1500 && f.flags == (FRAME_IS_DUP | FRAME_CREATE) &&
	    f.slot == slot_of("key", 3) && f.from == OURS && f.to == INC &&
	    f.keylen == 3 && f.vallen == 5 && f.deadline != 0 &&
	    memcmp(f.key, "key", 3) == 0 && memcmp(f.val, "value", 5) == 0);
	CU_ASSERT(msg_check(&f, FROM_CLIENT) == E_OK);
	r = answer_to(&f, E_VERSION);
	r.ver = 9;
	take_done();
	CU_ASSERT_FATAL(take(&f) && f.msg == MSG_STORE_GET);
	CU_ASSERT(say(&r));
	r = answer_to(&f, E_OK);
	r.ver = 3;
	r.ttl = 250;
	r.val = (const uint8_t *)"abc";
	r.vallen = r.vtotal = 3;
	take_done();
	CU_ASSERT(say(&r) && say(&r));	/* the second is nobody's */
	CU_ASSERT(wharf_process(w) == 2);
	CU_ASSERT(nseen == 2 && seen[0].status == WHARF_VERSION &&
	    seen[0].version == 9 && seen[0].number == 1);
	CU_ASSERT(seen[1].status == WHARF_OK && seen[1].ttl == 250 &&
	    seen[1].length == 3 && seen[1].first == 'a' &&
	    seen[1].last == 'c' && seen[1].number == 2);
	CU_ASSERT(wharf_in_flight(w) == 0 && wharf_process(w) == 0);
	CU_ASSERT(seat->state == SEAT_UP && nseen == 2);
	finish();
}

static void
test_bounds(void)
{
	static const uint8_t	big[40000];
	struct frame		f, r;
	int			i;

	begin(3, 100000);
	for (i = 0; i < 3; i++)
		CU_ASSERT(wharf_submit_get(w, "k", 1, on_answer, NULL) ==
		    WHARF_OK);
	CU_ASSERT(wharf_submit_get(w, "k", 1, on_answer, NULL) == WHARF_AGAIN);
	CU_ASSERT(take(&f));
	r = answer_to(&f, E_NOTFOUND);
	CU_ASSERT(say(&r) && wharf_process(w) == 1);
	CU_ASSERT(wharf_submit_get(w, "k", 1, on_answer, NULL) == WHARF_OK);
	finish();
	begin(64, 100000);
	seat->state = SEAT_HELLO;	/* all must wait */
	for (i = 0; i < 2; i++)
		CU_ASSERT(wharf_submit_put(w, "k", 1, big, sizeof(big), NULL,
		    on_answer, NULL) == WHARF_OK);
	CU_ASSERT(wharf_submit_put(w, "k", 1, big, sizeof(big), NULL,
	    on_answer, NULL) == WHARF_AGAIN);
	CU_ASSERT(wharf_submit_put(w, "k", 1, big, 100000, NULL, on_answer,
	    NULL) == WHARF_TOOBIG);
	seat->state = SEAT_UP;
	wharf_flush(w);
	CU_ASSERT(w->queued == 0 && wharf_submit_put(w, "k", 1, big,
	    sizeof(big), NULL, on_answer, NULL) == WHARF_OK);
	finish();
}

/* A value longer than the ring, there and back. */
static void
test_pieces(void)
{
	size_t		 size = 5 * RING + 17, got = 0;
	uint8_t		*v = malloc(size);
	struct frame	 f, r = { 0 };
	size_t		 i;

	for (i = 0; i < size; i++)
		v[i] = (uint8_t)(i * 31 + i / 4099);
	begin(2, 16 << 20);
	CU_ASSERT(wharf_submit_put(w, "big", 3, v, size, NULL, on_answer,
	    NULL) == WHARF_OK);
	while (got < size) {
		wharf_process(w);
		if (!take(&f))
			break;
		CU_ASSERT(f.voff == got && f.vtotal == size &&
		    f.keylen == (got == 0 ? 3 : 0) && f.vallen > 0 &&
		    memcmp(f.val, v + got, f.vallen) == 0);
		got += f.vallen;
		r = answer_to(&f, E_OK);
		take_done();
	}
	CU_ASSERT(got == size && w->queued == 0);
	CU_ASSERT(say(&r) && wharf_process(w) == 1 &&
	    seen[0].status == WHARF_OK);
	CU_ASSERT(wharf_submit_get(w, "big", 3, on_answer, NULL) == WHARF_OK);
	CU_ASSERT_FATAL(take(&f));
	r = answer_to(&f, E_OK);
	take_done();
	r.vtotal = (uint32_t)size;
	for (; r.voff < size; r.voff += r.vallen) {
		r.val = v + r.voff;
		r.vallen = size - r.voff < 100000 ? (uint32_t)size - r.voff :
		    100000;
		CU_ASSERT_FATAL(say(&r));
		wharf_process(w);
	}
	CU_ASSERT(nseen == 2 && seen[1].length == size &&
	    seen[1].first == v[0] && seen[1].last == v[size - 1]);
	CU_ASSERT(w->assembled == 0);
	finish();
	free(v);
}

/* An answer longer than options.memory: its op ends, the link lives. */
static void
test_no_room(void)
{
	static const uint8_t	bytes[60000];
	struct frame		f, r;

	begin(2, 100000);
	CU_ASSERT(wharf_submit_get(w, "k", 1, on_answer, NULL) == WHARF_OK);
	CU_ASSERT_FATAL(take(&f));
	r = answer_to(&f, E_OK);
	r.vtotal = 120000;
	r.vallen = 60000;
	r.val = bytes;
	CU_ASSERT(say(&r));
	r.voff = 60000;
	CU_ASSERT(say(&r) && wharf_process(w) == 1);
	CU_ASSERT(seen[0].status == WHARF_NOMEM && seen[0].length == 0 &&
	    seat->state == SEAT_UP && w->assembled == 0);
	finish();
}

/* What has not left is surely not done; of what has nobody knows. */
static void
test_expire(void)
{
	struct frame	f, r;
	uint64_t	late;

	begin(8, 1 << 20);
	CU_ASSERT(wharf_submit_put(w, "a", 1, "v", 1, NULL, on_answer,
	    (void *)1) == WHARF_OK);
	seat->state = SEAT_HELLO;
	CU_ASSERT(wharf_submit_put(w, "b", 1, "v", 1, NULL, on_answer,
	    (void *)2) == WHARF_OK);
	w->timeout *= 2;
	CU_ASSERT(wharf_submit_put(w, "c", 1, "v", 1, NULL, on_answer,
	    (void *)3) == WHARF_OK);
	ops_expire(w, mono_add(mono_now(), w->timeout / 2));
	ops_call(w);
	CU_ASSERT(nseen == 2 && seen[0].status == WHARF_TIMEOUT &&
	    seen[0].number == 1 && seen[1].status == WHARF_EXPIRED &&
	    seen[1].number == 2);
	seat->state = SEAT_UP;
	wharf_process(w);
	CU_ASSERT_FATAL(take(&f) && f.key[0] == 'a');
	late = f.id;
	take_done();
	/* "b" was said not to be done: it must never leave. */
	CU_ASSERT_FATAL(take(&f) && f.key[0] == 'c');
	r = answer_to(&f, E_OK);
	take_done();
	CU_ASSERT(!take(&f) && say(&r));
	r.id = late;
	CU_ASSERT(say(&r) && wharf_process(w) == 1 && nseen == 3 &&
	    seen[2].number == 3 && seen[2].status == WHARF_OK);
	finish();
}

/* A queue whose ops have all expired takes no memory and sends nothing. */
static void
test_expired_queue(void)
{
	struct frame	f;

	begin(8, 1 << 20);
	seat->state = SEAT_HELLO;
	CU_ASSERT(wharf_submit_put(w, "a", 1, "v", 1, NULL, on_answer, NULL) ==
	    WHARF_OK);
	ops_expire(w, mono_add(mono_now(), w->timeout + 1));
	CU_ASSERT(w->queued == 0 && seat->out.bytes == 0);
	seat->state = SEAT_UP;
	CU_ASSERT(wharf_process(w) == 1 && seen[0].status == WHARF_EXPIRED);
	CU_ASSERT(!take(&f));
	finish();
}

static void
test_lost(void)
{
	struct frame	f, r;
	uint8_t		*big = calloc(1, 4 * RING);
	int		 i;

	begin(8, 16 << 20);
	for (i = 1; i <= 2; i++)
		CU_ASSERT(wharf_submit_put(w, "k", 1, "v", 1, NULL, on_answer,
		    (void *)(intptr_t)i) == WHARF_OK);
	/* Part of this one goes, the next one does not go at all. */
	CU_ASSERT(wharf_submit_put(w, "k", 1, big, 4 * RING, NULL, on_answer,
	    (void *)3) == WHARF_OK);
	CU_ASSERT(wharf_submit_get(w, "k", 1, on_answer, (void *)4) ==
	    WHARF_OK);
	CU_ASSERT(seat->half && seat->out.bytes != 0);
	CU_ASSERT(take(&f));
	r = answer_to(&f, E_OK);
	CU_ASSERT(say(&r));
	/* The answer is in the lane when the link breaks: it counts. */
	seat_break(seat, WHARF_NOTREADY);
	CU_ASSERT(wharf_process(w) == 4 && nseen == 4);
	CU_ASSERT(seen[0].number == 1 && seen[0].status == WHARF_OK);
	CU_ASSERT(seen[1].number == 2 && seen[1].status == WHARF_UNSURE);
	CU_ASSERT(seen[2].number == 3 && seen[2].status == WHARF_NOTREADY);
	CU_ASSERT(seen[3].number == 4 && seen[3].status == WHARF_NOTREADY);
	CU_ASSERT(seat->state == SEAT_OFF && w->queued == 0);
	CU_ASSERT(wharf_timeout(w) >= 0);	/* for the new try */
	finish();
	free(big);
}

static void
test_garbage(void)
{
	struct frame	f, r;
	uint8_t		*p;

	begin(8, 1 << 20);
	CU_ASSERT(wharf_submit_put(w, "k", 1, "v", 1, NULL, on_answer, NULL) ==
	    WHARF_OK);
	CU_ASSERT(take(&f));
	r = answer_to(&f, E_OK);
	r.from = INC + 1;		/* of another store: passed over */
	CU_ASSERT(say(&r));
	r.from = INC;
	r.flags = 0;			/* a question */
	CU_ASSERT(say(&r));
	r.flags = FRAME_REPLY;
	r.msg = MSG_STORE_DEL;		/* to another command */
	CU_ASSERT(say(&r));
	CU_ASSERT(wharf_process(w) == 0 && seat->state == SEAT_UP);
	CU_ASSERT_FATAL((p = lane_reserve(lane, 64)) != NULL);
	memset(p, 'x', 64);
	lane_commit(lane, 64);
	CU_ASSERT(wharf_process(w) == 1 && seen[0].status == WHARF_UNSURE);
	CU_ASSERT(seat->state == SEAT_OFF);
	finish();
	begin(8, 1 << 20);
	CU_ASSERT(wharf_submit_get(w, "k", 1, on_answer, NULL) == WHARF_OK);
	CU_ASSERT(take(&f));
	r = answer_to(&f, E_OK);
	r.val = (const uint8_t *)"abcd";
	r.vtotal = 8;
	r.vallen = 4;
	CU_ASSERT(say(&r) && wharf_process(w) == 0);
	CU_ASSERT(say(&r));		/* the same piece again */
	CU_ASSERT(wharf_process(w) == 1 && seat->state == SEAT_OFF);
	CU_ASSERT(w->assembled == 0);
	finish();
}

/* A program with a loop of its own must be woken for each answer. */
static void
test_descriptor(void)
{
	struct epoll_event	ev;
	struct frame		f, r;
	int			fd;

	begin(8, 1 << 20);
	CU_ASSERT(wharf_timeout(w) == -1);
	fd = wharf_fd(w);
	CU_ASSERT(wharf_submit_get(w, "k", 1, on_answer, NULL) == WHARF_OK);
	CU_ASSERT(wharf_timeout(w) > 0);
	CU_ASSERT(wharf_process(w) == 0);
	CU_ASSERT_FATAL(take(&f));
	r = answer_to(&f, E_NOTFOUND);
	CU_ASSERT(say(&r));
	/* Armed: the store is told to ring. */
	CU_ASSERT(lane_must_ring(lane) == 1);
	CU_ASSERT(write(store_bell, "", 1) == 1);
	CU_ASSERT(epoll_wait(fd, &ev, 1, 1000) == 1);
	CU_ASSERT(wharf_process(w) == 1 && nseen == 1);
	finish();
}

/*
 * A lane is armed whenever the caller may poll: if answers come before it does,
 * rings are left behind.  The bell must never be full of them.
 */
static void
test_bell_not_full(void)
{
	struct frame	f, r;
	int		i, good = 1;

	begin(8, 1 << 20);
	(void)wharf_fd(w);
	for (i = 0; good && i < 70000; i++) {
		good = wharf_submit_get(w, "k", 1, NULL, NULL) == WHARF_OK;
		wharf_flush(w);
		good = good && take(&f);
		r = answer_to(&f, E_NOTFOUND);
		take_done();
		good = good && say(&r);
		if (lane_must_ring(lane))
			good = good && write(store_bell, "", 1) == 1;
		good = good && wharf_wait(w, 0) == 1;
	}
	CU_ASSERT_EQUAL(i, 70000);
	CU_ASSERT(good);
	finish();
}

/* The same caller, with more to send than the lane holds. */
static void
test_room_wakes(void)
{
	static const uint8_t	big[4 * RING];
	struct epoll_event	ev;
	struct frame		f;
	int			fd;

	begin(8, 16 << 20);
	fd = wharf_fd(w);
	CU_ASSERT(wharf_process(w) == 0 && epoll_wait(fd, &ev, 1, 0) == 0);
	CU_ASSERT(wharf_submit_put(w, "k", 1, big, sizeof(big), NULL,
	    on_answer, NULL) == WHARF_OK);
	wharf_flush(w);
	CU_ASSERT(w->queued != 0 && lane_must_ring(lane) == 0);
	while (take(&f))
		take_done();
	CU_ASSERT(lane_must_ring_writer(lane) == 1);
	finish();
}

/* A store that hangs up is lost at once, also for who never sleeps. */
static void
test_hang_up(void)
{
	int	polls, i;

	for (polls = 0; polls < 2; polls++) {
		begin(8, 1 << 20);
		CU_ASSERT(wharf_submit_get(w, "k", 1, on_answer, NULL) ==
		    WHARF_OK);
		wharf_flush(w);
		hang_up();
		for (i = 0; nseen == 0 && i < 100; i++)
			(void)(polls ? wharf_process(w) : wharf_wait(w, 0));
		CU_ASSERT(nseen == 1 && seen[0].status == WHARF_UNSURE);
		CU_ASSERT(seat->state == SEAT_OFF);
		finish();
	}
}

/* What has expired does not take the memory of what has not. */
static void
test_expired_memory(void)
{
	static const uint8_t	big[40000];

	begin(64, 100000);
	seat->state = SEAT_HELLO;
	CU_ASSERT(wharf_submit_put(w, "a", 1, big, sizeof(big), NULL,
	    on_answer, NULL) == WHARF_OK);
	w->timeout *= 2;
	CU_ASSERT(wharf_submit_get(w, "b", 1, on_answer, NULL) == WHARF_OK);
	ops_expire(w, mono_add(mono_now(), w->timeout / 2));
	CU_ASSERT(w->queued < 1000 && wharf_in_flight(w) == 2);
	ops_call(w);
	CU_ASSERT(nseen == 1 && seen[0].status == WHARF_EXPIRED);
	finish();
}

/* wharfd takes the lane back: whatever it says, that is no success. */
static void
test_refusal(void)
{
	uint8_t		buf[FRAME_HEAD];
	struct frame	r = { .msg = MSG_LANES_ASK, .flags = FRAME_REPLY };
	int		ask[2];

	begin(8, 1 << 20);
	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ask) == 0);
	seat->ask = ask[0];
	seat->state = SEAT_HELLO;
	CU_ASSERT(send(ask[1], buf, frame_put(buf, &r), 0) == FRAME_HEAD);
	seat_on(seat, SEAT_ON_ASK);
	CU_ASSERT(seat->broken && seat->why == WHARF_BADMSG);
	wharf_process(w);
	CU_ASSERT(seat->state == SEAT_OFF && seat->ask == -1);
	close(ask[1]);
	finish();
}

static void
count(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	const uint8_t	*v = a->value;
	size_t		 i;
	unsigned	 sum = 0;

	for (i = 0; i < a->length; i++)
		sum += v[i];		/* all of it can be read */
	CU_ASSERT(from == w && a->status <= WHARF_LIMIT_VALUE && sum < UINT_MAX);
	++*(unsigned *)arg;
}

/* An answer to f of which one or two bytes are not as they should be. */
static void
say_wrong(const struct frame *f)
{
	static const uint8_t	val[200000];
	static uint8_t		buf[FRAME_HEAD + sizeof(val)];
	struct frame		r = answer_to(f, E_OK);
	size_t			n;
	uint8_t			*p;

	r.val = val;
	r.vallen = (uint32_t)(random() % 3 == 0 ? random() % 200000 :
	    random() % 300);
	r.vtotal = r.vallen + (uint32_t)(random() % 4 == 0 ? random() % 9 : 0);
	if (r.vallen == 0)
		r.vtotal = 0;
	n = frame_put(buf, &r);
	if (random() % 2)
		buf[random() % FRAME_HEAD] ^= (uint8_t)(1 << random() % 8);
	if (random() % 8 == 0)
		buf[random() % FRAME_HEAD] = (uint8_t)random();
	if (random() % 16 == 0)
		n -= (size_t)random() % FRAME_HEAD;
	if ((p = lane_reserve(lane, n)) == NULL)
		return;
	memcpy(p, buf, n);
	lane_commit(lane, n);
}

/* Whatever the store says, each op ends once and nothing is read past an end. */
static void
test_mad_store(void)
{
	unsigned	round, i, ended;
	struct frame	f;

	srandom(1);
	for (round = 0; round < 300; round++) {
		begin(16, 1 << 20);
		for (i = ended = 0; i < 16; i++)
			CU_ASSERT(wharf_submit_get(w, "key", 3, count,
			    &ended) == WHARF_OK);
		while (take(&f)) {
			say_wrong(&f);
			take_done();
			wharf_process(w);
		}
		seat_break(seat, WHARF_NOTREADY);
		wharf_process(w);
		ops_expire(w, mono_add(mono_now(), w->timeout + 1));
		wharf_process(w);
		CU_ASSERT_EQUAL(ended, 16);
		CU_ASSERT(wharf_in_flight(w) == 0 && w->assembled == 0 &&
		    w->queued == 0);
		finish();
	}
}

/* Pauses grow, have a bound, and are not those of other clients. */
static void
test_pauses(void)
{
	int64_t	us[2][12];
	int	c, i;

	for (c = 0; c < 2; c++) {
		begin(1, 1 << 20);
		w->random = (uint32_t)c * 12345 + 1;
		for (i = 0; i < 12; i++) {
			seat->state = SEAT_HELLO;
			seat_lost(seat);
			us[c][i] = mono_diff(seat->since, seat->due);
			CU_ASSERT(us[c][i] >= 5000 && us[c][i] <= 1000000);
		}
		CU_ASSERT(us[c][11] >= 500000);
		finish();
	}
	CU_ASSERT(memcmp(us[0], us[1], sizeof(us[0])) != 0);
}

static void
submits_more(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	int	*left = arg;

	CU_ASSERT(a->status == WHARF_UNSURE || a->status == WHARF_NOTREADY ||
	    a->status == WHARF_OK);
	CU_ASSERT(wharf_get(from, "k", 1, NULL) == WHARF_AGAIN);
	CU_ASSERT(wharf_wait(from, 0) == 0 && wharf_process(from) == 0);
	if (--*left > 0)
		CU_ASSERT(wharf_submit_get(from, "k", 1, submits_more, arg) ==
		    WHARF_OK);
	wharf_flush(from);
}

static void
test_from_callback(void)
{
	struct frame	f, r;
	int		left = 3;

	begin(1, 1 << 20);
	CU_ASSERT(wharf_submit_get(w, "k", 1, submits_more, &left) ==
	    WHARF_OK);
	CU_ASSERT(take(&f));
	r = answer_to(&f, E_OK);
	take_done();
	CU_ASSERT(say(&r) && wharf_process(w) == 1 && left == 2);
	seat_break(seat, WHARF_NOTREADY);
	CU_ASSERT(wharf_process(w) == 1 && left == 1);
	CU_ASSERT(wharf_in_flight(w) == 1);	/* waits for a new link */
	finish();
}

static const CU_TestInfo	tests[] = {
	{ "statuses", test_statuses },
	{ "arguments", test_arguments },
	{ "round", test_round },
	{ "bounds", test_bounds },
	{ "pieces", test_pieces },
	{ "no room", test_no_room },
	{ "expire", test_expire },
	{ "expired queue", test_expired_queue },
	{ "lost", test_lost },
	{ "garbage", test_garbage },
	{ "descriptor", test_descriptor },
	{ "bell not full", test_bell_not_full },
	{ "room wakes", test_room_wakes },
	{ "hang up", test_hang_up },
	{ "expired memory", test_expired_memory },
	{ "refusal", test_refusal },
	{ "mad store", test_mad_store },
	{ "pauses", test_pauses },
	{ "from callback", test_from_callback },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_client", UNIT_SUITE("client", tests))
