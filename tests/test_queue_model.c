/*
 * test_queue_model.c: random commands on libqueue and on a plain list of the
 * same: what is delivered, to whom and in which order, what every call
 * answers, what is counted; then crashes that keep what was answered and any
 * part of the rest, and a new start from the records in any order.
 *
 * WHARF_SEED=n replays one run, WHARF_LONG=1 makes many; a failure prints its
 * seed.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/queue_model.h"
#include "tests/unit.h"

/* --- time --- */

static void
pass(void)
{
	struct inst	*m;
	unsigned	 i;

	for (i = 0; i < lives; i++) {
		m = &live[i];
		if (m->st == NONE || m->st == READY || m->st == BACK) {
			CHECK(m->st == NONE || !is_expired(m));
			continue;
		}
		if (m->due > now.wall) {
			CHECK(m->st == OUT || !is_expired(m));
			continue;
		}
		CHECK(!is_expired(m) && !is_dead(m));
		m->st = m->st == OUT ? BACK : READY;
	}
}

static void
settle(void)
{
	int	q;

	op = WORK;
	rig_work(qs, &now);
	CHECK(queues_next(qs, &now) != 0);
	pass();
	for (q = 0; q < QUEUES; q++)
		CHECK(!set[q].exists || waiters[q] == NULL || pick(q) == NULL);
}

/* --- commands --- */

static struct queue_str
name(int q)
{
	return str(names[q]);
}

static enum err
put_error(int q, unsigned n)
{
	unsigned	held;

	if (!set[q].exists)
		return E_OK;
	if (set[q].lock)
		return E_QLOCKED;
	held = count(q, READY, -1) + count(q, BACK, -1) + count(q, LATER, -1);
	return set[q].max != 0 && held + n > set[q].max ? E_QFULL : E_OK;
}

static void
inject(void)
{
	static const enum err	errs[3] = { E_AGAIN, E_NOSPACE, E_READONLY };

	g.fail_in = rig_rnd(12) == 0 ? 1 + (unsigned)rig_rnd(3) : 0;
	g.fail_with = errs[rig_rnd(3)];
}

/* Whether a call that failed did so because storage was made to refuse. */
static int
refused(enum err e)
{
	int	was = g.fail_in == 0 && e == g.fail_with;

	g.fail_in = 0;
	return was;
}

static void
do_put(unsigned most)
{
	int			q = (int)rig_rnd(QUEUES - 1);
	char			text[64][16];
	struct queue_str	items[64];
	struct queue_put	put = { items, 1, (unsigned)rig_rnd(3), 0, 0 };
	uint32_t		first = seqs;
	unsigned		i, done = 0;
	uint64_t		mark = 0;
	enum err		want, e;

	put.n = 1 + (unsigned)rig_rnd(most);
	if (rig_rnd(6) == 0)
		put.ttl = 1 + (int64_t)rig_rnd(60000);
	if (rig_rnd(6) == 0)
		put.delay = 1 + (int64_t)rig_rnd(20000);
	for (i = 0; i < put.n; i++) {
		snprintf(text[i], sizeof(text[i]), "%u", seqs++);
		items[i] = str(text[i]);
	}
	want = put_error(q, put.n);
	op = PUT;
	inject();
	e = queue_put(qs, name(q), &put, &now, &done, &mark);
	/* While building, what a purge covers may still count. */
	if (!refused(e) && !(queues_building(qs) && e == E_QFULL))
		CHECK(e == want && done == (e == E_OK ? put.n : 0));
	for (i = 0; i < done; i++)
		if (e == E_OK)
			promise(mark, 1, first + i, 0);
	done_put += done;
}

static struct waiter *
new_waiter(int q)
{
	struct waiter	*w = calloc(1, sizeof(*w));

	CU_ASSERT_PTR_NOT_NULL_FATAL(w);
	w->t.item = on_item;
	w->t.done = on_done;
	w->t.count = (unsigned)rig_rnd(5);
	w->t.autoack = rig_rnd(3) == 0;
	w->most = rig_rnd(4) == 0 ? 1 + (unsigned)rig_rnd(2) : 99;
	w->t.wait = rig_rnd(3) == 0 ? 1 + (int64_t)rig_rnd(30000000) : 0;
	w->q = q;
	w->until = now.mono.us + w->t.wait;
	return w;
}

