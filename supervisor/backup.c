/*
 * backup.c: see backup.h.  The loop decides; what blocks runs on a thread that
 * has struct backup_work for itself meanwhile.
 *
 *	PREPARING	thread: directories, the node's files
 *	COPYING		stores and routers; all that have begun must have ended
 *			before anything else is done with their directories
 *	SEALING		thread: BACKUP
 *	ABANDONING	thread: removes what there is
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/clock.h"
#include "supervisor/actor.h"
#include "supervisor/backup.h"
#include "supervisor/backup_make.h"
#include "supervisor/tree.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

enum phase { NONE, PREPARING, COPYING, SEALING, ABANDONING };

static const char *const phases[] = { "none", "preparing", "copying",
    "sealing", "removing" };

struct last {
	int		ok, full;
	char		dir[PATH_MAX], name[BACKUP_DIR_MAX], why[300];
	uint64_t	bytes;
	int64_t		made, us;	/* ms since 1970; how long it took */
};

struct backup_maker {
	struct tree		*tree;
	enum phase		 phase;
	struct backup_work	*work;		/* NULL: phase is NONE */
	pthread_t		 thread;
	int			 result;	/* of the thread */
	ev_async		 woken;
	uint64_t		 id;
	uint8_t			 copying[BACKUP_SHARDS];
	unsigned		 ncopying;
	int			 stop;		/* asked for */
	mono_t			 began;
	int			 has_last;
	struct last		 last;
};

/* --- the shards, in the order of backup_file.h --- */

static struct group *
group(const struct backup_maker *m, int router)
{
	return &m->tree->group[router ? TREE_ROUTERS : TREE_STORES];
}

static unsigned
shards(const struct backup_maker *m)
{
	return group(m, 0)->n + group(m, 1)->n;
}

static struct child *
shard(const struct backup_maker *m, unsigned i)
{
	unsigned	n = group(m, 0)->n;

	return i < n ? &group(m, 0)->c[i] : &group(m, 1)->c[i - n];
}

/* -1: it has none. */
static int
place(const struct backup_maker *m, const struct child *c)
{
	if (c->from == FROM_STORE)
		return (int)c->seat;
	return c->from == FROM_ROUTER ? (int)(group(m, 0)->n + c->seat) : -1;
}

static void
node_set(const struct backup_maker *m, enum board_id id, int64_t v)
{
	board_set(board_place(m->tree->board, 0), id, v);
}

/* --- the thread --- */

static void *
backup_run_phase(void *arg)
{
	struct backup_maker	*m = arg;

	m->result = 0;
	if (m->phase == PREPARING)
		m->result = backup_prepare(m->work);
	else if (m->phase == SEALING)
		m->result = backup_seal(m->work);
	else
		backup_abandon(m->work);
	ev_async_send(m->tree->loop, &m->woken);
	return NULL;
}

static void	 backup_ended(struct backup_maker *);

/* The first reason counts. */
static void
why_set(struct backup_maker *m, const char *why)
{
	struct backup_work	*w = m->work;

	if (w->why[0] == '\0')
		snprintf(w->why, sizeof(w->why), "%s", why);
}

/* Begins a phase on the thread; signals are for the loop. */
static void
backup_enter(struct backup_maker *m, enum phase p)
{
	sigset_t	all, old;
	int		r;

	m->phase = p;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&m->thread, NULL, backup_run_phase, m);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r == 0)
		return;
	/* The next backup removes what this one leaves. */
	why_set(m, "no thread for it");
	backup_ended(m);
}

/* --- copying --- */

static void
shard_ask(struct backup_maker *m, unsigned i)
{
	struct backup_work	*w = m->work;
	struct child		*c = shard(m, i);
	struct frame		 f = { .msg = MSG_BACKUP, .id = m->id };
	int			 fds[2] = { w->store[i], w->parent[i] };
	char			 text[64];

	if (c->v.state != CHILD_READY) {
		snprintf(text, sizeof(text), "%s is not ready", c->name);
		why_set(m, text);
		return;
	}
	if (w->parent[i] != -1) {
		f.val = (const uint8_t *)w->b.parent;
		f.vallen = (uint32_t)strlen(w->b.parent);
	}
	m->copying[i] = 1;
	m->ncopying++;
	child_send(c, &f, fds, w->parent[i] == -1 ? 1 : 2);
}

static void
shards_forget(struct backup_maker *m)
{
	struct frame	f = { .msg = MSG_BACKUP, .id = m->id,
			    .flags = FRAME_FORGET };
	unsigned	i;

	for (i = 0; i < shards(m); i++)
		if (m->copying[i])
			child_send(shard(m, i), &f, NULL, 0);
}

