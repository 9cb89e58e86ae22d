/*
 * task.c: tasks between clients and workers (task.h).
 *
 * Invariants: 1. waiting has the tasks that nobody has claimed, the oldest
 * first; while a task waits no worker that would take it waits; 2. a task is in
 * the table, under its token, exactly from its first claim on; 3. it lives as
 * long as its client waits.
 *
 * Part of libqueue.  Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/task.h"

#define BUCKETS		1024u

struct task {
	TAILQ_ENTRY(task) next;		/* of those that wait */
	LIST_ENTRY(task) bucket;
	struct task_ask	*ask;
	struct heap_node until;
	uint8_t		 id[TASK_TOKEN / 2];
	int		 claimed;	/* now */
	int		 tokened;	/* in the table */
	size_t		 bytes;
	struct queue_str queue, body;	/* behind this */
};

struct tasks {
	struct task_conf conf;
	TAILQ_HEAD(, task) waiting;
	struct parking	 claims;
	LIST_HEAD(task_bucket, task) table[BUCKETS];
	struct heap	 until_task, until_claim;
	uint32_t	 unassigned, assigned;
	size_t		 bytes;
};

struct tasks *
tasks_new(const struct task_conf *conf)
{
	struct tasks	*ts = calloc(1, sizeof(*ts));

	if (ts == NULL)
		return NULL;
	ts->conf = *conf;
	TAILQ_INIT(&ts->waiting);
	parking_init(&ts->claims, NULL, &ts->until_claim);
	return ts;
}

void
tasks_free(struct tasks *ts)
{
	if (ts == NULL)
		return;
	heap_free(&ts->until_task);
	heap_free(&ts->until_claim);
	free(ts);
}

/* --- tokens --- */

static struct task_bucket *
bucket(struct tasks *ts, const uint8_t *id)
{
	return &ts->table[(id[0] | id[1] << 8) % BUCKETS];
}

static void
hex(const uint8_t *id, char out[TASK_TOKEN + 1])
{
	static const char	digit[] = "0123456789abcdef";
	unsigned		i;

	for (i = 0; i < TASK_TOKEN / 2; i++) {
		out[2 * i] = digit[id[i] >> 4];
		out[2 * i + 1] = digit[id[i] & 15];
	}
	out[TASK_TOKEN] = '\0';
}

/* Compares all of it, so that time tells nothing of how much was right. */
static int
is_token(const struct task *t, struct queue_str token)
{
	char		text[TASK_TOKEN + 1];
	unsigned	i, diff = 0;

	hex(t->id, text);
	for (i = 0; i < TASK_TOKEN; i++)
		diff |= (uint8_t)text[i] ^ token.p[i];
	return diff == 0;
}

static unsigned
nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - (unsigned)'0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16;
}

static struct task *
find(struct tasks *ts, struct queue_str token)
{
	struct task	*t;
	uint8_t		 id[2];
	unsigned	 i;

	if (token.n != TASK_TOKEN)
		return NULL;
	for (i = 0; i < 4; i++)
		if (nibble(token.p[i]) > 15)
			return NULL;
	for (i = 0; i < 2; i++)
		id[i] = (uint8_t)(nibble(token.p[2 * i]) << 4 |
		    nibble(token.p[2 * i + 1]));
	LIST_FOREACH(t, bucket(ts, id), bucket)
		if (is_token(t, token))
			return t;
	return NULL;
}

/* --- the life of a task --- */

/* Somebody takes it, or nobody wants it any more. */
static void
wait_end(struct tasks *ts, struct task *t)
{
	TAILQ_REMOVE(&ts->waiting, t, next);
	ts->unassigned--;
}

static void
task_end(struct tasks *ts, struct task *t)
{
	heap_del(&ts->until_task, &t->until);
	if (t->claimed)
		ts->assigned--;
	else
		wait_end(ts, t);
	if (t->tokened)
		LIST_REMOVE(t, bucket);
	t->ask->task_ = NULL;
	ts->bytes -= t->bytes;
	free(t);
}

