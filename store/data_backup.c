/*
 * data_backup.c: the instant that a backup is of: on the loop, in one turn, no
 * checkpoint being written.  MANIFEST and the files that it names belong
 * together then, and open descriptors keep the files, whatever compaction does
 * with their names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/backup_impl.h"
#include "store/data_impl.h"

/* A file that has lost records would come back as if it had not. */
static enum err
quarantine(const struct data *d, char *why, size_t whylen)
{
	char		name[NAME_LEN];
	uint64_t	files = 0;
	unsigned	s, k;
	size_t		n = 0;

	for (s = 0; s < SLOTS; s++) {
		k = data_k(d, s);
		if (!data_slot_lost(d, s) || (files >> k & 1) != 0)
			continue;
		files |= UINT64_C(1) << k;
		data_file_name(d, s, name, sizeof(name));
		if (n < whylen)
			n += (size_t)snprintf(why + n, whylen - n, "%s%s",
			    n == 0 ? "in quarantine: " : ", ", name);
	}
	return files == 0 ? E_OK : E_DAMAGED;
}

static enum err
pin_gen(struct data *d, struct backup_pin *p, unsigned k,
    const struct manifest_gen *m, struct engine *e, char *why, size_t whylen)
{
	const struct io		*io = d->conf.io;
	struct backup_gen	*g = &p->gen[p->ngen];
	char			 path[PATH_LEN];

	if (m->gen == 0)
		return E_OK;
	*g = (struct backup_gen){ .k = k, .gen = m->gen, .size = m->size,
	    .base = d->conf.ops->base(e) };
	data_path(d, path, sizeof(path), k, m->gen);
	g->fd = io->open(io, path, O_RDONLY | O_CLOEXEC, 0);
	if (g->fd == -1) {
		snprintf(why, whylen, "%s: %s", path, strerror(errno));
		return E_INTERNAL;
	}
	data_sum_path(d, path, sizeof(path), k, m->gen);
	g->sums_fd = io->open(io, path, O_RDONLY | O_CLOEXEC, 0);
	p->ngen++;
	return E_OK;
}

/* MANIFEST may name as now what has become the older one since. */
static struct engine *
engine_of(const struct data_file *f, uint64_t gen)
{
	return f->now.gen == gen ? f->now.e : f->older.e;
}

static enum err
pin_files(struct data *d, struct backup_pin *p, char *why, size_t whylen)
{
	const struct manifest_file	*m;
	const struct data_file		*f;
	unsigned			 k;
	enum err			 e = E_OK;

	p->least = UINT64_MAX;
	for (k = 0; k < d->conf.files && e == E_OK; k++) {
		m = &d->man.file[k];
		f = &d->file[k];
		if (m->now.lsn < p->least)
			p->least = m->now.lsn;
		e = pin_gen(d, p, k, &m->older, engine_of(f, m->older.gen),
		    why, whylen);
		if (e == E_OK)
			e = pin_gen(d, p, k, &m->now,
			    engine_of(f, m->now.gen), why, whylen);
	}
	return e;
}

enum err
data_pin(struct data *d, struct backup_pin *p, char *why, size_t whylen)
{
	enum err	e;

	memset(p, 0, sizeof(*p));
	if (!d->conf.ops->files) {
		snprintf(why, whylen, "stores.engine is memory: nothing of "
		    "the records is on the disk but the log");
		return E_PARAM;
	}
	if (d->busy)
		return E_AGAIN;
	if (d->failed != E_OK) {
		snprintf(why, whylen, "%s", err_text(E_READONLY));
		return E_READONLY;
	}
	if ((e = quarantine(d, why, whylen)) != E_OK)
		return e;
	p->bound = d->bound;
	if ((p->manifest = manifest_text(&d->man, &p->nmanifest)) == NULL) {
		snprintf(why, whylen, "%s", err_text(E_NOMEM));
		return E_NOMEM;
	}
	if ((e = pin_files(d, p, why, whylen)) != E_OK)
		backup_pin_free(p);
	return e;
}

/*
 * Closing one drops tkrzw's lock on the file; those of node.data keep others
 * away.
 */
void
backup_pin_free(struct backup_pin *p)
{
	unsigned	i;

	for (i = 0; i < p->ngen; i++) {
		if (p->gen[i].fd != -1)
			close(p->gen[i].fd);
		if (p->gen[i].sums_fd != -1)
			close(p->gen[i].sums_fd);
		sums_free(&p->gen[i].sums);
	}
	free(p->manifest);
	memset(p, 0, sizeof(*p));
}
