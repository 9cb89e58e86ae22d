/*
 * wharfctl_order.c: see wharfctl_order.h.  wharfd and the stores do the work;
 * that wharfctl ends, or is killed, changes nothing of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/wharfctl_order.h"
#include "supervisor/wharfctl_show.h"

#define LOOK_MS		200
#define MIB		1048576.0

static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static int
is_true(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static int
print_json(json_t *o)
{
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	return 0;
}

static int
refused(json_t *reply, int json)
{
	if (json)
		print_json(reply);
	else
		fprintf(stderr, "wharfctl: %s\n", show_text(reply, "error"));
	json_decref(reply);
	return 1;
}

static int
usage(const char *text)
{
	fprintf(stderr, "usage: wharfctl %s\n", text);
	return 2;
}

/* Adds an argument that is a number: 0, or -1 it is none. */
static int
set_number(json_t *req, const char *key, const char *text)
{
	char	*end;
	long	 n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 0)
		return -1;
	return json_object_set_new(req, key, json_integer(n));
}

int
order_set_shard(json_t *req, const char *text)
{
	static const struct {
		const char	*prefix, *key;
	} kinds[] = { { "store.", "store" }, { "router.", "router" } };
	size_t	i, n;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		n = strlen(kinds[i].prefix);
		if (strncmp(text, kinds[i].prefix, n) == 0)
			return set_number(req, kinds[i].key, text + n);
	}
	return set_number(req, "store", text);
}

/* --- following one --- */

static void
draw(const json_t *o)
{
	json_int_t	bytes = number(o, "bytes"),
			total = number(o, "total_bytes");
	double		s = json_number_value(json_object_get(o, "seconds"));

	if (total <= 0)
		fprintf(stderr, "\r%.0f s\033[K", s);
	else
		fprintf(stderr, "\r%3.0f %%  %.1f of %.1f MiB  %.1f MiB/s"
		    "\033[K", bytes >= total ? 100.0 : (double)bytes * 100 /
		    (double)total, (double)bytes / MIB, (double)total / MIB,
		    s > 0 ? (double)bytes / MIB / s : 0);
}

/* Returns the answer in which this one is over. */
static json_t *
follow(order_ask *ask, const char *socket, const char *cmd, json_int_t id,
    int quiet)
{
	struct timespec	 t = { 0, LOOK_MS * 1000000L };
	int		 terminal = !quiet && isatty(STDERR_FILENO);
	json_t		*reply;

	for (;;) {
		reply = ask(socket, json_pack("{s:s}", "cmd", cmd));
		if (!is_true(reply, "running") || number(reply, "id") != id)
			break;
		if (terminal)
			draw(reply);
		json_decref(reply);
		nanosleep(&t, NULL);
	}
	if (terminal)
		fputs("\r\033[K", stderr);
	return reply;
}

/* Why an actor could not do it; 1: there is a reason. */
static int
error_show(const json_t *s, const char *kind)
{
	const char	*error = json_string_value(json_object_get(s,
	    "error"));

	if (error != NULL)
		printf("%s.%lld: %s\n", kind, (long long)number(s, kind),
		    error);
	return error != NULL;
}

/* --- check --- */

static int
check_show_one(const json_t *s, const char *kind)
{
	int	failed = error_show(s, kind);

	if (!failed)
		printf("%s.%lld: %lld records, %lld blocks, %lld segments,"
		    " %lld index entries, %lld findings\n", kind,
		    (long long)number(s, kind),
		    (long long)number(s, "records"),
		    (long long)number(s, "blocks"),
		    (long long)number(s, "segments"),
		    (long long)number(s, "index_entries"),
		    (long long)number(s, "found"));
	return failed || number(s, "found") != 0;
}

