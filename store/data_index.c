/*
 * data_index.c: what a data file shows to the index of it.
 */
#include "store/data_impl.h"
#include "store/index_impl.h"

unsigned
data_sources(struct data *d, unsigned k, struct data_source out[INDEX_SOURCES])
{
	const struct engine_ops	*ops = d->conf.ops;
	struct data_file	*f = &d->file[k];
	struct gen		*g[INDEX_SOURCES];
	unsigned		 i, n = 0;

	if (data_two(f))
		g[n++] = &f->older;
	g[n++] = &f->now;
	for (i = 0; i < n; i++)
		out[i] = (struct data_source){ g[i]->e, g[i]->fd, 0,
		    ops->size(g[i]->e), ops->count(g[i]->e) };
	return n;
}

void
data_watch(struct data *d, unsigned k, struct index *x)
{
	d->file[k].index = x;
}

unsigned
data_file_of(const struct data *d, unsigned slot)
{
	return data_k(d, slot);
}
