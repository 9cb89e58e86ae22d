/*
 * data_recount.c: puts the sums of a data file right after a damaged record
 * was replaced: what it had added to them cannot be known from it.  Until then
 * no checkpoint of the file is noted (lost != 0), and the log is kept.
 *
 * The records below a size of the file never change, and say what it held when
 * it was so long (rewind_tkrzw.c).  So the helper reads them beside the loop,
 * which goes on writing: the difference between what they add up to and what
 * the sums were at that size is what is wrong with the sums ever since.
 *
 * While a file is compacted the sums over both generations need not be right:
 * those of the newer take their place in the end.  Where nothing else is
 * possible the whole file is added up on the loop.
 *
 * The tables' sums are over all files, and what a file adds to them is not
 * known.  So they are counted anew in a round: each file is read like that, one
 * after the other, and from the moment of its size on its changes are added to
 * what is counted.  When all are done that is what the sums should be.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/clock.h"
#include "store/data_impl.h"
#include "supervisor/log.h"

static int
round_wants(const struct data *d, unsigned k)
{
	return d->round.sum != NULL && !(d->round.begun >> k & 1);
}

void
round_drop(struct data *d)
{
	tables_free(d->round.sum);
	d->round.sum = NULL;
}

/* Begins a round when one is needed; ends it when all files are in it. */
static void
round_look(struct data *d)
{
	struct round	*r = &d->round;
	uint64_t	 all = UINT64_MAX >> (64 - d->conf.files);

	if (d->conf.tables == NULL)
		return;
	if (r->sum != NULL && r->begun == all) {
		tables_replace(d->conf.tables, r->sum);
		r->sum = NULL;
		/* One more was replaced meanwhile: once again. */
		if (d->tables_lost == r->lost)
			d->tables_lost = 0;
	}
	d->tables_lost += (unsigned)tables_inexact(d->conf.tables);
	if (r->sum == NULL && d->tables_lost != 0 && !r->stuck) {
		r->sum = tables_part(d->conf.tables);
		r->begun = 0;
		r->lost = d->tables_lost;
	}
}

enum err
recount_now(struct data *d, unsigned k)
{
	struct manifest_slot	*slots;
	struct tally		 all = { 0 }, newer = { 0 };
	uint64_t		 bad;
	enum err		 e;

	if ((slots = calloc(2 * SLOTS, sizeof(*slots))) == NULL)
		return E_NOMEM;
	all.slot = slots;
	newer.slot = slots + SLOTS;
	log_warnx("data: file %u: adding it up on the loop", k);
	e = data_scan(d, k, &all, &newer, round_wants(d, k) ? d->round.sum :
	    NULL, &bad);
	d->round.begun |= UINT64_C(1) << k;
	if (e != E_OK)
		round_drop(d);
	else {
		tally_take(d, &d->file[k].sum, k, &all);
		if (data_two(&d->file[k])) {
			tally_take(d, &d->fresh, k, &newer);
			d->fresh_lost = 0;
		}
		d->file[k].lost = 0;
	}
	expiry_free(&all.expiry);
	expiry_free(&newer.expiry);
	free(slots);
	return e;
}

static void
recount_or_fail(struct data *d, unsigned k)
{
	enum err	e = recount_now(d, k);

	if (e == E_OK)
		return;
	if (e == E_NOMEM)
		d->next_try = wall_ms() + RETRY_MS;
	else if (d->file[k].lost == 0) {
		log_errorx("data: file %u cannot be read: the sums of tables "
		    "stay wrong until the next start", k);
		d->round.stuck = 1;
	} else if (d->failed == E_OK)
		d->failed = e;
}

/* What of a record's header can be made out; as put_tally knows it. */
static int
recount_peek(const struct data_job *j, struct record *r, const uint8_t *val,
    size_t vallen)
{
	return record_peek(r, val, vallen) == E_OK &&
	    data_k(j->d, r->slot) == j->k;
}

static enum err
recount_see(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, const uint8_t *old, size_t oldlen)
{
	struct data_job	*j = arg;
	struct record	 r, was, *gone = NULL;

	if (key == NULL)
		return E_OK;
	if (old != NULL && recount_peek(j, &was, old, oldlen)) {
		tally_sub(&j->counted, &was, key, keylen);
		gone = &was;
	}
	if (!recount_peek(j, &r, val, vallen))
		r.kind = RECORD_DEAD;
	else
		tally_add(&j->counted, &r, key, keylen);
	if (j->part != NULL)
		tables_change(j->part, key, keylen, gone, &r);
	return E_OK;
}

