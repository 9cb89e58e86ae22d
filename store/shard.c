/*
 * shard.c: opens, drives and closes one shard: log, data files and clock.
 * Runs in wharf-store on the loop; a failed write or sync makes the shard
 * read-only for the rest of this process (shard_failed).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/index_impl.h"
#include "store/scrub.h"
#include "store/shard_backup.h"
#include "store/shard_impl.h"

#define STEP_LEAST	50		/* us, of background work */
#define STEP_MOST	150

struct opening {
	struct shard		*s;
	uint64_t		 last_hlc;	/* of the record at last_lsn */
	uint64_t		 last_lsn;
	enum err		 err;
	char			*why;
	size_t			 whylen;
};

static void	 shard_log_free(void *, uint64_t);
static enum err	 shard_log_sync(void *, uint64_t);
static void	 shard_progress(void *);
static enum err	 shard_open_data(struct shard *, struct data_found *,
		    struct shard_opened *);
static enum err	 shard_open_log(struct shard *, const struct data_found *,
		    struct shard_opened *);
static enum err	 shard_replay(void *, uint64_t, const uint8_t *, size_t,
		    const uint8_t *, size_t);
static void	 shard_start_clock(struct shard *, const struct data_found *,
		    uint64_t bound, const struct opening *, uint64_t last_lsn);
static int	 shard_checkpoint_due(struct shard *);

enum err
shard_open(struct shard **out, const struct shard_conf *conf,
    struct shard_opened *opened)
{
	struct shard		*s;
	struct data_found	 found;
	enum err		 e;

	memset(opened, 0, sizeof(*opened));
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return E_INTERNAL;
	s->conf = *conf;
	s->wall = wall_ms();
	snprintf(s->waldir, sizeof(s->waldir), "%s/wal", conf->dir);
	e = E_INTERNAL;
	/* A segment must not wait for the checkpoint of a data file. */
	if ((s->helper = helper_new(conf->notify, conf->arg)) == NULL ||
	    (s->log_helper = helper_new(conf->notify, conf->arg)) == NULL ||
	    (s->tables = tables_new(conf->catalogue, conf->store, conf->inc,
	    s->wall)) == NULL)
		goto fail;
	if ((e = shard_open_data(s, &found, opened)) != E_OK)
		goto fail;
	if ((e = shard_open_log(s, &found, opened)) != E_OK)
		goto fail;
	if ((e = shard_index_open(s)) != E_OK)
		goto fail;
	if ((s->scrub = scrub_new(s)) == NULL) {
		e = E_NOMEM;
		goto fail;
	}
	tables_fill(s->tables);
	*out = s;
	return E_OK;
fail:
	shard_close(s, 0);
	return e;
}

static enum err
shard_open_data(struct shard *s, struct data_found *found,
    struct shard_opened *opened)
{
	const struct shard_conf	*c = &s->conf;
	struct data_conf	 dc = {
		.dir = c->dir, .ops = c->ops, .io = c->io,
		.helper = s->helper, .tables = s->tables,
		.node = c->node, .store = c->store,
		.stores = c->stores, .files = c->files,
		.compact_bytes = c->compact_bytes,
		.reading = c->reading, .suspects = c->suspects,
		.progress = shard_progress, .log_sync = shard_log_sync,
		.log_free = shard_log_free, .arg = s
	};
	enum err		 e;

	memset(found, 0, sizeof(*found));
	if ((e = data_open(&s->data, &dc, found)) != E_OK)
		snprintf(opened->error, sizeof(opened->error), "%s",
		    found->error);
	opened->clean = found->clean;
	opened->fresh = found->fresh;
	return e;
}

static enum err
shard_open_log(struct shard *s, const struct data_found *found,
    struct shard_opened *opened)
{
	const struct shard_conf	*c = &s->conf;
	struct wal_conf		 wc = {
		.dir = s->waldir, .segment = c->segment, .spares = 2,
		.sync = c->sync, .node = c->node, .store = (uint16_t)c->store,
		.complete = found->clean,
		.io = c->io, .helper = s->log_helper,
		.notify = c->notify, .notify_arg = c->arg
	};
	struct opening		 o = { .s = s, .err = E_OK,
	    .why = opened->error, .whylen = sizeof(opened->error) };
	struct wal_found	 wf;
	enum err		 e;

