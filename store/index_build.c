/*
 * index_build.c: fills the trees of an index with what its data file holds.
 *
 * Where the engine can be read beside the loop, a helper thread does it, from
 * the descriptors that the generations have for such purposes, in the order in
 * which the records were stored: first the older generation, then the newer,
 * whose records are later ones.  A generation that is removed meanwhile leaves
 * its descriptor to the build.
 *
 * Else (engine_mem) the loop itself scans the engine in steps.  It may then meet
 * records that were stored after the build began: the feed has them too, and
 * comes last.  When a generation goes away, the scan begins anew.
 */
#include <sys/resource.h>
#include <sys/time.h>

#include <stdlib.h>
#include <unistd.h>

#include "store/index_impl.h"
#include "supervisor/log.h"

/* Seconds of computing beside a loop that answers: it goes first. */
#define BUILD_NICE	10
#define LOOK	256		/* records between looks at what has changed */

static enum err
build_take(struct index *x, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen)
{
	struct index_note	 n;
	struct record		 r;
	int			 whole;

	whole = record_get(&r, key, keylen, val, vallen) == E_OK &&
	    data_file_of(x->set->conf.data, r.slot) == x->k;
	x->damaged += !whole;
	n = index_note(whole ? &r : NULL, key, x->now);
	if (!trees_apply(&x->t, key, keylen, &n))
		return E_NOMEM;
	if (x->seen++ % LOOK != 0)
		return E_OK;
	atomic_store(&x->grown, trees_bytes(&x->t));
	if (atomic_load(&x->stop))
		return E_AGAIN;
	return trees_bytes(&x->t) > x->most ? E_INDEX : E_OK;
}

/* --- beside the loop --- */

static enum err
build_see(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, const uint8_t *old, size_t oldlen)
{
	(void)old;		/* invariant 2 */
	(void)oldlen;
	if (key == NULL)
		return E_OK;
	return build_take(arg, key, keylen, val, vallen);
}

static enum err
build_work(struct job *job)
{
	struct index		*x = job->arg;
	struct indexes_conf	*c = &x->set->conf;
	struct data_source	*src;
	unsigned		 i;
	enum err		 e = E_OK;

	/* Of this thread alone, on Linux. */
	(void)setpriority(PRIO_PROCESS, 0, BUILD_NICE);
	for (i = 0; i < x->nsource && e == E_OK; i++) {
		src = &x->source[i];
		e = atomic_load(&x->stop) ? E_AGAIN : c->ops->read(c->io,
		    src->fd, src->size, src->count, build_see, x);
	}
	return e;
}

static void
build_done(struct job *job, enum err e)
{
	struct index	*x = job->arg;
	unsigned	 i;

	for (i = 0; i < x->nsource; i++)
		if (x->source[i].own)
			close(x->source[i].fd);
	x->nsource = 0;
	index_built(x, e);
}

/* --- on the loop --- */

static int
scan_end(struct index *x, enum err e)
{
	const struct engine_ops	*ops = x->set->conf.ops;

	if (x->iter != NULL)
		ops->iter_free(x->iter);
	x->iter = NULL;
	x->nsource = 0;
	index_built(x, e);
	return 0;
}

/* The next record of the engine at hand, or of the next one. */
static enum err
scan_next(struct index *x)
{
	const struct engine_ops	*ops = x->set->conf.ops;
	const uint8_t		*key, *val;
	size_t			 keylen, vallen;
	enum err		 e;

	if (x->iter == NULL && (x->iter =
	    ops->iter(x->source[x->scanning].e)) == NULL)
		return E_NOMEM;
	e = ops->next(x->iter, &key, &keylen, &val, &vallen);
	if (e == E_OK)
		return build_take(x, key, keylen, val, vallen);
	if (e != E_NOTFOUND || x->scanning + 1 == x->nsource)
		return e;
	ops->iter_free(x->iter);
	x->iter = NULL;
	x->scanning++;
	return E_OK;
}

int
build_step(struct index *x, mono_t until)
{
	unsigned	n = 0;
	enum err	e;

	if (x->set->helper != NULL)
		return 0;
	if (atomic_load(&x->stop))
		return scan_end(x, E_AGAIN);
	do {
		if ((e = scan_next(x)) != E_OK)
			return scan_end(x, e == E_NOTFOUND ? E_OK : e);
	} while (++n % 16 != 0 || mono_diff(mono_now(), until) > 0);
	return 1;
}

/* --- both --- */

static enum err
build_begin(struct index *x)
{
	struct indexes	*set = x->set;

	if (!trees_init(&x->t))
		return E_NOMEM;
	x->nsource = data_sources(set->conf.data, x->k, x->source);
	x->scanning = 0;
	x->seen = x->damaged = 0;
	x->began = mono_now();
	atomic_store(&x->grown, trees_bytes(&x->t));
	return E_OK;
}

enum err
build_start(struct index *x, int64_t now, uint64_t lsn)
{
	enum err	e;

	x->now = now;
	x->lsn = lsn;
	x->most = x->set->conf.limit;
	atomic_store(&x->stop, 0);
	if ((e = build_begin(x)) != E_OK)
		return e;
	x->state = INDEX_BUILDING;
	data_watch(x->set->conf.data, x->k, x);
	if (x->set->helper == NULL)
		return E_OK;
	x->job.work = build_work;
	x->job.done = build_done;
	x->job.arg = x;
	helper_run(x->set->helper, &x->job);
	return E_OK;
}

void
build_restart(struct index *x)
{
	if (x->iter != NULL)
		x->set->conf.ops->iter_free(x->iter);
	x->iter = NULL;
	trees_discard(x->set, &x->t);
	if (build_begin(x) != E_OK)
		scan_end(x, E_NOMEM);
}