static void
append(struct waiter *w)
{
	struct waiter	**at = &waiters[w->q];

	w->waits = 1;
	while (*at != NULL)
		at = &(*at)->next;
	*at = w;
}

static int
has_dead(int q)
{
	unsigned	i;

	for (i = 0; i < lives; i++)
		if (live[i].q == q && live[i].st != NONE && is_dead(&live[i]))
			return 1;
	return 0;
}

static void
do_get(void)
{
	int		 q = (int)rig_rnd(QUEUES);
	struct waiter	*w = new_waiter(q);
	int		 nothing = pick(q) == NULL || waiters[q] != NULL;
	enum err	 e;

	op = GET;
	if (!has_dead(q))
		inject();
	e = queue_get(qs, name(q), rig_rnd(2) ? str("worker") : str(""),
	    &w->t, &now);
	if (!set[q].exists && w->t.wait == 0)
		CHECK(e == E_QUEUE);
	else
		CHECK(e == E_OK);
	if (e == E_OK && !w->done) {
		CHECK(w->t.wait > 0 && nothing);
		g.fail_in = 0;
		append(w);
		return;
	}
	if (e == E_OK && !refused(w->err))
		CHECK(w->err == (nothing ? E_NOTFOUND : E_OK));
	g.fail_in = 0;
	free(w);
}

static struct inst *
any_out(void)
{
	unsigned	i, at = (unsigned)rig_rnd(lives + 1), k;

	for (i = 0; i < lives; i++) {
		k = (at + i) % lives;
		if (live[k].token[0] != '\0' &&
		    (live[k].st == OUT || rig_rnd(50) == 0))
			return &live[k];
	}
	return NULL;
}

static void
do_ack(void)
{
	struct inst	*m = any_out();
	struct inst	 was;
	uint64_t	 mark = 0;
	enum err	 e;

	if (m == NULL)
		return;
	was = *m;
	op = ACK;
	ack_id = was.id;
	inject();
	e = queue_ack(qs, name(was.q), str(was.older[0] != '\0' &&
	    rig_rnd(3) == 0 ? was.older : was.token), &now, &mark);
	if (!refused(e))
		CHECK(e == (was.st == NONE ? set[was.q].exists ? E_TOKEN :
		    E_QUEUE : E_OK));
	CHECK(e != E_OK || m->st == NONE);
	if (e != E_OK)
		return;
	ended[was.seq] = 1;
	promise(mark, 0, 0, was.id);
}

/* Which delivery it is from. */
static unsigned long
attempt_of(const char *token)
{
	return strtoul(strchr(token, '.') + 1, NULL, 16);
}

static void
do_nack(void)
{
	struct inst	*m = any_out(), was;
	uint64_t	 mark = 0;
	struct queue_back back = { rig_rnd(2) ? 0 : 1 + (int64_t)rig_rnd(9000),
				    rig_rnd(3) == 0 };
	int		 old, dead, wanted;
	enum err	 e;

	if (m == NULL)
		return;
	was = *m;
	/* An attempt that did not count left its number to the next one. */
	old = was.older[0] != '\0' && attempt_of(was.older) !=
	    attempt_of(was.token) && rig_rnd(4) == 0;
	dead = is_dead(m) && !back.unseen;
	wanted = was.st == OUT && !old && !dead && waiters[was.q] != NULL &&
	    back.delay == 0;
	op = NACK;
	if (!dead && pick(was.q) == NULL && waiters[was.q] == NULL)
		inject();
	/* A waiter may have it before the call returns. */
	if (wanted) {
		m->st = READY;
		m->tries -= (unsigned)back.unseen;
	}
	e = queue_nack(qs, name(was.q), str(old ? was.older : was.token),
	    &back, &now, &mark);
	if (refused(e)) {
		CHECK(m->st == was.st);
		return;
	}
	if (was.st != OUT || old)
		CHECK(e == (set[was.q].exists ? E_TOKEN : E_QUEUE));
	else
		CHECK(e == E_OK);
	if (e != E_OK || dead || wanted)
		return;
	m->st = back.delay == 0 ? READY : LATER;
	m->due = back.delay == 0 ? 0 : now.wall + back.delay;
	m->tries -= (unsigned)back.unseen;
}

