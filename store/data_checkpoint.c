/*
 * data_checkpoint.c: makes a data file durable and says so in MANIFEST, one
 * file at a time, while the loop goes on writing; and the orderly stop.
 *
 * A commit notes, in one turn of the loop, F (the file's size), L, counts and
 * digests.  The helper then syncs the log to L, the file, and MANIFEST, in this
 * order.  doc/storage.md says why each instant of it may be the last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/clock.h"
#include "store/data_impl.h"
#include "store/index_impl.h"
#include "supervisor/log.h"

/* --- a commit --- */

void
note(struct data *d, unsigned k, uint64_t last, struct manifest *next)
{
	struct data_file	*f = &d->file[k];
	struct manifest_file	*m = &next->file[k];
	unsigned		 i;

	m->now.gen = f->now.gen;
	m->now.size = d->conf.ops->size(f->now.e);
	m->now.lsn = last;
	m->now.count = d->conf.ops->count(f->now.e);
	m->now.live = f->sum.live;
	memset(&m->older, 0, sizeof(m->older));
	if (data_two(f))
		m->older = f->sealed;
	m->next_gen = f->next_gen;
	for (i = 0; i < SLOTS; i++)
		if (data_k(d, i) == k)
			next->slot[i] = d->slot[i];
	/* A file that nothing was written to is as true at last as it was. */
	for (i = 0; i < d->conf.files; i++)
		if (i != k && !d->file[i].dirty && next->file[i].now.lsn < last)
			next->file[i].now.lsn = last;
	next->bound = d->bound;
	next->clean = 0;
	next->lsn = 0;
}

static enum err
write_text(const struct data *d, const struct manifest *m)
{
	static struct log_limit	 lim;
	char			*text;
	size_t			 n;
	enum err		 e;

	if ((text = manifest_text(m, &n)) == NULL)
		return E_NOMEM;
	e = manifest_write(d->conf.io, d->conf.dir, text, n);
	if (e != E_OK)
		log_limited(&lim, "data: MANIFEST: %s", strerror(errno));
	free(text);
	return e;
}

enum err
commit_now(struct data *d)
{
	d->man.clean = 0;
	d->man.lsn = 0;
	return write_text(d, &d->man);
}

/* Piece by piece first, for the sake of what the log writes meanwhile. */
static enum err
sync_fd(const struct data *d, int fd)
{
	struct stat	st;

	if (fd == -1 || (fstat(fd, &st) == 0 &&
	    io_write_out(fd, 0, st.st_size) == 0 &&
	    d->conf.io->fdatasync(d->conf.io, fd) == 0))
		return E_OK;
	log_error("data: syncing a data file");
	return E_INTERNAL;
}

/* MANIFEST stands: what comes of this changes nothing of what is true. */
static void
commit_sums(const struct data *d, struct data_job *j)
{
	const struct manifest_file	*m = &j->next.file[j->k];

	j->sum_bad = gen_sums_commit(d, j->older_sums, j->k, j->older_fd,
	    m->older.size) == E_DAMAGED;
	j->sum_bad |= gen_sums_commit(d, j->sums, j->k, j->fd, m->now.size) ==
	    E_DAMAGED;
}

/*
 * On the helper's thread.  E_NOSPACE: only MANIFEST.tmp did not fit, the old
 * MANIFEST stands, and all that was noted may be noted again later.
 */
static enum err
commit_work(struct job *job)
{
	struct data_job	*j = job->arg;
	struct data	*d = j->d;
	enum err	 e;

	if (d->conf.ops->files) {
		if (d->conf.log_sync(d->conf.arg, j->lsn) != E_OK)
			return E_READONLY;
		if ((e = sync_fd(d, j->older_fd)) != E_OK ||
		    (e = sync_fd(d, j->fd)) != E_OK)
			return e;
		if ((e = write_text(d, &j->next)) != E_OK)
			return e;
		commit_sums(d, j);
	}
	if (j->dropping)
		gen_drop(d, &j->drop, j->k);
	return E_OK;
}

static void
free_log(struct data *d)
{
	uint64_t	least = UINT64_MAX;
	unsigned	k;

	if (!d->conf.ops->files)
		return;
	for (k = 0; k < d->conf.files; k++)
		if (d->man.file[k].now.lsn < least)
			least = d->man.file[k].now.lsn;
	d->conf.log_free(d->conf.arg, least);
}

static void
commit_done(struct job *job, enum err e)
{
	struct data_job	*j = job->arg;
	struct data	*d = j->d;

	d->busy = 0;
	if (e == E_NOSPACE || e == E_NOMEM) {
		d->file[j->k].dirty = 1;
		d->next_try = wall_ms() + RETRY_MS;
		return;
	}
	if (e != E_OK) {
		if (d->failed == E_OK)
			d->failed = e;
		return;
	}
	d->man = j->next;
	d->damaged += (unsigned)j->sum_bad;
	d->checkpoints += d->conf.ops->files != 0;
	compact_committed(d, j->k, j->dropping);
	free_log(d);
}

/*
 * What is to be synced of a file, all since MANIFEST noted it, is unmapped in one
 * step: who writes out a page that is mapped takes from every mapping the right to
 * write it, with an interrupt to each processor that runs a thread of ours.
 */
static void
unmap_new(const struct data *d, const struct gen *g, unsigned k)
{
	const struct manifest_gen	*m = &d->man.file[k].now;
	const struct engine_ops		*ops = d->conf.ops;

	if (ops->unmap != NULL)
		ops->unmap(g->e, m->gen == g->gen ? m->size : 0,
		    ops->size(g->e));
}

