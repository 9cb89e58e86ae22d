/*
 * tree.c: births and deaths of all children in wharfd; see tree.h.
 *
 * Invariant: outside of a stop every seat has a process, or a timer that will
 * start one.  Fatal: only what fails before the first birth.
 */
#include <sys/random.h>
#include <sys/wait.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/msg.h"
#include "supervisor/actor.h"
#include "supervisor/backup.h"
#include "supervisor/orders.h"
#include "supervisor/known.h"
#include "supervisor/limits.h"
#include "supervisor/tree.h"

#define HURRY_US	2000000
#define ROLL_US		500000		/* READY, and its links are up */
#define SAMPLE_TICKS	10		/* in which each child is looked at */

static const struct {
	const char	*role;
	unsigned	 from;
	enum conf_id	 count;
	int64_t		 limit;		/* usec for a stop; 0: patience */
	int64_t		 patience;	/* usec without PROGRESS */
} kinds[TREE_GROUPS] = {
	[TREE_STORES] = { "store", FROM_STORE, CONF_STORES_COUNT, 0,
	    VIGIL_PROGRESS },
	[TREE_ROUTERS] = { "router", FROM_ROUTER, CONF_ROUTERS_COUNT, 0,
	    VIGIL_PROGRESS },
	[TREE_WORKERS] = { "worker", FROM_WORKER, CONF_WORKERS_COUNT, 10000000,
	    VIGIL_PROGRESS },
};

static int
is_worker(const struct child *c)
{
	return c->from == FROM_WORKER;
}

/* Stop */

static unsigned
group_alive(const struct group *g)
{
	unsigned	i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->c[i].pid != 0;
	return n;
}

static void
group_stop(const struct tree *t, int k)
{
	const struct group	*g = &t->group[k];
	unsigned		 i;

	for (i = 0; i < g->n; i++)
		child_stop(&g->c[i], t->hurry,
		    t->hurry ? HURRY_US : kinds[k].limit, kinds[k].patience);
}

/*
 * The workers first: they drain through routers and stores, which do not need
 * one another.
 */
static void
tree_stop_next(struct tree *t)
{
	int	k;

	for (k = TREE_GROUPS - 1; k >= 0; k--) {
		if (!t->group[k].told) {
			t->group[k].told = 1;
			group_stop(t, k);
		}
		if (k == TREE_WORKERS && group_alive(&t->group[k]) > 0 &&
		    !t->hurry)
			return;
	}
	for (k = 0; k < TREE_GROUPS; k++)
		if (group_alive(&t->group[k]) > 0)
			return;
	ev_break(t->loop, EVBREAK_ALL);
}

void
tree_stop(struct tree *t, int code)
{
	int	k;

	if (!t->stopping) {
		log_info("stopping");
		t->stopping = 1;
		t->code = code;
	} else if (!t->hurry) {
		log_warnx("stopping in a hurry");
		t->hurry = 1;
		for (k = 0; k < TREE_GROUPS; k++)
			t->group[k].told = 0;
	}
	tree_stop_next(t);
}

/* Hooks of the children */

static void
on_ready(struct child *c)
{
	struct tree	*t = c->env->arg;

	links_ready(t->links, c);
	if (is_worker(c))
		seats_ready(t->seats, c);
}

static void
on_broken(struct child *c, uint64_t link)
{
	struct tree	*t = c->env->arg;

	lanes_broken(t->lanes, link);
	if (!t->stopping)
		links_broken(t->links, link);
}

/* A worker that stops accepts no more. */
static void
on_leaves(struct child *c)
{
	struct tree	*t = c->env->arg;

	if (is_worker(c))
		seats_gone(t->seats, c);
}

static enum death
death_kind(const struct child *c, int status)
{
	if (c->asked)
		return DEATH_ASKED;
	if (WIFEXITED(status) && WEXITSTATUS(status) == ACTOR_EXIT_RECOVER)
		return DEATH_RECOVER;
	return c->was_ready ? DEATH_LATE : DEATH_EARLY;
}

