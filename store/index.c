/*
 * index.c: the indexes of one shard: when each is built, fed, emptied of what
 * has expired, and dropped.  Runs on the store's loop.
 *
 * Bounds: conf.limit bytes for all of them (checked in steps: a build and the
 * feeds may be some MiB over it for a moment).  For room the one that was used
 * longest ago goes; one that is too much by itself is E_INDEX for a minute.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "store/helper.h"
#include "store/index_impl.h"
#include "supervisor/log.h"

#define UNUSED_US	600000000	/* 10 min */
#define REFUSED_US	60000000	/* until it is tried again */
#define NOMEM_US	1000000
#define FEED_PART	8		/* of the limit, for one file's feed */
#define CHECK		16		/* changes between looks at the clock */
#define ASK_US		250		/* of such work before a question */
#define SKIP_MOST	100000		/* expired entries that a walk passes over */
#define TRIM		(4u << 20)

/* --- memory --- */

/* On a thread of its own, not behind a build that wants the room. */
struct discard {
	struct job	 job;
	struct trees	 t;
	struct indexes	*set;
};

static enum err
discard_work(struct job *job)
{
	struct discard	*d = job->arg;
	size_t		 n = trees_bytes(&d->t);

	trees_free(&d->t);
	atomic_fetch_sub(&d->set->leaving, n);
	if (n >= TRIM)
		malloc_trim(0);
	return E_OK;
}

static void
discard_done(struct job *job, enum err e)
{
	(void)e;
	free(job->arg);
}

void
trees_discard(struct indexes *set, struct trees *t)
{
	struct discard	*d = NULL;

	if (set->broom != NULL && !set->closing)
		d = calloc(1, sizeof(*d));
	if (d == NULL) {
		trees_free(t);
		return;
	}
	d->t = *t;
	d->set = set;
	atomic_fetch_add(&set->leaving, trees_bytes(t));
	*t = (struct trees){ 0 };
	d->job.work = discard_work;
	d->job.done = discard_done;
	d->job.arg = d;
	helper_run(set->broom, &d->job);
}

static size_t
index_bytes(const struct index *x)
{
	size_t	n = x->feed.bytes;

	if (x->state == INDEX_BUILDING)
		return n + atomic_load(&x->grown);
	return n + trees_bytes(&x->t);
}

static void
index_empty(struct index *x)
{
	data_watch(x->set->conf.data, x->k, NULL);
	feed_clear(&x->feed);
	trees_discard(x->set, &x->t);
	x->state = INDEX_NONE;
}

/* A build ends first; until then it counts as one. */
static void
index_drop(struct index *x)
{
	x->set->dropped++;
	if (x->state == INDEX_READY)
		index_empty(x);
	else {
		feed_clear(&x->feed);
		atomic_store(&x->stop, 1);
	}
}

static void
index_refuse(struct index *x, enum err e)
{
	x->refused = e;
	x->until = mono_add(mono_now(), e == E_NOMEM ? NOMEM_US : REFUSED_US);
}

static int
index_doomed(const struct index *x)
{
	return x->state == INDEX_NONE || atomic_load(&x->stop);
}

/*
 * Makes room.  The one used last stays until it is alone; if it is too much
 * even then, it cannot be.
 */
static void
indexes_shrink(struct indexes *set)
{
	struct index	*x, *first, *last;
	size_t		 sum;
	unsigned	 k;

	for (;;) {
		first = last = NULL;
		sum = 0;
		for (k = 0; k < set->conf.files; k++) {
			x = &set->index[k];
			if (index_doomed(x))
				continue;
			sum += index_bytes(x);
			if (first == NULL || x->used.us < first->used.us)
				first = x;
			if (last == NULL || x->used.us >= last->used.us)
				last = x;
		}
		if (first == NULL || sum <= set->conf.limit)
			return;
		if (first == last) {
			log_warnx("index: file %u: its index needs more than "
			    "stores.index_memory", first->k);
			index_refuse(first, E_INDEX);
		}
		index_drop(first);
	}
}

/* --- building and feeding --- */

struct indexes *
indexes_new(const struct indexes_conf *conf)
{
	struct indexes	*set;
	unsigned	 k;

	if ((set = calloc(1, sizeof(*set))) == NULL)
		return NULL;
	set->conf = *conf;
	set->index = calloc(conf->files, sizeof(*set->index));
	if (set->index != NULL && conf->ops->read != NULL) {
		set->helper = helper_new(conf->notify, conf->arg);
		set->broom = helper_new(conf->notify, conf->arg);
	}
	if (set->index == NULL || (conf->ops->read != NULL &&
	    (set->helper == NULL || set->broom == NULL))) {
		helper_free(set->helper);
		helper_free(set->broom);
		free(set->index);
		free(set);
		return NULL;
	}
	for (k = 0; k < conf->files; k++) {
		set->index[k].set = set;
		set->index[k].k = k;
	}
	return set;
}

