/*
 * store_export.c: STORE_EXPORT and STORE_TASK: snapshots into files (snapshot.h),
 * one at a time, one more may wait.
 *
 * On the loop, in short steps, entries become lines in a chunk of
 * memory; a thread of our own writes full chunks, syncs and renames.  The walk
 * goes on while a chunk is written, and waits when the next one is full too.
 *
 * A snapshot is not of one moment: what exists throughout is in it once, what
 * comes or goes meanwhile may be.  It is put in place only when the log is
 * durable up to all that it shows.
 *
 * Not fatal: what fails ends the task, which is unknown from then on, and is
 * logged.  Files of a task that a kill cut short are removed at the next start.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/buf.h"
#include "proto/msg_task.h"
#include "store/export_file.h"
#include "store/store_export.h"
#include "store/store_list.h"
#include "store/walk.h"
#include "supervisor/log.h"

#define STEP_US		500
#define PAUSE		0.003	/* s between steps */
#define CHUNK		(1u << 20)	/* bytes of lines, and one line more */
#define DONE_KEPT	3u	/* contract 1.3, task_status */
#define OFFSET_MAX	100000000u
#define ENTRIES_MAX	1000000u

struct task {
	uint64_t	 token;		/* 0: there is none */
	struct list_ask	 ask;
	struct frame	 f;		/* type, and table in tab */
	uint8_t		 tab[TABLE_MAX];
	char		 name[SNAPSHOT_NAME];
	int		 unwanted;
};

struct exports {
	struct actor	*a;
	struct store	*st;
	char		 dir[PATH_MAX];
	struct task	 now, next;
	uint64_t	 done[DONE_KEPT];
	uint32_t	 ended;		/* well, since the start */
	struct walk	 walk;
	struct chunk	 chunk;		/* being filled */
	uint64_t	 size;		/* of the lines so far */
	int		 begun;
	int		 walked;	/* to the end */
	int		 finishing;
	enum err	 failed;
	struct helper	*helper;
	struct writing	 w;
	int		 busy;
	struct ev_async	 woken;
	struct ev_timer	 timer;
};

static void	 exports_notify(void *);
static void	 exports_woken(struct ev_loop *, struct ev_async *, int);
static void	 exports_step(struct ev_loop *, struct ev_timer *, int);
static enum walk_take export_take(void *, const struct list_item *);
static void	 export_damaged(void *, unsigned slot);
static void	 export_written(struct job *, enum err);
static void	 export_end(struct exports *);

struct exports *
exports_new(struct actor *a)
{
	struct exports	*x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->a = a;
	x->st = a->self;
	x->w.owner = x;
	x->w.dir = x->dir;
	x->w.fd[0] = x->w.fd[1] = -1;
	snprintf(x->dir, sizeof(x->dir), "%s/store.%u/export",
	    conf_str(a->conf, CONF_NODE_DATA), a->seat);
	export_sweep(x->dir);
	ev_async_init(&x->woken, exports_woken);
	x->woken.data = x;
	ev_async_start(a->loop, &x->woken);
	ev_timer_init(&x->timer, exports_step, 0, 0);
	x->timer.data = x;
	if ((x->helper = helper_new(exports_notify, x)) == NULL) {
		exports_free(x);
		return NULL;
	}
	return x;
}

static void
chunk_free(struct chunk *c)
{
	free(c->lines);
	free(c->places);
	memset(c, 0, sizeof(*c));
}

void
exports_free(struct exports *x)
{
	if (x == NULL)
		return;
	helper_free(x->helper);
	ev_async_stop(x->a->loop, &x->woken);
	ev_timer_stop(x->a->loop, &x->timer);
	export_close(&x->w);
	walk_free(&x->walk);
	chunk_free(&x->chunk);
	chunk_free(&x->w.chunk);
	free(x);
}

const char *
exports_dir(const struct exports *x)
{
	return x->dir;
}

