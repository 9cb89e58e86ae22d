/*
 * shard_backup.c: the loop's side of a backup: finds the instant, holds the log
 * back while the thread copies it, and lets go.  doc/storage.md argues it.
 *
 * Invariants
 * 1 The hold begins in the turn in which MANIFEST is noted, and ends when the
 *   log is copied or when it would make writes wait; the thread is told of the
 *   latter in one step, before anything is overwritten.
 * 2 The thread is joined before anything that it uses goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/backup_impl.h"
#include "store/shard_impl.h"

static void
run_free(struct backup_run *r)
{
	if (r == NULL)
		return;
	backup_pin_free(&r->pin);
	backup_clear(&r->part);
	if (r->dir != -1)
		close(r->dir);
	if (r->parent != -1)
		close(r->parent);
	pthread_mutex_destroy(&r->lock);
	free(r->buf);
	free(r);
}

static struct backup_run *
run_new(struct shard *s, const struct shard_backup_conf *c)
{
	struct backup_run	*r = calloc(1, sizeof(*r));

	if (r == NULL || (r->buf = malloc(SUMS_BLOCK)) == NULL) {
		free(r);
		return NULL;
	}
	pthread_mutex_init(&r->lock, NULL);
	r->io = s->conf.io;
	r->wal = s->wal;
	r->waldir = s->waldir;
	r->notify = s->conf.notify;
	r->notify_arg = s->conf.arg;
	r->router = c->router;
	snprintf(r->name, sizeof(r->name), "%s.%u", c->router ? "router" :
	    "store", s->conf.store);
	r->store = s->conf.store;
	r->stores = s->conf.stores;
	r->files = s->conf.files;
	r->dir = c->dir;
	r->parent = c->parent;
	snprintf(r->parent_name, sizeof(r->parent_name), "%s",
	    c->parent_name);
	atomic_store(&r->rate, c->rate);
	backup_init(&r->part);
	r->part.node = s->conf.node;
	return r;
}

enum err
shard_backup(struct shard *s, const struct shard_backup_conf *c)
{
	enum err	e = E_OK;

	if (s->backup != NULL)
		e = E_AGAIN;
	else if (s->failed != E_OK)
		e = E_READONLY;
	else if ((s->backup = run_new(s, c)) == NULL)
		e = E_NOMEM;
	if (e != E_OK) {
		close(c->dir);
		if (c->parent != -1)
			close(c->parent);
		return e;
	}
	shard_backup_poll(s);
	return E_OK;
}

/* Half of what is left until writes would wait for checkpoints. */
static unsigned
hold_most(const struct shard *s)
{
	struct wal_stat	ws;

	wal_stat(s->wal, &ws);
	return (ws.segments + shard_log_limit(s)) / 2;
}

/*
 * Each data file is checkpointed once before, so that little of the log is
 * needed: 1 it was started, 0 one is under way, or there is no more to do.
 */
static int
checkpoint_more(struct shard *s)
{
	struct backup_run	*r = s->backup;

	if (r->checkpoints >= r->files || s->failed != E_OK ||
	    atomic_load(&r->cancel) ||
	    !data_checkpoint(s->data, wal_last(s->wal)))
		return 0;
	r->checkpoints++;
	return 1;
}

/* Whose failure it is. */
static void
run_name(struct backup_run *r)
{
	char	why[sizeof(r->why) - BACKUP_SHARD_NAME - 2];

	snprintf(why, sizeof(why), "%.*s", (int)sizeof(why) - 1, r->why);
	snprintf(r->why, sizeof(r->why), "%s: %s", r->name, why);
}

static void
backup_start(struct shard *s)
{
	struct backup_run	*r = s->backup;
	enum err		 e;

	if (checkpoint_more(s))
		return;
	e = atomic_load(&r->cancel) ? backup_fail(r, E_AGAIN, "stopped") :
	    data_pin(s->data, &r->pin, r->why, sizeof(r->why));
	if (e == E_AGAIN && !atomic_load(&r->cancel))
		return;			/* at a later poll */
	r->e = e;
	r->phase = BACKUP_OVER;
	if (e != E_OK) {
		if (e != E_AGAIN)
			run_name(r);
		s->conf.notify(s->conf.arg);
		return;
	}
	if (s->clock.asked > r->pin.bound)
		r->pin.bound = s->clock.asked;
	if (wal_bound(s->wal) > r->pin.bound)
		r->pin.bound = wal_bound(s->wal);
	r->last = wal_last(s->wal);
	r->first_seg = wal_hold(s->wal, r->pin.least);
	r->most = hold_most(s);
	shard_kick(s);
	if (pthread_create(&r->thread, NULL, backup_thread, r) == 0) {
		r->phase = BACKUP_RUNNING;
		return;
	}
	wal_hold(s->wal, UINT64_MAX);
	backup_fail(r, E_NOMEM, "no thread for it");
	s->conf.notify(s->conf.arg);
}

static void
backup_watch(struct shard *s)
{
	struct backup_run	*r = s->backup;
	struct wal_stat		 ws;
	int			 free_log, over;

	wal_stat(s->wal, &ws);
	pthread_mutex_lock(&r->lock);
	if (!r->log_done && (ws.segments > r->most || s->nospace)) {
		r->hold_lost = 1;
		atomic_store(&r->cancel, 1);
	}
	free_log = r->log_done || r->hold_lost || r->over;
	over = r->over;
	pthread_mutex_unlock(&r->lock);
	if (free_log && r->most != 0) {
		wal_hold(s->wal, UINT64_MAX);
		r->most = 0;
	}
	if (!over)
		return;
	pthread_join(r->thread, NULL);
	r->phase = BACKUP_OVER;
}

void
shard_backup_poll(struct shard *s)
{
	if (s->backup == NULL)
		return;
	if (s->backup->phase == BACKUP_PINNING)
		backup_start(s);
	else if (s->backup->phase == BACKUP_RUNNING)
		backup_watch(s);
}

int
shard_backup_over(struct shard *s, enum err *e, char *why, size_t whylen)
{
	struct backup_run	*r = s->backup;

	if (r == NULL || r->phase != BACKUP_OVER)
		return 0;
	*e = r->e;
	snprintf(why, whylen, "%s", r->why);
	run_free(r);
	s->backup = NULL;
	return 1;
}

void
shard_backup_cancel(struct shard *s)
{
	if (s->backup != NULL)
		atomic_store(&s->backup->cancel, 1);
}

void
shard_backup_rate(struct shard *s, uint64_t rate)
{
	if (s->backup != NULL)
		atomic_store(&s->backup->rate, rate);
}

void
shard_backup_stat(const struct shard *s, struct shard_backup_stat *st)
{
	const struct backup_run	*r = s->backup;

	memset(st, 0, sizeof(*st));
	if (r == NULL)
		return;
	st->running = 1;
	st->copied = atomic_load(&r->copied);
	st->total = atomic_load(&r->total);
}

/* What waits for the log is let go by wal_flush, which comes before this. */
void
shard_backup_free(struct shard *s)
{
	struct backup_run	*r = s->backup;

	if (r == NULL)
		return;
	atomic_store(&r->cancel, 1);
	if (r->phase == BACKUP_RUNNING)
		pthread_join(r->thread, NULL);
	run_free(r);
	s->backup = NULL;
}
