/*
 * store_list.c: STORE_LIST: a page of the entries that are here, or of those
 * that an export wrote.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/msg.h"
#include "proto/slot.h"
#include "store/store_export.h"
#include "store/store_job.h"

#define STEP_US		500
#define PAGE_LEAST	512u		/* bytes */
#define PAGE_FIRST	65536u
#define OFFSET_SYNC	1000000u	/* contract 1.7 */
#define OFFSET_ASYNC	100000000u

static enum err	 list_walk_step(struct list_job *);
static enum err	 list_snap_step(struct list_job *);
static enum walk_take list_take(void *, const struct list_item *);
static void	 list_damaged(void *, unsigned slot);

enum err
list_ask_table(const struct actor *a, const struct frame *f,
    const struct list_ask *q)
{
	unsigned	slot;

	if (f->tablen != 0 && !store_table_valid(f->tab, f->tablen))
		return E_PARAM;
	switch (f->type) {
	case 0:
	case TYPE_KV:
		return f->tablen != 0 || q->order != LIST_KEYS ? E_PARAM : E_OK;
	case TYPE_HASH:
	case TYPE_SET:
		return f->tablen == 0 || q->order != LIST_KEYS ? E_PARAM : E_OK;
	case TYPE_ZSET:
		break;
	default:
		return E_PARAM;
	}
	slot = slot_of(f->tab, f->tablen);
	if (f->tablen == 0 || q->min > q->max || slot_store(slot,
	    (unsigned)conf_int(a->conf, CONF_STORES_COUNT)) != a->seat)
		return E_PARAM;
	return slot < q->start || slot >= q->end ? E_TYPE : E_OK;
}

enum err
list_ask_check(const struct actor *a, const struct frame *f,
    struct list_ask *q)
{
	uint32_t	n = f->vallen < LIST_ASK_SIZE ? f->vallen :
			    LIST_ASK_SIZE;
	int		async;
	enum err	e;

	if ((e = list_ask_get(q, f->val, n)) != E_OK)
		return e;
	if (f->vallen > n && (f->keylen != 0 || f->vallen > n + LIST_AFTER))
		return E_BADMSG;
	async = (q->flags & LIST_ASYNC) != 0;
	if (q->start >= q->end || q->end > SLOTS || (int64_t)q->file >=
	    conf_int(a->conf, CONF_STORES_FILES))
		return E_PARAM;
	/* A snapshot of all types is of one file, and any can be reversed. */
	if ((async && f->type == 0 && !(q->flags & LIST_ONE_FILE)) ||
	    ((q->flags & LIST_REVERSE) && q->order == LIST_KEYS && !async))
		return E_PARAM;
	return list_ask_table(a, f, q);
}

/* The last key that the asker has seen, wherever it stands. */
static enum err
list_begin(const struct actor *a, struct list_job *j)
{
	const struct frame	*f = &j->m.f;
	struct walk_conf	 c = {
		.ask = &j->ask, .limit = j->ask.limit, .type = f->type,
		.tab = f->tab, .tablen = f->tablen,
		.files = (unsigned)conf_int(a->conf, CONF_STORES_FILES),
		.take = list_take, .damaged = list_damaged, .arg = j
	};

	walk_init(&j->walk, &c);
	if (f->keylen != 0)
		return walk_after(&j->walk, f->key, f->keylen);
	if (f->vallen > LIST_ASK_SIZE)
		return walk_after(&j->walk, f->val + LIST_ASK_SIZE,
		    f->vallen - LIST_ASK_SIZE);
	return E_OK;
}

enum err
store_on_list(struct actor *a, const struct msg *m)
{
	struct store	*st = a->self;
	struct list_job	*j;
	enum err	 e;
	int		 async;

	if ((e = store_may(st, m)) != E_OK)
		return e;
	if ((j = job_new(a, m, list_walk_step)) == NULL)
		return E_NOMEM;
	e = list_ask_check(a, &j->m.f, &j->ask);
	async = (j->ask.flags & LIST_ASYNC) != 0;
	if (e == E_OK && (j->ask.limit > LIST_MOST || j->ask.cover ||
	    j->ask.offset > (async ? OFFSET_ASYNC : OFFSET_SYNC)))
		e = E_PARAM;
	if (e == E_OK && async)
		j->step = list_snap_step;
	else if (e == E_OK)
		e = list_begin(a, j);
	if (e != E_OK) {
		job_free(j);
		return e;
	}
	return job_start(j);
}

