/*
 * wal_thread.c: the log thread.  Takes one batch at a time from the loop,
 * writes it, syncs as the mode says, publishes the marks, calls notify.
 *
 * Invariants
 * 1 durable <= written, and both only grow.
 * 2 After a failed write or sync nothing is written or synced any more: what
 *   the page cache says afterwards is no proof of what the disk has.
 * 3 The lock is never held over a system call other than futex.
 */
#include <errno.h>
#include <time.h>

#include "store/wal_impl.h"

#define SYNC_EVERY	1000000		/* usec, mode 1s */

/* Publishes the marks; called and returns with the lock held. */
static void
thread_publish(struct wal *w, int error)
{
	struct wal_pass	*ps = &w->pass;

	if (error != 0)
		ps->failed = error;
	ps->written = w->log.written;
	ps->durable = w->log.durable;
	/* Under os nothing is promised for a power cut: see doc/storage.md. */
	ps->bound = w->log.sync == WAL_OS ? w->log.bound_written : w->log.bound;
	pthread_cond_broadcast(&ps->done);
	pthread_mutex_unlock(&ps->lock);
	w->conf.notify(w->conf.notify_arg);
	pthread_mutex_lock(&ps->lock);
}

static int
thread_write(struct wal_log *l, struct wal_buf *b, const struct wal_place *pl,
    uint64_t bound)
{
	if (pl->fresh && (wal_log_leave(l) == -1 ||
	    wal_log_start(l, &pl->spare, pl->number, b->first, pl->prev,
	    l->durable) == -1 ||
	    wal_log_name(l, &pl->spare, pl->number) == -1))
		return -1;
	if (wal_log_write(l, b, pl->offset, pl->span, bound) == -1)
		return -1;
	return l->sync == WAL_ALWAYS ? wal_log_sync(l) : 0;
}

static void
thread_take(struct wal *w)
{
	struct wal_pass	*ps = &w->pass;
	struct wal_buf	*b = ps->buf;
	struct wal_place pl = ps->place;
	uint64_t	 bound = ps->buf_bound;
	int		 error = 0;

	ps->buf = NULL;
	pthread_mutex_unlock(&ps->lock);
	if (thread_write(&w->log, b, &pl, bound) == -1)
		error = errno != 0 ? errno : EIO;
	pthread_mutex_lock(&ps->lock);
	if (error == 0) {
		ps->batches++;
		ps->bytes += pl.span;
		ps->last_us = mono_diff(ps->since, mono_now());
	}
	ps->busy = 0;
	thread_publish(w, error);
}

static int
thread_sync_due(const struct wal *w)
{
	const struct wal_log	*l = &w->log;

	if (!l->dirty || w->pass.failed != 0)
		return 0;
	if (w->pass.want > l->durable)
		return 1;
	return l->sync == WAL_1S && (l->bound_written > l->bound ||
	    mono_diff(l->dirty_since, mono_now()) >= SYNC_EVERY);
}

static void
thread_sync(struct wal *w)
{
	int	error = 0;

	pthread_mutex_unlock(&w->pass.lock);
	if (wal_log_sync(&w->log) == -1)
		error = errno != 0 ? errno : EIO;
	pthread_mutex_lock(&w->pass.lock);
	thread_publish(w, error);
}

static void
thread_wait(struct wal *w)
{
	mono_t		at = mono_add(w->log.dirty_since, SYNC_EVERY);
	struct timespec	ts = { at.us / 1000000, at.us % 1000000 * 1000 };

	if (w->log.sync == WAL_1S && w->log.dirty && w->pass.failed == 0)
		pthread_cond_timedwait(&w->pass.work, &w->pass.lock, &ts);
	else
		pthread_cond_wait(&w->pass.work, &w->pass.lock);
}

void *
wal_thread(void *arg)
{
	struct wal	*w = arg;

	pthread_mutex_lock(&w->pass.lock);
	while (!w->pass.stop)
		if (thread_sync_due(w))
			thread_sync(w);
		else if (w->pass.buf != NULL)
			thread_take(w);
		else
			thread_wait(w);
	pthread_mutex_unlock(&w->pass.lock);
	return NULL;
}
