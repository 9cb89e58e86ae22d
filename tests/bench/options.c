/*
 * options.c: the command line of wharf-bench.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

static const char usage[] =
"usage: wharf-bench [options] ADDRESS\n"
"  ADDRESS is host:port; for wharf the run directory of the node\n"
"  -p, --protocol=http|resp|beans|wharf\n"
"                                  http\n"
"  -c, --connections=N             1\n"
"  -d, --depth=N                   ops in flight per connection: 1\n"
"  -m, --mix=OP[:PERCENT],...      get put del hset hget sadd sismember zadd\n"
"                                  zscore zrange hkeys mget; cget cput of the\n"
"                                  cache; qput qget of queues, one for each key;\n"
"                                  not for wharf: evget, which waits; pub to a\n"
"                                  topic; sub, alone: the first connection\n"
"                                  publishes when all others have got the last:\n"
"                                  get\n"
"      --topics=SOCKET             for sub over HTTP: all others hear what is\n"
"                                  published at this socket of the router\n"
"  -s, --size=BYTES                of a value: 256\n"
"  -k, --keys=N                    100000\n"
"      --first=N                   the first of the keys: 0\n"
"      --dist=uniform|sequential|zipf\n"
"  -t, --seconds=S                 5\n"
"  -w, --warmup=S                  not counted: 0.3\n"
"  -n, --count=N                   stop after N ops in place of --seconds\n"
"  -r, --rate=R                    ops/s; without it a closed loop\n"
"      --hold                      until SIGTERM; who waits then may wait\n"
"      --nap=MS                    look at the connections only so often: so as not\n"
"                                  to be woken by each answer\n"
"      --check                     compare what was read with what was put\n"
"      --seed=N                    1\n";

enum { OPT_FIRST = 256, OPT_DIST, OPT_CHECK, OPT_HOLD, OPT_NAP, OPT_SEED,
	OPT_TOPICS };

static const struct option longs[] = {
	{ "protocol", required_argument, NULL, 'p' },
	{ "connections", required_argument, NULL, 'c' },
	{ "depth", required_argument, NULL, 'd' },
	{ "mix", required_argument, NULL, 'm' },
	{ "size", required_argument, NULL, 's' },
	{ "keys", required_argument, NULL, 'k' },
	{ "first", required_argument, NULL, OPT_FIRST },
	{ "dist", required_argument, NULL, OPT_DIST },
	{ "seconds", required_argument, NULL, 't' },
	{ "warmup", required_argument, NULL, 'w' },
	{ "count", required_argument, NULL, 'n' },
	{ "rate", required_argument, NULL, 'r' },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "topics", required_argument, NULL, OPT_TOPICS },
	{ "hold", no_argument, NULL, OPT_HOLD },
	{ "nap", required_argument, NULL, OPT_NAP },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ NULL, 0, NULL, 0 }
};

static double
number(const char *text, double min, double max)
{
	char	*end;
	double	 v = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(v >= min && v <= max))
		die("%s: not a number of %g to %g", text, min, max);
	return v;
}

/* One of a list; its place. */
static unsigned
word(const char *text, size_t n, const char *const *words, unsigned count)
{
	unsigned	i;

	for (i = 0; i < count; i++)
		if (strlen(words[i]) == n && memcmp(words[i], text, n) == 0)
			return i;
	die("%.*s: not known", (int)n, text);
}

/* get:90,put:10 */
static void
mix_parse(struct options *o, const char *text)
{
	unsigned	 sum = 0, percent;
	char		*end;
	size_t		 n;

	memset(o->mix, 0, sizeof(o->mix));
	for (; *text != '\0'; text += *text == ',') {
		n = strcspn(text, ":,");
		percent = 100;
		end = (char *)(uintptr_t)text + n;
		if (*end == ':')
			percent = (unsigned)strtoul(end + 1, &end, 10);
		o->mix[word(text, n, kind_names, OP_KINDS)] = percent;
		sum += percent;
		if (*end != ',' && *end != '\0')
			break;
		text = end;
	}
	if (sum != 100 || *text != '\0')
		die("mix: OP:PERCENT,... of 100 in all");
}

static void
option_set(struct options *o, int c, const char *v)
{
	static const char *const	dists[] = {
		"uniform", "sequential", "zipf"
	};

	switch (c) {
	case 'p': o->protocol = v; break;
	case 'c': o->conns = (unsigned)number(v, 1, 1e6); break;
	case 'd': o->depth = (unsigned)number(v, 1, DEPTH_MAX); break;
	case 'm': mix_parse(o, v); break;
	case 's': o->size = (size_t)number(v, 0, 1 << 30); break;
	case 'k': o->keys = (uint64_t)number(v, 1, 1e11); break;
	case OPT_FIRST: o->first = (uint64_t)number(v, 0, 1e11); break;
	case OPT_DIST:
		o->dist = (enum dist)word(v, strlen(v), dists, 3);
		break;
	case 't': o->seconds = (int64_t)(number(v, 0.001, 1e6) * 1e9); break;
	case 'w': o->warmup = (int64_t)(number(v, 0, 1e6) * 1e9); break;
	case 'n': o->count = (uint64_t)number(v, 1, 1e15); break;
	case 'r': o->rate = number(v, 0.001, 1e9); break;
	case OPT_CHECK: o->check = 1; break;
	case OPT_HOLD: o->hold = 1; break;
	case OPT_NAP: o->nap = (int64_t)(number(v, 0, 1000) * 1e6); break;
	case OPT_TOPICS: o->topics = v; break;
	case OPT_SEED: o->seed = (uint64_t)number(v, 0, 1e15); break;
	default:
		(void)fputs(usage, stderr);
		exit(2);
	}
}

void
options_parse(struct options *o, int argc, char **argv)
{
	int	c;

	*o = (struct options){ .protocol = "http", .conns = 1, .depth = 1,
	    .mix = { 100, 0, 0 }, .size = 256, .keys = 100000,
	    .seconds = 5 * SECOND, .warmup = 3 * SECOND / 10, .seed = 1 };
	while ((c = getopt_long(argc, argv, "p:c:d:m:s:k:t:w:n:r:", longs,
	    NULL)) != -1)
		option_set(o, c, optarg);
	if (optind + 1 != argc)
		option_set(o, '?', NULL);
	o->address = argv[optind];
	if (o->count != 0 || o->hold)
		o->seconds = o->warmup = 0;
}