static void
on_gone(struct child *c, int status)
{
	struct tree	*t = c->env->arg;

	catalogue_dead(t->catalogue, c->inc);
	links_gone(t->links, c);
	lanes_gone(t->lanes, c);
	backup_gone(t->backup, c);
	orders_gone(t->orders, c);
	if (is_worker(c))
		seats_gone(t->seats, c);
	if (WIFEXITED(status) && WEXITSTATUS(status) == ACTOR_EXIT_REFUSED &&
	    !t->stopping) {
		log_errorx("%s refuses its data, a restart would not help",
		    c->name);
		tree_stop(t, 1);
		return;
	}
	if (t->stopping)
		tree_stop_next(t);
	else
		child_start_later(c, brake_death(&c->brake, mono_now(),
		    death_kind(c, status)));
}

static void
on_backed(struct child *c, const struct msg *m)
{
	const struct tree	*t = c->env->arg;

	backup_backed(t->backup, c, m);
}

static void
on_told(struct child *c, const struct msg *m)
{
	const struct tree	*t = c->env->arg;

	orders_told(t->orders, c, m);
}

static const struct child_hooks hooks = {
	.backed = on_backed,
	.told = on_told,
	.ready = on_ready,
	.broken = on_broken,
	.leaves = on_leaves,
	.gone = on_gone,
};

/* Vigil */

static void
tree_look(struct tree *t, mono_t now, int64_t slept)
{
	struct child	*c;
	unsigned	 i;
	int		 k;

	for (k = 0; k < TREE_GROUPS; k++) {
		for (i = 0; i < t->group[k].n; i++) {
			c = &t->group[k].c[i];
			if (slept > 0)
				vigil_grace(&c->v, now, slept);
			else
				child_look(c, now);
		}
	}
}

/* A few of the children, so that all have had their turn in SAMPLE_TICKS. */
static void
tree_sample(struct tree *t, mono_t now)
{
	unsigned	 i, k, all = 0, n;
	struct child	*c;

	for (k = 0; k < TREE_GROUPS; k++)
		all += t->group[k].n;
	for (n = (all + SAMPLE_TICKS) / SAMPLE_TICKS; n > 0; n--) {
		i = t->sampled++ % (all + 1);
		if (i == all) {
			sample_take(getpid(), board_place(t->board, 0));
			continue;
		}
		for (k = 0; i >= t->group[k].n; k++)
			i -= t->group[k].n;
		c = &t->group[k].c[i];
		sample_take(c->pid, c->board);
		sample_rate(&c->rate, c->board, c->inc, c->born, now);
	}
}

/* Soon again while nobody can say what the stores hold. */
static void
tree_limits(struct tree *t, mono_t now)
{
	struct limits_use	u;
	int64_t			memory, available;

	if (mono_diff(t->limits_at, now) < 0)
		return;
	sample_machine(&memory, &available);
	limits_look(&u, t->board, t->catalogue, memory, available);
	limits_judge(board_place(t->board, 0), t->conf, &u);
	t->limits_at = u.used[LIMIT_DISK] < 0 ? now :
	    mono_add(now, LIMITS_EVERY - VIGIL_TICK / 2);
}

static void	 group_roll(struct tree *, int, mono_t);

static void
on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct tree	*t = w->data;
	mono_t		 now = mono_now();
	int64_t		 late = mono_diff(t->last_tick, now) - VIGIL_TICK;
	int		 k;

	(void)loop, (void)revents;
	t->last_tick = now;
	if (late > VIGIL_LATE)
		log_warnx("was not running for %lld.%03lld s, everybody gets "
		    "that time again", (long long)late / 1000000,
		    (long long)late / 1000 % 1000);
	tree_look(t, now, late > VIGIL_LATE ? late : 0);
	tree_sample(t, now);
	tree_limits(t, now);
	for (k = 0; k < TREE_GROUPS; k++)
		group_roll(t, k, now);
}

/* Orders */

static int
kind_of(const char *role)
{
	int	k;

	for (k = 0; k < TREE_GROUPS; k++)
		if (strcmp(kinds[k].role, role) == 0)
			return k;
	return -1;
}

static void
restart_one(struct tree *t, int k, struct child *c)
{
	log_info("%s: restart asked for", c->name);
	brake_reset(&c->brake);
	if (c->pid == 0) {
		child_start(c);
		return;
	}
	child_stop(c, 0, kinds[k].limit, kinds[k].patience);
	if (is_worker(c))
		seats_gone(t->seats, c);
}

