/*
 * data_rewind.c: the quick way to open the files of a shard that was killed:
 * each is taken back in place to F of its generation (engine_ops.rewind).  Runs
 * while the shard is opened.  doc/storage.md says why this is safe.
 *
 * It believes neither boot_id nor the page cache: every record below F is read
 * and its checksum verified, and count and digests must be those in MANIFEST,
 * as after a restore.  Nothing is synced: until the next checkpoint what is
 * true is still what lies below F, which was synced before MANIFEST was written
 * and is not touched.  Any failure leaves the file fit to be restored.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/data_impl.h"
#include "supervisor/log.h"

#define THREADS	2

struct crew;

struct rewinding {
	struct crew		*crew;
	unsigned		 k;
	struct tally		 all;	/* slot NULL: added up later */
	struct tables		*part;	/* the same */
	struct data_found	 found;	/* error */
	enum err		 err;
	uint64_t		 n, bad;
};

struct crew {
	struct data		*d;
	struct rewinding	 file[FILES_MAX];
	unsigned		 files;
	atomic_uint		 next;		/* of file, to be taken */
	atomic_ulong		 steps;		/* of 256 records */
};

/* As put_tally: a new record and the one that it took the place of. */
static enum err
rewind_see(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, const uint8_t *old, size_t oldlen)
{
	struct rewinding	*w = arg;
	const struct data	*d = w->crew->d;
	struct record		 r, was;

	if (key == NULL)
		return w->all.slot == NULL ? E_OK :
		    open_compare(d, w->k, &w->all, &w->found);
	if (w->n++ % 256 == 0)
		atomic_fetch_add(&w->crew->steps, 1);
	/*
	 * A damaged value is one key's harm.  Key, stamp and checksum must be
	 * right, and are when the digests of all are.
	 */
	if (record_get(&r, key, keylen, val, vallen) != E_OK) {
		if (record_peek(&r, val, vallen) != E_OK)
			return E_DAMAGED;
		w->bad++;
	}
	if (data_k(d, r.slot) != w->k)
		return E_DAMAGED;
	if (w->all.slot == NULL)
		return E_OK;
	if (old != NULL) {
		if (record_peek(&was, old, oldlen) != E_OK)
			return E_DAMAGED;
		tally_sub(&w->all, &was, key, keylen);
	}
	tally_add(&w->all, &r, key, keylen);
	if (w->part != NULL)
		tables_change(w->part, key, keylen, old == NULL ? NULL : &was,
		    &r);
	return E_OK;
}

/* --- on a thread --- */

static enum err
rewind_gen(struct rewinding *w, const struct manifest_gen *m)
{
	const struct data	*d = w->crew->d;
	const struct io		*io = d->conf.io;
	char			 path[PATH_LEN];
	uint8_t			 was;
	int			 fd;
	enum err		 e;

	if (m->gen == 0)
		return E_OK;
	data_path(d, path, sizeof(path), w->k, m->gen);
	if ((fd = io->open(io, path, O_RDWR | O_CLOEXEC, 0)) == -1)
		return errno == ENOENT ? E_DAMAGED : E_INTERNAL;
	was = data_touch(d, w->k);
	e = d->conf.ops->rewind(io, fd, m->size, m->count, rewind_see, w);
	data_touched(d, w->k, was);
	close(fd);
	return e;
}

static int
rewind_sums(struct rewinding *w)
{
	const struct data	*d = w->crew->d;

	w->all.slot = calloc(SLOTS, sizeof(*w->all.slot));
	if (d->counting)
		w->part = tables_part(d->conf.tables);
	return w->all.slot != NULL && (w->part != NULL || !d->counting);
}

static enum err
rewind_gens(struct rewinding *w)
{
	const struct manifest_file	*m = &w->crew->d->man.file[w->k];
	enum err			 e;

	/* What counts of two generations is seen only through both. */
	if (m->older.gen == 0 && !rewind_sums(w))
		return E_NOMEM;
	if ((e = rewind_gen(w, &m->older)) != E_OK)
		return e;
	return rewind_gen(w, &m->now);
}

static void *
crew_thread(void *arg)
{
	struct crew	*c = arg;
	unsigned	 i;

	while ((i = atomic_fetch_add(&c->next, 1)) < c->files)
		c->file[i].err = rewind_gens(&c->file[i]);
	return NULL;
}

/* --- on the loop's --- */

static void
crew_run(struct crew *c)
{
	pthread_t	t[THREADS];
	unsigned	i, n;
	unsigned long	was = 0, now;

	for (n = 0; n < THREADS && n < c->files; n++)
		if (pthread_create(&t[n], NULL, crew_thread, c) != 0)
			break;
	for (i = 0; i < n; i++)
		while (!open_joined(t[i])) {
			if ((now = atomic_load(&c->steps)) != was)
				open_progress(c->d);
			was = now;
		}
}

static enum err
rewind_open(struct rewinding *w)
{
	struct data			*d = w->crew->d;
	struct data_file		*f = &d->file[w->k];
	const struct manifest_file	*m = &d->man.file[w->k];
	enum err			 e;

	if ((e = gen_open(d, &f->now, w->k, &m->now)) != E_OK)
		return e;
	if (m->older.gen == 0) {
		tally_take(d, &f->sum, w->k, &w->all);
		if (d->counting)
			tables_join(d->conf.tables, w->part);
		w->part = NULL;
		return E_OK;
	}
	if ((e = gen_open(d, &f->older, w->k, &m->older)) != E_OK)
		return e;
	return open_verify(d, w->k, &w->found);
}

static enum err
rewind_end(struct rewinding *w)
{
	struct data	*d = w->crew->d;
	enum err	 e = w->err;

	if (e == E_OK && (e = rewind_open(w)) != E_OK) {
		gen_close(d, &d->file[w->k].now);
		gen_close(d, &d->file[w->k].older);
	}
	if (e != E_OK)
		log_warnx("%s: data file %u cannot be taken back in place "
		    "(%s), restoring it", d->conf.dir, w->k,
		    w->found.error[0] != '\0' ? w->found.error : err_text(e));
	else if (w->bad != 0) {
		d->damaged += w->bad;
		log_warnx("%s: data file %u: %" PRIu64 " records fail their "
		    "checksum", d->conf.dir, w->k, w->bad);
	}
	expiry_free(&w->all.expiry);
	free(w->all.slot);
	tables_free(w->part);
	return e;
}

unsigned
rewind_files(struct data *d, enum err state[FILES_MAX])
{
	struct crew	*c;
	unsigned	 k, i, done = 0;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return 0;
	c->d = d;
	for (k = 0; k < d->conf.files; k++)
		if (state[k] != E_OK && d->man.file[k].now.gen != 0 &&
		    !data_suspect(d, k))
			c->file[c->files++] = (struct rewinding){ .crew = c,
			    .k = k, .err = E_NOMEM };
	crew_run(c);
	for (i = 0; i < c->files; i++) {
		k = c->file[i].k;
		state[k] = rewind_end(&c->file[i]);
		done += state[k] == E_OK;
	}
	free(c);
	return done;
}
