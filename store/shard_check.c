/*
 * shard_check.c: the check of a shard in use (shard_scrub.h).
 *
 * In one turn, when no file is being compacted, an image of the data files is
 * taken: descriptors, sizes, digests, the sums of tables.  What lies below
 * those sizes never changes, so a thread of our own can read it while the loop
 * goes on, and must come to the same digests and sums.  In the same turn the
 * indexes that are there tell how many entries they have.  Then come the log's
 * segments, and last, on the loop in small steps, each entry of the indexes is
 * held against its record as both are at that moment.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "store/index_impl.h"
#include "store/scrub.h"
#include "store/shard_impl.h"

#define LATER_MS	60000	/* what ends sooner may leave an index */
#define WALK_ENTRIES	32u	/* of an index, in a step */
#define PATIENCE_MS	600000	/* for a moment without compaction */

enum place { AT_IMAGE, AT_FILES, AT_LOG, AT_INDEXES, AT_END };

struct shard_check {
	struct shard	*s;
	struct helper	*helper;
	struct pace	 pace;
	shard_found	*found;
	shard_checked	*checked;
	void		*arg;
	enum place	 place;
	int64_t		 begun;		/* wall ms */
	struct data_image *im;
	/* Entries of its index then that end later, if ever; -1: none. */
	int64_t		 had[FILES_MAX];
	int		 summed;	/* all files, into im->counted */
	enum err	 err;
	struct check_result r;
	uint64_t	 all;		/* bytes that there are to be read */

	/* The job; the thread's while it is busy. */
	int		 busy;
	struct job	 job;
	unsigned	 k;		/* AT_FILES, AT_INDEXES: the file */
	struct wal_part	 seg;
	struct finds	 finds;
	struct manifest_slot *slot;
	uint64_t	 records, lasting;
	int		 broken;

	/* AT_INDEXES */
	uint8_t		 after[RECORD_KEY_MAX];
	size_t		 afterlen;
};

/* --- on the thread --- */

static enum err
file_work(struct job *job)
{
	struct shard_check	*c = job->arg;
	const struct shard_conf	*conf = &c->s->conf;
	const struct data_part	*p = &c->im->part[c->k];
	struct check_gen	 g = { .io = &c->pace.io, .path = p->path,
	    .fd = p->raw, .k = c->k, .store = conf->store,
	    .stores = conf->stores, .files = conf->files, .size = p->size,
	    .count = p->count, .sums = p->sums.n != 0 ? &p->sums : NULL,
	    .pace = &c->pace, .found = finds_add, .arg = &c->finds,
	    .slot = c->slot, .later = c->begun + LATER_MS,
	    .lasting = &c->lasting,
	    .tables = c->im->tables.sums != 0 ? c->im->counted : NULL };
	enum err		 e;

	scrub_be_nice();
	memset(c->slot, 0, CHECK_SLOTS * sizeof(*c->slot));
	c->lasting = 0;
	if ((e = check_gen_blocks(&g)) != E_OK)
		return e;
	g.fd = p->fd;
	if ((e = check_gen_records(&g)) != E_OK ||
	    (e = check_gen_structure(&g)) != E_OK)
		return e;
	c->records = g.records;
	c->broken = g.broken;
	if (!g.broken)
		check_gen_digests(&g, c->im->slot);
	return E_OK;
}

static enum err
seg_work(struct job *job)
{
	struct shard_check	*c = job->arg;
	const struct shard_conf	*conf = &c->s->conf;

	scrub_be_nice();
	return scrub_segment(&c->pace, &c->seg, conf->node,
	    (uint16_t)conf->store, &c->finds);
}

/* --- on the loop --- */

static void
check_tell(struct shard_check *c, unsigned k, const char *what)
{
	c->found(c->arg, c->im->part[k].path, CHECK_NOWHERE, what);
	c->r.bad++;
}

static void
check_over(struct shard_check *c, enum err e)
{
	struct shard	*s = c->s;

	c->r.bytes = atomic_load(&c->pace.bytes);
	s->check = NULL;
	data_image_leave(s->data);
	c->checked(c->arg, e, &c->r);
	c->place = AT_END;
	check_free(c);
}

static void
check_run(struct shard_check *c, enum err (*work)(struct job *),
    void (*done)(struct job *, enum err))
{
	c->job.work = work;
	c->job.done = done;
	c->job.arg = c;
	c->busy = 1;
	helper_run(c->helper, &c->job);
}