/* The next seat of a restart of all, once the one before is well again. */
static void
group_roll(struct tree *t, int k, mono_t now)
{
	struct group	*g = &t->group[k];
	struct child	*c = &g->c[g->roll];

	if (g->rolling == 0 || t->stopping || c->v.state != CHILD_READY ||
	    mono_diff(c->ready_at, now) < ROLL_US)
		return;
	g->roll++;
	if (--g->rolling > 0)
		restart_one(t, k, &g->c[g->roll]);
	else
		log_info("every %s is restarted", kinds[k].role);
}

int
tree_restart(struct tree *t, const char *role, int seat)
{
	int		k = kind_of(role);
	struct group	*g;

	if (k == -1 || seat < -1 || seat >= (int)t->group[k].n || t->stopping)
		return -1;
	if (seat >= 0) {
		restart_one(t, k, &t->group[k].c[seat]);
		return 1;
	}
	g = &t->group[k];
	g->roll = 0;
	g->rolling = g->n;
	restart_one(t, k, &g->c[0]);
	return (int)g->n;
}

static int
group_accept(struct group *g, int seat)
{
	const struct frame	f = { .msg = MSG_ACCEPT };
	unsigned		i;
	int			told = 0;

	for (i = 0; i < g->n; i++)
		if ((seat == -1 || (int)i == seat) && g->c[i].pid != 0) {
			child_send(&g->c[i], &f, NULL, 0);
			told++;
		}
	return told;
}

int
tree_accept(struct tree *t, int store, int router)
{
	struct group	*s = &t->group[TREE_STORES];
	struct group	*r = &t->group[TREE_ROUTERS];
	int		 told = 0;

	if (store < -1 || store >= (int)s->n || router < -1 ||
	    router >= (int)r->n)
		return -1;
	if (router == -1 || store != -1)
		told += group_accept(s, store);
	if (store == -1 || router != -1)
		told += group_accept(r, router);
	return told;
}

void
tree_pass_conf(struct tree *t)
{
	struct frame	f = { .msg = MSG_RELOAD };
	int		fds[3] = { conf_to_memfd(t->conf), t->env.users_fd,
			    t->env.tls_fd }, k;
	unsigned	i;

	if (fds[0] == -1) {
		log_error("configuration for the actors");
		return;
	}
	close(t->env.conf_fd);
	t->env.conf_fd = fds[0];
	t->limits_at = mono_now();	/* the limits may be others */
	for (k = 0; k < TREE_GROUPS; k++)
		for (i = 0; i < t->group[k].n; i++)
			child_send(&t->group[k].c[i], &f, fds, 3);
}

void
tree_set_users(struct tree *t, int fd)
{
	if (t->env.users_fd > 0)
		close(t->env.users_fd);
	t->env.users_fd = fd;
}

void
tree_set_tls(struct tree *t, int fd)
{
	if (t->env.tls_fd > 0)
		close(t->env.tls_fd);
	t->env.tls_fd = fd;
}

/* Beginning and end */

static unsigned
group_open(struct tree *t, int k, unsigned place)
{
	struct group	*g = &t->group[k];
	unsigned	 i;

	g->n = (unsigned)conf_int(t->conf, kinds[k].count);
	if ((g->c = calloc(g->n, sizeof(*g->c))) == NULL)
		fatal("%s", kinds[k].role);
	for (i = 0; i < g->n; i++)
		child_init(&g->c[i], &t->env, kinds[k].role, kinds[k].from, i,
		    place + i, board_place(t->board, place + i));
	return g->n;
}

static void
tree_env(struct tree *t)
{
	struct child_env	*e = &t->env;
	unsigned		 places = 1;	/* wharfd's own */
	int			 k;

	for (k = 0; k < TREE_GROUPS; k++)
		places += (unsigned)conf_int(t->conf, kinds[k].count);
	e->loop = t->loop;
	e->hooks = &hooks;
	e->arg = t;
	e->dir = t->dir;
	e->node = t->node->id;
	e->lock_fd = t->node->actors_lock;
	if ((e->board_fd = board_create(places)) == -1 ||
	    (t->board = board_map(e->board_fd)) == NULL)
		fatal("board");
	e->catalogue_fd = catalogue_create(
	    (unsigned)conf_int(t->conf, CONF_STORES_COUNT),
	    (unsigned)conf_int(t->conf, CONF_DB_TABLES));
	if (e->catalogue_fd == -1 ||
	    (t->catalogue = catalogue_map(e->catalogue_fd)) == NULL)
		fatal("catalogue");
	if ((e->known_fd = known_create()) == -1)
		fatal("known logins");
	if ((e->conf_fd = conf_to_memfd(t->conf)) == -1)
		fatal("configuration for the actors");
	if (getrandom(&e->next_inc, sizeof(e->next_inc), 0) !=
	    (ssize_t)sizeof(e->next_inc))
		fatal("getrandom");
	e->next_inc |= e->next_inc == 0;
}

