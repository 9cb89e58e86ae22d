/*
 * data_compact.c: copies what is still of use of a data file into a newer
 * generation, in small steps, while both are read and the newer is written.
 *
 * 1 The helper creates the newer generation and makes it durable, empty.
 * 2 In one turn the loop notes F and L of the older, which is never written
 *   again, sends all writes to the newer, and starts a commit that names both.
 *   Until MANIFEST does, what the newer holds is in the log above the L that
 *   MANIFEST has.
 * 3 The mover sets what is only in the older: one look-and-set per record, so
 *   that it never replaces a newer record.  Dead and expired records stay
 *   behind; they remain visible, and counted, in the older.
 * 4 In one turn the older is retired: the sums become those of the newer alone.
 *   A commit names the newer only, then the older is closed and removed.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/clock.h"
#include "store/data_impl.h"
#include "supervisor/log.h"

#define STEP_CHECK	4	/* records between looks at the clock */
#define EXPIRED_PART	16	/* of compact_bytes */

/* --- choosing --- */

static uint64_t
file_garbage(struct data *d, struct data_file *f, uint64_t past, uint64_t *all)
{
	const struct engine_ops	*ops = d->conf.ops;
	uint64_t		 live = f->sum.live;

	*all = ops->size(f->now.e) - ops->base(f->now.e);
	live -= past < live ? past : live;
	live += f->kept;
	return *all > live ? *all - live : 0;
}

/* So many records in a bucket that finding one takes noticeably longer. */
static int
is_crowded(const struct data *d, const struct data_file *f)
{
	const struct engine_ops	*ops = d->conf.ops;

	return ops->count(f->now.e) > 2 * ops->buckets(f->now.e);
}

static int
wants(struct data *d, unsigned k, int64_t now)
{
	struct data_file	*f = &d->file[k];
	uint64_t		 past = expiry_past(&f->sum.expiry, now);
	uint64_t		 all, garbage;

	garbage = file_garbage(d, f, past, &all);
	past -= f->kept < past ? f->kept : past;
	if (garbage > all / 2 && garbage > d->conf.compact_bytes)
		return 1;
	/* No more often than each minute, so less is worth the effort. */
	if (past > all / 2 && past > d->conf.compact_bytes / EXPIRED_PART)
		return 1;
	return is_crowded(d, f);
}

/*
 * One and a half buckets a record: measured in doc/storage.md.  A file that is
 * crowded is one that grows, and goes on to while it is copied: four.
 */
static uint64_t
buckets_for(const struct data *d, const struct data_file *f)
{
	uint64_t	n = d->conf.ops->count(f->now.e);

	n += is_crowded(d, f) ? 3 * n : n / 2;
	return n < BUCKETS_MIN ? BUCKETS_MIN : n;
}

/* --- 1: the newer generation --- */

static enum err
create_work(struct job *job)
{
	struct data_job	*j = job->arg;

	return gen_create(j->d, &j->made, j->k, j->made.gen, j->buckets);
}

static void
create_done(struct job *job, enum err e)
{
	struct data_job	*j = job->arg;
	struct data	*d = j->d;

	d->busy = 0;
	d->phase = e == E_OK ? PHASE_CREATED : PHASE_IDLE;
	/* Nothing depends on it yet: not even a failed sync does harm. */
	if (e != E_OK) {
		log_warnx("data: no new generation for file %u: %s", j->k,
		    err_text(e));
		d->next_try = wall_ms() + RETRY_MS;
	}
}

static void
create_start(struct data *d, unsigned k)
{
	struct data_file	*f = &d->file[k];
	struct data_job		*j = &d->job;

	d->phase = PHASE_CREATING;
	d->compacting = k;
	j->k = k;
	j->buckets = buckets_for(d, f);
	j->made.gen = d->conf.ops->files ? f->next_gen++ : 0;
	d->room_told = 0;
	j->job.work = create_work;
	j->job.done = create_done;
	j->job.arg = j;
	d->busy = 1;
	helper_run(d->conf.helper, &j->job);
}

/* What somebody has ordered goes first, then what gets slower with each put. */
static unsigned
start_choose(struct data *d)
{
	unsigned	k;

	for (k = 0; k < d->conf.files; k++)
		if (d->ordered >> k & 1)
			return k;
	for (k = 0; k < d->conf.files; k++)
		if (is_crowded(d, &d->file[k]))
			return k;
	k = d->look % d->conf.files;
	d->look = (k + 1) % d->conf.files;
	return k;
}