static void
do_touch(void)
{
	struct inst	*m = any_out();
	int64_t		 more = rig_rnd(2) ? 0 : 1 + (int64_t)rig_rnd(50000);
	int64_t		 asked = more;
	uint64_t	 mark = 0;
	enum err	 e;

	if (m == NULL)
		return;
	op = TOUCH;
	inject();
	e = queue_touch(qs, name(m->q), str(m->token), &more, &now, &mark);
	if (refused(e))
		return;
	CHECK(e == (m->st == OUT ? E_OK : set[m->q].exists ? E_TOKEN :
	    E_QUEUE));
	if (e != E_OK)
		return;
	CHECK(more == (asked == 0 ? set[m->q].timeout : asked));
	m->due = now.wall + more;
}

static int
is_default(const struct ref_set *s)
{
	return !s->lock && s->dead < 0 && s->max == 0 && s->maxdeliver == 0 &&
	    s->ttl == 0 && s->delay == 0 && s->timeout == g.conf.limits.timeout;
}

static void
do_purge(void)
{
	int		q = (int)rig_rnd(QUEUES);
	unsigned	p = (unsigned)rig_rnd(3), i, left = 0;
	struct inst	*m;
	uint64_t	mark = 0;
	enum err	e;

	op = PURGE;
	inject();
	e = queue_purge(qs, name(q), p, &now, &mark);
	if (refused(e))
		return;
	CHECK(e == (set[q].exists ? E_OK : E_QUEUE));
	if (e != E_OK)
		return;
	for (i = 0; i < lives; i++) {
		m = &live[i];
		if (m->q != q || m->st == NONE)
			continue;
		if (m->prio != p || (m->st == OUT && m->due > now.wall)) {
			left++;
			continue;
		}
		m->st = NONE;
		ended[m->seq] = 1;
		promise(mark, 0, 0, m->id);
	}
	if (left == 0 && is_default(&set[q]))
		set[q].exists = 0;
	CHECK(queue_settings(qs, name(q), &(struct settings){ 0 }, NULL) ==
	    (set[q].exists ? E_OK : E_QUEUE));
}

/* What is out goes by the new time-out. */
static void
new_timeout(int q, uint32_t ms)
{
	unsigned	i;

	for (i = 0; i < lives; i++)
		if (live[i].q == q && live[i].st == OUT)
			live[i].due += (int64_t)ms - set[q].timeout;
	set[q].timeout = ms;
}

static void
do_set(void)
{
	int		q = (int)rig_rnd(QUEUES - 1);
	struct settings	s = { 0 };
	unsigned	mask = 1u << rig_rnd(7);
	enum err	e;

	s.lock = rig_rnd(4) == 0;
	s.max = rig_rnd(3) ? 0 : 1 + (uint32_t)rig_rnd(200);
	s.timeout = rig_rnd(2) ? g.conf.limits.timeout : 1000 + (uint32_t)
	    rig_rnd(40000);
	s.maxdeliver = rig_rnd(2) ? 0 : 1 + (uint32_t)rig_rnd(4);
	s.ttl = rig_rnd(3) ? 0 : 100000;
	s.delay = rig_rnd(3) ? 0 : 3000;
	s.deadlen = 4;
	memcpy(s.dead, "dead", 4);
	if (mask == SET_MAXDELIVER)
		mask |= SET_DEAD;
	op = SET;
	inject();
	e = queue_set(qs, name(q), &s, mask, 0, &now, NULL);
	if (refused(e))
		return;
	CHECK(e == (set[q].exists ? E_OK : E_QUEUE));
	if (e != E_OK)
		return;
	if (mask & SET_LOCK)
		set[q].lock = s.lock;
	if (mask & SET_MAX)
		set[q].max = s.max;
	if (mask & SET_TIMEOUT)
		new_timeout(q, s.timeout);
	if (mask & SET_MAXDELIVER)
		set[q].maxdeliver = s.maxdeliver;
	if (mask & SET_DEAD)
		set[q].dead = 3;
	if (mask & SET_TTL)
		set[q].ttl = s.ttl;
	if (mask & SET_DELAY)
		set[q].delay = s.delay;
}

