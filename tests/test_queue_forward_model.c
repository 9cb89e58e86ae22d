/*
 * test_queue_forward_model.c: two routers' queues that move messages to one another,
 * by order and as dead letters, over a wire that loses requests, loses and
 * repeats answers and delays both, while either side crashes: what was put and
 * answered is acknowledged once in the end, and twice only where the wire or a
 * crash left it unknown.
 *
 * WHARF_SEED=n replays one run, WHARF_LONG=1 makes many; a failure prints its
 * seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/queue_rig.h"
#include "tests/unit.h"

#define SEQS	20000u
#define WIRES	64u
#define MARKS	60000u
#define SIDE_QUEUES 3

struct noted {				/* a write that a crash may undo */
	uint64_t	 mark;
	uint32_t	 seq;
	int		 is_put;	/* else: deleted here, it is there */
};

struct side {
	struct rig	 g;		/* first */
	struct queues	*qs;
	uint64_t	 released;
	struct noted	 noted[MARKS];
	unsigned	 n;
};

struct wire {				/* a message on its way, or its answer */
	int		 used, from, arrived;
	struct queue_forward f;
	char		 text[16], queue[8], to[8];
	uint32_t	 seq;
	int64_t		 sent;
	enum err	 answer;
	uint64_t	 mark;		/* that the answer waits for */
};

static const char *const names[2][SIDE_QUEUES] = {
	{ "a0", "a1", "adead" }, { "b0", "b1", "bdead" }
};
static struct side	 sides[2];
static struct wire	 wires[WIRES];
static struct queue_now	 now;
static uint8_t		 sure[SEQS], unknown[SEQS], acked[SEQS];
static uint32_t		 seqs;
static uint64_t		 seed_now;
static int		 broken;
static unsigned long	 done_sent, done_lost, done_twice, done_crash,
			 done_back, done_dead;

#define CHECK(x) check((x) != 0, #x, __LINE__)

static void
check(int ok, const char *what, int line)
{
	CU_ASSERT(ok);
	if (!ok && !broken) {
		broken = 1;
		printf("\nseed %llu, line %d: %s\n",
		    (unsigned long long)seed_now, line, what);
	}
}

static void
note(struct side *s, uint64_t mark, uint32_t seq, int is_put)
{
	CHECK(s->n < MARKS);
	if (!broken)
		s->noted[s->n++] = (struct noted){ mark, seq, is_put };
}

static void
release(struct side *s, uint64_t mark)
{
	unsigned	i, k = 0;

	s->released = mark;
	for (i = 0; i < s->n; i++)
		if (s->noted[i].mark > mark)
			s->noted[k++] = s->noted[i];
		else if (s->noted[i].is_put)
			sure[s->noted[i].seq] = 1;
	s->n = k;
}

/* --- the wire --- */

static struct wire *
wire_free(void)
{
	unsigned	i;

	for (i = 0; i < WIRES; i++)
		if (!wires[i].used)
			return &wires[i];
	return NULL;
}

static void
keep(char *out, size_t max, struct queue_str s)
{
	CHECK(s.n < max);
	snprintf(out, max, "%.*s", (int)s.n, (const char *)s.p);
}

static enum err
on_forward(struct rig *g, const struct queue_forward *f)
{
	struct wire	*w = wire_free();
	unsigned	 i;

	if (w == NULL || rig_rnd(20) == 0)
		return E_FULL;
	memset(w, 0, sizeof(*w));
	w->from = g == &sides[1].g;
	w->f = *f;
	keep(w->text, sizeof(w->text), f->item);
	keep(w->queue, sizeof(w->queue), f->from);
	keep(w->to, sizeof(w->to), f->to);
	w->seq = (uint32_t)strtoul(w->text, NULL, 10);
	w->sent = now.wall;
	for (i = 0; i < WIRES; i++)	/* sent again after a long time */
		if (wires[i].used && wires[i].from == w->from &&
		    wires[i].f.id == f->id)
			unknown[w->seq] = 1;
	w->used = 1;
	done_sent++;
	return E_PENDING;
}

static void
wire_arrive(struct wire *w)
{
	struct side	*s = &sides[!w->from];

	w->f.from = str("");
	w->f.item = str(w->text);
	w->f.to = str(w->to);
	w->mark = 0;
	w->answer = queue_receive(s->qs, &w->f, &now, &w->mark);
	CHECK(w->answer == E_OK || (w->f.ordered && w->answer == E_QLOCKED) ||
	    (w->f.ordered && w->answer == E_QFULL));
	w->arrived = 1;
	done_dead += !w->f.ordered && w->answer == E_OK;
}