static void
copying_look(struct backup_maker *m)
{
	if (m->ncopying == 0)
		backup_enter(m, m->work->why[0] != '\0' ? ABANDONING :
		    SEALING);
}

static void
copying_begin(struct backup_maker *m)
{
	unsigned	i;

	m->phase = COPYING;
	for (i = 0; i < shards(m) && m->work->why[0] == '\0'; i++)
		shard_ask(m, i);
	if (m->work->why[0] != '\0')
		shards_forget(m);
	copying_look(m);
}

/* One has ended its part; why NULL: well. */
static void
shard_ended(struct backup_maker *m, int i, const char *why)
{
	int	first = m->work->why[0] == '\0';

	m->copying[i] = 0;
	m->ncopying--;
	if (why != NULL) {
		why_set(m, why);
		if (first)
			shards_forget(m);
	}
	copying_look(m);
}

static int
is_copying(const struct backup_maker *m, const struct child *c)
{
	return m != NULL && m->phase == COPYING && place(m, c) != -1 &&
	    m->copying[place(m, c)];
}

void
backup_backed(struct backup_maker *m, const struct child *c,
    const struct msg *msg)
{
	const struct frame	*f = &msg->f;
	char			 why[BACKED_TEXT + 1];

	if (!is_copying(m, c) || f->id != m->id)
		return;
	if (f->vallen > 0)
		snprintf(why, sizeof(why), "%.*s", (int)f->vallen,
		    (const char *)f->val);
	else
		snprintf(why, sizeof(why), "%s: %s", c->name,
		    err_text((enum err)f->status));
	shard_ended(m, place(m, c), f->status == E_OK ? NULL : why);
}

void
backup_gone(struct backup_maker *m, const struct child *c)
{
	char	text[64];

	if (!is_copying(m, c))
		return;
	snprintf(text, sizeof(text), "%s ended meanwhile", c->name);
	shard_ended(m, place(m, c), text);
}

/* --- one phase after the other --- */

static void
backup_tell(const struct backup_maker *m)
{
	const struct last	*l = &m->last;

	if (l->ok)
		log_info("backup %s/%s: done, %llu bytes in %.1f s", l->dir,
		    l->name, (unsigned long long)l->bytes, (double)l->us / 1e6);
	else
		log_errorx("backup to %s failed: %s", l->dir, l->why);
}

static void
backup_ended(struct backup_maker *m)
{
	struct backup_work	*w = m->work;
	struct last		*l = &m->last;

	m->has_last = 1;
	l->ok = w->why[0] == '\0';
	l->full = w->b.parent[0] == '\0';
	memcpy(l->dir, w->dir, sizeof(l->dir));
	memcpy(l->name, w->name, sizeof(l->name));
	memcpy(l->why, w->why, sizeof(l->why));
	l->bytes = w->bytes;
	l->made = w->b.made;
	l->us = mono_diff(m->began, mono_now());
	backup_tell(m);
	if (l->ok)
		node_set(m, BC_BACKUP_LAST, l->made / 1000);
	else
		board_add(board_place(m->tree->board, 0), BC_BACKUP_FAILED, 1);
	node_set(m, BC_BACKUP_RUNNING, 0);
	backup_work_free(w);
	free(w);
	m->work = NULL;
	m->phase = NONE;
}

static void
on_woken(struct ev_loop *loop, ev_async *a, int revents)
{
	struct backup_maker	*m = a->data;

	(void)loop, (void)revents;
	if (m->phase != PREPARING && m->phase != SEALING &&
	    m->phase != ABANDONING)
		return;
	pthread_join(m->thread, NULL);
	if (m->stop && m->phase == PREPARING)
		why_set(m, "stopped");
	if (m->phase == ABANDONING || (m->phase == SEALING && m->result == 0))
		backup_ended(m);
	else if (m->work->why[0] != '\0')
		backup_enter(m, ABANDONING);
	else
		copying_begin(m);
}

/* --- orders --- */

