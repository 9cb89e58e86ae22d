/*
 * test_queue_nomem.c: memory is refused now and then, to any call: what was
 * answered holds all the same.  Nothing that was put is lost, nothing that was
 * acknowledged comes again, and the counts are those of storage.
 *
 * WHARF_SEED=n replays one run; a failure prints its seed.
 */
#include <string.h>

#include "queue/topic.h"
#include "tests/queue_rig.h"
#include "tests/unit.h"

#define ITEMS	20000u
#define WAITERS	8u
#define CHECK(x) do {							\
	if (!(x) && !broken) {						\
		broken = 1;						\
		printf("\nseed %llu, line %d: %s\n",			\
		    (unsigned long long)seed, __LINE__, #x);		\
	}								\
} while (0)

void	*__real_malloc(size_t);
void	*__real_calloc(size_t, size_t);
void	*__real_realloc(void *, size_t);
void	*__wrap_malloc(size_t);
void	*__wrap_calloc(size_t, size_t);
void	*__wrap_realloc(void *, size_t);

static struct rig	 g;
static struct queues	*qs;
static struct queue_now	 now;
static struct client	 waiter[WAITERS];
static const char	*const names[3] = { "a", "b", "dead" };
static uint64_t		 seed;
static int		 broken, armed;
static unsigned long	 refusals, acked;
static unsigned		 items;
static uint8_t		 sure[ITEMS], seen[ITEMS], ended[ITEMS];

/* --- memory --- */

static int
refuses(void)
{
	if (!armed || rig_rnd(4) != 0)
		return 0;
	refusals++;
	return 1;
}

void *
__wrap_malloc(size_t n)
{
	return refuses() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return refuses() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return refuses() ? NULL : __real_realloc(p, n);
}

/* --- storage, which has all the memory that it wants --- */

static enum err
ops_put(void *arg, const struct queue_key *k, struct queue_str head,
    struct queue_str item, uint64_t *mark)
{
	int		was = armed;
	enum err	e;

	armed = 0;
	e = rig_ops.put(arg, k, head, item, mark);
	armed = was;
	return e;
}

static enum err
ops_del(void *arg, const struct queue_key *k, uint64_t *mark)
{
	int		was = armed;
	enum err	e;

	armed = 0;
	e = rig_ops.del(arg, k, mark);
	armed = was;
	return e;
}

static struct queue_ops	ops;

/* --- commands --- */

static void
took(const struct client *c)
{
	unsigned	i, at;

	for (i = 0; i < c->n; i++) {
		at = (unsigned)strtoul(c->got[i].item, NULL, 10);
		CHECK(at < items && !ended[at]);
		seen[at] = 1;
	}
}

/* Half of what came is acknowledged. */
static void
settle(const struct client *c, const char *name)
{
	struct queue_back	back = { .delay = 0 };
	struct queue_str	token;
	unsigned		i, at;
	enum err		e;

	for (i = 0; i < c->n; i++) {
		at = (unsigned)strtoul(c->got[i].item, NULL, 10);
		token = str(c->got[i].token);
		if (rig_rnd(2)) {
			e = queue_ack(qs, str(name), token, &now, NULL);
			CHECK(e == E_OK);
			ended[at] = 1;
			acked++;
			continue;
		}
		back.delay = (int64_t)rig_rnd(2) * 5000;
		e = rig_rnd(2) ? E_OK : queue_nack(qs, str(name), token, &back,
		    &now, NULL);
		CHECK(e == E_OK);
	}
}

static void
do_put(void)
{
	char			text[40][16];
	struct queue_str	s[40];
	struct queue_put	put = { s, 1 + (unsigned)rig_rnd(40),
				    (unsigned)rig_rnd(3), 0,
				    (int64_t)rig_rnd(2) * 3000 };
	unsigned		i, done = 0;
	enum err		e;

	for (i = 0; i < put.n; i++) {
		snprintf(text[i], sizeof(text[i]), "%u", items + i);
		s[i] = str(text[i]);
	}
	e = queue_put(qs, str(names[rig_rnd(2)]), &put, &now, &done, NULL);
	CHECK(e == E_NOMEM || (e == E_OK && done == put.n));
	for (i = 0; i < put.n; i++)
		sure[items + i] = i < done;
	items += put.n;
}

static void
do_get(void)
{
	const char	*name = names[rig_rnd(3)];
	struct client	 c;
	enum err	 e;

	client_init(&c);
	c.t.count = 1 + (unsigned)rig_rnd(30);
	c.t.autoack = (int)rig_rnd(2);
	e = client_get(qs, name, &c, &now);
	CHECK(e == E_OK || e == E_QUEUE || e == E_NOMEM);
	if (e != E_OK)
		return;
	CHECK(c.done && (c.err == E_OK || c.err == E_NOMEM ||
	    c.err == E_NOTFOUND || c.err == E_AGAIN));
	took(&c);
	settle(&c, name);
}

static void
look(void)
{
	unsigned	i;

	for (i = 0; i < WAITERS; i++)
		if (waiter[i].done) {
			took(&waiter[i]);
			settle(&waiter[i], names[i % 2]);
			client_init(&waiter[i]);
		}
}

static void
do_wait(void)
{
	unsigned	i = (unsigned)rig_rnd(WAITERS);
	struct client	*c = &waiter[i];

	if (c->t.wait != 0) {
		if (rig_rnd(3) == 0) {
			CHECK(queue_cancel(qs, &c->t) == 1);
			client_init(c);
		}
		return;
	}
	c->t.wait = 1 + (int64_t)rig_rnd(20000000);
	c->t.count = 1 + (unsigned)rig_rnd(4);
	if (client_get(qs, names[i % 2], c, &now) != E_OK)
		client_init(c);
}

