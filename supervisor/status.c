/*
 * status.c: the state of the node and of every actor from the board, the tree
 * and /proc, as JSON.  Runs in wharfd; only reads.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/msg.h"
#include "supervisor/backup.h"
#include "supervisor/limits.h"
#include "supervisor/sample.h"
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

/* What the actor counts, under its own name. */
static json_t *
status_values(const struct board_actor *b)
{
	json_t	*o = json_object();
	int	 i;

	for (i = 0; i < BC_MAX_; i++)
		if (!board_is_seat((enum board_id)i))
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

static json_t *
status_rss(const struct sample_usage *u)
{
	return json_pack("{s:I, s:I, s:I}", "anon", (json_int_t)u->anon,
	    "file", (json_int_t)u->file, "shmem", (json_int_t)u->shmem);
}

static double
seconds(mono_t from, mono_t to)
{
	return (double)mono_diff(from, to) / 1e6;
}

static json_t *
status_actor(const struct child *c)
{
	mono_t			 now = mono_now();
	struct sample_usage	 u;
	json_t			*o;

	sample_read(c->pid, &u);
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
	if (c->from == FROM_STORE || c->from == FROM_ROUTER)
		json_object_set_new(o, "store_state",
		    json_string(store_state(board_get(c->board, BC_STATE))));
	json_object_set_new(o, "incarnation", json_integer(c->inc));
	json_object_set_new(o, "values", status_values(c->board));
	json_object_set_new(o, "latency_us", status_times(c->board));
	json_object_set_new(o, "requests_per_s", json_real(c->rate.per_s));
	json_object_set_new(o, "rss", status_rss(&u));
	json_object_set_new(o, "fds", json_integer(u.fds));
	if (c->obituary[0] != '\0')
		json_object_set_new(o, "last_death", json_pack("{s:s, s:f}",
		    "why", c->obituary, "ago", seconds(c->died, now)));
	return o;
}

static json_t *
status_addresses(const struct listen_set *l, unsigned kind)
{
	json_t		*a = json_array();
	unsigned	 i;

	for (i = 0; i < l->naddr; i++)
		if (l->addr[i].kind == kind)
			json_array_append_new(a, json_string(l->addr[i].text));
	return a;
}

static int
is_well(const struct child *c)
{
	return c->v.state == CHILD_READY &&
	    board_get(c->board, BC_STATE) == BOARD_READY;
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
			if (!is_well(&t->group[k].c[i]))
				return "degraded";
	return "ready";
}

static json_t *
limit_json(int64_t used, int64_t most, int over)
{
	return json_pack("{s:I, s:I, s:b}", "used", (json_int_t)used, "most",
	    (json_int_t)most, "over", over);
}

static int64_t
tables_held(const struct catalogue *c)
{
	struct catalogue_row	row;
	unsigned		i, top = catalogue_names(c);
	int64_t			n = 0;

	for (i = 0; i < top; i++)
		n += catalogue_row(c, i, &row);
	return n;
}

/*
 * What routers hold of messages and of names.  limits.queue_messages is that of
 * each router, mq.queue_maximum is shared out evenly: so the fullest one counts.
 */
static void
limits_queues(json_t *o, const struct tree *t)
{
	int64_t			 messages = 0, names = 0, n, most, each;
	const struct child	*c;
	unsigned		 i, k, routers = 0;

	for (k = 0; k < TREE_GROUPS; k++)
		for (i = 0; i < t->group[k].n; i++) {
			c = &t->group[k].c[i];
			if (c->from != FROM_ROUTER)
				continue;
			routers++;
			n = board_get(c->board, BC_MESSAGES);
			messages = n > messages ? n : messages;
			n = board_get(c->board, BC_QUEUES);
			names = n > names ? n : names;
		}
	if (routers == 0)
		return;
	most = conf_int(t->conf, CONF_LIMITS_MESSAGES);
	each = (conf_int(t->conf, CONF_MQ_QUEUES) + routers - 1) / routers;
	json_object_set_new(o, "queue_messages",
	    limit_json(messages, most, messages >= most));
	json_object_set_new(o, "queues",
	    limit_json(names, each, names >= each));
}

/* most 0: there is none. */
static json_t *
status_limits(const struct tree *t)
{
	json_t			*o = json_object();
	struct limits_row	 r;
	int64_t			 held = tables_held(t->catalogue);
	int64_t			 most = catalogue_most(t->catalogue);
	int			 l;

	for (l = 0; l < LIMIT_MAX_; l++) {
		limits_row(board_place(t->board, 0), (enum limit)l, &r);
		json_object_set_new(o, r.name,
		    limit_json(r.used, r.most, r.over));
	}
	json_object_set_new(o, "tables", limit_json(held, most, held >= most));
	limits_queues(o, t);
	return o;
}

/* Where it is spoken, and until when the certificate is good. */
static json_t *
status_tls(const struct wharfd *w)
{
	int64_t	until = w->certificate.until;

	return json_pack("{s:o, s:o, s:I, s:I}",
	    "db", status_addresses(&w->listen, LISTEN_TLS),
	    "mq", status_addresses(&w->listen, LISTEN_TLS | LISTEN_MQ),
	    "expires", (json_int_t)until,
	    "expires_in", (json_int_t)(until - time(NULL)));
}

json_t *
status_json(const struct wharfd *w)
{
	const struct tree	*t = &w->tree;
	json_t			*o, *actors = json_array();
	struct sample_usage	 u;
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
	json_object_set_new(o, "mq", status_addresses(&w->listen, LISTEN_MQ));
	if (w->certificate.until != 0)
		json_object_set_new(o, "tls", status_tls(w));
	sample_read(getpid(), &u);
	json_object_set_new(o, "rss", status_rss(&u));
	json_object_set_new(o, "limits", status_limits(t));
	json_object_set_new(o, "backup", backup_json(t->backup));
	json_object_set_new(o, "actors", actors);
	return o;
}