/* Those of one sort; 1: something is not as it should be. */
static int
check_show_all(const json_t *reply, const char *key, const char *kind,
    int json, json_int_t *all)
{
	json_t	*s;
	size_t	 i;
	int	 bad = 0;

	json_array_foreach(json_object_get(reply, key), i, s) {
		*all += number(s, "found");
		if (json)
			bad |= json_object_get(s, "error") != NULL ||
			    number(s, "found") != 0;
		else
			bad |= check_show_one(s, kind);
	}
	return bad;
}

static int
check_show(json_t *reply, json_int_t id, int json)
{
	json_t		*s;
	size_t		 i;
	json_int_t	 all = 0;
	int		 bad = number(reply, "id") != id;

	if (bad)
		fprintf(stderr, "wharfctl: another check has begun\n");
	json_array_foreach(json_object_get(reply, "found"), i, s)
		if (!json)
			puts(show_text(s, "what"));
	bad |= check_show_all(reply, "stores", "store", json, &all);
	bad |= check_show_all(reply, "routers", "router", json, &all);
	i = json_array_size(json_object_get(reply, "found"));
	if (!json && (json_int_t)i < all)
		printf("%zu of %lld findings are shown\n", i,
		    (long long)all);
	if (json)
		print_json(reply);
	json_decref(reply);
	return bad;
}

int
order_check(order_ask *ask, const char *socket, char **args, int nargs,
    const char *rate, int json)
{
	json_t		*req = json_pack("{s:s}", "cmd", "check"), *reply;
	json_int_t	 id;

	if ((nargs == 1 && order_set_shard(req, args[0]) == -1) ||
	    (rate != NULL && set_number(req, "rate", rate) == -1)) {
		json_decref(req);
		return usage("check [--rate MIB] [store.N|router.N]");
	}
	reply = ask(socket, req);
	if (!is_true(reply, "ok"))
		return refused(reply, json);
	id = number(reply, "id");
	json_decref(reply);
	return check_show(follow(ask, socket, "check-state", id, json), id,
	    json);
}

/* --- compaction --- */

static int
compact_show_one(const json_t *s, const char *kind)
{
	int	failed = error_show(s, kind);

	if (!failed)
		printf("%s.%lld: %.1f MiB before, %.1f MiB after\n", kind,
		    (long long)number(s, kind),
		    (double)number(s, "before") / MIB,
		    (double)number(s, "after") / MIB);
	return failed;
}

static int
compact_show_all(const json_t *reply, const char *key, const char *kind,
    int json)
{
	json_t	*s;
	size_t	 i;
	int	 bad = 0;

	json_array_foreach(json_object_get(reply, key), i, s)
		bad |= json ? json_object_get(s, "error") != NULL :
		    compact_show_one(s, kind);
	return bad;
}

static int
compact_show(json_t *reply, json_int_t id, int json)
{
	int	bad = number(reply, "id") != id;

	if (bad)
		fprintf(stderr, "wharfctl: another compaction has begun\n");
	bad |= compact_show_all(reply, "stores", "store", json);
	bad |= compact_show_all(reply, "routers", "router", json);
	if (json)
		print_json(reply);
	json_decref(reply);
	return bad;
}

int
order_compact(order_ask *ask, const char *socket, char **args, int nargs,
    int wait, int json)
{
	json_t		*req = json_pack("{s:s}", "cmd", "compact"), *reply;
	json_int_t	 id;

	if ((nargs >= 1 && order_set_shard(req, args[0]) == -1) ||
	    (nargs == 2 && set_number(req, "file", args[1]) == -1)) {
		json_decref(req);
		return usage("compact [--wait] [store.N|router.N [FILE]]");
	}
	reply = ask(socket, req);
	if (!is_true(reply, "ok"))
		return refused(reply, json);
	id = number(reply, "id");
	if (wait) {
		json_decref(reply);
		return compact_show(follow(ask, socket, "compact-state", id,
		    json), id, json);
	}
	if (json)
		print_json(reply);
	else
		puts("compaction begins");
	json_decref(reply);
	return 0;
}
