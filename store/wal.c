/*
 * wal.c: the log as the store's loop sees it (wal.h): two buffers, of which
 * the loop fills one while the log thread writes the other, and the decision
 * where the next batch goes.  Runs in a store, and in its offline tools.
 *
 * Invariants
 * 1 A batch lies entirely within one segment.  What is in the open buffer
 *   always has a place: in the rest of the current segment or in a ready
 *   spare (wal_reserve sees to it before a record is added).
 * 2 The loop alone places batches, and only when the log thread is idle, so
 *   it knows the end of the current segment without asking.
 * 3 An LSN is given once, in order, without gaps.
 *
 * Failures: a failed write or sync makes the log read-only for good; a full
 * disk only keeps wal_reserve from saying yes.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/wal_rec.h"
#include "supervisor/log.h"

#define HERE_MOST	65536u		/* bytes; see wal_here */
#define HERE_SYNC	300000		/* usec of a sync */
#define HERE_SLOW	2000		/* usec of a write */
#define HERE_REST	1000000		/* usec */

struct wal_seg *
wal_seg_add(struct wal *w, uint64_t number, uint64_t first, uint64_t size)
{
	struct wal_seg	*s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->number = number;
	s->first = first;
	s->last = first - 1;
	s->size = size;
	*w->segs_tail = s;
	w->segs_tail = &s->next;
	w->nsegs++;
	return s;
}

static int
pass_init(struct wal_pass *ps)
{
	pthread_condattr_t	a;

	if (pthread_mutex_init(&ps->lock, NULL) != 0)
		return -1;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&ps->sync, &a);
	pthread_cond_init(&ps->work, NULL);
	pthread_cond_init(&ps->done, NULL);
	pthread_condattr_destroy(&a);
	return 0;
}

static void
wal_free(struct wal *w)
{
	struct wal_seg	*s;

	while ((s = w->segs) != NULL) {
		w->segs = s->next;
		free(s);
	}
	if (w->own != NULL)
		wal_own_close(w->own);
	wal_log_free(&w->log);
	wal_buf_free(&w->buf[0]);
	wal_buf_free(&w->buf[1]);
	wal_stale_close(&w->pass.stale);
	pthread_mutex_destroy(&w->pass.lock);
	pthread_cond_destroy(&w->pass.work);
	pthread_cond_destroy(&w->pass.sync);
	pthread_cond_destroy(&w->pass.done);
	free(w->dir);
	free(w);
}

static struct wal *
wal_new(const struct wal_conf *c)
{
	struct wal	*w = calloc(1, sizeof *w);

	if (w == NULL)
		return NULL;
	if (pass_init(&w->pass) == -1) {
		free(w);
		return NULL;
	}
	w->conf = *c;
	w->log.fd = -1;
	if (w->conf.spares > WAL_SPARES / 2)
		w->conf.spares = WAL_SPARES / 2;
	w->segment = wal_round(c->segment, WAL_BLOCK);
	w->batch_max = w->segment - WAL_BLOCK;
	if (w->batch_max > WAL_BUFFER)
		w->batch_max = WAL_BUFFER;
	w->segs_tail = &w->segs;
	w->hold = UINT64_MAX;
	w->open = &w->buf[0];
	w->next_number = w->next_id = 1;
	if ((w->dir = strdup(c->dir)) == NULL ||
	    (w->own = wal_own_new(w)) == NULL ||
	    wal_log_init(&w->log, c, w->dir) == -1) {
		wal_free(w);
		return NULL;
	}
	return w;
}

/* The marks as recovery left them, for the loop and for the threads. */
static void
wal_marks(struct wal *w, uint64_t last, uint64_t bound)
{
	struct wal_log	*l = &w->log;

	w->last = w->written = w->durable = last;
	w->bound = w->bound_next = w->bound_given = bound;
	l->at.lsn = last;
	l->at.bound = bound;
	l->safe = l->at;
	w->pass.written = w->pass.durable = l->at;
	w->pass.stale.fd = l->fd;
	w->pos = l->at.end;
	w->align = l->direct ? WAL_BLOCK : WAL_ALIGN;
	wal_buf_reset(&w->buf[0], last + 1);
	wal_buf_reset(&w->buf[1], last + 1);
}

static void
wal_stop(struct wal *w)
{
	pthread_mutex_lock(&w->pass.lock);
	w->pass.stop = 1;
	pthread_cond_signal(&w->pass.work);
	pthread_cond_signal(&w->pass.sync);
	pthread_mutex_unlock(&w->pass.lock);
	pthread_join(w->thread, NULL);
}

/* The log thread and, where a write is not durable yet, the sync thread. */
static int
wal_start(struct wal *w)
{
	if (pthread_create(&w->thread, NULL, wal_thread, w) != 0)
		return -1;
	if (w->conf.sync == WAL_ALWAYS ||
	    pthread_create(&w->sync_thread, NULL, wal_sync_thread, w) == 0)
		return 0;
	wal_stop(w);
	return -1;
}