/* How many entries an index must have now that end later, or never. */
static void
index_counts(struct shard_check *c)
{
	struct indexes	*set = c->s->indexes;
	struct index	*x;
	int64_t		 later = c->begun + LATER_MS;
	unsigned	 k;

	for (k = 0; k < c->s->conf.files; k++) {
		x = &set->index[k];
		c->had[k] = -1;
		if (x->state == INDEX_READY && x->feed.head == NULL)
			c->had[k] = (int64_t)(btree_count(x->t.keys) -
			    trees_expired(&x->t, later, 0) -
			    trees_expired(&x->t, later, 1));
	}
}

static void
column_differs(void *arg, const struct tables_name *name,
    const struct table_sum *column, const struct table_sum *is)
{
	struct shard_check	*c = arg;
	char			 what[160 + CATALOGUE_NAME];

	snprintf(what, sizeof(what), "table %c %.*s: the catalogue shows %"
	    PRId64 " members of %" PRId64 " bytes, and not %" PRId64 " of %"
	    PRId64, name->type, (int)name->tablen, (const char *)name->tab,
	    column->count, column->size, is->count, is->size);
	c->found(c->arg, c->s->conf.dir, CHECK_NOWHERE, what);
	c->r.bad++;
}

static void
check_image(struct shard_check *c)
{
	struct wal_stat	ws;
	unsigned	k;
	enum err	e;

	e = data_image_take(c->s->data, &c->pace, &c->im);
	if (e == E_AGAIN && c->s->wall - c->begun > PATIENCE_MS)
		e = E_NOTREADY;
	if (e == E_AGAIN)
		return;
	if (e != E_OK) {
		check_over(c, e);
		return;
	}
	c->begun = c->s->wall;
	index_counts(c);
	tables_verify(c->s->tables, column_differs, c);
	for (k = 0; k < c->im->files; k++)
		c->all += 3 * c->im->part[k].size;
	wal_stat(c->s->wal, &ws);
	c->all += ws.segments * c->s->conf.segment;
	c->summed = c->im->tables.sums != 0;
	c->place = AT_FILES;
}

static void
index_compare(struct shard_check *c)
{
	int64_t	had = c->had[c->k];

	if (had != -1 && (uint64_t)had != c->lasting)
		check_tell(c, c->k, "its index does not have as many entries "
		    "as the file has live records");
}

static void
file_done(struct job *job, enum err e)
{
	struct shard_check	*c = job->arg;
	const struct data_part	*p = &c->im->part[c->k];
	int			 clean = c->finds.all == 0;

	c->busy = 0;
	finds_take(&c->finds, c->found, c->arg, &c->r.bad);
	if (e != E_OK) {
		c->err = e;
		c->summed = 0;
	} else {
		c->r.blocks += p->sums.n;
		c->r.records += c->records;
		if (clean)	/* an index takes damaged records for live */
			index_compare(c);
		c->summed &= !c->broken;
		c->s->broken |= c->broken;
	}
	data_part_free(&c->im->part[c->k++]);
}

static void
check_files(struct shard_check *c)
{
	const struct data_image	*im = c->im;

	for (; c->k < im->files; c->k++) {
		if (im->part[c->k].fd != -1) {
			check_run(c, file_work, file_done);
			return;
		}
		c->summed = 0;
		if (c->s->conf.ops->files)
			check_tell(c, c->k, "cannot be opened, or its "
			    "compaction has stopped: not checked");
	}
	c->place = AT_LOG;
}

/* All files have been read: what they hold is what the tables say. */
static void
check_sums(struct shard_check *c)
{
	struct manifest	counted = { .sums = 0 };
	struct finds	finds = { .n = 0 };

	if (!c->summed)
		return;
	c->summed = 0;
	tables_save(c->im->counted, &counted);
	if (counted.sums == 0)
		c->err = E_NOMEM;
	else
		check_tables(&c->im->tables, &counted, c->s->conf.dir,
		    finds_add, &finds);
	manifest_clear_tables(&counted);
	finds_take(&finds, c->found, c->arg, &c->r.bad);
}

static void
seg_done(struct job *job, enum err e)
{
	struct shard_check	*c = job->arg;

	c->busy = 0;
	if (!wal_has(c->s->wal, c->seg.number)) {
		finds_clear(&c->finds);		/* it was recycled meanwhile */
		return;
	}
	finds_take(&c->finds, c->found, c->arg, &c->r.bad);
	c->r.segments += e == E_OK;
	if (e != E_OK)
		c->err = e;
}

static void
check_log(struct shard_check *c)
{
	if (!wal_part_next(c->s->wal, c->seg.number, &c->seg)) {
		c->place = AT_INDEXES;
		c->k = 0;
		c->afterlen = 0;
		return;
	}
	check_run(c, seg_work, seg_done);
}