void
commit_start(struct data *d, unsigned k, uint64_t last)
{
	struct data_file	*f = &d->file[k];
	struct data_job		*j = &d->job;

	j->k = k;
	j->lsn = last;
	j->next = d->man;
	note(d, k, last, &j->next);
	f->dirty = 0;
	j->fd = f->now.fd;
	j->sums = f->now.sums;
	j->older_sums = f->older.sums;
	/* Synced once, when MANIFEST first names it as the older one. */
	j->older_fd = d->man.file[k].older.gen == 0 && data_two(f) ?
	    f->older.fd : -1;
	unmap_new(d, &f->now, k);
	if (j->older_fd != -1)
		unmap_new(d, &f->older, k);
	j->dropping = f->retired;
	if (j->dropping && f->index != NULL &&
	    index_let_go(f->index, f->older.e, f->older.fd))
		f->older.fd = -1;
	j->drop = f->older;
	j->job.work = commit_work;
	j->job.done = commit_done;
	j->job.arg = j;
	d->busy = 1;
	helper_run(d->conf.helper, &j->job);
}

/* The file that holds back the log most; -1: none has anything new. */
static int
choose(struct data *d, uint64_t last)
{
	int		best = -1;
	unsigned	i, k;

	for (i = 0; i < d->conf.files; i++) {
		k = (d->turn + i) % d->conf.files;
		if (d->file[k].lost != 0)
			continue;	/* its sums are not exact */
		if (!d->file[k].dirty && d->man.file[k].now.lsn >= last)
			continue;
		if (best == -1 || d->file[k].dirty > d->file[best].dirty ||
		    (d->file[k].dirty == d->file[best].dirty &&
		    d->man.file[k].now.lsn < d->man.file[best].now.lsn))
			best = (int)k;
	}
	return best;
}

int
data_checkpoint(struct data *d, uint64_t last)
{
	int	k;

	if (!d->conf.ops->files || d->busy || d->failed != E_OK ||
	    (k = choose(d, last)) == -1)
		return 0;
	d->turn = ((unsigned)k + 1) % d->conf.files;
	commit_start(d, (unsigned)k, last);
	return 1;
}

/* --- the stop --- */

void
data_settle(struct data *d)
{
	struct timespec	t = { 0, 200000 };

	while (d->busy) {
		helper_poll(d->conf.helper);
		if (d->busy)
			nanosleep(&t, NULL);
	}
}

static enum err
close_gen(struct data *d, struct gen *g)
{
	const struct io	*io = d->conf.io;
	int		 fd = g->fd;
	enum err	 e;

	if (g->e == NULL)
		return E_OK;
	/* Records first, so that "closed" never stands before what it closes. */
	if ((e = sync_fd(d, fd)) != E_OK)
		return e;
	e = d->conf.ops->close(&g->e);
	if (e == E_OK && fd != -1 && io->fsync(io, fd) == -1)
		e = E_INTERNAL;
	return e;
}

static enum err
save_expiry(struct data *d, struct manifest *m)
{
	const struct expiry	*x;
	struct manifest_expiry	*e;
	size_t			 i, n = 0;
	unsigned		 k;

	for (k = 0; k < d->conf.files; k++)
		n += d->file[k].sum.expiry.used + 1;
	if ((e = calloc(n, sizeof(*e))) == NULL)
		return E_NOMEM;
	m->expiry = e;
	for (k = 0; k < d->conf.files; k++) {
		x = &d->file[k].sum.expiry;
		if (x->past != 0)
			*e++ = (struct manifest_expiry){ k, 0, x->past };
		for (i = 0; i < x->cap; i++)
			if (x->minute[i] != 0 && x->bytes[i] != 0)
				*e++ = (struct manifest_expiry){ k,
				    x->minute[i], x->bytes[i] };
	}
	m->nexpiry = (size_t)(e - m->expiry);
	return E_OK;
}

static enum err
close_clean(struct data *d, uint64_t lsn, uint64_t bound)
{
	struct manifest	*m = &d->job.next;
	unsigned	 k;
	enum err	 e = E_OK;

	d->bound = bound;	/* exactly: no stamp will follow */
	*m = d->man;
	for (k = 0; k < d->conf.files && d->conf.ops->files; k++)
		note(d, k, lsn, m);
	m->clean = 1;
	m->lsn = lsn;
	m->bound = d->bound;
	for (k = 0; e == E_OK && k < d->conf.files; k++) {
		if ((e = close_gen(d, &d->file[k].older)) == E_OK)
			e = close_gen(d, &d->file[k].now);
		if (d->conf.progress != NULL)
			d->conf.progress(d->conf.arg);
	}
	if (e == E_OK && (e = save_expiry(d, m)) == E_OK) {
		if (d->conf.tables != NULL && d->conf.ops->files &&
		    d->tables_lost == 0)
			tables_save(d->conf.tables, m);
		e = write_text(d, m);
	}
	for (k = 0; e == E_OK && k < d->conf.files; k++) {
		gen_sums_seal(d, d->file[k].older.sums, k, &m->file[k].older);
		gen_sums_seal(d, d->file[k].now.sums, k, &m->file[k].now);
	}
	manifest_clear(m);
	return e;
}

enum err
data_close(struct data *d, int clean, uint64_t lsn, uint64_t bound)
{
	unsigned	k;
	enum err	e;

	if (d == NULL)
		return E_OK;
	data_settle(d);
	compact_let_go(d);
	round_drop(d);
	e = d->failed;
	if (clean && e == E_OK)
		e = recount_all(d);
	if (clean && e == E_OK)
		e = close_clean(d, lsn, bound);
	for (k = 0; k < d->conf.files; k++) {
		gen_close(d, &d->file[k].now);
		gen_close(d, &d->file[k].older);
		expiry_free(&d->file[k].sum.expiry);
	}
	expiry_free(&d->fresh.expiry);
	free(d);
	return e;
}
