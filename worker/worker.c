/*
 * worker.c: wharf-worker, HTTP in, messages out.
 *
 * Owns the HTTP connections of one worker seat and nothing that lasts: it may
 * die at any moment and takes only its connections with it.  Fatal: no memory
 * for its own tables, no configuration.  Failures of clients are answered,
 * failures of stores become 503 and 504.
 *
 *	wharf-worker --print-api	doc/api.md, from the table of paths
 *	wharf-worker --print-paths	that table, a line of JSON a row
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg_ctl.h"
#include "supervisor/access.h"
#include "supervisor/log.h"
#include "worker/answer.h"
#include "worker/auth.h"
#include "worker/body.h"
#include "worker/http.h"
#include "worker/linger.h"
#include "worker/queue.h"
#include "worker/tell.h"
#include "worker/worker.h"

#define TICK		0.25	/* seconds between looks at slow uploads */
#define STOP_EXTRA	0.5	/* seconds past limits.deadline to stop */

static struct worker	*self;

static const struct handler worker_table[MSG_MAX] = {
/* What stores and routers answer to whatever they were asked. */
#define MSG_STORE(name, num, from, tab, kmin, kmax, vmax, fn) \
	[num] = { call_on_reply, FROM_STORE },
#define MSG_ROUTER(name, num, from, tab, kmin, kmax, vmax, fn) \
	[num] = { call_on_reply, FROM_ROUTER },
#include "proto/msg.def"
};

/* wharfd has checked it; the old list stays if there is no memory. */
static void
access_take(struct worker *w)
{
	char		 err[256];
	struct access	*fresh;

	fresh = access_new(conf_str(w->a.conf, CONF_ACCESS_ALLOW), err,
	    sizeof(err));
	if (fresh == NULL && w->access == NULL)
		fatalx("access.allow: %s", err);
	if (fresh == NULL) {
		log_errorx("access.allow: %s; the old list stays", err);
		return;
	}
	access_free(w->access);
	w->access = fresh;
	w->lists++;
}

static void
settings_take(struct worker *w)
{
	const struct conf	*c = w->a.conf;

	w->get_writes = conf_int(c, CONF_DB_GET_WRITES) != 0;
	w->cache = conf_int(c, CONF_CACHE_MEMORY) != 0;
	w->ttl_max = conf_int(c, CONF_DB_TTL_MAX);
	w->deadline_us = conf_int(c, CONF_LIMITS_DEADLINE) * 1000;
	w->idle_us = conf_int(c, CONF_LIMITS_UPLOAD_IDLE) * 1000000;
	w->budget.max = (size_t)conf_int(c, CONF_WORKERS_MEMORY);
	w->slow_us = slow_limit(c);
	w->body_max = (uint64_t)conf_int(c, CONF_LIMITS_BODY);
	if (w->body_max > w->budget.max)
		w->body_max = w->budget.max;
}

/* The place of its other end among stores or routers; NULL: it has none. */
static struct link **
link_place(struct worker *w, const struct link *link, unsigned **up)
{
	unsigned	seat = link_seat(link);

	if (link_from(link) == FROM_STORE && seat < w->nstores) {
		*up = &w->nup;
		return &w->stores[seat];
	}
	if (link_from(link) == FROM_ROUTER && seat < w->nrouters) {
		*up = &w->nrup;
		return &w->routers[seat];
	}
	return NULL;
}

static void
on_link_up(struct actor *a, struct link *link)
{
	struct link	**place;
	unsigned	 *up;

	if ((place = link_place(a->self, link, &up)) == NULL)
		return;
	*up += *place == NULL;
	*place = link;
}

static void
on_link_down(struct actor *a, struct link *link)
{
	struct worker	*w = a->self;
	struct link	**place;
	unsigned	 *up;

	if ((place = link_place(w, link, &up)) != NULL && *place == link) {
		*place = NULL;
		--*up;
	}
	calls_on_link_down(w, link_id(link));
}

static void
on_turn(struct actor *a)
{
	listeners_wake(a->self);
}

static int
on_expects(struct actor *a)
{
	struct worker	*w = a->self;

	return pending_count(w->pending) != 0;
}

static void
on_listen(struct actor *a, uint64_t id, int kind, int lent, int fd)
{
	struct worker	*w = a->self;
	unsigned	 on = (kind & LISTEN_MQ) != 0 ? ON_MQ : ON_DB;
	int		 tls = (kind & LISTEN_TLS) != 0;

	log_debug("http: socket %llu for %s%s%s", (unsigned long long)id,
	    on == ON_MQ ? "mq" : "db", tls ? ", TLS" : "",
	    lent ? ", lent" : "");
	listener_open(w, id, on, tls, fd);
}

static void
on_unlisten(struct actor *a, uint64_t id)
{
	listener_unlisten(a->self, id);
}

static void
on_users(struct actor *a, int fd)
{
	auth_users(a->self, fd);
}

static void
on_tls(struct actor *a, int fd)
{
	tls_take(a->self, fd);
}