static void
do_move(void)
{
	int		from = rig_rnd(2) ? 3 : (int)rig_rnd(QUEUES);
	int		to = (int)rig_rnd(QUEUES);
	unsigned	moved, most = 1 + (unsigned)rig_rnd(5);
	int		waits = waiters[to] != NULL;
	enum err	e;

	op = MOVE;
	if (has_dead(from) || has_dead(to))
		return;
	e = queue_move(qs, name(from), name(to), most, &moved, &now, NULL);
	if (from == to)
		CHECK(e == E_PARAM);
	else if (!set[from].exists)
		CHECK(e == E_QUEUE);
	if (from != to && set[from].exists)
		/* Who waits there takes them only when all have been moved. */
		CHECK(e == E_OK || e == put_error(to, 1) ||
		    (e == E_QFULL && moved > 0 && waits));
	CHECK(e != E_OK || moved == most || pick(from) == NULL);
}

static void
do_cancel(void)
{
	int		 q = (int)rig_rnd(QUEUES);
	struct waiter	*w = waiters[q];

	while (w != NULL && w->next != NULL && rig_rnd(2))
		w = w->next;
	if (w == NULL)
		return;
	CHECK(queue_cancel(qs, &w->t) == 1);
	CHECK(queue_cancel(qs, &w->t) == 0);
	leaves(w);
	free(w);
}

static void
do_time(void)
{
	int64_t	ms = rig_rnd(10) ? (int64_t)rig_rnd(2000) : (int64_t)
	    rig_rnd(400000);

	now.wall += ms;
	now.mono.us += ms * 1000;
}

static void
compare(void)
{
	struct queue_stat	st;
	uint64_t		total = 0;
	struct queues_total	t;
	struct waiter		*w;
	int			q, p;

	for (q = 0; q < QUEUES; q++) {
		if (queue_stat(qs, name(q), &st, NULL) != E_OK) {
			CHECK(!set[q].exists);
			continue;
		}
		CHECK(set[q].exists);
		for (p = 0; p < 3; p++)
			CHECK(st.ready[p] == count(q, READY, p) +
			    count(q, BACK, p));
		CHECK(st.delayed == count(q, LATER, -1));
		CHECK(st.unacked == count(q, OUT, -1));
		CHECK(st.ci - st.si == st.ready[0]);
		for (w = waiters[q]; w != NULL; w = w->next)
			st.waiting--;
		CHECK(st.waiting == 0);
		total += st.ready[0] + st.ready[1] + st.ready[2] +
		    st.delayed + st.unacked;
	}
	queues_total(qs, &t);
	CHECK(t.messages == total);
}

/* --- crashes --- */

static void
do_crash(int clean)
{
	uint64_t	cut;

	op = OTHER;
	queues_stop(qs);
	queues_free(qs);
	if (clean)
		release(g.mark);
	cut = released + rig_rnd(g.mark - released + 1);
	rig_crash(&g, cut);
	nanswers = 0;
	recover();
	g.conf.salt = (uint32_t)rig_rnd(1u << 31);
	qs = rig_start(&g, &now, 1, 1);
	if (rig_rnd(2))
		do_put(5);		/* before all is known */
	queues_feed_done(qs, &now);
	op = WORK;
	while (queues_building(qs))
		queues_work(qs, &now);
	settle();
	done_crash++;
}

/* --- runs --- */

/* Not within a command: who is served points into the list. */
static void
tidy(void)
{
	unsigned	i, k = 0;

	for (i = 0; i < lives; i++)
		if (live[i].st != NONE || rig_rnd(3) == 0)
			live[k++] = live[i];
	lives = k;
}

/* What happens before the sweep has done anything. */
static void
purge_and_on(void)
{
	do_purge();
	if (rig_rnd(3) == 0)
		do_put(4);
	if (rig_rnd(3) == 0)
		do_crash(0);
}