static struct backup_work *
work_new(const struct backup_maker *m, const char *dir, int full)
{
	struct backup_work	*w = malloc(sizeof(*w));
	const struct tree	*t = m->tree;

	if (w == NULL)
		return NULL;
	backup_work_init(w);
	snprintf(w->dir, sizeof(w->dir), "%s", dir);
	snprintf(w->data, sizeof(w->data), "%s",
	    conf_str(t->conf, CONF_NODE_DATA));
	snprintf(w->auth, sizeof(w->auth), "%s",
	    conf_str(t->conf, CONF_AUTH_FILE));
	w->full = full;
	w->b.node = t->node->id;
	w->b.stores = t->node->stores;
	w->b.files = t->node->files;
	w->b.routers = t->node->routers;
	w->b.made = wall_ms();
	snprintf(w->b.version, sizeof(w->b.version), "%s", PACKAGE_VERSION);
	w->conf_fd = conf_file(t->conf);
	if (w->conf_fd != -1)
		return w;
	free(w);
	return NULL;
}

/* Nothing but what cannot be mended by waiting is looked at here. */
static const char *
refusal(const struct backup_maker *m, const char *dir)
{
	unsigned	i;

	if (m->phase != NONE)
		return "a backup is being made already";
	if (m->tree->stopping)
		return "wharfd is stopping";
	if (dir[0] != '/' || strlen(dir) >= PATH_MAX - BACKUP_DIR_MAX)
		return "dir: it is an absolute path";
	for (i = 0; i < shards(m); i++)
		if (shard(m, i)->v.state != CHILD_READY)
			return "a store or router is not ready";
	return NULL;
}

int
backup_start(struct backup_maker *m, const char *dir, int full, char *why,
    size_t whylen)
{
	const char	*no = refusal(m, dir);

	if (no == NULL && (m->work = work_new(m, dir, full)) == NULL)
		no = "out of memory or descriptors";
	if (no != NULL) {
		snprintf(why, whylen, "%s", no);
		return -1;
	}
	m->id++;
	m->stop = 0;
	m->began = mono_now();
	memset(m->copying, 0, sizeof(m->copying));
	m->ncopying = 0;
	node_set(m, BC_BACKUP_RUNNING, 1);
	backup_enter(m, PREPARING);
	return 0;
}

int
backup_stop(struct backup_maker *m)
{
	if (m->phase == NONE)
		return -1;
	m->stop = 1;
	if (m->phase == COPYING && m->work->why[0] == '\0') {
		why_set(m, "stopped");
		shards_forget(m);
	}
	return 0;
}

/* --- how it stands --- */

static void
json_progress(const struct backup_maker *m, json_t *o)
{
	json_int_t	bytes = 0, total = 0;
	int64_t		t;
	unsigned	i;
	int		known = m->phase == COPYING;

	for (i = 0; i < shards(m) && m->phase == COPYING; i++) {
		bytes += board_get(shard(m, i)->board, BC_BACKUP_BYTES);
		t = board_get(shard(m, i)->board, BC_BACKUP_TOTAL);
		known &= t != 0;
		total += t;
	}
	json_object_set_new(o, "bytes", json_integer(bytes));
	json_object_set_new(o, "total", json_integer(known ? total : 0));
	json_object_set_new(o, "seconds", json_real(
	    (double)mono_diff(m->began, mono_now()) / 1e6));
}

static json_t *
json_last(const struct last *l)
{
	return json_pack("{s:b, s:b, s:s, s:s, s:s, s:I, s:I, s:f}",
	    "ok", l->ok, "full", l->full, "dir", l->dir, "name", l->name,
	    "error", l->why, "bytes", (json_int_t)l->bytes,
	    "made", (json_int_t)l->made, "seconds", (double)l->us / 1e6);
}

json_t *
backup_json(const struct backup_maker *m)
{
	json_t	*o = json_pack("{s:b, s:I, s:s}", "running", m->phase != NONE,
		    "id", (json_int_t)m->id, "phase", phases[m->phase]);

	if (o == NULL)
		return NULL;
	if (m->phase != NONE) {
		json_object_set_new(o, "dir", json_string(m->work->dir));
		json_progress(m, o);
	}
	if (m->has_last)
		json_object_set_new(o, "last", json_last(&m->last));
	return o;
}

/* --- beginning and end --- */

struct backup_maker *
backup_new(struct tree *t)
{
	struct backup_maker	*m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->tree = t;
	ev_async_init(&m->woken, on_woken);
	m->woken.data = m;
	ev_async_start(t->loop, &m->woken);
	return m;
}

/* What is under way is left as it is: the next backup removes it. */
void
backup_free(struct backup_maker *m)
{
	if (m == NULL)
		return;
	if (m->phase != NONE && m->phase != COPYING)
		pthread_join(m->thread, NULL);
	if (m->work != NULL)
		backup_work_free(m->work);
	free(m->work);
	ev_async_stop(m->tree->loop, &m->woken);
	free(m);
}