/* To begin with: the others may be about as long as the first one. */
static size_t
page_guess(const struct list_job *j, size_t n)
{
	size_t	all = (n + n / 8) * j->ask.limit;

	return all < PAGE_LEAST ? PAGE_LEAST : all < PAGE_FIRST ? all :
	    PAGE_FIRST;
}

/* Room for n more bytes of page; nothing follows a very long entry. */
static uint8_t *
page_room(struct list_job *j, size_t n)
{
	size_t	 cap = j->pagecap;
	uint8_t	*p;

	if (j->pagelen == 0) {
		j->pagelen = LIST_HEAD_SIZE;
		cap = page_guess(j, n);
	}
	while (cap < j->pagelen + n)
		cap = n > LIST_PAGE ? j->pagelen + n : cap * 2;
	if (cap > j->pagecap) {
		if ((p = realloc(j->page, cap)) == NULL)
			return NULL;
		j->page = p;
		j->pagecap = cap;
	}
	return j->page + j->pagelen;
}

static enum walk_take
list_take(void *arg, const struct list_item *i)
{
	struct list_job	*j = arg;
	struct list_item bare = *i;
	size_t		 n = list_item_size(i);
	uint8_t		*p;

	if (j->count > 0 && j->pagelen + n > LIST_PAGE)
		return WALK_REFUSE;
	/* Too long a value for an answer that has to name its key as well. */
	if (LIST_HEAD_SIZE + n > VALUE_MAX) {
		bare.vallen = 0;
		n = list_item_size(&bare);
	}
	if ((p = page_room(j, n)) == NULL)
		return WALK_NOMEM;
	j->pagelen += list_item_put(p, &bare);
	j->count++;
	return WALK_ON;
}

static void
list_damaged(void *arg, unsigned slot)
{
	struct list_job	*j = arg;

	store_damaged(j->st, slot);
}

static enum err
list_done(struct list_job *j, struct list_head *h)
{
	if (page_room(j, 0) == NULL)
		return E_NOMEM;
	h->count = j->count;
	list_head_put(j->page, h);
	j->r.val = j->page;
	j->r.vallen = (uint32_t)j->pagelen;
	return E_OK;
}

static enum err
list_walk_step(struct list_job *j)
{
	struct walk		*w = &j->walk;
	struct list_head	 h = { 0 };
	enum err		 e;

	if ((e = job_table(j)) != E_OK)
		return e;
	e = walk_step(w, store_shard(j->st), store_now(j->st), STEP_US);
	j->lsn = w->lsn;
	if (e != E_OK)
		return e;
	h.flags = (uint8_t)((w->more ? LIST_MORE : 0) |
	    (w->lost ? LIST_LOST : 0));
	h.file = (uint16_t)w->last;
	h.passed = w->passed;
	return list_done(j, &h);
}

/* Entries of the snapshot, from one end or the other. */
static enum err
snap_walk(struct list_job *j, const struct snapshot_id *id, mono_t until)
{
	struct snapshot		*s = &j->snap;
	struct list_item	 item;
	uint64_t		 i;
	enum walk_take		 took;
	enum err		 e;

	while (j->count < j->ask.limit &&
	    (i = j->ask.offset + j->count) < s->total) {
		if (j->ask.flags & LIST_REVERSE)
			i = s->total - 1 - i;
		if ((e = snapshot_read(s, i, id, &item)) != E_OK)
			return e;
		took = list_take(j, &item);
		if (took == WALK_NOMEM)
			return E_NOMEM;
		if (took == WALK_REFUSE)
			break;
		if (mono_diff(until, mono_now()) > 0)
			return E_PENDING;
	}
	return E_OK;
}

static enum err
list_snap_step(struct list_job *j)
{
	struct list_head	h = { .file = j->ask.file };
	struct snapshot_id	id;
	uint64_t		passed = j->ask.offset;
	enum err		e;

	exports_id(j->a, &j->ask, &j->m.f, &id);
	if (!j->snapping) {
		e = snapshot_open(&j->snap, exports_dir(store_exports(j->st)),
		    &id);
		if (e != E_OK)
			return e;
		j->snapping = 1;
	}
	e = snap_walk(j, &id, mono_add(mono_now(), STEP_US));
	if (e != E_OK)
		return e;
	if (passed > j->snap.total)
		passed = j->snap.total;
	h.passed = passed;
	h.total = j->snap.total;
	h.flags = passed + j->count < h.total ? LIST_MORE : 0;
	return list_done(j, &h);
}