static void
wire_tell(const struct wire *w, enum err e)
{
	struct side	*s = &sides[w->from];
	uint64_t	 mark = 0;

	CHECK(queue_forwarded(s->qs, str(w->queue), w->f.priority, w->f.id, e,
	    &now, &mark) == e);
	if (mark > 0)
		note(s, mark, w->seq, 0);
	done_back += e != E_OK;
}

/* The link goes down, or the word gets lost. */
static void
wire_lose(struct wire *w)
{
	if (w->arrived && w->answer == E_OK)
		unknown[w->seq] = 1;
	w->used = 0;
	if (rig_rnd(2))
		wire_tell(w, rig_rnd(2) ? E_UNSURE : E_TIMEOUT);
	done_lost++;
}

static void
wire_step(struct wire *w, int faults)
{
	if (faults && rig_rnd(12) == 0)
		wire_lose(w);
	else if (!w->arrived)
		wire_arrive(w);
	else if (w->mark <= sides[!w->from].released) {
		w->used = 0;
		wire_tell(w, w->answer);
		if (faults && w->answer == E_OK && rig_rnd(10) == 0) {
			wire_tell(w, E_OK);
			done_twice++;
		}
	}
}

static void
do_wire(int faults)
{
	unsigned	i, at = (unsigned)rig_rnd(WIRES), n = 0, k;

	for (i = 0; i < WIRES && n < 4; i++) {
		k = (at + i) % WIRES;
		if (wires[k].used) {
			wire_step(&wires[k], faults);
			n++;
		}
	}
}

/* --- clients --- */

static void
do_put(void)
{
	int			side = (int)rig_rnd(2);
	struct side		*s = &sides[side];
	char			text[16];
	struct queue_str	item;
	struct queue_put	put = { &item, 1, (unsigned)rig_rnd(3), 0, 0 };
	unsigned		done = 0;
	uint64_t		mark = 0;
	enum err		e;

	snprintf(text, sizeof(text), "%u", seqs);
	item = str(text);
	e = queue_put(s->qs, str(names[side][rig_rnd(2)]), &put, &now, &done,
	    &mark);
	CHECK(e == E_OK || e == E_QLOCKED || e == E_QFULL);
	if (e == E_OK)
		note(s, mark, seqs++, 1);
}

static void
done_with(struct side *s, const char *queue, const struct got *got)
{
	uint32_t	seq = (uint32_t)strtoul(got->item, NULL, 10);
	enum err	e;
	uint64_t	mark = 0;

	e = queue_ack(s->qs, str(queue), str(got->token), &now, &mark);
	CHECK(e == E_OK || (e == E_TOKEN && unknown[seq]));
	if (e != E_OK)
		return;
	release(s, s->g.mark);
	CHECK(acked[seq] == 0 || unknown[seq]);
	acked[seq] = 1;
}

static int
take(int side, const char *queue, int ack)
{
	static struct client	c;
	struct side		*s = &sides[side];
	uint64_t		mark = 0;
	enum err		e;

	client_init(&c);
	e = client_get(s->qs, queue, &c, &now);
	if (e != E_OK || c.n == 0)
		return 0;
	if (ack)
		done_with(s, queue, &c.got[0]);
	else
		CHECK(queue_nack(s->qs, str(queue), str(c.got[0].token),
		    &(struct queue_back){ 0 }, &now, &mark) == E_OK);
	return 1;
}

static void
do_move(void)
{
	int		side = (int)rig_rnd(2);
	struct side	*s = &sides[side];
	unsigned	moved = 0, most = 1 + (unsigned)rig_rnd(8);
	enum err	e;

	e = queue_move(s->qs, str(names[side][rig_rnd(SIDE_QUEUES)]),
	    str(names[!side][rig_rnd(2)]), most, &moved, &now, NULL);
	CHECK(e == E_OK || e == E_QUEUE || e == E_FULL || e == E_NOTREADY);
	CHECK(e != E_NOTREADY || moved == 0);
}

static void
do_set(void)
{
	int		side = (int)rig_rnd(2);
	struct settings	s = { .lock = rig_rnd(3) == 0 };
	enum err	e;

	s.max = rig_rnd(2) ? 0 : 5 + (uint32_t)rig_rnd(20);
	s.maxdeliver = rig_rnd(4) ? 2 : 0;
	s.deadlen = 5;
	memcpy(s.dead, names[!side][2], 5);
	e = queue_set(sides[side].qs, str(names[side][rig_rnd(2)]), &s,
	    SET_LOCK | SET_MAX | SET_MAXDELIVER | SET_DEAD, 1, &now, NULL);
	CHECK(e == E_OK);
}