static void
do_set(void)
{
	struct settings	s = { .maxdeliver = 3, .deadlen = 4,
			    .timeout = 1000 + (uint32_t)rig_rnd(20000) };

	memcpy(s.dead, "dead", 4);
	(void)queue_set(qs, str(names[rig_rnd(2)]), &s, SET_TIMEOUT |
	    SET_MAXDELIVER | SET_DEAD, 0, &now, NULL);
}

static void
do_move(void)
{
	unsigned	moved;
	enum err	e;

	e = queue_move(qs, str("dead"), str(names[rig_rnd(2)]),
	    1 + (unsigned)rig_rnd(20), &moved, &now, NULL);
	CHECK(e == E_OK || e == E_NOMEM || e == E_QUEUE || e == E_AGAIN);
}

/* Which are gone by it nobody knows: as if all had been acknowledged. */
static void
do_purge(void)
{
	unsigned	i;
	enum err	e;

	e = queue_purge(qs, str("dead"), (unsigned)rig_rnd(3), &now, NULL);
	CHECK(e == E_OK || e == E_NOMEM || e == E_QUEUE);
	for (i = 0; e == E_OK && i < items; i++)
		seen[i] |= sure[i] && !ended[i];
}

static void
do_pub(void)
{
	static uint64_t	at;
	enum err	e;

	e = topic_pub(qs, str("topic"), str("x"), rig_rnd(3) ? -1 : (int64_t)
	    ((at + rig_rnd(50)) % TOPIC_RING), 1000, &now, &at, NULL);
	CHECK(e == E_OK || e == E_NOMEM);
}

static int
see_none(void *arg, const struct queue_stat *st)
{
	(void)st;
	++*(unsigned *)arg;
	return 1;
}

static void
step(void)
{
	unsigned	n = 0;

	switch (rig_rnd(14)) {
	case 0: case 1: case 2: do_put(); break;
	case 3: case 4: case 5: do_get(); break;
	case 6: case 7: do_wait(); break;
	case 8: do_set(); break;
	case 9: do_move(); break;
	case 10: if (rig_rnd(8) == 0) do_purge(); break;
	case 11: do_pub(); break;
	case 12: (void)queues_list(qs, str(""), see_none, &n, NULL); break;
	default:
		n = (unsigned)rig_rnd(3000);
		now.wall += n;
		now.mono.us += n * 1000;
	}
	(void)queues_work(qs, &now);
	look();
}

/* --- runs --- */

static void
later(int64_t ms)
{
	now.wall += ms;
	now.mono.us += ms * 1000;
	rig_work(qs, &now);
}

static void
counts(void)
{
	struct queues_total	t;

	queues_total(qs, &t);
	CHECK(t.messages == rig_count(&g, QUEUE_MESSAGE));
}

static void
drain(void)
{
	struct client	c;
	unsigned	i, k;

	for (i = 0; i < WAITERS; i++)
		if (waiter[i].t.wait != 0)
			(void)queue_cancel(qs, &waiter[i].t);
	later(86400000);
	counts();
	for (k = 0; k < 3; k++)
		for (;;) {
			client_init(&c);
			c.t.count = GOT_MOST;
			if (client_get(qs, names[k], &c, &now) != E_OK ||
			    (c.err != E_OK && c.err != E_AGAIN))
				break;
			took(&c);
		}
	for (i = 0; i < items; i++)
		CHECK(!sure[i] || seen[i]);
}

/* Another start, with the same or less memory than before. */
static void
restart(void)
{
	queues_stop(qs);
	queues_free(qs);
	g.conf.salt++;
	qs = rig_start(&g, &now, seed, 0);
}

static void
run(unsigned steps)
{
	unsigned	i;

	rig_seed(seed);
	rig_open(&g);
	ops = rig_ops;
	ops.put = ops_put;
	ops.del = ops_del;
	g.conf.ops = &ops;
	memset(sure, 0, sizeof(sure));
	memset(seen, 0, sizeof(seen));
	memset(ended, 0, sizeof(ended));
	items = 0;
	for (i = 0; i < WAITERS; i++)
		client_init(&waiter[i]);
	now = (struct queue_now){ 1700000000000, { 5000000 } };
	qs = rig_start(&g, &now, 0, 0);
	for (i = 0; i < steps && items < ITEMS - 40 && !broken; i++) {
		armed = i % 100 > 30;
		step();
	}
	armed = 0;
	drain();
	restart();
	counts();
	queues_stop(qs);
	queues_free(qs);
	rig_close(&g);
}

static void
test_no_memory(void)
{
	const char	*one = getenv("WHARF_SEED");
	unsigned	 n = getenv("WHARF_LONG") != NULL ? 200 : 8;

	seed = one != NULL ? strtoull(one, NULL, 10) : 1;
	for (n = one != NULL ? 1 : n; n > 0 && !broken; n--, seed++)
		run(2000);
	CU_ASSERT(!broken);
	printf("\n%lu refusals, %lu acknowledged\n", refusals, acked);
	CU_ASSERT(refusals > 1000 && acked > 1000);
}

static const CU_TestInfo tests[] = {
	{ "no memory", test_no_memory },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_queue_nomem", UNIT_SUITE("queues, no memory", tests))
