/*
 * cache_trace.c: plays a zipf trace through the cache engine, or through a
 * Redis to compare with: gets, and a put of each key that was missing.
 *
 *	cache-trace [-n requests] [-k keys] [-a alpha] [-v bytes] [-m bytes]
 *	    [-s seed] [-d every] [-r socket]
 *
 * -m: memory of the engine.  -d: after so many requests each key's rank moves
 * by one (the popular ones change); 0: never.  -r: a Redis' unix socket, whose
 * memory is its own business.  Prints hits, what is in there, and for the
 * engine the processor time of a request and of the longest batch.
 *
 * Both sides get the requests BATCH at a time (Redis pipelined), then the puts.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/cache.h"

#define BATCH	32u
#define KEY	24u
#define STEP	1000u		/* requests between cache_steps */

struct options {
	uint64_t	 requests, keys, drift, seed;
	double		 alpha;
	size_t		 value, memory;
	const char	*redis;
};

struct key {
	char		text[KEY];
	size_t		n;
};

/* One side: which of the batch are there; puts those that are not. */
struct side {
	struct cache	*cache;
	FILE		*in, *out;	/* Redis */
	uint8_t		*value;
	size_t		 valuelen;
	uint64_t	 spent, longest; /* nsec, batch */
	int64_t		 now;
};

/* --- the trace --- */

struct trace {
	double		*sum;
	uint64_t	 keys, state, drift, asked;
};

static uint64_t
rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s * 0x2545f4914f6cdd1d;
}

static void
trace_open(struct trace *t, const struct options *o)
{
	uint64_t	k;
	double		s = 0;

	t->sum = malloc(o->keys * sizeof(double));
	if (t->sum == NULL)
		err(1, "malloc");
	for (k = 0; k < o->keys; k++)
		t->sum[k] = s += pow((double)(k + 1), -o->alpha);
	for (k = 0; k < o->keys; k++)
		t->sum[k] /= s;
	t->keys = o->keys;
	t->drift = o->drift;
	t->state = o->seed * 0x9e3779b97f4a7c15 + 1;
	t->asked = 0;
}