void
exports_id(const struct actor *a, const struct list_ask *q,
    const struct frame *f, struct snapshot_id *id)
{
	memset(id, 0, sizeof(*id));
	id->type = f->type;
	id->tab = f->tab;
	id->tablen = f->tablen;
	id->number = f->type != 0 ? a->seat : a->seat *
	    (unsigned)conf_int(a->conf, CONF_STORES_FILES) + q->file;
	id->start = q->start;
	id->end = q->end;
	id->values = (q->flags & LIST_VALUES) != 0;
}

/* What may be asked for, beyond what a listing checks. */
static enum err
export_check(struct exports *x, struct task *t)
{
	struct list_ask	*q = &t->ask;
	enum err	 e;

	if ((q->flags & (LIST_ASYNC | LIST_REVERSE)) || t->f.type == TYPE_KV ||
	    q->offset > OFFSET_MAX || q->limit > ENTRIES_MAX ||
	    (q->offset > 0 && q->limit == 0))
		return E_PARAM;
	if (t->f.type == 0)
		return q->flags & LIST_ONE_FILE ? E_OK : E_PARAM;
	if (q->flags & LIST_ONE_FILE)
		return E_PARAM;
	e = shard_missing(store_shard(x->st), t->f.type, t->tab, t->f.tablen);
	if (e == E_TYPE)
		return E_PARAM;		/* contract 1.8 has 400 */
	return e == E_NOTFOUND ? E_OK : e;
}

static int
export_exists(const struct exports *x, const struct task *t)
{
	char		path[EXPORT_PATH];
	struct stat	st;

	snprintf(path, sizeof(path), "%s/%s", x->dir, t->name);
	return lstat(path, &st) == 0;
}

static int
export_known(const struct exports *x, uint64_t token)
{
	unsigned	i;

	for (i = 0; i < DONE_KEPT; i++)
		if (x->done[i] == token)
			return 1;
	return x->now.token == token || x->next.token == token;
}

static enum err
export_queue(struct exports *x, struct task *t)
{
	struct task	*to = x->now.token == 0 ? &x->now : &x->next;

	if (to->token != 0)
		return E_TASKS;
	if (mkdir(x->dir, 0700) != 0 && errno != EEXIST) {
		log_warn("store: mkdir %s", x->dir);
		return io_is_full(errno) ? E_NOSPACE : E_INTERNAL;
	}
	*to = *t;
	to->f.tab = to->tab;
	if (!ev_is_active(&x->timer) && !x->busy) {
		ev_timer_set(&x->timer, 0, 0);
		ev_timer_start(x->a->loop, &x->timer);
	}
	return E_OK;
}

/* One range of slots is one: the name says which. */
enum err
store_on_export(struct actor *a, const struct msg *m)
{
	struct store		*st = a->self;
	struct exports		*x = store_exports(st);
	struct task		 t = { .token = (uint64_t)m->f.score };
	struct frame		 r = { 0 };
	struct snapshot_id	 id;
	enum err		 e;

	if ((e = store_may(st, m)) != E_OK)
		return e;
	if (m->f.tablen != 0)
		memcpy(t.tab, m->f.tab, m->f.tablen);
	t.f = m->f;
	t.f.tab = t.tab;
	if ((e = list_ask_check(a, &t.f, &t.ask)) != E_OK ||
	    (e = export_check(x, &t)) != E_OK)
		return e;
	t.f.key = t.f.val = NULL;
	t.ask.order = t.f.type == TYPE_ZSET ? LIST_RANK : LIST_KEYS;
	exports_id(a, &t.ask, &t.f, &id);
	snapshot_name(t.name, &id);
	if (t.token == 0 || export_known(x, t.token))
		return E_PARAM;
	if (!t.ask.cover && export_exists(x, &t))
		return E_COVER;
	if ((e = export_queue(x, &t)) != E_OK)
		return e;
	r.score = m->f.score;
	return store_answer(st, m, E_OK, &r, 0, 0);
}