/*
 * There is no room for a newer generation.  Who ordered it is told, so that the
 * others of the order have their turn; who did not waits for room.
 */
static void
start_refuse(struct data *d, unsigned k, int64_t now, uint64_t bytes)
{
	uint64_t	bit = UINT64_C(1) << k & d->ordered;

	if (!d->room_told || bit != 0)
		log_warnx("data: file %u of %s is not compacted: the disk has "
		    "no room for %llu MiB", k, d->conf.dir,
		    (unsigned long long)(bytes >> 20) + 1);
	d->room_told = 1;
	d->ordered &= ~bit;
	d->refused |= bit;
	if (bit == 0)
		d->next_try = now + RETRY_MS;
}

static int
start(struct data *d, int64_t now)
{
	unsigned		 k = start_choose(d);
	struct data_file	*f = &d->file[k];
	uint64_t		 bytes;

	if (now < d->next_try || d->image_wanted ||
	    (!(d->ordered >> k & 1) && !wants(d, k, now)))
		return 0;
	bytes = f->sum.live + f->sum.live / 8 +
	    d->conf.ops->room(buckets_for(d, f)) + SLACK;
	if (d->conf.ops->files && !disk_has(d, bytes))
		start_refuse(d, k, now, bytes);
	else
		create_start(d, k);
	return 0;
}

/* --- 2: the switch --- */

static void
switch_over(struct data *d, uint64_t last)
{
	unsigned		 k = d->compacting;
	struct data_file	*f = &d->file[k];
	struct manifest		 m = d->man;

	note(d, k, last, &m);
	f->sealed = m.file[k].now;
	f->older = f->now;
	f->now = d->job.made;
	memset(&d->job.made, 0, sizeof(d->job.made));
	tally_clear(d, &d->fresh, k);
	d->fresh_lost = 0;
	d->fresh_kept = 0;
	d->held.key = NULL;
	f->retired = 0;
	f->dirty = 1;
	d->ordered &= ~(UINT64_C(1) << k);
	d->phase = PHASE_SEALING;
	commit_start(d, k, last);
}

/* --- 3: the mover --- */

static int
move_see(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	struct held	*m = arg;

	(void)oldlen;
	m->there = old != NULL;
	*val = m->val;
	*len = m->vallen;
	return !m->there;
}

/* Dead, or expired. */
static int
is_over(const struct record *r, int64_t now)
{
	return !record_live(r, now);
}

/*
 * A damaged record moves as it is: its reader is told, and so is whoever looks
 * into the file; dropping it would turn damage into "no such key".  And where
 * keys that are not there may have been lost, a dead record says that this one
 * was not: dropping it would turn "no such key" into damage.
 */
static int
of_use(const struct data *d, const struct held *m, int64_t now)
{
	struct record	r;

	if (record_get(&r, m->key, m->keylen, m->val, m->vallen) != E_OK)
		return 1;
	return !is_over(&r, now) || data_slot_lost(d, r.slot);
}

/* What still counts must be found by who overwrites it, expired or not. */
static int64_t
expired_by(const struct data *d, int64_t now)
{
	int64_t	past;

	if (d->conf.tables == NULL)
		return now;
	past = tables_past(d->conf.tables);
	return past < now ? past : now;
}

static enum err
move_one(struct data *d, struct data_file *f, struct held *m, int64_t now)
{
	int64_t		past = expired_by(d, now);
	struct record	r;
	enum err	e;

	if (!of_use(d, m, past))
		return E_OK;
	if ((e = gen_reserve(d, &f->now, m->keylen + m->vallen)) != E_OK)
		return e;
	e = d->conf.ops->process(f->now.e, m->key, m->keylen, move_see, m, 1);
	if (e != E_OK || m->there)
		return e;
	f->now.used += data_bytes(m->keylen, m->vallen) + 8;
	if (record_peek(&r, m->val, m->vallen) != E_OK)
		return E_OK;
	tally_add(&d->fresh, &r, m->key, m->keylen);
	if (is_over(&r, past))
		d->fresh_kept += data_bytes(m->keylen, m->vallen);
	return E_OK;
}