	memset(&wf, 0, sizeof(wf));
	e = wal_open(&s->wal, &wc, found->after, found->lsn + 1, shard_replay,
	    &o, &wf);
	opened->replayed = wf.records;
	opened->torn = wf.torn;
	if (e != E_OK) {
		if (o.err == E_OK)
			snprintf(opened->error, sizeof(opened->error), "%s",
			    wf.error);
		return e;
	}
	if (!found->clean && wf.last_lsn < found->lsn) {
		/* MANIFEST came after a sync of the log up to there. */
		snprintf(opened->error, sizeof(opened->error),
		    "the log ends at LSN %llu, the data files at %llu",
		    (unsigned long long)wf.last_lsn,
		    (unsigned long long)found->lsn);
		return E_DAMAGED;
	}
	shard_start_clock(s, found, wf.bound, &o, wf.last_lsn);
	/* What earlier lives left and no data file needs. */
	shard_log_free(s, found->after);
	return E_OK;
}

/*
 * One record of the log.  What its data file already holds is skipped; the
 * rest is put back in the order in which it was acknowledged.
 */
static enum err
shard_replay(void *arg, uint64_t lsn, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen)
{
	struct opening	*o = arg;
	struct shard	*s = o->s;
	struct record	 r;

	shard_progress(s);
	if ((o->err = record_get(&r, key, keylen, val, vallen)) != E_OK) {
		snprintf(o->why, o->whylen,
		    "log record %llu fails its own checksum",
		    (unsigned long long)lsn);
		return o->err;
	}
	o->last_lsn = lsn;
	if (r.stamp.hlc > o->last_hlc)
		o->last_hlc = r.stamp.hlc;
	if (lsn <= data_lsn(s->data, r.slot))
		return E_OK;
	o->err = data_reserve(s->data, r.slot, keylen + vallen);
	if (o->err == E_OK)
		o->err = data_set(s->data, r.slot, key, keylen, val, vallen,
		    lsn);
	if (o->err != E_OK)
		snprintf(o->why, o->whylen, "replaying log record %llu: %s",
		    (unsigned long long)lsn, err_text(o->err));
	return o->err;
}

/*
 * RULE clock.  With the same boot_id the stamps go on after the last one; a
 * record later than it cannot have been acknowledged.  After a reboot they
 * begin at the bound, which the wall clock reaches within a second, unless it
 * was set back: then the stamps go on from the bound and the clock is slowed.
 */
static void
shard_start_clock(struct shard *s, const struct data_found *found,
    uint64_t bound, const struct opening *o, uint64_t last_lsn)
{
	uint64_t	least = bound > found->bound ? bound : found->bound;
	int64_t		ahead;

	if (found->clean && o->last_lsn == 0)
		least = found->bound;		/* then it is the last stamp */
	else if (found->same_boot && last_lsn != 0 && o->last_lsn == last_lsn)
		least = o->last_hlc;
	else if (!found->clean) {
		ahead = (int64_t)(least >> 16) - wall_ms();
		if (ahead > 0 && ahead <= 2 * CLOCK_AHEAD_MS)
			usleep((useconds_t)ahead * 1000);
	}
	clock_start(&s->clock, least);
	s->wrote = s->clock.read;
	data_set_bound(s->data, least);
}

