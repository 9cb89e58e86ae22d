/*
 * data_each.c: every record of a data file, one after the other, for whoever
 * gives them to other shards (restore).  On the loop's thread; the engines are
 * only read.
 */
#include "store/data_impl.h"

struct each {
	struct data	*d;
	data_one	*fn;
	void		*arg;
};

static int
each_shadow(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	(void)oldlen;
	(void)val;
	(void)len;
	*(int *)arg = old != NULL;
	return 0;
}

/* over: the generation whose records hide those of g, or NULL. */
static enum err
each_gen(const struct each *w, struct engine *g, struct engine *over)
{
	const struct engine_ops	*ops = w->d->conf.ops;
	struct engine_iter	*it;
	const uint8_t		*key, *val;
	size_t			 keylen, vallen;
	int			 hidden = 0;
	enum err		 e;

	if ((it = ops->iter(g)) == NULL)
		return E_NOMEM;
	while ((e = ops->next(it, &key, &keylen, &val, &vallen)) == E_OK) {
		if (over != NULL && (e = ops->process(over, key, keylen,
		    each_shadow, &hidden, 0)) != E_OK)
			break;
		if (!hidden && (e = w->fn(w->arg, key, keylen, val, vallen)) !=
		    E_OK)
			break;
	}
	ops->iter_free(it);
	return e == E_NOTFOUND ? E_OK : e;
}

enum err
data_each(struct data *d, unsigned k, data_one *fn, void *arg)
{
	struct data_file	*f = &d->file[k];
	struct each		 w = { d, fn, arg };
	enum err		 e;

	if (k >= d->conf.files)
		return E_PARAM;
	if ((e = each_gen(&w, f->now.e, NULL)) == E_OK && data_two(f))
		e = each_gen(&w, f->older.e, f->now.e);
	return e;
}