/* The first claim gives it a token; later ones a new one. */
static void
task_token(struct tasks *ts, struct task *t)
{
	if (t->tokened)
		LIST_REMOVE(t, bucket);
	ts->conf.random(ts->conf.arg, t->id, sizeof(t->id));
	LIST_INSERT_HEAD(bucket(ts, t->id), t, bucket);
	t->tokened = 1;
}

/* To a worker; the task waits no more, the worker neither. */
static void
give(struct tasks *ts, struct task *t, struct task_claim *c, mono_t now)
{
	char	token[TASK_TOKEN + 1];

	t->claimed = 1;
	ts->assigned++;
	task_token(ts, t);
	hex(t->id, token);
	heap_set(&ts->until_task, &t->until, now.us + t->ask->wait);
	c->done(c, E_OK, t->queue, token, t->body);
}

static int
is_for(const struct task *t, struct queue_str queue)
{
	return queue.n == 0 || (queue.n == t->queue.n &&
	    memcmp(queue.p, t->queue.p, queue.n) == 0);
}

static struct task_claim *
claim_of(struct parked *p)
{
	return (struct task_claim *)(void *)((char *)p -
	    offsetof(struct task_claim, parked_));
}

/* A worker that waits for such a task, the one that came first. */
static struct task_claim *
worker_for(struct tasks *ts, const struct task *t)
{
	struct parked	*p;

	TAILQ_FOREACH(p, &ts->claims.list, next)
		if (is_for(t, claim_of(p)->queue_))
			return claim_of(p);
	return NULL;
}

static struct task *
task_new(struct queue_str queue, struct queue_str body, struct task_ask *a)
{
	size_t		 bytes = sizeof(struct task) + queue.n + body.n;
	struct task	*t = malloc(bytes);
	uint8_t		*p;

	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	p = (uint8_t *)(t + 1);
	memcpy(p, queue.p, queue.n);
	memcpy(p + queue.n, body.p, body.n);
	t->queue = (struct queue_str){ p, queue.n };
	t->body = (struct queue_str){ p + queue.n, body.n };
	t->bytes = bytes;
	t->ask = a;
	return t;
}

enum err
task_ask(struct tasks *ts, struct queue_str queue, struct queue_str body,
    struct task_ask *a, mono_t now)
{
	struct task		*t;
	struct task_claim	*c;
	uint32_t		 n = ts->unassigned + ts->assigned;

	a->task_ = NULL;
	if (queue.n == 0 || queue.n > QUEUE_NAME_MAX)
		return E_PARAM;
	if (n >= ts->conf.asks)
		return E_FULL;
	if (ts->bytes + queue.n + body.n > ts->conf.bytes ||
	    heap_reserve(&ts->until_task, n + 1) != 0 ||
	    (t = task_new(queue, body, a)) == NULL)
		return E_NOMEM;
	a->task_ = t;
	ts->bytes += t->bytes;
	if ((c = worker_for(ts, t)) != NULL) {
		parked_del(&c->parked_);
		give(ts, t, c, now);
	} else {
		TAILQ_INSERT_TAIL(&ts->waiting, t, next);
		ts->unassigned++;
		heap_set(&ts->until_task, &t->until, now.us + a->wait);
	}
	return E_OK;
}

void
task_ask_cancel(struct tasks *ts, struct task_ask *a)
{
	if (a->task_ != NULL)
		task_end(ts, a->task_);
}

