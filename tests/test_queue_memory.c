/*
 * test_queue_memory.c: what a message costs in memory, by counting all that is
 * taken from malloc: at most 32 bytes, in every state and after any order of
 * removal; and all of it comes back.
 */
#include <malloc.h>
#include <string.h>

#include "queue/form.h"
#include "queue/queue.h"
#include "tests/unit.h"

void	*__real_malloc(size_t);
void	*__real_calloc(size_t, size_t);
void	*__real_realloc(void *, size_t);
void	 __real_free(void *);
void	*__wrap_malloc(size_t);
void	*__wrap_calloc(size_t, size_t);
void	*__wrap_realloc(void *, size_t);
void	 __wrap_free(void *);

static size_t	taken;		/* with what malloc keeps before each piece */

static void *
count(void *p)
{
	if (p != NULL)
		taken += malloc_usable_size(p) + sizeof(size_t);
	return p;
}

static void
uncount(void *p)
{
	if (p != NULL)
		taken -= malloc_usable_size(p) + sizeof(size_t);
}

void *
__wrap_malloc(size_t n)
{
	return count(__real_malloc(n));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return count(__real_calloc(n, size));
}

void *
__wrap_realloc(void *p, size_t n)
{
	uncount(p);
	return count(__real_realloc(p, n));
}

void
__wrap_free(void *p)
{
	uncount(p);
	__real_free(p);
}

/* --- storage that keeps nothing: every message is there --- */

static uint64_t	last_id;

static enum err
on_put(void *arg, const struct queue_key *k, struct queue_str head,
    struct queue_str item, uint64_t *mark)
{
	(void)arg; (void)k; (void)head; (void)item;
	++*mark;
	return E_OK;
}

static enum err
on_del(void *arg, const struct queue_key *k, uint64_t *mark)
{
	(void)arg; (void)k;
	++*mark;
	return E_OK;
}

static enum err
on_get(void *arg, const struct queue_key *k, queue_seen *seen, void *seenarg,
    uint64_t *mark)
{
	uint8_t			val[FORM_MESSAGE + 1];
	struct form_message	m = { 1, 0, 0 };

	(void)arg; (void)k; (void)mark;
	form_message(val, &m);
	val[FORM_MESSAGE] = 'x';
	seen(seenarg, val, sizeof(val));
	return E_OK;
}

static uint64_t
on_id(void *arg)
{
	(void)arg;
	return last_id += 1000;
}

static const struct queue_ops	ops = {
	.put = on_put, .del = on_del, .get = on_get, .id = on_id,
};

/* --- */

static struct queues	*qs;
static struct queue_now	 now = { 1700000000000, { 0 } };
static const struct queue_str name = { (const uint8_t *)"q", 1 };
static unsigned		 many;
static char		(*tokens)[TOKEN_MAX + 1];
static unsigned		 got;

static void
begin(void)
{
	struct queue_conf	c = { .ops = &ops, .limits = { 10, 100000000,
				    10, 300000 } };

	qs = queues_new(&c);
	CU_ASSERT_PTR_NOT_NULL_FATAL(qs);
	queues_feed_names(qs);
	queues_feed_done(qs, &now);
	while (queues_building(qs))
		queues_work(qs, &now);
}

static void
put(unsigned n, int64_t ttl, int64_t delay)
{
	struct queue_str	item = { (const uint8_t *)"x", 1 };
	struct queue_put	p = { &item, 1, 1, ttl, delay };
	unsigned		done, wrong = 0;
	uint64_t		mark = 0;

	for (; n > 0; n--)
		wrong += queue_put(qs, name, &p, &now, &done, &mark) != E_OK;
	CU_ASSERT(wrong == 0);
}

static int
on_item(struct queue_taker *t, const struct queue_msg *m)
{
	(void)t;
	strcpy(tokens[got++ % many], m->token);
	return 1;
}

static void
on_done(struct queue_taker *t, enum err e, unsigned n, uint64_t mark)
{
	(void)t; (void)mark; (void)n;
	CU_ASSERT(e == E_OK);
}

