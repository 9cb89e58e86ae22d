/*
 * status.c: the state of the node and of every actor from the board, the tree
 * and /proc, as JSON.  Runs in wharfd; only reads.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/msg.h"
#include "supervisor/status.h"
#include "supervisor/wharfd.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

static const char *
store_state(int64_t n)
{
	static const char *const	names[] = {
		[BOARD_STARTING] = "starting", [BOARD_READY] = "ready",
		[BOARD_NOSPACE] = "no space", [BOARD_READONLY] = "read-only",
		[BOARD_STOPPING] = "stopping",
	};

	if (n < 0 || n >= (int64_t)(sizeof(names) / sizeof(names[0])))
		return "?";
	return names[n];
}

/* Every counter and gauge under its own name. */
static json_t *
status_values(const struct board_actor *b)
{
	json_t	*o = json_object();
	int	 i;

	for (i = 0; i < BC_MAX_; i++)
		json_object_set_new(o, board_name((enum board_id)i),
		    json_integer(board_get(b, (enum board_id)i)));
	return o;
}

static json_t *
status_times(const struct board_actor *b)
{
	json_t	*o = json_object();
	int	 i;

	for (i = 0; i < BH_MAX_; i++) {
		enum board_hist	h = (enum board_hist)i;

		json_object_set_new(o, board_hist_name(h),
		    json_pack("{s:I, s:I, s:I, s:I}",
		    "count", (json_int_t)board_hist_count(b, h),
		    "p50", (json_int_t)board_quantile(b, h, 0.5),
		    "p99", (json_int_t)board_quantile(b, h, 0.99),
		    "p999", (json_int_t)board_quantile(b, h, 0.999)));
	}
	return o;
}

/* Bytes of the Rss lines of /proc/PID/status; missing ones are 0. */
static json_t *
status_rss(pid_t pid)
{
	static const char *const	 names[] = {
		"RssAnon", "RssFile", "RssShmem"
	};
	long long			 kib[3] = { 0 };
	char				 line[256];
	FILE				*fp;
	size_t				 i, n;

	snprintf(line, sizeof(line), "/proc/%d/status", (int)pid);
	fp = pid == 0 ? NULL : fopen(line, "re");
	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL) {
		for (i = 0; i < 3; i++) {
			n = strlen(names[i]);
			if (strncmp(line, names[i], n) == 0 && line[n] == ':')
				sscanf(line + n + 1, "%lld", &kib[i]);
		}
	}
	if (fp != NULL)
		fclose(fp);
	return json_pack("{s:I, s:I, s:I}", "anon", (json_int_t)kib[0] * 1024,
	    "file", (json_int_t)kib[1] * 1024,
	    "shmem", (json_int_t)kib[2] * 1024);
}

static double
seconds(mono_t from, mono_t to)
{
	return (double)mono_diff(from, to) / 1e6;
}

static json_t *
status_actor(const struct child *c)
{
	mono_t	 now = mono_now();
	json_t	*o;

	o = json_pack("{s:s, s:i, s:i, s:s, s:f, s:i}", "role", c->role,
	    "seat", (int)c->seat, "pid", (int)c->pid, "state",
	    child_state_name(c), "uptime",
	    c->pid == 0 ? 0.0 : seconds(c->born, now), "restarts",
	    c->births == 0 ? 0 : (int)c->births - 1);
	if (o == NULL)
		return NULL;
	if (c->braked_until.us != 0)
		json_object_set_new(o, "braked",
		    json_real(seconds(now, c->braked_until)));
	if (c->from == FROM_STORE)
		json_object_set_new(o, "store_state",
		    json_string(store_state(board_get(c->board, BC_STATE))));
	json_object_set_new(o, "incarnation", json_integer(c->inc));
	json_object_set_new(o, "values", status_values(c->board));
	json_object_set_new(o, "latency_us", status_times(c->board));
	json_object_set_new(o, "rss", status_rss(c->pid));
	return o;
}

static json_t *
status_addresses(const struct listen_set *l, int mq)
{
	json_t		*a = json_array();
	unsigned	 i;

	for (i = 0; i < l->naddr; i++)
		if (l->addr[i].mq == mq)
			json_array_append_new(a, json_string(l->addr[i].text));
	return a;
}

static const char *
tree_state(const struct tree *t)
{
	unsigned	i;
	int		k;

	if (t->stopping)
		return "stopping";
	for (k = 0; k < TREE_GROUPS; k++)
		for (i = 0; i < t->group[k].n; i++)
			if (t->group[k].c[i].v.state != CHILD_READY)
				return "degraded";
	return "ready";
}

json_t *
status_json(const struct wharfd *w)
{
	const struct tree	*t = &w->tree;
	json_t			*o, *actors = json_array();
	char			 id[17];
	unsigned		 i;
	int			 k;

	for (k = 0; k < TREE_GROUPS; k++)
		for (i = 0; i < t->group[k].n; i++)
			json_array_append_new(actors,
			    status_actor(&t->group[k].c[i]));
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)w->node.id);
	o = json_pack("{s:s, s:s, s:i, s:s, s:f, s:i, s:i, s:i, s:s, s:s, s:b}",
	    "node", id, "version", PACKAGE_VERSION, "pid", (int)getpid(),
	    "state", tree_state(t), "uptime", seconds(t->born, mono_now()),
	    "stores", (int)w->node.stores, "files", (int)w->node.files,
	    "routers", (int)w->node.routers,
	    "sync", conf_str(t->conf, CONF_STORES_SYNC),
	    "engine", conf_str(t->conf, CONF_STORES_ENGINE),
	    "lanes", conf_int(t->conf, CONF_LANES_ENABLED) != 0);
	if (o == NULL) {
		json_decref(actors);
		return NULL;
	}
	json_object_set_new(o, "db", status_addresses(&w->listen, 0));
	json_object_set_new(o, "mq", status_addresses(&w->listen, 1));
	json_object_set_new(o, "rss", status_rss(getpid()));
	json_object_set_new(o, "actors", actors);
	return o;
}