enum err
task_claim(struct tasks *ts, struct queue_str queue, struct task_claim *c,
    mono_t now)
{
	struct task	*t;

	parked_init(&c->parked_);
	if (queue.n > QUEUE_NAME_MAX)
		return E_PARAM;
	TAILQ_FOREACH(t, &ts->waiting, next)
		if (is_for(t, queue))
			break;
	if (t != NULL) {
		wait_end(ts, t);
		give(ts, t, c, now);
		return E_OK;
	}
	if (c->wait <= 0) {
		c->done(c, E_WAITED, (struct queue_str){ NULL, 0 }, "",
		    (struct queue_str){ NULL, 0 });
		return E_OK;
	}
	if (ts->claims.n >= ts->conf.claims)
		return E_FULL;
	if (heap_reserve(&ts->until_claim, ts->claims.n + 1) != 0)
		return E_NOMEM;
	if (queue.n > 0)
		memcpy(c->name_, queue.p, queue.n);
	c->queue_ = (struct queue_str){ c->name_, queue.n };
	parked_add(&ts->claims, &c->parked_, now.us + c->wait);
	return E_OK;
}

void
task_claim_cancel(struct tasks *ts, struct task_claim *c)
{
	(void)ts;
	if (c->parked_.at != NULL)
		parked_del(&c->parked_);
}

enum err
task_done(struct tasks *ts, struct queue_str token, struct queue_str result)
{
	struct task	*t = find(ts, token);
	struct task_ask	*a;

	if (t == NULL || !t->claimed)
		return E_NOTFOUND;
	a = t->ask;
	task_end(ts, t);
	a->done(a, E_OK, result);
	return E_OK;
}

enum err
task_back(struct tasks *ts, struct queue_str token, mono_t now)
{
	struct task		*t = find(ts, token);
	struct task_claim	*c;

	if (t == NULL || !t->claimed)
		return E_NOTFOUND;
	t->claimed = 0;
	ts->assigned--;
	if ((c = worker_for(ts, t)) != NULL) {
		parked_del(&c->parked_);
		give(ts, t, c, now);
	} else {
		TAILQ_INSERT_HEAD(&ts->waiting, t, next);
		ts->unassigned++;
	}
	return E_OK;
}

/* --- time --- */

static void
ask_over(struct tasks *ts, struct task *t, enum err e)
{
	struct task_ask	*a = t->ask;

	task_end(ts, t);
	a->done(a, e, (struct queue_str){ NULL, 0 });
}

static void
claim_over(struct task_claim *c, enum err e)
{
	parked_del(&c->parked_);
	c->done(c, e, (struct queue_str){ NULL, 0 }, "",
	    (struct queue_str){ NULL, 0 });
}

static struct task *
task_of(struct heap_node *n)
{
	return (struct task *)(void *)((char *)n -
	    offsetof(struct task, until));
}

void
tasks_work(struct tasks *ts, mono_t now)
{
	struct heap_node	*n;
	struct parked		*p;

	while ((n = heap_top(&ts->until_task)) != NULL && n->key <= now.us)
		ask_over(ts, task_of(n), E_WAITED);
	while ((p = parked_late(&ts->until_claim, now)) != NULL)
		claim_over(claim_of(p), E_WAITED);
}

void
tasks_stop(struct tasks *ts)
{
	struct heap_node	*n;
	struct parked		*p;

	while ((n = heap_top(&ts->until_task)) != NULL)
		ask_over(ts, task_of(n), E_NOTREADY);
	while ((p = parking_first(&ts->claims)) != NULL)
		claim_over(claim_of(p), E_NOTREADY);
}

static int64_t
left(const struct heap *h, mono_t now, int64_t least)
{
	const struct heap_node	*n = heap_top(h);
	int64_t			 us;

	if (n == NULL)
		return least;
	us = n->key <= now.us ? 0 : n->key - now.us;
	return least < 0 || us < least ? us : least;
}

int64_t
tasks_next(const struct tasks *ts, mono_t now)
{
	return left(&ts->until_claim, now, left(&ts->until_task, now, -1));
}

void
tasks_stat(const struct tasks *ts, struct task_stat *st)
{
	*st = (struct task_stat){ ts->unassigned, ts->assigned, ts->conf.asks,
	    ts->claims.n, ts->conf.claims, ts->bytes };
}