/* --- crashes --- */

/* What was on the wire to it or from it: nobody knows. */
static void
cut_wires(int side)
{
	unsigned	i;

	for (i = 0; i < WIRES; i++) {
		if (!wires[i].used)
			continue;
		if (wires[i].from == side && rig_rnd(2) == 0 &&
		    !wires[i].arrived)
			wire_arrive(&wires[i]);
		if (wires[i].arrived && wires[i].answer == E_OK)
			unknown[wires[i].seq] = 1;
		wires[i].used = 0;
		if (wires[i].from != side)
			wire_tell(&wires[i], E_UNSURE);
	}
}

static void
do_crash(int clean)
{
	int		side = (int)rig_rnd(2);
	struct side	*s = &sides[side];
	uint64_t	cut;
	unsigned	i;

	if (clean)
		release(s, s->g.mark);
	cut = s->released + rig_rnd(s->g.mark - s->released + 1);
	cut_wires(side);
	queues_stop(s->qs);
	queues_free(s->qs);
	rig_crash(&s->g, cut);
	for (i = 0; i < s->n; i++)
		if (!s->noted[i].is_put && s->noted[i].mark > cut)
			unknown[s->noted[i].seq] = 1;
	s->n = 0;
	s->released = s->g.mark;
	s->g.conf.salt = (uint32_t)rig_rnd(1u << 31);
	s->qs = rig_start(&s->g, &now, 1, 0);
	done_crash++;
}

/* --- runs --- */

static void
work(void)
{
	rig_work(sides[0].qs, &now);
	rig_work(sides[1].qs, &now);
}

static void
do_time(void)
{
	int64_t		ms = rig_rnd(50) ? (int64_t)rig_rnd(900) : (int64_t)
			    rig_rnd(80000);
	unsigned	i;

	now.wall += ms;
	now.mono.us += ms * 1000;
	/* Without a word for so long it is what it was here, too. */
	for (i = 0; i < WIRES; i++)
		if (wires[i].used && now.wall - wires[i].sent >= FORWARD_MS)
			unknown[wires[i].seq] = 1;
}

static void
step(void)
{
	int	side = (int)rig_rnd(2);

	sides[side].g.reach = rig_rnd(10) ? E_OK : E_NOTREADY;
	switch (rig_rnd(16)) {
	case 0: case 1: case 2: do_put(); break;
	case 3: case 4: case 5:
		take(side, names[side][rig_rnd(SIDE_QUEUES)], rig_rnd(3) != 0);
		break;
	case 6: case 7: case 8: do_move(); break;
	case 9: do_time(); break;
	case 10: if (rig_rnd(4) == 0) do_set(); break;
	case 11: if (rig_rnd(30) == 0) do_crash(rig_rnd(4) == 0); break;
	case 12:
		release(&sides[side], sides[side].released + rig_rnd(
		    sides[side].g.mark - sides[side].released + 1));
		break;
	default: do_wire(1);
	}
	work();
}

static void
open_all(int side)
{
	struct settings	s = { 0 };
	int		q;

	sides[side].g.reach = E_OK;
	for (q = 0; q < 2; q++)
		CHECK(queue_set(sides[side].qs, str(names[side][q]), &s,
		    SET_LOCK | SET_MAX | SET_MAXDELIVER, 1, &now, NULL) ==
		    E_OK);
	release(&sides[side], sides[side].g.mark);
}

/* All that is left is taken, and was not lost. */
static void
drain(void)
{
	unsigned	i, k;
	int		q;

	open_all(0);
	open_all(1);
	for (i = 0; i < 8; i++) {
		for (k = 0; k < WIRES; k++)
			while (wires[k].used) {
				wire_step(&wires[k], 0);
				release(&sides[0], sides[0].g.mark);
				release(&sides[1], sides[1].g.mark);
			}
		now.wall += 400000;
		now.mono.us += 400000000;
		work();
	}
	for (q = 0; q < SIDE_QUEUES; q++) {
		while (take(0, names[0][q], 1) && !broken)
			;
		while (take(1, names[1][q], 1) && !broken)
			;
	}
	for (i = 0; i < seqs; i++)
		CHECK(!sure[i] || acked[i]);
}

static void
begin_side(int side)
{
	struct side	*s = &sides[side];

	rig_open(&s->g);
	s->g.id += (uint64_t)side << 40;
	s->g.foreign = names[!side][0][0];
	s->g.forward = on_forward;
	s->g.conf.arg = &s->g;
	s->released = 0;
	s->n = 0;
	s->qs = rig_start(&s->g, &now, 0, 0);
}