enum err
shard_close(struct shard *s, int clean)
{
	uint64_t	lsn;
	enum err	e = E_OK;

	if (s == NULL)
		return E_OK;
	lsn = s->wal == NULL ? 0 : wal_last(s->wal);
	/* A job of the data files may be waiting for what is not yet written. */
	if (s->wal != NULL)
		wal_flush(s->wal);
	shard_backup_free(s);
	scrub_free(s->scrub);
	check_free(s->check);
	if (s->data != NULL)
		data_settle(s->data);
	if (s->wal != NULL && wal_close(s->wal) != E_OK)
		e = E_READONLY;
	s->wal = NULL;
	if (e == E_OK)
		e = s->failed;
	indexes_free(s->indexes);
	if (s->data != NULL) {
		enum err d = data_close(s->data, clean && e == E_OK, lsn,
		    s->clock.last);

		if (e == E_OK)
			e = d;
	}
	helper_free(s->log_helper);
	helper_free(s->helper);
	tables_free(s->tables);
	free(s);
	return e;
}

static void
shard_progress(void *arg)
{
	struct shard	*s = arg;

	if (s->conf.progress != NULL)
		s->conf.progress(s->conf.arg);
}

/* Helper's thread: before a data file may be called true up to lsn. */
static enum err
shard_log_sync(void *arg, uint64_t lsn)
{
	struct shard	*s = arg;

	return s->wal == NULL ? E_OK : wal_sync_to(s->wal, lsn);
}

static void
shard_log_free(void *arg, uint64_t lsn)
{
	struct shard	*s = arg;

	if (s->wal != NULL)
		wal_recycle(s->wal, lsn);
}

void
shard_turn(struct shard *s)
{
	clock_turn(&s->clock);
	s->wall = wall_ms();
}

void
shard_ask_bound(struct shard *s)
{
	uint64_t	want = clock_want(&s->clock);

	if (want == 0)
		return;
	s->clock.asked = want;
	wal_set_bound(s->wal, want);
	data_set_bound(s->data, want);
}

void
shard_kick(struct shard *s)
{
	if (wal_last(s->wal) > wal_written(s->wal))
		shard_ask_bound(s);
	wal_kick(s->wal, 0);
}

void
shard_poll(struct shard *s)
{
	helper_poll(s->helper);
	helper_poll(s->log_helper);
	indexes_poll(s->indexes);
	wal_poll(s->wal);
	tables_released(s->tables, wal_released(s->wal));
	wal_kick(s->wal, 0);
	shard_backup_poll(s);
	scrub_poll(s->scrub);
	check_poll(s);
	if (s->failed == E_OK &&
	    (wal_failed(s->wal) != 0 || data_failed(s->data) != E_OK))
		s->failed = E_READONLY;
}

/*
 * One checkpoint of one data file for each log segment filled; without a pause
 * while the log is longer than that keeps it (segments of earlier lives, failed
 * checkpoints), or while it is what fills the disk.
 */
static int
shard_checkpoint_due(struct shard *s)
{
	struct wal_stat	ws;

	wal_stat(s->wal, &ws);
	return ws.filled > s->ckpt_started || s->nospace ||
	    ws.segments > s->conf.files + LOG_SPARE;
}

/*
 * While there are writes now and then, each finds a bound that is durable: it
 * is renewed in time even when no batch comes by to carry it.
 */
static void
shard_renew_bound(struct shard *s)
{
	if (mono_diff(s->wrote, s->clock.read) >= CLOCK_IDLE_US)
		return;
	shard_ask_bound(s);
	wal_kick(s->wal, 1);
}

static void
shard_start_checkpoint(struct shard *s)
{
	struct wal_stat	ws;

	if (!shard_checkpoint_due(s) ||
	    !data_checkpoint(s->data, wal_last(s->wal)))
		return;
	wal_stat(s->wal, &ws);
	if (s->ckpt_started < ws.filled)
		s->ckpt_started++;
}

/*
 * Steps take a quarter of the time, and are the shorter the sooner the loop
 * comes round to them, that is, the more it has to do.
 */
static int64_t
shard_pace(const struct shard *s)
{
	int64_t	us = mono_diff(s->worked, mono_now()) / 3;

	return us < STEP_LEAST ? STEP_LEAST : us > STEP_MOST ? STEP_MOST : us;
}