static void
get_all(unsigned n)
{
	struct queue_taker	t = { .item = on_item, .done = on_done };

	for (got = 0; got < n;) {
		t.count = n - got < QUEUE_COUNT_MAX ? n - got :
		    QUEUE_COUNT_MAX;
		CU_ASSERT_FATAL(queue_get(qs, name, name, &t, &now) == E_OK);
	}
}

static void
bound(const char *what, size_t before)
{
	struct queues_total	t;
	double			each;

	queues_total(qs, &t);
	each = (double)(taken - before) / (double)t.messages;
	printf("%-34s %5.1f bytes a message\n", what, each);
	CU_ASSERT(t.messages > 0 && each <= 32);
	/* What it says of itself is nearly that (malloc rounds up). */
	CU_ASSERT(t.bytes <= taken - before + sizeof(struct queue_conf));
	CU_ASSERT((double)t.bytes > (double)(taken - before) * 0.9);
}

static void
finish(size_t before)
{
	uint64_t	mark = 0;

	CU_ASSERT(queue_purge(qs, name, 1, &now, &mark) == E_OK);
	while (queues_work(qs, &now))
		;
	queues_free(qs);
	CU_ASSERT(taken == before);
}

static void
test_states(void)
{
	static const struct {
		const char	*what;
		int64_t		 ttl, delay;
		int		 out;
	} kinds[] = {
		{ "\nready", 0, 0, 0 }, { "out", 0, 0, 1 },
		{ "with a ttl", 50000, 0, 0 }, { "delayed", 0, 5000, 0 },
		{ "with a ttl, out", 50000, 0, 1 },
	};
	size_t		before = taken;
	unsigned	k;

	for (k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		begin();
		put(many, kinds[k].ttl, kinds[k].delay);
		if (kinds[k].out)
			get_all(many);
		bound(kinds[k].what, before);
		finish(before);
	}
}

/* The worst for chunks: nearly all go, in an order that leaves a few in each. */
static void
test_holes(void)
{
	size_t		before = taken;
	unsigned	i, gaps, wrong = 0;
	uint64_t	mark = 0;

	for (gaps = 2; gaps <= 30; gaps += 7) {
		begin();
		put(many, 50000, 0);
		get_all(many);
		for (i = 0; i < many; i++)
			if (i % gaps != 0)
				wrong += queue_ack(qs, name,
				    (struct queue_str){ (uint8_t *)tokens[i],
				    strlen(tokens[i]) }, &now, &mark) != E_OK;
		bound("with holes", before);
		finish(before);
	}
	CU_ASSERT(wrong == 0);
}

static void
test_empty(void)
{
	size_t		before = taken, full;
	unsigned	i, round;
	uint64_t	mark = 0;

	begin();
	put(1, 0, 0);
	get_all(1);
	queue_ack(qs, name, (struct queue_str){ (uint8_t *)tokens[0],
	    strlen(tokens[0]) }, &now, &mark);
	full = taken;
	for (round = 0; round < 3; round++) {
		put(5000, 0, 0);
		get_all(5000);
		for (i = 0; i < 5000; i++)
			queue_ack(qs, name, (struct queue_str){
			    (uint8_t *)tokens[i], strlen(tokens[i]) }, &now,
			    &mark);
	}
	/* A queue that is empty again keeps nothing of what it was. */
	CU_ASSERT(taken <= full + 1024);
	finish(before);
}

static void
test_memory(void)
{
	const char	*size = getenv("WHARF_SIZE");

	many = size != NULL && strcmp(size, "small") == 0 ? 50000 : 200000;
	tokens = malloc(many * sizeof(*tokens));
	CU_ASSERT_PTR_NOT_NULL_FATAL(tokens);
	test_states();
	test_holes();
	test_empty();
	free(tokens);
}

static const CU_TestInfo tests[] = {
	{ "memory", test_memory },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_queue_memory", UNIT_SUITE("queue memory", tests))