/* On the helper's thread. */
static enum err
recount_work(struct job *job)
{
	struct data_job	*j = job->arg;
	struct data	*d = j->d;

	return d->conf.ops->read(d->conf.io, j->fd, j->size, j->count,
	    recount_see, j);
}

/* Adds what is counted less what the sums were then. */
static void
recount_mend(struct data *d, const struct data_job *j)
{
	struct tally		*sum = &d->file[j->k].sum;
	struct manifest_slot	*s;
	unsigned		 i;

	sum->records += j->counted.records - j->was.records;
	sum->live += j->counted.live - j->was.live;
	for (i = 0; i < SLOTS; i++) {
		if (data_k(d, i) != j->k)
			continue;
		s = &sum->slot[i];
		s->count += j->counted.slot[i].count - j->was.slot[i].count;
		digest_xor(&s->digest, j->counted.slot[i].digest);
		digest_xor(&s->digest, j->was.slot[i].digest);
	}
}

static void
recount_done(struct job *job, enum err e)
{
	struct data_job		*j = job->arg;
	struct data		*d = j->d;
	struct data_file	*f = &d->file[j->k];

	d->busy = 0;
	if (e == E_OK) {
		recount_mend(d, j);
		/* One more was replaced meanwhile: once again. */
		if (f->lost == j->lost)
			f->lost = 0;
		if (j->part != NULL)
			tables_join(d->round.sum, j->part);
	} else {
		if (e == E_NOMEM)
			d->next_try = wall_ms() + RETRY_MS;
		else		/* the damage is not only in values */
			f->on_loop = 1;
		if (j->part != NULL)
			round_drop(d);
		tables_free(j->part);
	}
	j->part = NULL;
	expiry_free(&j->counted.expiry);
	free(j->counted.slot);
}

static void
recount_start(struct data *d, unsigned k)
{
	struct data_file	*f = &d->file[k];
	struct data_job		*j = &d->job;
	struct manifest_slot	*slots;

	if ((slots = calloc(2 * SLOTS, sizeof(*slots))) == NULL) {
		d->next_try = wall_ms() + RETRY_MS;
		return;
	}
	log_warnx("data: file %u: a damaged record was replaced, adding %s "
	    "up anew", k, f->lost != 0 ? "the file" : "all files");
	j->k = k;
	j->part = NULL;
	if (round_wants(d, k) &&
	    (j->part = tables_part(d->conf.tables)) != NULL)
		d->round.begun |= UINT64_C(1) << k;
	j->counted = (struct tally){ .slot = slots };
	j->was = (struct tally){ .records = f->sum.records,
	    .live = f->sum.live, .slot = slots + SLOTS };
	memcpy(j->was.slot, d->slot, sizeof(d->slot));
	j->fd = f->now.fd;
	j->size = d->conf.ops->size(f->now.e);
	j->count = d->conf.ops->count(f->now.e);
	j->lost = f->lost;
	j->job.work = recount_work;
	j->job.done = recount_done;
	j->job.arg = j;
	d->busy = 1;
	helper_run(d->conf.helper, &j->job);
}

/* First one whose checkpoint waits for it; then what a round needs; or files. */
static unsigned
recount_choose(const struct data *d)
{
	unsigned	k, other = d->conf.files;

	for (k = 0; k < d->conf.files; k++) {
		if (d->file[k].lost != 0)
			return k;
		if (other == d->conf.files && round_wants(d, k) &&
		    (!data_two(&d->file[k]) || d->stuck))
			other = k;
	}
	return other;
}

void
recount_look(struct data *d, int64_t now)
{
	struct data_file	*f;
	unsigned		 k;

	if (d->busy || now < d->next_try)
		return;
	round_look(d);
	if ((k = recount_choose(d)) == d->conf.files)
		return;
	f = &d->file[k];
	if (d->conf.ops->read == NULL || f->on_loop || (data_two(f) &&
	    (d->stuck || d->phase == PHASE_SEALING)))
		recount_or_fail(d, k);
	else if (!data_two(f))
		recount_start(d, k);
}

enum err
recount_all(struct data *d)
{
	unsigned	k;
	enum err	e;

	for (k = 0; k < d->conf.files; k++)
		if (d->file[k].lost != 0 && (e = recount_now(d, k)) != E_OK)
			return e;
	return E_OK;
}
