/*
 * wal_spare.c: segments that are ready before they are needed.  The loop
 * decides, helper jobs do the slow part (zero-fill, rename, unlink), their
 * done callbacks tell the loop.
 *
 * Invariants
 * 1 A spare is in w->spare only when all its blocks are written and synced
 *   and its name is durable: a crash never finds one of them half made, nor a
 *   recycled segment under its old name with a new header.
 * 2 Jobs know only struct wal_own, which outlives the wal; wal_own_close
 *   returns when no job touches the directory any more.
 * 3 On a full disk one job at a time is tried, at most twice a second.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/wal_impl.h"
#include "supervisor/log.h"

enum job_kind { JOB_FILL, JOB_FILL_BIG, JOB_RECYCLE, JOB_REMOVE, JOB_DROP };

struct wal_job {
	struct job	 job;
	struct wal_own	*own;
	enum job_kind	 kind;
	uint64_t	 id;		/* of the spare */
	uint64_t	 number;	/* of the segment that was freed */
	uint64_t	 size;
};

struct wal_own *
wal_own_new(struct wal *w)
{
	struct wal_own	*o = calloc(1, sizeof *o);

	if (o == NULL || (o->dir = strdup(w->dir)) == NULL) {
		free(o);
		return NULL;
	}
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->idle, NULL);
	o->refs = 1;
	o->wal = w;
	o->io = w->conf.io;
	return o;
}

static void
own_unref(struct wal_own *o)
{
	unsigned	left;

	pthread_mutex_lock(&o->lock);
	left = --o->refs;
	pthread_mutex_unlock(&o->lock);
	if (left > 0)
		return;
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->idle);
	free(o->dir);
	free(o);
}

void
wal_own_close(struct wal_own *o)
{
	atomic_store(&o->stop, 1);
	pthread_mutex_lock(&o->lock);
	while (o->running > 0)
		pthread_cond_wait(&o->idle, &o->lock);
	pthread_mutex_unlock(&o->lock);
	o->wal = NULL;
	own_unref(o);
}

static int
job_fill(struct wal_own *o, const struct wal_job *j)
{
	char	from[WAL_PATH], to[WAL_PATH];

	if (wal_fill(o->io, o->dir, j->id, j->size, &o->stop) == -1)
		return -1;
	if (j->kind == JOB_FILL_BIG)
		return 0;
	wal_path(from, o->dir, WAL_NEW, j->id);
	wal_path(to, o->dir, WAL_SPARE, j->id);
	if (o->io->rename(o->io, from, to) == -1)
		return -1;
	return io_sync_dir(o->io, o->dir);
}

static int
job_free(struct wal_own *o, const struct wal_job *j)
{
	char	from[WAL_PATH], to[WAL_PATH];

	if (j->kind == JOB_DROP) {
		wal_path(from, o->dir, WAL_NEW, j->id);
		return o->io->unlink(o->io, from);
	}
	wal_path(from, o->dir, WAL_SEG, j->number);
	if (j->kind == JOB_REMOVE)
		return o->io->unlink(o->io, from);
	wal_path(to, o->dir, WAL_SPARE, j->id);
	if (o->io->rename(o->io, from, to) == -1)
		return -1;
	return io_sync_dir(o->io, o->dir);
}

static enum err
job_work(struct job *job)
{
	struct wal_job	*j = job->arg;
	struct wal_own	*o = j->own;
	enum err	 e = E_OK;
	int		 r;

	if (j->kind == JOB_FILL || j->kind == JOB_FILL_BIG)
		r = job_fill(o, j);
	else
		r = job_free(o, j);
	if (r == -1)
		e = io_is_full(errno) || errno == EFBIG ?
		    E_NOSPACE : E_INTERNAL;
	if (e == E_INTERNAL && errno != ECANCELED)
		log_warn("log: spare segment in %s", o->dir);
	pthread_mutex_lock(&o->lock);
	if (--o->running == 0)
		pthread_cond_broadcast(&o->idle);
	pthread_mutex_unlock(&o->lock);
	return e;
}

static void
spare_put(struct wal *w, uint64_t id, uint64_t size)
{
	assert(w->nspare < WAL_SPARES);
	w->spare[w->nspare++] = (struct wal_spare){ id, size, 1 };
	w->maker.nospace = 0;
}

static void
maker_done(struct wal_maker *m, enum err e)
{
	m->making--;
	m->nospace = e != E_OK;
	if (e != E_OK)
		m->retry = mono_add(mono_now(), WAL_RETRY);
}