/* What is just being put in place stays. */
static void
export_forget(struct exports *x, uint64_t token)
{
	if (x->next.token == token)
		memset(&x->next, 0, sizeof(x->next));
	else if (x->now.token == token && !x->finishing)
		x->now.unwanted = 1;
}

static enum task_state
task_state(const struct exports *x, uint64_t token)
{
	if (!export_known(x, token))
		return TASK_UNKNOWN;
	return x->now.token == token ? TASK_RUNS :
	    x->next.token == token ? TASK_WAITS : TASK_DONE;
}

enum err
store_on_task(struct actor *a, const struct msg *m)
{
	struct store	*st = a->self;
	struct exports	*x = store_exports(st);
	struct frame	 r = { 0 };
	uint8_t		 counts[12];
	enum err	 e;

	if ((e = store_may(st, m)) != E_OK)
		return e;
	if (m->f.score != 0 && (m->f.flags & FRAME_FORGET) != 0)
		export_forget(x, (uint64_t)m->f.score);
	if (m->f.score != 0)
		r.score = task_state(x, (uint64_t)m->f.score);
	else {
		le32_put(counts, x->next.token != 0);
		le32_put(counts + 4, x->now.token != 0);
		le32_put(counts + 8, x->ended);
		r.val = counts;
		r.vallen = sizeof(counts);
	}
	return store_answer(st, m, E_OK, &r, 0, 0);
}

static void
export_begin(struct exports *x)
{
	struct task		*t = &x->now;
	struct writing		*w = &x->w;
	struct walk_conf	 c = {
		.ask = &t->ask, .type = t->f.type, .tab = t->tab,
		.tablen = t->f.tablen,
		.limit = t->ask.limit == 0 ? UINT64_MAX : t->ask.limit,
		.files = (unsigned)conf_int(x->a->conf, CONF_STORES_FILES),
		.take = export_take, .damaged = export_damaged, .arg = x
	};

	walk_init(&x->walk, &c);
	x->begun = 1;
	x->size = 0;
	x->walked = x->finishing = 0;
	x->failed = E_OK;
	snprintf(w->path[0], sizeof(w->path[0]), "%s/%s", x->dir, t->name);
	snprintf(w->path[1], sizeof(w->path[1]), "%s/%s" SNAPSHOT_DATA, x->dir,
	    t->name);
	w->at[0] = w->at[1] = 0;
	w->what = NULL;
	if (!t->ask.cover && export_exists(x, t))
		x->failed = E_COVER;	/* made by the one before */
}

/* Hands the helper what is to be done next. */
static void
export_job(struct exports *x, enum err (*work)(struct job *))
{
	x->busy = 1;
	x->w.job = (struct job){ .work = work, .done = export_written,
	    .arg = &x->w };
	helper_run(x->helper, &x->w.job);
}

static void
export_hand_over(struct exports *x)
{
	struct chunk	c = x->w.chunk;

	x->w.chunk = x->chunk;
	x->chunk = c;
	x->chunk.n = x->chunk.placen = 0;
	export_job(x, export_write);
}

/* A step of the walk; E_PENDING: there is more to come. */
static void
export_walk(struct exports *x)
{
	enum err	e;

	e = walk_step(&x->walk, store_shard(x->st), store_now(x->st),
	    STEP_US);
	if (e == E_OK)
		x->walked = 1;
	else if (e != E_PENDING && e != E_BUILDING)
		x->failed = e;
}

/*
 * Whatever can be done now.  While the helper works on the end of a task its
 * result brings us here again; otherwise the timer does.
 */
static void
export_turn(struct exports *x)
{
	struct shard	*s = store_shard(x->st);

	if (x->now.unwanted && x->failed == E_OK)
		x->failed = E_EXPIRED;
	if (x->failed == E_OK && !x->walked && x->chunk.n < CHUNK)
		export_walk(x);
	if (x->busy)
		return;
	if (x->failed != E_OK) {
		x->finishing = 1;
		export_job(x, export_drop);
	} else if (x->chunk.n >= CHUNK || (x->walked && x->chunk.n > 0))
		export_hand_over(x);
	else if (x->walked && x->walk.lsn <= shard_released(s)) {
		x->finishing = 1;
		export_job(x, export_finish);
	} else if (x->walked && shard_failed(s) != E_OK)
		x->failed = shard_failed(s);
}

