/*
 * wal_sync.c: the sync thread of a log in mode 1s or os, so that writes go on
 * while a sync is under way.  It syncs once a second, at once when a batch
 * raised the clock bound (1s only), when wal_sync_to asks, and when STALE_MAX
 * segments wait for it, each with a descriptor (os, where no checkpoint asks).
 *
 * Invariants
 * 1 What `durable` says was written before the sync began that covers it, and
 *   that sync covered the open segment and every earlier one not synced yet:
 *   the marks and the files are taken in one step under the lock.
 * 2 Only this thread closes a file that it may be syncing: the writer puts
 *   the segment it leaves aside and never closes it.
 * 3 A failed sync ends the log (invariant 2 of wal_thread.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "store/wal_impl.h"

#define SYNC_EVERY	1000000		/* usec, mode 1s */
#define STALE_MAX	16

int
wal_stale_push(struct wal *w)
{
	struct wal_stale	*s = &w->pass.stale;
	size_t			 max;
	int			*p, r = 0;

	pthread_mutex_lock(&w->pass.lock);
	if (s->nold == s->maxold) {
		max = s->maxold * 2 + 8;
		if ((p = realloc(s->old, max * sizeof *p)) == NULL)
			r = -1;
		else {
			s->old = p;
			s->maxold = max;
		}
	}
	if (r == 0) {
		s->old[s->nold++] = w->log.fd;
		s->fd = -1;
	}
	pthread_mutex_unlock(&w->pass.lock);
	return r;
}

void
wal_stale_close(struct wal_stale *s)
{
	while (s->nold > 0)
		close(s->old[--s->nold]);
	free(s->old);
	s->old = NULL;
	s->maxold = 0;
}

int
wal_stale_sync(const struct io *io, const struct wal_stale *s)
{
	size_t	i;

	errno = 0;
	for (i = 0; i < s->nold; i++)
		if (io->fdatasync(io, s->old[i]) == -1)
			return errno != 0 ? errno : EIO;
	if (s->fd != -1 && io->fdatasync(io, s->fd) == -1)
		return errno != 0 ? errno : EIO;
	return 0;
}

/*
 * Whether all that somebody waits for is written: one sync is enough then.  Or
 * whether too many files are kept open for it.
 */
static int
sync_asked(const struct wal_pass *ps)
{
	if (ps->stale.nold >= STALE_MAX)
		return 1;
	return ps->want > ps->durable.lsn && ps->want <= ps->written.lsn;
}

int
wal_sync_wake(const struct wal *w, int was_stale)
{
	const struct wal_pass	*ps = &w->pass;

	if (ps->syncing || w->log.sync == WAL_ALWAYS)
		return 0;
	return sync_asked(ps) || (w->log.sync == WAL_1S &&
	    (!was_stale || ps->written.bound > ps->durable.bound));
}

/* 1 now; 0 when something happens; -1 when SYNC_EVERY is over.  Lock held. */
static int
sync_due(const struct wal *w)
{
	const struct wal_pass	*ps = &w->pass;

	if (ps->failed != 0 || !wal_pass_stale(ps))
		return 0;
	if (sync_asked(ps))
		return 1;
	if (w->conf.sync != WAL_1S)
		return 0;
	if (ps->written.bound > ps->durable.bound ||
	    mono_diff(ps->stale_since, mono_now()) >= SYNC_EVERY)
		return 1;
	return -1;
}

/* Called and returns with the lock held. */
static void
sync_once(struct wal *w)
{
	struct wal_pass		*ps = &w->pass;
	struct wal_stale	 s = ps->stale;
	struct wal_mark		 mark = ps->written;
	mono_t			 began = mono_now();
	int			 error;

	ps->stale.old = NULL;
	ps->stale.nold = ps->stale.maxold = 0;
	ps->syncing = 1;
	pthread_mutex_unlock(&ps->lock);
	error = wal_stale_sync(w->conf.io, &s);
	wal_stale_close(&s);
	pthread_mutex_lock(&ps->lock);
	ps->syncing = 0;
	ps->sync_us = mono_diff(began, mono_now());
	if (error != 0 && ps->failed == 0)
		ps->failed = error;
	if (ps->failed == 0) {
		ps->durable = mark;
		/* What was written meanwhile is not older than this. */
		ps->stale_since = began;
	}
	pthread_cond_broadcast(&ps->done);
	pthread_mutex_unlock(&ps->lock);
	w->conf.notify(w->conf.notify_arg);
	pthread_mutex_lock(&ps->lock);
}

static void
sync_wait(struct wal *w, int timed)
{
	mono_t		at = mono_add(w->pass.stale_since, SYNC_EVERY);
	struct timespec	ts = { at.us / 1000000, at.us % 1000000 * 1000 };

	if (timed)
		pthread_cond_timedwait(&w->pass.sync, &w->pass.lock, &ts);
	else
		pthread_cond_wait(&w->pass.sync, &w->pass.lock);
}

void *
wal_sync_thread(void *arg)
{
	struct wal	*w = arg;
	int		 due;

	pthread_mutex_lock(&w->pass.lock);
	while (!w->pass.stop)
		if ((due = sync_due(w)) == 1)
			sync_once(w);
		else
			sync_wait(w, due == -1);
	pthread_mutex_unlock(&w->pass.lock);
	return NULL;
}