static void
step(unsigned most)
{
	if (lives > LIVE / 2)
		tidy();
	if (lives > LIVE / 3)
		most = 1;
	switch (rig_rnd(24)) {
	case 0: case 1: case 2: case 3: case 4: do_put(most); break;
	case 5: case 6: case 7: case 8: case 9: case 10: do_get(); break;
	case 11: case 12: case 13: case 14: do_ack(); break;
	case 15: do_nack(); break;
	case 16: do_touch(); break;
	case 17: if (rig_rnd(6) == 0) purge_and_on(); break;
	case 18: if (rig_rnd(3) == 0) do_set(); break;
	case 19: do_move(); break;
	case 20: do_cancel(); break;
	case 21: release(released + rig_rnd(g.mark - released + 1)); break;
	case 22: if (rig_rnd(20) == 0) do_crash(0); break;
	default: do_time(); break;
	}
	settle();
	compare();
}

static void
open_limits(void)
{
	struct settings	s;
	int		q;

	for (q = 0; q < QUEUES; q++)
		if (set[q].exists) {
			settings_default(&s, KIND_QUEUE, 60000, 0);
			queue_set(qs, name(q), &s, SET_ALL, 0, &now, NULL);
			new_timeout(q, 60000);
			make_settings(&set[q]);
			set[q].timeout = 60000;
		}
}

/* In the end everything that is left comes out and is acked. */
static void
drain(void)
{
	struct waiter	*w;
	unsigned	 i;
	int		 q;

	do_crash(1);
	op = SET;
	open_limits();
	now.wall += 86400000;
	settle();
	for (q = 0; q < QUEUES; q++)
		while (pick(q) != NULL) {
			w = new_waiter(q);
			w->t.wait = 0;
			w->t.autoack = 0;
			op = GET;
			CHECK(queue_get(qs, name(q), str("w"), &w->t, &now) ==
			    E_OK && w->err == E_OK);
			free(w);
			if (broken)
				return;
		}
	op = ACK;
	for (i = 0; i < lives; i++)
		if (live[i].st == OUT) {
			ack_id = live[i].id;
			CHECK(queue_ack(qs, name(live[i].q),
			    str(live[i].token), &now, NULL) == E_OK);
		}
	for (i = 0; i < seqs; i++)
		CHECK(!sure[i] || received[i] || ended[i] == 1);
}

static void
begin(uint64_t seed)
{
	seed_now = seed;
	rig_seed(seed);
	rig_open(&g);
	g.saw = saw;
	memset(sure, 0, sizeof(sure));
	memset(ended, 0, sizeof(ended));
	memset(received, 0, sizeof(received));
	memset(gone, 0, sizeof(gone));
	memset(set, 0, sizeof(set));
	lives = seqs = nanswers = moving = 0;
	released = 0;
	now = (struct queue_now){ 1700000000000, { 5000000 } };
	qs = rig_start(&g, &now, 0, 0);
}

static void
run(uint64_t seed, unsigned steps)
{
	unsigned	i, most = seed % 3 == 0 ? 40 : 4;

	begin(seed);
	for (i = 0; i < steps && !broken && seqs < SEQS - 100; i++)
		step(most);
	if (!broken)
		drain();
	queues_stop(qs);
	queues_free(qs);
	/* Nothing is left but settings and who asked. */
	CHECK(broken || rig_count(&g, QUEUE_MESSAGE) == 0);
	CHECK(broken || rig_count(&g, QUEUE_DELIVERY) == 0);
	rig_close(&g);
}

static void
test_model(void)
{
	const char	*one = getenv("WHARF_SEED");
	const char	*size = getenv("WHARF_SIZE");
	unsigned	 n = getenv("WHARF_LONG") != NULL ? 600 :
			    size != NULL && strcmp(size, "small") == 0 ? 6 : 15;
	uint64_t	 seed = one != NULL ? strtoull(one, NULL, 10) : 1;

	if (one != NULL)
		n = 1;
	for (; n > 0 && !broken; n--, seed++)
		run(seed, 3000);
	printf("\nup to seed %llu: %lu put, %lu delivered, %lu dead, "
	    "%lu waits, %lu crashes\n", (unsigned long long)seed - 1,
	    done_put, done_got, done_dead, done_wait, done_crash);
	CHECK(done_got > 1000 && done_crash > 0 && done_wait > 10);
	CHECK(one != NULL || done_dead > 10);
}

static const CU_TestInfo tests[] = {
	{ "model", test_model },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_queue_model", UNIT_SUITE("queue model", tests))