/* The next record, or again the one that there was no space for. */
static enum err
move_next(struct data *d, struct data_file *f, int64_t now)
{
	struct held	*m = &d->held;
	enum err	 e;

	if (m->key == NULL) {
		e = d->conf.ops->next(d->iter, &m->key, &m->keylen, &m->val,
		    &m->vallen);
		if (e != E_OK) {
			m->key = NULL;
			return e;
		}
	}
	if ((e = move_one(d, f, m, now)) == E_OK)
		m->key = NULL;
	return e;
}

/* 4: from here on the older is not read any more. */
static void
retire(struct data *d, uint64_t last)
{
	unsigned		 k = d->compacting;
	struct data_file	*f = &d->file[k];

	d->conf.ops->iter_free(d->iter);
	d->iter = NULL;
	tally_take(d, &f->sum, k, &d->fresh);
	f->lost = d->fresh_lost;
	f->kept = d->fresh_kept;
	f->retired = 1;
	f->dirty = 1;
	d->phase = PHASE_FINISHING;
	if (!d->busy && f->lost == 0)
		commit_start(d, k, last);
}

static int
move_stopped(struct data *d, enum err e, int64_t now, uint64_t last)
{
	if (e == E_NOTFOUND)
		retire(d, last);
	else if (e == E_NOSPACE || e == E_NOMEM) {
		d->next_try = now + RETRY_MS;
		if (!d->room_told)
			log_warnx("data: compaction of file %u of %s waits: "
			    "%s", d->compacting, d->conf.dir, err_text(e));
		d->room_told = 1;
	} else {
		/* Both generations stay, and stay readable as they are. */
		log_errorx("data: file %u: compaction stopped: %s",
		    d->compacting, err_text(e));
		d->stuck = 1;
	}
	return 0;
}

static int
move_some(struct data *d, int64_t now, uint64_t last, int64_t us)
{
	struct data_file	*f = &d->file[d->compacting];
	mono_t			 begin = mono_now();
	unsigned		 n = 0;
	uint8_t			 was;
	enum err		 e;

	if (d->stuck || now < d->next_try)
		return 0;
	if (d->iter == NULL &&
	    (d->iter = d->conf.ops->iter(f->older.e)) == NULL)
		return move_stopped(d, E_NOMEM, now, last);
	do {
		was = data_touch(d, d->compacting);
		e = move_next(d, f, now);
		data_touched(d, d->compacting, was);
		if (e != E_OK)
			return move_stopped(d, e, now, last);
	} while (++n % STEP_CHECK != 0 ||
	    mono_diff(begin, mono_now()) < us);
	return 1;
}

/* --- all of it --- */

int
data_work(struct data *d, int64_t now, uint64_t last, int64_t us)
{
	int	exact;

	if (d->failed != E_OK)
		return 0;
	recount_look(d, now);
	exact = d->file[d->compacting].lost == 0;
	switch (d->phase) {
	case PHASE_IDLE:
		return d->busy ? 0 : start(d, now);
	case PHASE_CREATED:
		if (!d->busy && exact)
			switch_over(d, last);
		return 0;
	case PHASE_MOVING:
		return move_some(d, now, last, us);
	case PHASE_SEALING:
	case PHASE_FINISHING:
		/* The commit that ends this phase met a full disk, or waited. */
		if (!d->busy && exact && now >= d->next_try)
			commit_start(d, d->compacting, last);
		return 0;
	case PHASE_CREATING:
		break;
	}
	return 0;
}

void
compact_committed(struct data *d, unsigned k, int dropped)
{
	struct data_file	*f = &d->file[k];

	if (d->phase == PHASE_IDLE || k != d->compacting)
		return;
	if (d->phase == PHASE_SEALING)
		d->phase = PHASE_MOVING;
	if (!dropped)
		return;
	memset(&f->older, 0, sizeof(f->older));
	f->older.fd = -1;
	f->retired = 0;
	d->phase = PHASE_IDLE;
	d->compactions++;
}

void
compact_let_go(struct data *d)
{
	if (d->iter != NULL)
		d->conf.ops->iter_free(d->iter);
	d->iter = NULL;
	if (d->phase == PHASE_CREATED)
		gen_drop(d, &d->job.made, d->compacting);
}