enum err
wal_open(struct wal **out, const struct wal_conf *c, uint64_t after,
    uint64_t next_lsn, wal_replay *replay, void *arg, struct wal_found *found)
{
	struct rec	 r = { .found = found, .after = after,
			    .forgo = c->complete && next_lsn <= after + 1,
			    .replay = replay, .arg = arg, .fd = -1 };
	enum err	 e;

	assert(c->segment >= 4 * WAL_BLOCK && c->segment <= 1u << 30);
	memset(found, 0, sizeof *found);
	*out = NULL;
	if ((r.w = wal_new(c)) == NULL)
		return wal_fail(&r, E_INTERNAL, "log %s: out of memory", c->dir);
	e = wal_recover(&r);
	if (e == E_OK)
		e = wal_tail(&r, next_lsn);
	wal_rec_free(&r);
	if (e == E_OK) {
		wal_marks(r.w, next_lsn > found->last_lsn + 1 ? next_lsn - 1 :
		    found->last_lsn, found->bound);
		if (wal_start(r.w) == -1)
			e = wal_fail(&r, E_INTERNAL, "log %s: no thread", c->dir);
	}
	if (e != E_OK) {
		wal_free(r.w);
		return e;
	}
	wal_spares_want(r.w);
	*out = r.w;
	return E_OK;
}

void
wal_flush(struct wal *w)
{
	struct wal_pass	*ps = &w->pass;

	wal_poll(w);
	for (;;) {
		wal_kick(w, 0);
		if (!w->busy)
			break;
		pthread_mutex_lock(&ps->lock);
		while (ps->busy)
			pthread_cond_wait(&ps->done, &ps->lock);
		pthread_mutex_unlock(&ps->lock);
		wal_poll(w);
	}
}

/* Nobody may sleep in wal_sync_to when the log goes. */
static void
wal_dismiss(struct wal_pass *ps, int synced)
{
	pthread_mutex_lock(&ps->lock);
	if (synced)
		ps->durable = ps->written;
	else if (ps->failed == 0)
		ps->failed = EIO;
	pthread_cond_broadcast(&ps->done);
	while (ps->waiters > 0)
		pthread_cond_wait(&ps->done, &ps->lock);
	pthread_mutex_unlock(&ps->lock);
}

enum err
wal_close(struct wal *w)
{
	struct wal_pass	*ps = &w->pass;
	enum err	 e = E_OK;

	wal_flush(w);
	wal_stop(w);
	if (w->conf.sync != WAL_ALWAYS)
		pthread_join(w->sync_thread, NULL);
	if (ps->failed != 0 || (wal_pass_stale(ps) &&
	    wal_stale_sync(w->conf.io, &ps->stale) != 0))
		e = E_READONLY;
	wal_dismiss(ps, e == E_OK);
	if (w->big.size != 0) {
		char	path[WAL_PATH];

		wal_path(path, w->dir, WAL_NEW, w->big.id);
		w->conf.io->unlink(w->conf.io, path);
	}
	wal_free(w);
	return e;
}

/* Whether a batch of len bytes has a place. */
static int
wal_fits(const struct wal *w, size_t len)
{
	size_t	span = wal_span(w, len);

	return w->pos + span <= w->cur->size || wal_spare_fits(w, span);
}

/* No place for a batch of len bytes: have one made, say how it stands. */
static enum err
wal_reserve_wait(struct wal *w, size_t len)
{
	size_t	span = wal_span(w, len);

	if (span + WAL_BLOCK <= w->segment) {
		wal_spares_want(w);
		return w->maker.nospace ? E_NOSPACE : E_AGAIN;
	}
	wal_big_want(w, span);
	return w->bigmaker.nospace ? E_NOSPACE : E_AGAIN;
}

enum err
wal_reserve(struct wal *w, size_t keylen, size_t vallen)
{
	struct wal_buf	*b = w->open;
	size_t		 rec = WAL_REC + keylen + vallen;
	size_t		 len = b->len + rec;

	if (w->failed)
		return E_READONLY;
	/*
	 * A record too big for any batch may join a little that is there; the
	 * batch then counts on the one big spare and takes nothing more.
	 */
	if (len > w->batch_max && b->count > 0 &&
	    (WAL_HEAD + rec <= w->batch_max || b->len > WAL_SLACK ||
	    b->len > w->batch_max)) {
		if (!w->busy)
			w->conf.notify(w->conf.notify_arg);
		return E_AGAIN;
	}
	if (!wal_fits(w, len))
		return wal_reserve_wait(w, len);
	return wal_buf_grow(b, len) == -1 ? E_NOMEM : E_OK;
}

uint64_t
wal_add(struct wal *w, size_t keylen, size_t vallen, uint8_t **key,
    uint8_t **val)
{
	*key = wal_buf_add(w->open, keylen, vallen);
	*val = *key + keylen;
	return ++w->last;
}

void
wal_set_bound(struct wal *w, uint64_t bound)
{
	w->bound_next = bound;
}

uint64_t
wal_bound(const struct wal *w)
{
	return w->bound;
}