static struct child_set
group_set(const struct tree *t, int k)
{
	return (struct child_set){ t->group[k].c, t->group[k].n };
}

/* Without it programs outside have the front desks still. */
static void
tree_open_lanes(struct tree *t)
{
	const struct conf	*c = t->conf;
	struct lanes_conf	 lc = {
		.run = conf_str(c, CONF_NODE_RUN),
		.group = conf_str(c, CONF_NNG_GROUP),
		.mode = (unsigned)strtoul(conf_str(c, CONF_NNG_MODE), NULL, 8),
		.files = t->node->files,
		.stores = group_set(t, TREE_STORES),
		.routers = group_set(t, TREE_ROUTERS),
		.links = t->links
	};

	if (conf_int(c, CONF_LANES_ENABLED) &&
	    conf_int(c, CONF_LIMITS_CLIENTS) > 0)
		t->lanes = lanes_new(t->loop, &lc);
}

void
tree_open(struct tree *t)
{
	struct links_conf	lc = { 0 };
	unsigned		place = 1;
	int			k;

	t->born = t->last_tick = mono_now();
	tree_env(t);
	board_name_seat(board_place(t->board, 0), "wharfd", 0);
	board_set(board_place(t->board, 0), BC_UP, 1);
	board_set(board_place(t->board, 0), BC_STARTED, wall_ms() * 1000);
	for (k = 0; k < TREE_GROUPS; k++)
		place += group_open(t, k, place);
	lc.run = conf_str(t->conf, CONF_NODE_RUN);
	if (conf_int(t->conf, CONF_LANES_ENABLED))
		lc.ring = (size_t)conf_int(t->conf, CONF_LANES_SIZE);
	lc.dial = group_set(t, TREE_WORKERS);
	lc.listen[0] = group_set(t, TREE_STORES);
	lc.listen[1] = group_set(t, TREE_ROUTERS);
	lc.mesh = lc.listen[1];
	t->links = links_new(t->loop, &lc);
	t->seats = seats_new(t->loop, t->listen, lc.dial, lc.listen);
	if (t->links == NULL || t->seats == NULL)
		fatal("tree");
	if ((t->backup = backup_new(t)) == NULL ||
	    (t->orders = orders_new(t)) == NULL)
		fatal("tree");
	tree_open_lanes(t);
	ev_timer_init(&t->tick, on_tick, VIGIL_TICK / 1e6, VIGIL_TICK / 1e6);
	t->tick.data = t;
}

void
tree_start(struct tree *t)
{
	unsigned	i;
	int		k;

	t->last_tick = mono_now();
	ev_timer_start(t->loop, &t->tick);
	for (k = 0; k < TREE_GROUPS; k++)
		for (i = 0; i < t->group[k].n; i++)
			child_start(&t->group[k].c[i]);
}

void
tree_free(struct tree *t)
{
	unsigned	i;
	int		k;

	ev_timer_stop(t->loop, &t->tick);
	backup_free(t->backup);
	orders_free(t->orders);
	lanes_free(t->lanes);
	links_free(t->links);
	seats_free(t->seats);
	for (k = 0; k < TREE_GROUPS; k++) {
		for (i = 0; i < t->group[k].n; i++)
			child_free(&t->group[k].c[i]);
		free(t->group[k].c);
	}
	close(t->env.conf_fd);
	close(t->env.board_fd);
	close(t->env.catalogue_fd);
	close(t->env.known_fd);
	tree_set_users(t, -1);
	tree_set_tls(t, -1);
	board_unmap(t->board);
	catalogue_unmap(t->catalogue);
	conf_free(t->conf);
}