static void
on_reload(struct actor *a)
{
	access_take(a->self);
	tls_reload(a->self);
	settings_take(a->self);
}

/* Nothing is under way, or time is up: leave. */
static void
worker_leave(struct worker *w)
{
	/* MHD aborts the process if it is stopped with one suspended. */
	w->leaving = 1;
	auth_expire(w, 1);
	tls_expire(w, 1);
	calls_abandon(w);
	body_expire(w, 1);
	listeners_stop(w);
	connections_stop(w);
	linger_stop(w->a.loop);
	ev_prepare_stop(w->a.loop, &w->pump);
	actor_exit(&w->a, ACTOR_EXIT_OK);
}

static void
on_pump(struct ev_loop *loop, struct ev_prepare *watcher, int revents)
{
	(void)loop;
	(void)watcher;
	(void)revents;
	listeners_pump(self);
	if (self->stopping && self->active == 0 &&
	    tells_open(self->tells) == 0)
		worker_leave(self);
}

static void
on_deadline(struct ev_loop *loop, struct ev_timer *watcher, int revents)
{
	(void)loop;
	(void)watcher;
	(void)revents;
	calls_expire(self);
}

static void
on_tick(struct ev_loop *loop, struct ev_timer *watcher, int revents)
{
	(void)loop;
	(void)watcher;
	(void)revents;
	auth_expire(self, 0);
	tls_expire(self, 0);
	body_expire(self, 0);
	connections_expire(self);
	listeners_wake(self);
}

static void
on_hurry(struct ev_loop *loop, struct ev_timer *watcher, int revents)
{
	(void)loop;
	(void)watcher;
	(void)revents;
	worker_leave(self);
}

/* Accepts no more; what is under way is finished, with its deadline. */
static void
on_stop(struct actor *a, int hurry)
{
	struct worker	*w = a->self;

	w->stopping = 1;
	listeners_close(w);
	auth_expire(w, 1);
	queue_stop(w);
	ev_timer_stop(a->loop, &w->hurry);
	ev_timer_set(&w->hurry, hurry ? 0. :
	    (double)w->deadline_us / 1e6 + STOP_EXTRA, 0.);
	ev_timer_start(a->loop, &w->hurry);
	listeners_wake(w);
}

static const struct actor_hooks worker_hooks = {
	.stop = on_stop, .reload = on_reload, .users = on_users,
	.tls = on_tls,
	.link_up = on_link_up, .link_down = on_link_down, .turn = on_turn,
	.expects = on_expects,
	.listen = on_listen, .unlisten = on_unlisten,
};

static void
watchers_start(struct worker *w)
{
	ev_prepare_init(&w->pump, on_pump);
	/* Before the mailbox's own, which sends what the pump made. */
	ev_set_priority(&w->pump, EV_MAXPRI);
	ev_init(&w->deadline, on_deadline);
	ev_init(&w->hurry, on_hurry);
	ev_timer_init(&w->tick, on_tick, TICK, TICK);
	ev_prepare_start(w->a.loop, &w->pump);
	ev_timer_start(w->a.loop, &w->tick);
}

static void
worker_init(struct worker *w)
{
	int64_t	n = conf_int(w->a.conf, CONF_STORES_COUNT);

	if (n < 1 || n > STORES_MAX)
		fatalx("worker: stores.count is %lld", (long long)n);
	w->nstores = (unsigned)n;
	w->nrouters = (unsigned)conf_int(w->a.conf, CONF_ROUTERS_COUNT);
	if (w->nrouters > ROUTERS_MAX)
		fatalx("worker: routers.count is %u", w->nrouters);
	TAILQ_INIT(&w->unsent);
	TAILQ_INIT(&w->waits);
	connections_init(w);
	if ((w->pending = pending_new()) == NULL)
		fatal("worker: table of requests");
	if ((w->tells = tells_new(w->routers, w->nrouters, w->a.my)) == NULL)
		fatal("worker: no memory");
	access_take(w);
	auth_init(w);
	tls_init(w);
	settings_take(w);
	paths_init();
}

static void
worker_free(struct worker *w)
{
	auth_free(w);
	tls_free(w);
	actor_free(&w->a);
	answer_cleanup();
	http_cleanup(w);
	pending_free(w->pending);
	tells_free(w->tells);
	access_free(w->access);
	free(w);
}

/* For people who build: 1 if the program was asked for a table. */
static int
print_table(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--print-api") == 0)
		api_print(stdout);
	else if (argc == 2 && strcmp(argv[1], "--print-paths") == 0)
		paths_print(stdout);
	else
		return 0;
	return 1;
}

int
main(int argc, char **argv)
{
	int	code;

	if (print_table(argc, argv))
		return fflush(stdout) == 0 ? 0 : 1;
	if ((self = calloc(1, sizeof(*self))) == NULL)
		fatal("worker: state");
	actor_init(&self->a, argc, argv, "worker", FROM_WORKER, worker_table,
	    &worker_hooks, self);
	worker_init(self);
	watchers_start(self);
	actor_ready(&self->a);
	code = actor_run(&self->a);
	worker_free(self);
	return code;
}