/* Of indexes and of data files; of either in turn when both go on. */
static int
shard_step(struct shard *s)
{
	int	both = s->indexing && s->moving;
	int64_t	us = shard_pace(s);

	shard_expire_tables(s);
	s->turn = !s->turn;
	if (!both || s->turn)
		s->indexing = indexes_work(s->indexes, s->wall, us);
	if (s->failed != E_OK)
		return s->indexing;
	shard_renew_bound(s);
	/* Before the checkpoint, which under load has the helper all the time. */
	if (!both || !s->turn)
		s->moving = data_work(s->data, s->wall, wal_last(s->wal),
		    us);
	shard_start_checkpoint(s);
	return shard_sweep(s) || s->indexing || s->moving;
}

int
shard_work(struct shard *s)
{
	int	more = shard_step(s);

	shard_backup_poll(s);
	scrub_look(s->scrub);
	more |= check_look(s);
	s->worked = mono_now();
	return more;
}

unsigned
shard_log_limit(const struct shard *s)
{
	return 4 * s->conf.files + 8;
}

uint64_t
shard_released(const struct shard *s)
{
	return wal_released(s->wal);
}

enum err
shard_failed(const struct shard *s)
{
	return s->failed;
}

int
shard_nospace(const struct shard *s)
{
	return s->nospace;
}

struct probe {
	struct job	  job;
	struct shard	 *s;
	void		(*done)(void *, enum err);
	void		 *arg;
};

/*
 * Helper's thread: can this disk write and sync a block again?  Where it is our
 * descriptors that have run out, the next process has its own.
 */
static enum err
probe_work(struct job *j)
{
	struct probe	*p = j->arg;
	const struct io	*io = p->s->conf.io;
	char		 path[PATH_MAX + 16], block[4096];
	enum err	 e = E_OK;
	int		 fd;

	snprintf(path, sizeof(path), "%s/probe.seg", p->s->waldir);
	memset(block, 0, sizeof(block));
	if ((fd = io->open(io, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return errno == EMFILE ? E_OK : E_READONLY;
	if (io_write_all(io, fd, block, sizeof(block), 0) == -1 ||
	    io->fdatasync(io, fd) == -1)
		e = E_READONLY;
	close(fd);
	io->unlink(io, path);
	return e;
}

static void
probe_done(struct job *j, enum err e)
{
	struct probe	*p = j->arg;

	p->done(p->arg, e);
	free(p);
}

void
shard_probe(struct shard *s, void (*done)(void *, enum err), void *arg)
{
	struct probe	*p;

	if ((p = calloc(1, sizeof(*p))) == NULL) {
		done(arg, E_NOMEM);
		return;
	}
	p->s = s;
	p->done = done;
	p->arg = arg;
	p->job.work = probe_work;
	p->job.done = probe_done;
	p->job.arg = p;
	helper_run(s->helper, &p->job);
}

void
shard_stat(const struct shard *s, struct shard_stat *st)
{
	wal_stat(s->wal, &st->wal);
	data_stat(s->data, s->wall, &st->data);
	indexes_stat(s->indexes, &st->index);
	tables_stat(s->tables, &st->tables);
	st->lsn = wal_last(s->wal);
	st->durable = wal_durable(s->wal);
}

void
shard_log_stat(const struct shard *s, struct wal_stat *ws)
{
	wal_stat(s->wal, ws);
}

void
shard_file_name(const struct shard *s, unsigned slot, char *out, size_t n)
{
	data_file_name(s->data, slot, out, n);
}

int
shard_lost(const struct shard *s, unsigned slot)
{
	return data_lost(s->data, slot);
}

int
shard_file_lost(const struct shard *s, unsigned file, unsigned start,
    unsigned end)
{
	const struct shard_conf	*c = &s->conf;
	unsigned		 slot = file * c->stores + c->store;

	for (; slot < end; slot += c->stores * c->files)
		if (slot >= start && data_lost(s->data, slot))
			return 1;
	return 0;
}

enum err
shard_accept_loss(struct shard *s)
{
	return data_accept_loss(s->data);
}

void
shard_set_compact_bytes(struct shard *s, uint64_t bytes)
{
	data_set_compact_bytes(s->data, bytes);
}