/* --- indexes --- */

struct entry {
	const struct index_entry *e;
	int		 same;
};

static void
entry_seen(void *arg, const struct record *r)
{
	struct entry	*w = arg;

	w->same = r->kind == RECORD_VALUE && r->version == w->e->version &&
	    r->expiry == w->e->expiry;
}

static void
entry_check(struct shard_check *c, const struct index_entry *e)
{
	struct entry	w = { e, 0 };
	unsigned	slot;
	enum err	err;

	if (e->expired)
		return;
	slot = e->type == TYPE_ZSET ? slot_of(e->tab, e->tablen) :
	    slot_of(e->key, e->keylen);
	err = data_get(c->s->data, slot, c->after, c->afterlen, entry_seen,
	    &w);
	c->r.entries++;
	/* Where a damaged record lies has been told. */
	if (err != E_DAMAGED && !w.same)
		check_tell(c, c->k, "its index has an entry that is no live "
		    "record");
}

/* Some entries behind the last one; 1: there are more. */
static int
index_walk(struct shard_check *c, const struct index *x)
{
	struct btree_iter	it;
	struct btree_at		at;
	struct index_entry	e;
	unsigned		n = 0;

	btree_seek(x->t.keys, &it, c->after, c->afterlen);
	while (n < WALK_ENTRIES && btree_next(&it, &at)) {
		if (c->afterlen == at.keylen &&
		    memcmp(c->after, at.key, at.keylen) == 0)
			continue;
		n++;
		memcpy(c->after, at.key, at.keylen);
		c->afterlen = at.keylen;
		if (trees_entry(&at, 0, c->s->wall, &e))
			entry_check(c, &e);
	}
	btree_iter_end(&it);
	return n == WALK_ENTRIES;
}

static void
check_index(struct shard_check *c)
{
	struct shard	*s = c->s;
	struct index	*x;
	enum err	 e = E_NOTFOUND;

	/* Asking for one that is not there would build it. */
	if (c->k < s->conf.files && s->indexes->index[c->k].state ==
	    INDEX_READY)
		e = indexes_ask(s->indexes, c->k, 0, s->wall,
		    wal_last(s->wal), &x);
	if (e == E_BUILDING || (e == E_OK && index_walk(c, x)))
		return;
	c->afterlen = 0;
	if (++c->k >= s->conf.files)
		check_over(c, c->err);
}

/* --- all of it --- */

int
check_look(struct shard *s)
{
	struct shard_check	*c = s->check;

	if (c == NULL || c->busy)
		return 0;
	if (s->failed != E_OK) {
		check_over(c, E_NOTREADY);
		return 0;
	}
	switch (c->place) {
	case AT_IMAGE:
		check_image(c);
		break;
	case AT_FILES:
		check_files(c);
		break;
	case AT_LOG:
		check_sums(c);
		check_log(c);
		break;
	case AT_INDEXES:
		check_index(c);
		break;
	case AT_END:
		break;
	}
	return s->check != NULL && !c->busy && c->place != AT_IMAGE;
}

/* A job's end is the beginning of the next one. */
void
check_poll(struct shard *s)
{
	if (s->check == NULL)
		return;
	helper_poll(s->check->helper);
	(void)check_look(s);
}

void
check_free(struct shard_check *c)
{
	if (c == NULL)
		return;
	atomic_store(&c->pace.stop, 1);
	helper_free(c->helper);
	pace_free(&c->pace);
	finds_clear(&c->finds);
	data_image_free(c->im);
	free(c->slot);
	free(c);
}

enum err
shard_check(struct shard *s, uint64_t rate, shard_found *found,
    shard_checked *checked, void *arg)
{
	struct shard_check	*c;

	if (s->check != NULL)
		return E_AGAIN;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return E_NOMEM;
	c->s = s;
	c->found = found;
	c->checked = checked;
	c->arg = arg;
	c->begun = s->wall;
	c->slot = calloc(CHECK_SLOTS, sizeof(*c->slot));
	if (c->slot == NULL || pace_init(&c->pace, s->conf.io, rate) == -1 ||
	    (c->helper = helper_new(s->conf.notify, s->conf.arg)) == NULL) {
		check_free(c);
		return E_NOMEM;
	}
	s->check = c;
	return E_OK;
}

uint64_t
shard_check_bytes(const struct shard *s, uint64_t *all)
{
	*all = s->check != NULL ? s->check->all : 0;
	return s->check != NULL ? atomic_load(&s->check->pace.bytes) : 0;
}
