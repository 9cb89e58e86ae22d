/*
 * ops.c: which op comes next, and what became of it.
 *
 * Values: a pool of pseudo-random bytes is made once; the value of a key is
 * the window of it that begins at a hash of the key, so that a value says
 * whose it is and costs nothing to make or to check.
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

#define WINDOWS		4096u
#define DRAIN		(10 * SECOND)	/* wait so long for answers */
#define ZIPF_THETA	0.99

const char *const kind_names[OP_KINDS] = { "get", "put", "del",
	"hset", "hget", "sadd", "sismember", "zadd", "zscore", "zrange",
	"hkeys", "mget", "cget", "cput", "qput", "qget", "evget", "pub",
	"sub" };

static volatile sig_atomic_t	held_ended;

/* Vigna's splitmix64 (public domain, prng.di.unimi.it). */
static uint64_t
mix64(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t
bench_random(struct bench *b)
{
	return mix64(b->random++);
}

static double
zeta(uint64_t n)
{
	double		sum = 0;
	uint64_t	i;

	for (i = 1; i <= n; i++)
		sum += pow((double)i, -ZIPF_THETA);
	return sum;
}

/* Gray et al., "Quickly generating billion-record synthetic databases". */
static void
zipf_init(struct bench *b)
{
	double	n = (double)b->o.keys, zetan = zeta(b->o.keys);

	b->zipf[0] = zetan;
	b->zipf[1] = 1 / (1 - ZIPF_THETA);
	b->zipf[2] = (1 - pow(2 / n, 1 - ZIPF_THETA)) / (1 - zeta(2) / zetan);
}

static uint64_t
zipf_rank(struct bench *b)
{
	double	u = (double)(bench_random(b) >> 11) * 0x1p-53;
	double	uz = u * b->zipf[0];

	if (uz < 1)
		return 0;
	if (uz < 1 + pow(0.5, ZIPF_THETA))
		return 1;
	return (uint64_t)((double)b->o.keys *
	    pow(b->zipf[2] * u - b->zipf[2] + 1, b->zipf[1]));
}

void
bench_init(struct bench *b)
{
	size_t	i;

	b->pool = malloc(b->o.size + WINDOWS);
	if (b->pool == NULL)
		die("no memory for the values");
	for (i = 0; i < b->o.size + WINDOWS; i++)
		b->pool[i] = (char)mix64(i);
	b->random = mix64(b->o.seed);
	if (b->o.dist == DIST_ZIPF)
		zipf_init(b);
}

void
bench_start(struct bench *b)
{
	b->begin = b->last = now_ns();
	b->counted = b->begin + b->o.warmup;
	b->end = b->o.seconds > 0 ? b->counted + b->o.seconds : INT64_MAX;
}

void
key_digits(char *p, uint64_t key)
{
	int	i;

	for (i = KEY_DIGITS; i-- > 0; key /= 10)
		p[i] = (char)('0' + key % 10);
}

const char *
value_of(const struct bench *b, uint64_t key)
{
	return b->pool + mix64(key) % WINDOWS;
}

static uint64_t
key_next(struct bench *b)
{
	switch (b->o.dist) {
	case DIST_SEQUENTIAL:
		return b->next_key++ % b->o.keys;
	case DIST_ZIPF:
		/* The most wanted keys lie anywhere, not side by side. */
		return mix64(zipf_rank(b)) % b->o.keys;
	case DIST_UNIFORM:
	default:
		return bench_random(b) % b->o.keys;
	}
}

static enum kind
kind_next(struct bench *b)
{
	unsigned	dice, k;

	for (k = 0; k < OP_KINDS; k++)
		if (b->o.mix[k] == 100)
			return (enum kind)k;
	dice = (unsigned)(bench_random(b) % 100);
	for (k = 0; k < OP_KINDS - 1 && dice >= b->o.mix[k]; k++)
		dice -= b->o.mix[k];
	return (enum kind)k;
}

static int
bench_counted_out(const struct bench *b)
{
	return b->o.count != 0 && b->issued >= b->o.count;
}

int64_t
op_due(const struct bench *b)
{
	int64_t	due = b->begin +
		    (int64_t)((double)b->issued * 1e9 / b->o.rate);

	return due < b->end && !bench_counted_out(b) ? due : INT64_MAX;
}

int
op_next(struct bench *b, struct op *op, int64_t now)
{
	/* What was due before the end is sent, however late. */
	op->due = b->o.rate > 0 ? op_due(b) : now;
	if (op->due > now || op->due >= b->end || bench_counted_out(b) ||
	    held_ended)
		return 0;
	op->sent = now;
	op->kind = kind_next(b);
	op->key = b->o.first + key_next(b);
	b->issued++;
	return 1;
}

int
bench_issues(const struct bench *b, int64_t now)
{
	if (b->o.rate > 0)
		return op_due(b) != INT64_MAX;
	return now < b->end && !bench_counted_out(b);
}

static void
held_end(int sig)
{
	(void)sig;
	held_ended = 1;
}

/* Without SA_RESTART: it wakes the loop. */
void
bench_held(void)
{
	struct sigaction	sa = { .sa_handler = held_end };

	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
}

int
bench_goes_on(const struct bench *b, uint64_t inflight)
{
	int64_t	now = now_ns();

	if (b->o.hold)
		return !held_ended;
	if (!bench_issues(b, now) && inflight == 0)
		return 0;
	/* In an open loop a pause may be meant. */
	if (inflight > 0 && now - b->last > DRAIN)
		return 0;
	return b->end == INT64_MAX || now - b->end < DRAIN;
}

static void
tally_status(struct tally *t, int status)
{
	if (status == 404)
		t->missed++;
	else if (status != 200)
		t->status[status > 0 && status < STATUS_MAX ? status : 0]++;
}

/* What waits brings it in an array where the protocol is Redis's. */
static int
brings_value(enum kind kind, int64_t body)
{
	return kind == OP_GET || kind == OP_CGET || kind == OP_QGET ||
	    ((kind == OP_EVGET || kind == OP_SUB) && body >= 0);
}

void
op_done(struct bench *b, const struct op *op, int status, int64_t body,
    int64_t now)
{
	b->last = now;
	/* Redis says 0: it was there already. */
	if (status == 404 && (op->kind == OP_HSET || op->kind == OP_SADD ||
	    op->kind == OP_ZADD))
		status = 200;
	tally_status(&b->t, status);
	if (status == 200 && brings_value(op->kind, body) &&
	    body != (int64_t)b->o.size)
		b->t.size++;
	if (now < b->counted)
		return;
	if (now <= b->end)
		b->t.done++;
	hist_add(&b->raw[op->kind], now - op->sent, 1);
	hist_add(&b->late[op->kind], now - op->due, 1);
}