static void
exports_step(struct ev_loop *loop, struct ev_timer *t, int events)
{
	struct exports	*x = t->data;

	(void)events;
	ev_timer_stop(loop, t);
	if (x->now.token == 0)
		return;
	if (!x->begun)
		export_begin(x);
	if (!x->finishing)
		export_turn(x);
	if (x->finishing)
		return;
	ev_timer_set(t, PAUSE, 0);
	ev_timer_start(loop, t);
}

/* The helper's thread. */
static void
exports_notify(void *arg)
{
	struct exports	*x = arg;

	ev_async_send(x->a->loop, &x->woken);
}

static void
exports_woken(struct ev_loop *loop, struct ev_async *w, int events)
{
	struct exports	*x = w->data;

	(void)loop, (void)events;
	helper_poll(x->helper);
}

static void
export_written(struct job *j, enum err e)
{
	struct writing	*w = j->arg;
	struct exports	*x = w->owner;
	int		 ending = x->finishing;

	x->busy = 0;
	if (e != E_OK && x->failed == E_OK) {
		x->failed = e;
		errno = x->w.err;
		log_warn("store: export: %s %s", x->w.what, x->now.name);
		ending = 0;
		x->finishing = 0;
	}
	if (ending)
		export_end(x);
	if (x->now.token != 0 && !ev_is_active(&x->timer)) {
		ev_timer_set(&x->timer, 0, 0);
		ev_timer_start(x->a->loop, &x->timer);
	}
}

/* The files are in place, or gone. */
static void
export_end(struct exports *x)
{
	if (x->failed == E_OK) {
		memmove(x->done + 1, x->done,
		    sizeof(x->done) - sizeof(x->done[0]));
		x->done[0] = x->now.token;
		x->ended++;
		log_info("store: exported %s: %llu entries, %llu bytes",
		    x->now.name, (unsigned long long)x->walk.taken,
		    (unsigned long long)x->size);
	} else if (x->now.unwanted)
		log_info("store: export of %s is not wanted any more",
		    x->now.name);
	else
		log_warnx("store: export of %s failed: %s", x->now.name,
		    err_text(x->failed));
	walk_free(&x->walk);
	chunk_free(&x->chunk);
	chunk_free(&x->w.chunk);
	x->begun = x->finishing = 0;
	x->now = x->next;
	x->now.f.tab = x->now.tab;
	memset(&x->next, 0, sizeof(x->next));
}

static int
chunk_grow(uint8_t **p, size_t *cap, size_t need)
{
	size_t	 n = *cap == 0 ? 65536 : *cap;
	uint8_t	*q;

	while (n < need)
		n *= 2;
	if (n == *cap)
		return 1;
	if ((q = realloc(*p, n)) == NULL)
		return 0;
	*p = q;
	*cap = n;
	return 1;
}

static enum walk_take
export_take(void *arg, const struct list_item *i)
{
	struct exports	*x = arg;
	struct chunk	*c = &x->chunk;
	size_t		 n;

	if (!chunk_grow(&c->lines, &c->cap, c->n + snapshot_line_max(i)) ||
	    !chunk_grow(&c->places, &c->placecap, c->placen + 8))
		return WALK_NOMEM;
	le64_put(c->places + c->placen, x->size);
	c->placen += 8;
	n = snapshot_line_put(c->lines + c->n, i, x->now.f.type == 0,
	    (x->now.ask.flags & LIST_VALUES) != 0);
	c->n += n;
	x->size += n;
	return c->n >= CHUNK ? WALK_PAUSE : WALK_ON;
}

static void
export_damaged(void *arg, unsigned slot)
{
	struct exports	*x = arg;

	store_damaged(x->st, slot);
}