void
indexes_free(struct indexes *set)
{
	struct index	*x;
	unsigned	 k;

	if (set == NULL)
		return;
	set->closing = 1;
	for (k = 0; k < set->conf.files; k++)
		atomic_store(&set->index[k].stop, 1);
	helper_free(set->helper);
	helper_free(set->broom);
	for (k = 0; k < set->conf.files; k++) {
		x = &set->index[k];
		if (x->state == INDEX_BUILDING)
			build_step(x, (mono_t){ 0 });
		index_empty(x);
	}
	free(set->index);
	free(set);
}

void
indexes_limit(struct indexes *set, size_t bytes)
{
	unsigned	k;

	set->conf.limit = bytes;
	for (k = 0; k < set->conf.files; k++) {
		set->index[k].refused = E_OK;
		/* A build knows the old limit: it begins anew when asked for. */
		if (set->index[k].state == INDEX_BUILDING)
			index_drop(&set->index[k]);
	}
	indexes_shrink(set);
}

void
indexes_poll(struct indexes *set)
{
	if (set->helper != NULL) {
		helper_poll(set->helper);
		helper_poll(set->broom);
	}
}

static void
index_tell(struct index *x)
{
	if (!x->wanted)
		return;
	x->wanted = 0;
	x->set->conf.notify(x->set->conf.arg);
}

static void
index_failed(struct index *x, enum err e)
{
	if (e == E_NOMEM || e == E_INDEX) {
		index_refuse(x, e);
		log_warnx("index: file %u: %s", x->k, err_text(e));
	} else if (e != E_AGAIN) {
		index_refuse(x, E_DAMAGED);
		log_errorx("index: file %u: it cannot be read as a whole (%s): "
		    "no listings of it", x->k, err_text(e));
	}
}

void
index_built(struct index *x, enum err e)
{
	if (atomic_load(&x->stop))
		e = E_AGAIN;
	if (e != E_OK) {
		index_failed(x, e);
		index_empty(x);
		index_tell(x);
		return;
	}
	x->state = INDEX_READY;
	x->set->builds++;
	if (x->damaged != 0)
		log_warnx("index: file %u: %llu damaged records", x->k,
		    (unsigned long long)x->damaged);
	log_debug("index: file %u: %llu records, %zu bytes, %lld ms", x->k,
	    (unsigned long long)x->seen, trees_bytes(&x->t),
	    (long long)mono_diff(x->began, mono_now()) / 1000);
	indexes_shrink(x->set);
	index_tell(x);		/* what is left of the feed, the asker takes */
}

void
index_change(struct index *x, const uint8_t *key, size_t keylen,
    const struct record *r, uint64_t lsn)
{
	/* Whether it has expired is asked when it is taken out. */
	struct index_note	n = index_note(r, key, 0);

	if (atomic_load(&x->stop))
		return;
	x->lsn = lsn;
	if (!feed_add(&x->feed, key, keylen, &n) ||
	    x->feed.bytes > x->set->conf.limit / FEED_PART + 65536)
		index_drop(x);
}

int
index_let_go(struct index *x, const struct engine *e, int fd)
{
	unsigned	i;

	for (i = 0; i < x->nsource; i++) {
		if (x->source[i].e != e)
			continue;
		if (x->set->helper == NULL) {
			build_restart(x);
			return 0;
		}
		x->source[i].own = 1;
		x->source[i].e = NULL;	/* another may get its address */
		return fd != -1;
	}
	return 0;
}

/* Until the time is up; 1: the feed is empty, 0: not yet, -1: no memory. */
static int
index_drain(struct index *x, mono_t until)
{
	struct index_note	 n;
	const uint8_t		*key;
	size_t			 keylen;
	unsigned		 i;

	for (i = 1; feed_take(&x->feed, &key, &keylen, &n); i++) {
		if (!trees_apply(&x->t, key, keylen, &n))
			return -1;
		if (i % CHECK == 0 && mono_diff(mono_now(), until) <= 0)
			return 0;
	}
	return 1;
}

/* The same for what has expired, of sorted sets or of the rest. */
static int
index_expire(struct index *x, int sets, int64_t now, mono_t until)
{
	int	n;

	do {
		if ((n = trees_expire(&x->t, now, sets, CHECK)) == -1)
			return -1;
		if (n == CHECK && mono_diff(mono_now(), until) <= 0)
			return 0;
	} while (n == CHECK);
	return 1;
}