static void
begin(uint64_t seed)
{
	seed_now = seed;
	rig_seed(seed);
	memset(sure, 0, sizeof(sure));
	memset(unknown, 0, sizeof(unknown));
	memset(acked, 0, sizeof(acked));
	memset(wires, 0, sizeof(wires));
	seqs = 0;
	now = (struct queue_now){ 1700000000000, { 5000000 } };
	begin_side(0);
	begin_side(1);
}

static void
finish(int empty)
{
	int	side;

	for (side = 0; side < 2; side++) {
		CHECK(!empty || rig_count(&sides[side].g, QUEUE_MESSAGE) == 0);
		queues_stop(sides[side].qs);
		queues_free(sides[side].qs);
		rig_close(&sides[side].g);
	}
}

static void
test_model(void)
{
	const char	*one = getenv("WHARF_SEED");
	const char	*size = getenv("WHARF_SIZE");
	unsigned	 i, n = getenv("WHARF_LONG") != NULL ? 400 :
			    size != NULL && strcmp(size, "small") == 0 ? 5 : 12;
	uint64_t	 seed = one != NULL ? strtoull(one, NULL, 10) : 1;
	unsigned long	 twice = 0, once = 0;

	if (one != NULL)
		n = 1;
	for (; n > 0 && !broken; n--, seed++) {
		begin(seed);
		for (i = 0; i < 6000 && !broken && seqs < SEQS; i++)
			step();
		if (!broken)
			drain();
		for (i = 0; i < seqs; i++) {
			once += acked[i] && !unknown[i];
			twice += unknown[i];
		}
		finish(!broken);
	}
	printf("\nup to seed %llu: %lu sent, %lu lost, %lu repeated, %lu "
	    "crashes, %lu refused or unknown, %lu dead; %lu of %lu certain\n",
	    (unsigned long long)seed - 1, done_sent, done_lost, done_twice,
	    done_crash, done_back, done_dead, once, once + twice);
	CHECK(once > twice && done_sent > 1000 && done_dead > 100);
	CHECK(done_lost > 100 && done_crash > 2 && done_twice > 10);
}

/* --- by the letter --- */

static void
put(int side, const char *queue, const char *text)
{
	struct queue_str	item = str(text);
	struct queue_put	p = { &item, 1, 0, 0, 0 };
	unsigned		done;

	CU_ASSERT(queue_put(sides[side].qs, str(queue), &p, &now, &done, NULL)
	    == E_OK && done == 1);
}

static const char *
next(int side, const char *queue)
{
	static struct client	c;

	client_init(&c);
	if (client_get(sides[side].qs, queue, &c, &now) != E_OK || c.n == 0)
		return "";
	return c.got[0].item;
}

/* In the order in which they were sent, with nothing lost. */
static void
all_wires(void)
{
	unsigned	k;

	for (k = 0; k < WIRES && wires[k].used; k++)
		wire_arrive(&wires[k]);
	for (k = 0; k < WIRES && wires[k].used; k++) {
		wires[k].used = 0;
		wire_tell(&wires[k], wires[k].answer);
	}
}

static unsigned
move(const char *from, const char *to, unsigned most)
{
	unsigned	moved = 0;
	enum err	e;

	do
		e = queue_move(sides[0].qs, str(from), str(to), most, &moved,
		    &now, NULL);
	while (e == E_FULL && moved == 0);	/* the wire's own whim */
	CU_ASSERT(e == E_OK || e == E_FULL);
	return moved;
}

static void
test_order(void)
{
	struct settings	s = { .max = 30 };
	char		text[16];
	unsigned	i, n = 0;

	begin(1);
	for (i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%u", i);
		put(0, "a0", text);
	}
	CU_ASSERT(queue_set(sides[1].qs, str("b0"), &s, SET_MAX, 1, &now, NULL)
	    == E_OK);
	for (; n < 30; all_wires())
		n += move("a0", "b0", 7);
	/* Those that were refused are the next of their queue at once. */
	for (i = 0; i < 30; i++)
		CU_ASSERT(atoi(next(1, "b0")) == (int)i);
	CU_ASSERT_STRING_EQUAL(next(1, "b0"), "");
	for (; i < 100; i++)
		CU_ASSERT(atoi(next(0, "a0")) == (int)i);
	finish(0);
}

static const CU_TestInfo tests[] = {
	{ "order", test_order },
	{ "model", test_model },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_queue_forward_model", UNIT_SUITE("queue forward model", tests))