/* Finds the place of the open batch; a new segment becomes the current one. */
static int
wal_place(struct wal *w, struct wal_place *pl)
{
	struct wal_seg	*s;

	pl->span = (uint32_t)wal_span(w, w->open->len);
	pl->fresh = w->pos + pl->span > w->cur->size;
	if (pl->fresh) {
		if (!wal_spare_fits(w, pl->span) || (s = wal_seg_add(w,
		    w->next_number, w->open->first, 0)) == NULL)
			return -1;
		wal_spare_take(w, pl->span, &pl->spare);
		s->size = pl->spare.size;
		w->cur->last = w->open->first - 1;
		w->cur = s;
		w->filled++;
		w->pos = WAL_BLOCK;
		pl->prev = w->open->first - 1;
		pl->number = w->next_number++;
	}
	pl->offset = w->pos;
	w->pos += pl->span;
	return 0;
}

/*
 * Whether the loop writes this batch itself: to have it written takes two
 * wake-ups, longer than to copy a little to the page cache.  Not what begins a
 * segment, which is synced; not beside a sync, nor when the last one took long,
 * and for a while not after a write that did: then the disk is busy, and the
 * next write may wait for it.  Lock held.
 */
static int
wal_here(const struct wal *w, const struct wal_place *pl)
{
	return w->conf.sync != WAL_ALWAYS && !pl->fresh &&
	    pl->span <= HERE_MOST && !w->pass.syncing &&
	    w->pass.sync_us <= HERE_SYNC &&
	    mono_diff(w->rest, w->pass.since) >= 0;
}

void
wal_kick(struct wal *w, int force)
{
	struct wal_pass	*ps = &w->pass;
	struct wal_buf	*b = w->open;
	struct wal_place pl;
	int		 here;

	/* An empty batch is only good for a bound that no batch has yet. */
	w->forced |= force && w->bound_next != w->bound_given;
	if (w->busy || w->failed || (b->count == 0 && !w->forced))
		return;
	if (wal_buf_grow(b, b->len) == -1 || wal_place(w, &pl) == -1) {
		/* Only an empty batch can meet this: tried at the next kick. */
		wal_spares_want(w);
		return;
	}
	w->forced = 0;
	w->busy = 1;
	w->bound_given = w->bound_next;
	w->open = b == &w->buf[0] ? &w->buf[1] : &w->buf[0];
	wal_buf_reset(w->open, w->last + 1);
	pthread_mutex_lock(&ps->lock);
	ps->buf = b;
	ps->place = pl;
	ps->buf_bound = w->bound_next;
	ps->since = mono_now();
	ps->busy = 1;
	if ((here = wal_here(w, &pl)) != 0)
		wal_take(w);
	else
		pthread_cond_signal(&ps->work);
	pthread_mutex_unlock(&ps->lock);
	if (!here)
		return;
	wal_poll(w);
	if (w->last_us > HERE_SLOW)
		w->rest = mono_add(mono_now(), HERE_REST);
}

void
wal_poll(struct wal *w)
{
	struct wal_pass	*ps = &w->pass;
	int		 failed = w->failed;

	pthread_mutex_lock(&ps->lock);
	w->busy = ps->busy;
	w->failed = ps->failed;
	w->written = ps->written.lsn;
	w->durable = ps->durable.lsn;
	/* Under os nothing is promised for a power cut: doc/storage.md. */
	w->bound = w->conf.sync == WAL_OS ? ps->written.bound :
	    ps->durable.bound;
	w->batches = ps->batches;
	w->bytes = ps->bytes;
	w->last_us = ps->last_us;
	pthread_mutex_unlock(&ps->lock);
	if (failed == 0 && w->failed != 0)
		log_errorx("log %s: %s", w->dir, strerror(w->failed));
}

uint64_t
wal_last(const struct wal *w)
{
	return w->last;
}

uint64_t
wal_batch(const struct wal *w)
{
	return w->open->first;
}

uint64_t
wal_written(const struct wal *w)
{
	return w->written;
}

uint64_t
wal_durable(const struct wal *w)
{
	return w->durable;
}

uint64_t
wal_released(const struct wal *w)
{
	return w->conf.sync == WAL_ALWAYS ? w->durable : w->written;
}

int
wal_failed(const struct wal *w)
{
	return w->failed;
}

enum err
wal_sync_to(struct wal *w, uint64_t lsn)
{
	struct wal_pass	*ps = &w->pass;
	enum err	 e;

	pthread_mutex_lock(&ps->lock);
	if (lsn > ps->want)
		ps->want = lsn;
	pthread_cond_signal(&ps->sync);
	ps->waiters++;
	while (ps->durable.lsn < lsn && ps->failed == 0)
		pthread_cond_wait(&ps->done, &ps->lock);
	e = ps->durable.lsn >= lsn ? E_OK : E_READONLY;
	if (--ps->waiters == 0)
		pthread_cond_broadcast(&ps->done);
	pthread_mutex_unlock(&ps->lock);
	return e;
}

void
wal_stat(const struct wal *w, struct wal_stat *st)
{
	st->batches = w->batches;
	st->bytes = w->bytes;
	st->segments = w->nsegs;
	st->spares = w->nspare;
	st->filled = w->filled;
	st->last_us = w->last_us;
}
