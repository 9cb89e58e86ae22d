/*
 * wal_thread.c: the log thread.  Takes one batch at a time from the loop,
 * writes it, publishes the marks, calls notify.  Under always the batch is
 * durable then; under 1s and os the sync thread (wal_sync.c) makes it so, and
 * the loop does the same with a small batch itself (wal_kick).
 *
 * Invariants
 * 1 durable <= written, and both only grow.
 * 2 After a failed write or sync, whoever found it, no write begins any more
 *   and the marks stand still: what the page cache says afterwards is no
 *   proof of what the disk has.
 * 3 The lock is never held over a system call other than futex.
 */
#include <errno.h>
#include <unistd.h>

#include "store/wal_impl.h"

/* Leaves the open segment and begins the batch's. */
static int
thread_begin(struct wal *w, const struct wal_buf *b,
    const struct wal_place *pl)
{
	struct wal_log	*l = &w->log;

	if (l->sync == WAL_ALWAYS)
		close(l->fd);
	else if (wal_stale_push(w) == -1)
		return -1;
	l->fd = -1;
	if (wal_log_start(l, &pl->spare, pl->number, b->first, pl->prev,
	    l->safe.lsn) == -1)
		return -1;
	return wal_log_name(l, &pl->spare, pl->number);
}

/* 0 or an errno. */
static int
thread_write(struct wal *w, struct wal_buf *b, const struct wal_place *pl,
    uint64_t bound)
{
	struct wal_log	*l = &w->log;

	errno = 0;
	if ((pl->fresh && thread_begin(w, b, pl) == -1) ||
	    wal_log_write(l, b, pl->offset, pl->span, bound) == -1 ||
	    (l->sync == WAL_ALWAYS && wal_log_sync(l) == -1))
		return errno != 0 ? errno : EIO;
	return 0;
}

/* Publishes what was written, or the failure.  Lock held. */
static void
thread_publish(struct wal *w, const struct wal_place *pl, int error)
{
	struct wal_pass	*ps = &w->pass;
	int		 was_stale = wal_pass_stale(ps);

	if (error != 0 && ps->failed == 0)
		ps->failed = error;
	if (ps->failed == 0) {
		ps->written = w->log.at;
		ps->stale.fd = w->log.fd;
		if (w->log.sync == WAL_ALWAYS)
			ps->durable = w->log.safe;
		else if (!was_stale)
			ps->stale_since = mono_now();
		ps->batches++;
		ps->bytes += pl->span;
		ps->last_us = mono_diff(ps->since, mono_now());
	}
	ps->busy = 0;
	pthread_cond_broadcast(&ps->done);
	if (wal_sync_wake(w, was_stale))
		pthread_cond_signal(&ps->sync);
}

void
wal_take(struct wal *w)
{
	struct wal_pass	*ps = &w->pass;
	struct wal_buf	*b = ps->buf;
	struct wal_place pl = ps->place;
	uint64_t	 bound = ps->buf_bound;
	int		 error = ps->failed;

	ps->buf = NULL;
	w->log.safe = ps->durable;
	pthread_mutex_unlock(&ps->lock);
	if (error == 0)
		error = thread_write(w, b, &pl, bound);
	pthread_mutex_lock(&ps->lock);
	thread_publish(w, &pl, error);
	pthread_mutex_unlock(&ps->lock);
	w->conf.notify(w->conf.notify_arg);
	pthread_mutex_lock(&ps->lock);
}

void *
wal_thread(void *arg)
{
	struct wal	*w = arg;

	pthread_mutex_lock(&w->pass.lock);
	while (!w->pass.stop)
		if (w->pass.buf != NULL)
			wal_take(w);
		else
			pthread_cond_wait(&w->pass.work, &w->pass.lock);
	pthread_mutex_unlock(&w->pass.lock);
	return NULL;
}
