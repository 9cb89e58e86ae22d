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
#include <stdlib.h>
#include <unistd.h>

#include "store/data_impl.h"
#include "supervisor/log.h"

struct rewinding {
	struct data		*d;
	unsigned		 k;
	struct data_found	*found;
	struct tally		*all;	/* NULL: added up later */
	uint64_t		 n;
};

/* As put_tally: a new record and the one that it took the place of. */
static enum err
rewind_see(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, const uint8_t *old, size_t oldlen)
{
	struct rewinding	*w = arg;
	struct record		 r, was;

	if (key == NULL)
		return w->all == NULL ? E_OK :
		    open_compare(w->d, w->k, w->all, w->found);
	if (w->n++ % 256 == 0)
		open_progress(w->d);
	if (record_get(&r, key, keylen, val, vallen) != E_OK ||
	    data_k(w->d, r.slot) != w->k)
		return E_DAMAGED;
	if (w->all == NULL)
		return E_OK;
	if (old != NULL) {
		if (record_peek(&was, old, oldlen) != E_OK)
			return E_DAMAGED;
		tally_sub(w->all, &was, key, keylen);
	}
	tally_add(w->all, &r, key, keylen);
	return E_OK;
}

static enum err
rewind_gen(struct rewinding *w, const struct manifest_gen *m)
{
	struct data	*d = w->d;
	const struct io	*io = d->conf.io;
	char		 path[PATH_LEN];
	int		 fd;
	enum err	 e;

	if (m->gen == 0)
		return E_OK;
	data_path(d, path, sizeof(path), w->k, m->gen);
	if ((fd = io->open(io, path, O_RDWR | O_CLOEXEC, 0)) == -1)
		return errno == ENOENT ? E_DAMAGED : E_INTERNAL;
	e = d->conf.ops->rewind(io, fd, m->size, m->count, rewind_see, w);
	close(fd);
	return e;
}

static enum err
rewind_open(struct rewinding *w)
{
	struct data		*d = w->d;
	struct data_file	*f = &d->file[w->k];
	struct manifest_file	*m = &d->man.file[w->k];
	enum err		 e;

	if ((e = rewind_gen(w, &m->older)) != E_OK ||
	    (e = rewind_gen(w, &m->now)) != E_OK ||
	    (e = gen_open(d, &f->now, w->k, &m->now)) != E_OK)
		return e;
	if (m->older.gen == 0) {
		tally_take(d, &f->sum, w->k, w->all);
		return E_OK;
	}
	/* What counts is seen through both. */
	if ((e = gen_open(d, &f->older, w->k, &m->older)) != E_OK)
		return e;
	return open_verify(d, w->k, w->found);
}

/*
 * E_OK, or why the file must be restored; it is closed then.  E_NOTFOUND: it is
 * not in MANIFEST yet.
 */
enum err
rewind_file(struct data *d, unsigned k, struct data_found *found)
{
	struct manifest_file	*m = &d->man.file[k];
	struct tally		 all = { 0 };
	struct rewinding	 w = { .d = d, .k = k, .found = found };
	enum err		 e;

	if (m->now.gen == 0)
		return E_NOTFOUND;
	if ((all.slot = calloc(SLOTS, sizeof(*all.slot))) == NULL)
		return E_NOMEM;
	if (m->older.gen == 0)
		w.all = &all;
	if ((e = rewind_open(&w)) != E_OK) {
		gen_close(d, &d->file[k].now);
		gen_close(d, &d->file[k].older);
		log_warnx("%s: data file %u cannot be taken back in place "
		    "(%s), restoring it", d->conf.dir, k,
		    found->error[0] != '\0' ? found->error : err_text(e));
		found->error[0] = '\0';
	}
	expiry_free(&all.expiry);
	free(all.slot);
	return e;
}