/* The rank: the first sum that is not below a random number. */
static uint64_t
trace_rank(struct trace *t)
{
	double		u = (double)(rnd(&t->state) >> 11) * 0x1p-53;
	uint64_t	lo = 0, hi = t->keys - 1, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (t->sum[mid] < u)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
trace_next(struct trace *t, struct key *k)
{
	uint64_t	id = trace_rank(t);

	if (t->drift != 0)
		id = (id + t->asked / t->drift) % t->keys;
	t->asked++;
	k->n = (size_t)snprintf(k->text, sizeof(k->text), "key:%012llu",
	    (unsigned long long)id);
}

/* --- the engine --- */

/* Processor time: others on the machine do not count. */
static uint64_t
nsec(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct cache_str
str(const struct key *k)
{
	return (struct cache_str){ (const uint8_t *)k->text, k->n };
}

static unsigned
engine_play(struct side *s, const struct key *k, unsigned n)
{
	struct cache_str	v = { s->value, s->valuelen };
	int			missing[BATCH];
	unsigned		i, hits = 0;
	uint64_t		begun = nsec(), took;

	s->now++;
	for (i = 0; i < n; i++) {
		missing[i] = cache_get(s->cache, s->now, str(&k[i]), &v) !=
		    E_OK;
		hits += !missing[i];
	}
	v = (struct cache_str){ s->value, s->valuelen };
	for (i = 0; i < n; i++)
		if (missing[i])
			(void)cache_put(s->cache, s->now, str(&k[i]), v, 0);
	took = nsec() - begun;
	s->spent += took;
	s->longest = took > s->longest ? took : s->longest;
	return hits;
}

/* --- Redis --- */

static void
redis_open(struct side *s, const char *path)
{
	struct sockaddr_un	a = { .sun_family = AF_UNIX };
	int			fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd == -1 || strlen(path) >= sizeof(a.sun_path))
		errx(1, "socket %s", path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1)
		err(1, "connect %s", path);
	s->in = fdopen(fd, "r");
	s->out = fdopen(dup(fd), "w");
	if (s->in == NULL || s->out == NULL)
		err(1, "fdopen");
}

static void
redis_line(struct side *s, char *line, int size)
{
	if (fgets(line, size, s->in) == NULL)
		errx(1, "Redis hung up");
	if (line[0] == '-')
		errx(1, "Redis: %s", line);
}

/* 1: a value came; its bytes and the end of line are passed over. */
static int
redis_value(struct side *s)
{
	char	line[128], rest[4096];
	long	n;

	redis_line(s, line, sizeof(line));
	n = strtol(line + 1, NULL, 10);
	if (n < 0)
		return 0;
	for (n += 2; n > 0; n -= n < (long)sizeof(rest) ? n :
	    (long)sizeof(rest))
		if (fread(rest, n < (long)sizeof(rest) ? (size_t)n :
		    sizeof(rest), 1, s->in) != 1)
			errx(1, "Redis hung up");
	return 1;
}

static unsigned
redis_play(struct side *s, const struct key *k, unsigned n)
{
	int		missing[BATCH];
	unsigned	i, hits = 0;
	char		line[128];

	for (i = 0; i < n; i++)
		fprintf(s->out, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", k[i].n,
		    k[i].text);
	fflush(s->out);
	for (i = 0; i < n; i++) {
		missing[i] = !redis_value(s);
		hits += !missing[i];
	}
	for (i = 0; i < n; i++) {
		if (!missing[i])
			continue;
		fprintf(s->out, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n",
		    k[i].n, k[i].text, s->valuelen);
		fwrite(s->value, s->valuelen, 1, s->out);
		fputs("\r\n", s->out);
	}
	fflush(s->out);
	for (i = 0; i < n; i++)
		if (missing[i])
			redis_line(s, line, sizeof(line));
	return hits;
}

static unsigned long long
redis_entries(struct side *s)
{
	char	line[128];

	fputs("*1\r\n$6\r\nDBSIZE\r\n", s->out);
	fflush(s->out);
	redis_line(s, line, sizeof(line));
	return strtoull(line + 1, NULL, 10);
}

/* --- playing --- */

static uint64_t
play(struct side *s, struct trace *t, const struct options *o)
{
	struct key	keys[BATCH];
	uint64_t	done = 0, hits = 0;
	unsigned	i, n;

	while (done < o->requests) {
		n = o->requests - done < BATCH ?
		    (unsigned)(o->requests - done) : BATCH;
		for (i = 0; i < n; i++)
			trace_next(t, &keys[i]);
		hits += s->cache != NULL ? engine_play(s, keys, n) :
		    redis_play(s, keys, n);
		done += n;
		if (s->cache != NULL && done % STEP < BATCH)
			(void)cache_step(s->cache, s->now, STEP);
	}
	return hits;
}

static void
report(struct side *s, const struct options *o, uint64_t hits)
{
	struct cache_stat	st = { 0 };

	if (s->cache != NULL)
		cache_stat(s->cache, &st);
	printf("%s: %llu requests, hit rate %.4f, %llu names",
	    s->cache != NULL ? "engine" : "redis",
	    (unsigned long long)o->requests,
	    (double)hits / (double)o->requests,
	    s->cache != NULL ? (unsigned long long)st.entries :
	    redis_entries(s));
	putchar('\n');
	if (s->cache != NULL)
		printf("engine: %llu of %llu bytes, a request %.0f ns, the "
		    "longest %u %.0f us\n", (unsigned long long)st.bytes,
		    (unsigned long long)st.limit,
		    (double)s->spent / (double)o->requests, BATCH,
		    (double)s->longest / 1000);
}

static void
options_get(struct options *o, int argc, char **argv)
{
	int	ch;

	while ((ch = getopt(argc, argv, "n:k:a:v:m:s:d:r:")) != -1)
		switch (ch) {
		case 'n': o->requests = strtoull(optarg, NULL, 10); break;
		case 'k': o->keys = strtoull(optarg, NULL, 10); break;
		case 'a': o->alpha = strtod(optarg, NULL); break;
		case 'v': o->value = strtoull(optarg, NULL, 10); break;
		case 'm': o->memory = strtoull(optarg, NULL, 10); break;
		case 's': o->seed = strtoull(optarg, NULL, 10); break;
		case 'd': o->drift = strtoull(optarg, NULL, 10); break;
		case 'r': o->redis = optarg; break;
		default:
			errx(2, "usage: cache-trace [-n requests] [-k keys] "
			    "[-a alpha] [-v bytes] [-m bytes] [-s seed] "
			    "[-d every] [-r socket]");
		}
	if (o->keys == 0 || o->value == 0)
		errx(2, "keys and bytes must not be 0");
}

int
main(int argc, char **argv)
{
	struct options	o = { .requests = 10000000, .keys = 1000000,
			    .seed = 1, .alpha = 0.99, .value = 100,
			    .memory = 20u << 20 };
	struct side	s = { 0 };
	struct trace	t;
	uint64_t	hits;

	options_get(&o, argc, argv);
	trace_open(&t, &o);
	s.valuelen = o.value;
	if ((s.value = malloc(o.value)) == NULL)
		err(1, "malloc");
	memset(s.value, 'v', o.value);
	if (o.redis != NULL)
		redis_open(&s, o.redis);
	else if ((s.cache = cache_new(o.memory, o.seed)) == NULL)
		errx(1, "no cache of %zu bytes", o.memory);
	hits = play(&s, &t, &o);
	report(&s, &o, hits);
	cache_free(s.cache);
	free(s.value);
	free(t.sum);
	return 0;
}
