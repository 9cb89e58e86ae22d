/*
 * data_scrub.c: pins data files for readers beside the loop (data_scrub.h) and
 * takes orders to compact.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/data_impl.h"
#include "store/data_scrub.h"

void
data_part_free(struct data_part *p)
{
	if (p->fd != -1)
		close(p->fd);
	if (p->raw != -1)
		close(p->raw);
	sums_free(&p->sums);
	p->fd = p->raw = -1;
}

static const struct gen *
part_gen(const struct data *d, unsigned k, int older)
{
	const struct data_file	*f = &d->file[k];

	if (older)
		return data_two(f) ? &f->older : NULL;
	return f->now.e != NULL ? &f->now : NULL;
}

static enum err
copy_sums(struct sums *to, const struct sums *from)
{
	if (from == NULL || from->n == 0)
		return E_OK;
	if ((to->block = malloc(from->n * sizeof(*to->block))) == NULL)
		return E_NOMEM;
	memcpy(to->block, from->block, from->n * sizeof(*to->block));
	to->gen = from->gen;
	to->base = from->base;
	to->end = from->end;
	to->n = to->max = from->n;
	return E_OK;
}

/* Both descriptors, and the sums as far as there are any. */
static enum err
part_open(const struct data *d, const struct gen *g, const struct pace *pace,
    struct data_part *p)
{
	const struct io	*io = d->conf.io;
	enum err	 e;

	p->gen = g->gen;
	data_path(d, p->path, sizeof(p->path), p->k, g->gen);
	if ((e = copy_sums(&p->sums, g->sums)) != E_OK)
		return e;
	p->fd = io->open(io, p->path, O_RDONLY | O_CLOEXEC, 0);
	p->raw = p->fd == -1 ? -1 : pace_open(pace, p->path);
	return p->raw == -1 ? E_INTERNAL : E_OK;
}

enum err
data_part_get(struct data *d, unsigned k, int older, const struct pace *pace,
    struct data_part *p)
{
	const struct gen		*g = part_gen(d, k, older);
	const struct manifest_gen	*m = older ? &d->man.file[k].older :
	    &d->man.file[k].now;
	enum err			 e;

	*p = (struct data_part){ .k = k, .older = older, .fd = -1, .raw = -1 };
	if (d->busy)
		return E_AGAIN;
	if (g == NULL || g->sums == NULL || g->sums->n == 0)
		return E_NOTFOUND;
	if ((e = part_open(d, g, pace, p)) != E_OK) {
		data_part_free(p);
		return e;
	}
	if (m->gen == g->gen && m->size == p->sums.end) {
		p->size = m->size;
		p->count = m->count;
	}
	return E_OK;
}

int
data_part_is(const struct data *d, const struct data_part *p)
{
	const struct data_file	*f = &d->file[p->k];

	return (f->now.e != NULL && f->now.gen == p->gen) ||
	    (data_two(f) && f->older.gen == p->gen);
}

/* --- all of them at one moment --- */

void
data_image_free(struct data_image *im)
{
	unsigned	k;

	if (im == NULL)
		return;
	for (k = 0; k < im->files; k++)
		data_part_free(&im->part[k]);
	manifest_clear_tables(&im->tables);
	tables_free(im->counted);
	free(im);
}

/* What a file holds and what is said of it are as one. */
static int
image_may(const struct data *d)
{
	unsigned	k;

	if (d->busy || (d->phase != PHASE_IDLE && !d->stuck))
		return 0;
	for (k = 0; k < d->conf.files; k++)
		if (d->file[k].lost != 0)
			return 0;
	return 1;
}

static enum err
image_file(const struct data *d, const struct pace *pace, struct data_part *p)
{
	const struct engine_ops	*ops = d->conf.ops;
	const struct data_file	*f = &d->file[p->k];
	enum err		 e;

	/* Through two generations, one of which cannot be read. */
	if (!ops->files || data_two(f))
		return E_OK;
	p->size = ops->size(f->now.e);
	p->count = ops->count(f->now.e);
	if ((e = part_open(d, &f->now, pace, p)) != E_INTERNAL)
		return e;
	data_part_free(p);
	return E_OK;
}

static void
image_tables(struct data *d, struct data_image *im)
{
	if (d->conf.tables == NULL || d->tables_lost != 0 ||
	    !d->conf.ops->files)
		return;
	tables_save(d->conf.tables, &im->tables);
	if (im->tables.sums != 0 &&
	    (im->counted = tables_part(d->conf.tables)) == NULL)
		manifest_clear_tables(&im->tables);
}

enum err
data_image_take(struct data *d, const struct pace *pace,
    struct data_image **out)
{
	struct data_image	*im;
	unsigned		 k;
	enum err		 e = E_OK;

	*out = NULL;
	d->image_wanted = 1;
	if (!image_may(d))
		return E_AGAIN;
	d->image_wanted = 0;
	if ((im = calloc(1, sizeof(*im))) == NULL)
		return E_NOMEM;
	for (k = 0; k < d->conf.files && e == E_OK; k++) {
		im->part[k] = (struct data_part){ .k = k, .fd = -1, .raw = -1 };
		im->files = k + 1;
		e = image_file(d, pace, &im->part[k]);
	}
	memcpy(im->slot, d->slot, sizeof(im->slot));
	image_tables(d, im);
	if (e != E_OK) {
		data_image_free(im);
		return e;
	}
	*out = im;
	return E_OK;
}

void
data_image_leave(struct data *d)
{
	d->image_wanted = 0;
}

/* --- compaction by order --- */

void
data_compact_order(struct data *d, uint64_t files)
{
	d->ordered |= files & UINT64_MAX >> (64 - d->conf.files);
	d->refused &= ~files;
}

uint64_t
data_compact_left(const struct data *d, uint64_t files, enum err *why)
{
	uint64_t	left = d->ordered & files, now = 0;

	if (d->phase != PHASE_IDLE)
		now = UINT64_C(1) << d->compacting & files;
	left |= now;
	*why = d->stuck && left != 0 ? E_DAMAGED :
	    (d->refused & files) != 0 ? E_NOSPACE : E_OK;
	return left;
}

uint64_t
data_compact_bytes(const struct data *d, uint64_t files)
{
	const struct data_file	*f;
	uint64_t		 n = 0;
	unsigned		 k;

	for (k = 0; k < d->conf.files; k++) {
		if ((files >> k & 1) == 0)
			continue;
		f = &d->file[k];
		n += d->conf.ops->size(f->now.e);
		if (data_two(f))
			n += d->conf.ops->size(f->older.e);
	}
	return n;
}
