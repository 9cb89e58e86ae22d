/*
 * data_sums.c: the block checksums (store/sums.h) of a shard's data files: when
 * they are made, written, and what a start does with them.
 *
 * Order matters: a .sum file is written only after the MANIFEST whose F it goes
 * up to.  A start cuts a file back to F; sums beyond it would be of bytes that
 * are gone, and later ones in their place would look damaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/data_impl.h"
#include "store/sums.h"
#include "supervisor/log.h"

void
data_sum_path(const struct data *d, char *out, size_t n, unsigned k,
    uint64_t gen)
{
	snprintf(out, n, "%s/data.%u.%" PRIu64 ".sum", d->conf.dir, k, gen);
}

void
gen_sums_new(struct data *d, struct gen *g)
{
	if (d->conf.ops->files && (g->sums = calloc(1, sizeof(*g->sums))))
		sums_init(g->sums, g->gen, d->conf.ops->base(g->e));
}

void
gen_sums_free(struct gen *g)
{
	if (g->sums != NULL)
		sums_free(g->sums);
	free(g->sums);
	g->sums = NULL;
}

void
gen_sums_load(struct data *d, struct gen *g, unsigned k,
    const struct manifest_gen *m, const struct sums_seal *found)
{
	char		path[PATH_LEN];
	struct sums	s;

	gen_sums_new(d, g);
	if (g->sums == NULL)
		return;
	data_sum_path(d, path, sizeof(path), k, g->gen);
	if (sums_load(&s, d->conf.io, path, g->gen) == E_OK &&
	    s.base == g->sums->base && s.end <= m->size)
		*g->sums = s;
	else
		sums_free(&s);
	g->untouched = sums_seal_same(&g->sums->seal, found);
}

void
gen_sums_remove(const struct data *d, unsigned k, uint64_t gen)
{
	char	path[PATH_LEN];

	data_sum_path(d, path, sizeof(path), k, gen);
	d->conf.io->unlink(d->conf.io, path);
}

/*
 * Sums what the file has up to end.  What is not as it was is told and left
 * without a sum: the checkpoint is as true as it would be without sums.
 */
static enum err
sum_up_to(const struct data *d, struct sums *s, unsigned k, int fd,
    uint64_t end)
{
	static struct log_limit	 lim;
	char			 name[NAME_LEN];
	uint64_t		 bad = 0;
	enum err		 e = sums_extend(s, d->conf.io, fd, end, &bad);

	data_name(name, sizeof(name), k, s->gen);
	if (e == E_DAMAGED)
		log_limited(&lim, "%s/%s offset %" PRIu64 ": block is damaged",
		    d->conf.dir, name, bad);
	else if (e != E_OK)
		log_limited(&lim, "%s/%s: summing blocks: %s", d->conf.dir,
		    name, err_text(e));
	return e;
}

enum err
gen_sums_commit(const struct data *d, struct sums *s, unsigned k, int fd,
    uint64_t end)
{
	static struct log_limit	 lim;
	char			 path[PATH_LEN];
	enum err		 e;

	if (s == NULL || fd == -1 || s->end == end)
		return E_OK;
	s->seal = (struct sums_seal){ 0 };
	if ((e = sum_up_to(d, s, k, fd, end)) != E_OK)
		return e;
	data_sum_path(d, path, sizeof(path), k, s->gen);
	if ((e = sums_write(s, d->conf.io, path)) != E_OK)
		log_limited(&lim, "%s: %s", path, strerror(errno));
	return e;
}

/* Failing is no harm: the next start reads the file in full. */
void
gen_sums_seal(const struct data *d, struct sums *s, unsigned k,
    const struct manifest_gen *m)
{
	char	path[PATH_LEN];
	int	fd;

	if (s == NULL || m->gen != s->gen)
		return;
	data_path(d, path, sizeof(path), k, s->gen);
	fd = d->conf.io->open(d->conf.io, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd == -1)
		return;
	if (sum_up_to(d, s, k, fd, m->size) == E_OK &&
	    sums_seal_get(&s->seal, path) == 0) {
		data_sum_path(d, path, sizeof(path), k, s->gen);
		sums_write(s, d->conf.io, path);
	}
	close(fd);
}