static void
job_done(struct job *job, enum err e)
{
	struct wal_job	*j = job->arg;
	struct wal	*w = j->own->wal;

	if (w != NULL) {
		if (j->kind == JOB_RECYCLE)
			w->freeing--;
		if (j->kind == JOB_FILL)
			maker_done(&w->maker, e);
		if (j->kind == JOB_FILL_BIG)
			maker_done(&w->bigmaker, e);
		if (j->kind == JOB_FILL_BIG && e == E_OK)
			w->big = (struct wal_spare){ j->id, j->size, 0 };
		if ((j->kind == JOB_FILL || j->kind == JOB_RECYCLE) && e == E_OK)
			spare_put(w, j->id, j->size);
		w->conf.notify(w->conf.notify_arg);
	}
	own_unref(j->own);
	free(j);
}

/* Queues a job; 0, or -1 out of memory. */
static int
job_start(struct wal *w, enum job_kind kind, uint64_t id, uint64_t number,
    uint64_t size)
{
	struct wal_job	*j = calloc(1, sizeof *j);

	if (j == NULL)
		return -1;
	j->job.work = job_work;
	j->job.done = job_done;
	j->job.arg = j;
	j->own = w->own;
	j->kind = kind;
	j->id = id;
	j->number = number;
	j->size = size;
	pthread_mutex_lock(&w->own->lock);
	w->own->refs++;
	w->own->running++;
	pthread_mutex_unlock(&w->own->lock);
	helper_run(w->conf.helper, &j->job);
	return 0;
}

/* After a failure: one try at a time, and not too often. */
static int
maker_may(const struct wal_maker *m)
{
	if (!m->nospace)
		return 1;
	return m->making == 0 && mono_diff(m->retry, mono_now()) >= 0;
}

void
wal_spares_want(struct wal *w)
{
	while (w->nspare + w->freeing + w->maker.making < w->conf.spares &&
	    maker_may(&w->maker)) {
		if (job_start(w, JOB_FILL, w->next_id, 0, w->segment) == -1)
			return;
		w->next_id++;
		w->maker.making++;
	}
}

/*
 * Starts a segment for a batch of need bytes that no normal one can take.
 * The slack lets small records that come meanwhile join it.
 */
void
wal_big_want(struct wal *w, size_t need)
{
	uint64_t	size = wal_round(WAL_BLOCK + need + WAL_SLACK, WAL_BLOCK);

	if (w->bigmaker.making > 0 || !maker_may(&w->bigmaker))
		return;
	if (w->big.size != 0) {
		if (job_start(w, JOB_DROP, w->big.id, 0, 0) == -1)
			return;
		w->big.size = 0;
	}
	if (job_start(w, JOB_FILL_BIG, w->next_id, 0, size) == 0) {
		w->next_id++;
		w->bigmaker.making++;
	}
}

int
wal_spare_fits(const struct wal *w, size_t span)
{
	if (span + WAL_BLOCK <= w->segment)
		return w->nspare > 0;
	return span + WAL_BLOCK <= w->big.size;
}

int
wal_spare_take(struct wal *w, size_t span, struct wal_spare *s)
{
	if (!wal_spare_fits(w, span))
		return 0;
	if (span + WAL_BLOCK <= w->segment) {
		*s = w->spare[--w->nspare];
	} else {
		*s = w->big;
		w->big.size = 0;
	}
	wal_spares_want(w);
	return 1;
}

/* Frees the oldest segments, up to the first that is still needed. */
void
wal_recycle(struct wal *w, uint64_t lsn)
{
	struct wal_seg	*s;
	int		 keep;

	if (lsn > w->unwanted)
		w->unwanted = lsn;
	if (lsn > w->hold)
		lsn = w->hold;
	if (lsn > w->durable)
		lsn = w->durable;
	while ((s = w->segs) != w->cur && s->last <= lsn) {
		keep = s->size == w->segment && !w->failed &&
		    w->nspare + w->freeing + w->maker.making < w->conf.spares + WAL_FREED;
		if (job_start(w, keep ? JOB_RECYCLE : JOB_REMOVE, w->next_id,
		    s->number, s->size) == -1)
			return;
		if (keep) {
			w->next_id++;
			w->freeing++;
		}
		w->segs = s->next;
		w->nsegs--;
		free(s);
	}
}

uint64_t
wal_hold(struct wal *w, uint64_t lsn)
{
	struct wal_seg	*s;

	w->hold = lsn;
	if (lsn == UINT64_MAX)
		wal_recycle(w, w->unwanted);
	for (s = w->segs; s != w->cur && s->last <= lsn; s = s->next)
		continue;
	return s == NULL ? 0 : s->number;
}
