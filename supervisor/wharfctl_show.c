/*
 * wharfctl_show.c: tables for people; see wharfctl_show.h.  A field that is not
 * there is shown as 0 or "?": an older wharfd may answer.
 */
#include <stdio.h>
#include <string.h>

#include "supervisor/wharfctl_show.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

static json_int_t
number(const json_t *o, const char *a, const char *b)
{
	o = json_object_get(o, a);
	return json_integer_value(b == NULL ? o : json_object_get(o, b));
}

const char *
show_text(const json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "?";
}

static double
real(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* "store.0" */
static const char *
actor(const json_t *o, char buf[32])
{
	snprintf(buf, 32, "%s.%lld", show_text(o, "role"),
	    (long long)number(o, "seat", NULL));
	return buf;
}

static const char *
span(double s, char buf[24])
{
	long	t = (long)s;

	if (t < 60)
		snprintf(buf, 24, "%.1fs", s);
	else if (t < 3600)
		snprintf(buf, 24, "%ldm%02lds", t / 60, t % 60);
	else if (t < 86400)
		snprintf(buf, 24, "%ldh%02ldm", t / 3600, t / 60 % 60);
	else
		snprintf(buf, 24, "%ldd%02ldh", t / 86400, t / 3600 % 24);
	return buf;
}

static const char *
bytes(json_int_t n, char buf[24])
{
	static const char	units[] = "BKMGTPE";
	double			v = (double)n;
	int			u = 0;

	for (; v >= 1000 && u < 6; u++)
		v /= 1024;
	snprintf(buf, 24, u == 0 ? "%.0f%c" : "%.1f%c", v, units[u]);
	return buf;
}

/* "p50/p99/p99.9" in microseconds. */
static const char *
quantiles(const json_t *actor, const char *hist, char buf[48])
{
	const json_t	*h;

	h = json_object_get(json_object_get(actor, "latency_us"), hist);
	if (number(h, "count", NULL) == 0)
		return "-";
	snprintf(buf, 48, "%lld/%lld/%lld", (long long)number(h, "p50", NULL),
	    (long long)number(h, "p99", NULL),
	    (long long)number(h, "p999", NULL));
	return buf;
}

static void
print_addresses(const json_t *o, const char *key)
{
	const json_t	*a = json_object_get(o, key);
	size_t		 i;

	for (i = 0; i < json_array_size(a); i++)
		printf("%s %s  ", key, json_string_value(json_array_get(a, i)));
}

static void
print_tls(const json_t *o)
{
	const json_t	*t = json_object_get(o, "tls");
	char		 left[24];
	json_int_t	 s = number(t, "expires_in", NULL);

	if (t == NULL)
		return;
	printf("\ntls  ");
	print_addresses(t, "db");
	print_addresses(t, "mq");
	if (s > 0)
		printf("certificate ends in %s", span((double)s, left));
	else
		printf("certificate EXPIRED");
}

static void
print_head(const json_t *o)
{
	char	up[24];

	printf("wharfd %s  node %s  pid %lld  up %s  %s\n",
	    show_text(o, "version"), show_text(o, "node"),
	    (long long)number(o, "pid", NULL),
	    span(json_real_value(json_object_get(o, "uptime")), up),
	    show_text(o, "state"));
	print_addresses(o, "db");
	print_addresses(o, "mq");
	print_tls(o);
	printf("\n%lld stores of %lld files  %lld routers  engine %s  sync %s  lanes %s\n",
	    (long long)number(o, "stores", NULL),
	    (long long)number(o, "files", NULL),
	    (long long)number(o, "routers", NULL), show_text(o, "engine"),
	    show_text(o, "sync"), json_is_true(json_object_get(o, "lanes")) ?
	    "on" : "off");
}

/* Of what, where it is not bytes. */
static int
limit_counts(const char *key)
{
	return strcmp(key, "tables") == 0 || strcmp(key, "queues") == 0 ||
	    strcmp(key, "queue_messages") == 0;
}

/* Those that there are. */
static void
print_limits(const json_t *o)
{
	const json_t	*limits = json_object_get(o, "limits"), *l;
	const char	*key;
	char		 used[24], most[24];
	json_int_t	 n;

	json_object_foreach((json_t *)limits, key, l) {
		if ((n = number(l, "most", NULL)) == 0)
			continue;
		if (limit_counts(key)) {
			snprintf(used, sizeof(used), "%lld",
			    (long long)number(l, "used", NULL));
			snprintf(most, sizeof(most), "%lld", (long long)n);
		} else {
			bytes(number(l, "used", NULL), used);
			bytes(n, most);
		}
		printf("%s %s of %s%s  ", key, used, most,
		    json_is_true(json_object_get(l, "over")) ? " OVER" : "");
	}
	printf("\n\n");
}

/* Nothing when there was none. */
static void
print_backup(const json_t *o)
{
	const json_t	*b = json_object_get(o, "backup");
	const json_t	*last = json_object_get(b, "last");
	char		 done[24], all[24];

	if (json_is_true(json_object_get(b, "running")))
		printf("backup %s to %s: %s of %s\n\n", show_text(b, "phase"),
		    show_text(b, "dir"), bytes(number(b, "bytes", NULL), done),
		    bytes(number(b, "total", NULL), all));
	else if (last != NULL && json_is_true(json_object_get(last, "ok")))
		printf("last backup %s/%s, %s\n\n", show_text(last, "dir"),
		    show_text(last, "name"),
		    bytes(number(last, "bytes", NULL), done));
	else if (last != NULL)
		printf("last backup FAILED: %s\n\n", show_text(last, "error"));
}

/* What its process does or, when that is well, what it says of itself. */
static const char *
state(const json_t *a, char buf[32])
{
	const char	*own = json_string_value(json_object_get(a,
			    "store_state"));

	snprintf(buf, 32, "%s", show_text(a, "state"));
	if (real(a, "braked") > 0)
		snprintf(buf, 32, "braked %.0fs", real(a, "braked"));
	else if (own != NULL && strcmp(buf, "ready") == 0)
		snprintf(buf, 32, "%s", own);
	return buf;
}

static void
print_actors(const json_t *actors)
{
	const json_t	*a, *v;
	char		 name[32], st[32], up[24];
	size_t		 i;

	printf("%-10s %-11s %8s %5s %11s %8s %7s %7s %6s %6s %7s\n", "ACTOR",
	    "STATE", "UP", "RSTRT", "REQUESTS", "REQ/S", "ERRORS", "REFUSED",
	    "DEPTH", "CONNS", "PID");
	json_array_foreach(actors, i, a) {
		v = json_object_get(a, "values");
		printf("%-10s %-11s %8s %5lld %11lld %8.0f %7lld %7lld %6lld "
		    "%6lld %7lld\n", actor(a, name), state(a, st),
		    span(real(a, "uptime"), up),
		    (long long)number(a, "restarts", NULL),
		    (long long)number(v, "requests", NULL),
		    real(a, "requests_per_s"),
		    (long long)number(v, "errors", NULL),
		    (long long)number(v, "refused", NULL),
		    (long long)number(v, "depth", NULL),
		    (long long)number(v, "connections", NULL),
		    (long long)number(a, "pid", NULL));
	}
}

static void
print_sizes(const json_t *actors)
{
	const json_t	*a, *v;
	char		 name[32], m[4][24], q[3][48];
	size_t		 i;

	printf("\n%-10s %7s %7s %7s %7s %5s  %-16s %-16s %s\n", "ACTOR",
	    "BODIES", "ANON", "SHMEM", "FILE", "FDS", "READ us", "WRITE us",
	    "LOG us");
	json_array_foreach(actors, i, a) {
		v = json_object_get(a, "values");
		printf("%-10s %7s %7s %7s %7s %5lld  %-16s %-16s %s\n",
		    actor(a, name),
		    bytes(number(v, "body_bytes", NULL), m[0]),
		    bytes(number(a, "rss", "anon"), m[1]),
		    bytes(number(a, "rss", "shmem"), m[2]),
		    bytes(number(a, "rss", "file"), m[3]),
		    (long long)number(a, "fds", NULL),
		    quantiles(a, "read", q[0]), quantiles(a, "write", q[1]),
		    quantiles(a, "log", q[2]));
	}
	printf("Latencies: p50/p99/p99.9.\n");
}

static void
print_store(const json_t *a)
{
	const json_t	*v = json_object_get(a, "values");
	char		 name[32], st[32], m[2][24];

	printf("%-10s %-10s %12lld %12lld %8lld %10lld %8s %8s %11lld "
	    "%11lld %8lld %10lld\n", actor(a, name), state(a, st),
	    (long long)number(v, "lsn", NULL),
	    (long long)number(v, "lsn_durable", NULL),
	    (long long)number(v, "log_segments", NULL),
	    (long long)number(v, "records", NULL),
	    bytes(number(v, "data_bytes", NULL), m[0]),
	    bytes(number(v, "live_bytes", NULL), m[1]),
	    (long long)number(v, "checkpoints", NULL),
	    (long long)number(v, "compactions", NULL),
	    (long long)number(v, "damaged", NULL),
	    (long long)number(v, "quarantine_slots", NULL));
}

static void
print_stores(const json_t *actors)
{
	const json_t	*a;
	size_t		 i;

	printf("\n%-10s %-10s %12s %12s %8s %10s %8s %8s %11s %11s %8s %10s\n",
	    "STORE", "STATE", "LSN", "DURABLE", "SEGMENTS", "RECORDS", "DATA",
	    "LIVE", "CHECKPOINTS", "COMPACTIONS", "DAMAGED",
	    "QUARANTINE");
	json_array_foreach(actors, i, a)
		if (json_object_get(a, "store_state") != NULL)
			print_store(a);
}

/* Hits of a hundred reads. */
static double
percent(json_int_t hits, json_int_t misses)
{
	json_int_t	n = hits + misses;

	return n == 0 ? 0 : 100. * (double)hits / (double)n;
}

static void
print_cache(const json_t *a, const json_t *v)
{
	json_int_t	hits = number(v, "cache_hits", NULL);
	json_int_t	misses = number(v, "cache_misses", NULL);
	char		name[32], m[2][24];

	printf("%-10s %8s %8s %10lld %11lld %11lld %6.1f %10lld %10lld\n",
	    actor(a, name), bytes(number(v, "cache_limit_bytes", NULL), m[0]),
	    bytes(number(v, "cache_bytes", NULL), m[1]),
	    (long long)number(v, "cache_entries", NULL), (long long)hits,
	    (long long)misses, percent(hits, misses),
	    (long long)number(v, "cache_evicted", NULL),
	    (long long)number(v, "cache_expired", NULL));
}

/* Of the stores that have a part of one. */
static void
print_caches(const json_t *actors)
{
	const json_t	*a, *v;
	size_t		 i;
	int		 n = 0;

	json_array_foreach(actors, i, a) {
		v = json_object_get(a, "values");
		if (number(v, "cache_limit_bytes", NULL) == 0)
			continue;
		if (n++ == 0)
			printf("\n%-10s %8s %8s %10s %11s %11s %6s %10s "
			    "%10s\n", "CACHE", "LIMIT", "BYTES", "ENTRIES",
			    "HITS", "MISSES", "HIT %", "EVICTED", "EXPIRED");
		print_cache(a, v);
	}
}

static void
print_deaths(const json_t *actors)
{
	const json_t	*a, *d;
	char		 name[32], ago[24];
	size_t		 i;
	int		 n = 0;

	json_array_foreach(actors, i, a) {
		if ((d = json_object_get(a, "last_death")) == NULL)
			continue;
		printf("%s%s died %s ago: %s\n", n++ == 0 ? "\n" : "",
		    actor(a, name), span(real(d, "ago"), ago),
		    show_text(d, "why"));
	}
}

void
show_status(const json_t *o)
{
	const json_t	*actors = json_object_get(o, "actors");

	print_head(o);
	print_limits(o);
	print_backup(o);
	print_actors(actors);
	print_sizes(actors);
	print_stores(actors);
	print_caches(actors);
	print_deaths(actors);
}

static double
ms(const json_t *e, const char *key)
{
	return (double)number(e, key, NULL) / 1000;
}

static void
print_slow(const json_t *e)
{
	const char	*table = show_text(e, "table");
	char		 name[32], val[24];

	printf("%-24s %-10s %-16s %6lld %9.1f %9.1f %9.1f %9.1f %9.1f %7s  "
	    "%s%s%s\n", show_text(e, "time"), actor(e, name),
	    show_text(e, "op"), (long long)number(e, "status", NULL),
	    ms(e, "total_us"), ms(e, "body_us"), ms(e, "budget_us"),
	    ms(e, "store_us"), ms(e, "held_us"),
	    bytes(number(e, "value_length", NULL), val), table,
	    table[0] != '\0' ? " " : "", show_text(e, "key"));
}

void
show_slow(const json_t *o)
{
	const json_t	*list = json_object_get(o, "entries"), *e;
	size_t		 i;

	if (json_is_true(json_object_get(o, "cleared"))) {
		printf("cleared\n");
		return;
	}
	if (json_array_size(list) == 0) {
		printf("nothing was slow (log.slow)\n");
		return;
	}
	printf("%-24s %-10s %-16s %6s %9s %9s %9s %9s %9s %7s  %s\n", "TIME",
	    "ACTOR", "OP", "STATUS", "TOTAL ms", "BODY", "BUDGET", "STORE",
	    "HELD", "VALUE", "[TABLE] KEY");
	json_array_foreach(list, i, e)
		print_slow(e);
}

static void
print_sum(const char *name, const char *type, const json_t *o)
{
	char	size[24], capacity[24];

	printf("%-32s %4s %12lld %9s %9s\n", name, type,
	    (long long)number(o, "count", NULL),
	    bytes(number(o, "size", NULL), size),
	    bytes(number(o, "capacity", NULL), capacity));
}

void
show_tables(const json_t *o)
{
	const json_t	*list = json_object_get(o, "tables"), *t;
	size_t		 i;

	if (!json_is_true(json_object_get(o, "complete")))
		printf("not every store has started yet\n");
	printf("%lld tables of at most %lld\n\n",
	    (long long)number(o, "held", NULL),
	    (long long)number(o, "most", NULL));
	printf("%-32s %4s %12s %9s %9s\n", "TABLE", "TYPE", "COUNT", "SIZE",
	    "CAPACITY");
	print_sum("(keys)", "K", json_object_get(o, "keys"));
	print_sum("(all hashes)", "H", json_object_get(o, "hashes"));
	json_array_foreach(list, i, t)
		print_sum(show_text(t, "table"), show_text(t, "type"), t);
}

void
show_restart(const json_t *o)
{
	long long	n = (long long)number(o, "restarted", NULL);

	printf("restarting %lld%s\n", n, n > 1 ? ", one after the other" : "");
}

void
show_damage(const json_t *o)
{
	printf("%lld stores and routers were told; status shows when none is in "
	    "quarantine\n", (long long)number(o, "told", NULL));
}

void
show_reload(const json_t *o)
{
	const char	*keys = show_text(o, "needs_restart");

	if (keys[0] != '\0')
		printf("reloaded; these keys need a restart: %s\n", keys);
	else
		printf("reloaded\n");
}

void
show_version(const json_t *o)
{
	printf("wharfctl %s, wharfd %s\n", PACKAGE_VERSION,
	    show_text(o, "version"));
}

void
show_stop(const json_t *o)
{
	(void)o;
	printf("stopped\n");
}

void
show_log_level(const json_t *o)
{
	printf("log level %s\n", show_text(o, "level"));
}