/*
 * Whether so little is left that has expired that a question may be answered:
 * where it counts, nothing; else what a walk can pass over.
 */
static int
index_current(const struct index *x, int sets, int64_t now)
{
	uint64_t	n = trees_expired(&x->t, now, 1);

	return sets ? n == 0 : n + trees_expired(&x->t, now, 0) <= SKIP_MOST;
}

/* A step of an index that is there; 1: more to do. */
static int
index_step(struct index *x, int64_t now, mono_t until)
{
	int	fed = index_drain(x, until), r = fed;

	if (r == 1)
		r = index_expire(x, 1, now, until);
	if (r == 1)
		r = index_expire(x, 0, now, until);
	if (r == -1) {
		index_refuse(x, E_NOMEM);
		index_drop(x);
	}
	if (r != 0 || (fed == 1 && index_current(x, 1, now) &&
	    index_current(x, 0, now)))
		index_tell(x);
	return r == 0;
}

int
indexes_work(struct indexes *set, int64_t now, int64_t us)
{
	mono_t		 begin = mono_now(), until;
	struct index	*x;
	unsigned	 i;
	int		 more = 0;

	until = mono_add(begin, us);
	indexes_shrink(set);
	for (i = 0; i < set->conf.files && !more; i++) {
		set->turn = (set->turn + 1) % set->conf.files;
		x = &set->index[set->turn];
		if (x->state == INDEX_BUILDING)
			more = build_step(x, until);
		else if (x->state == INDEX_READY) {
			if (mono_diff(x->used, begin) > UNUSED_US)
				index_drop(x);
			else
				more = index_step(x, now, until);
		}
	}
	return more;
}

/* --- questions --- */

static enum err
index_later(struct index *x)
{
	x->wanted = 1;
	return E_BUILDING;
}

static enum err
index_begin(struct index *x, int64_t now, uint64_t lsn)
{
	enum err	e;

	if (x->refused != E_OK && mono_diff(mono_now(), x->until) > 0)
		return x->refused;
	x->refused = E_OK;
	if ((e = build_start(x, now, lsn)) != E_OK)
		return e;
	build_step(x, mono_add(mono_now(), ASK_US));
	return E_OK;
}

/* What a question about an index that is there waits for. */
static enum err
index_ready(struct index *x, int sets, int64_t now)
{
	mono_t	until = mono_add(mono_now(), ASK_US);
	int	r = index_drain(x, until);

	if (r == 1 && sets)
		r = index_expire(x, 1, now, until);
	if (r == -1) {
		index_drop(x);
		return E_NOMEM;
	}
	if (r == 0 || !index_current(x, sets, now))
		return index_later(x);
	return sets && x->t.damaged_sets != 0 ? E_DAMAGED : E_OK;
}

enum err
indexes_ask(struct indexes *set, unsigned k, int sets, int64_t now,
    uint64_t lsn, struct index **out)
{
	struct index	*x = *out = &set->index[k];
	enum err	 e;

	x->used = mono_now();
	if (x->state == INDEX_NONE && (e = index_begin(x, now, lsn)) != E_OK)
		return e;
	if (x->state == INDEX_READY)
		return index_ready(x, sets, now);
	return x->refused != E_OK ? x->refused : index_later(x);
}

void
indexes_ahead(struct indexes *set, unsigned k, int64_t now, uint64_t lsn)
{
	struct index		*x, *next;
	struct index_stat	 st;

	if (k + 1 >= set->conf.files)
		return;
	x = &set->index[k];
	next = x + 1;
	indexes_stat(set, &st);
	/* As if it were to be as big as this one. */
	if (next->state != INDEX_NONE || next->refused != E_OK ||
	    st.bytes + index_bytes(x) > set->conf.limit)
		return;
	next->used = mono_now();
	index_begin(next, now, lsn);
}

void
indexes_stat(const struct indexes *set, struct index_stat *st)
{
	const struct index	*x;
	unsigned		 k;

	memset(st, 0, sizeof(*st));
	st->bytes = atomic_load(&set->leaving);
	for (k = 0; k < set->conf.files; k++) {
		x = &set->index[k];
		st->bytes += index_bytes(x);
		st->building += x->state == INDEX_BUILDING;
		st->built += x->state == INDEX_READY;
		if (x->state == INDEX_READY)
			st->entries += btree_count(x->t.keys);
	}
	st->builds = set->builds;
	st->dropped = set->dropped;
}
