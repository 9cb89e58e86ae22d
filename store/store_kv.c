/*
 * store_kv.c: the handlers of messages about one record of any type: decode,
 * look or write in the shard, answer when the log allows.
 */
#include <string.h>

#include "store/store.h"

/* A get that found its record. */
struct getting {
	struct store		*st;
	const struct msg	*m;
	struct shard_result	 res;
	enum err		 err;		/* of the value */
	int			 value;		/* 0: exist */
};

static enum err	 store_read(struct actor *, const struct msg *, int value);
static void	 store_read_seen(void *, const struct record *);

enum err
store_on_get(struct actor *a, const struct msg *m)
{
	return store_read(a, m, 1);
}

enum err
store_on_exist(struct actor *a, const struct msg *m)
{
	return store_read(a, m, 0);
}

static enum err
store_read(struct actor *a, const struct msg *m, int value)
{
	struct getting	 g = { .st = a->self, .m = m, .value = value };
	struct shard_key k;
	struct frame	 r;
	enum err	 e;

	if ((e = store_admit(g.st, m, "KHSZ", &k)) != E_OK)
		return e;
	e = shard_get(store_shard(g.st), &k, store_read_seen, &g, &g.res);
	if (e == E_OK && (e = g.err) == E_OK)
		return E_PENDING;	/* answered from store_read_seen */
	if (e == E_DAMAGED)
		store_damaged(g.st, k.slot);
	memset(&r, 0, sizeof(r));
	return store_answer(g.st, m, e, &r, g.res.lsn, 0);
}

/* Straight from the data file into the lane: no copy in between. */
static void
store_read_seen(void *arg, const struct record *rec)
{
	struct getting	*g = arg;
	struct frame	 r;
	uint8_t		 text[NUMBER_TEXT];

	memset(&r, 0, sizeof(r));
	r.ver = rec->version;
	r.type = g->m->f.type;
	r.kind = rec->kind;
	r.stamp = rec->stamp;
	r.prev = rec->prev;
	r.ttl = store_left(g->st, rec);
	if (g->value && (g->err = store_value(rec, r.type, text, &r)) != E_OK)
		return;
	store_answer(g->st, g->m, E_OK, &r, g->res.lsn, 0);
}

int64_t
store_left(const struct store *st, const struct record *rec)
{
	return record_left(rec->expiry, store_now(st));
}

enum err
store_value(const struct record *rec, uint8_t type, uint8_t buf[NUMBER_TEXT],
    struct frame *r)
{
	r->val = rec->val;
	r->vallen = (uint32_t)rec->vallen;
	if (type != TYPE_ZSET)
		return E_OK;
	if (score_get(rec, &r->score) != E_OK)
		return E_DAMAGED;
	r->val = buf;
	r->vallen = (uint32_t)number_put(buf, r->score);
	return E_OK;
}

enum err
store_on_put(struct actor *a, const struct msg *m)
{
	struct write_op	 w;
	enum err	 e;

	if ((e = store_write(&w, a, m, "KHS")) != E_OK)
		return e;
	/* Contract 1.1: at least one byte; members of sets have none. */
	if ((w.asked.vallen == 0) != (w.k.type == TYPE_SET))
		return E_PARAM;
	if ((e = store_grow(w.st, w.asked.vallen)) == E_OK)
		e = shard_put(store_shard(w.st), &w.k, &w.asked, &w.res);
	return store_wrote(&w, e, NULL);
}

enum err
store_on_del(struct actor *a, const struct msg *m)
{
	struct write_op	 w;
	enum err	 e;

	if ((e = store_write(&w, a, m, "KHSZ")) != E_OK)
		return e;
	e = shard_del(store_shard(w.st), &w.k, &w.asked, &w.res);
	return store_wrote(&w, e, NULL);
}

static struct shard_write
store_asked(const struct frame *f)
{
	return (struct shard_write){
		.val = f->val, .vallen = f->vallen, .ver = f->ver,
		.ttl = f->ttl, .is_dup = (f->flags & FRAME_IS_DUP) != 0,
		.create = (f->flags & FRAME_CREATE) != 0
	};
}

enum err
store_write(struct write_op *w, struct actor *a, const struct msg *m,
    const char *types)
{
	w->st = a->self;
	w->m = m;
	w->asked = store_asked(&m->f);
	w->res = store_nothing(&w->asked);
	return store_admit(w->st, m, types, &w->k);
}

enum err
store_wrote(const struct write_op *w, enum err e, const int64_t *n)
{
	struct frame	r;
	uint8_t		text[NUMBER_TEXT];

	if (e == E_AGAIN)
		return e;
	if (e == E_DAMAGED)
		store_damaged(w->st, w->k.slot);
	memset(&r, 0, sizeof(r));
	r.ver = w->res.version;
	r.flags = w->res.vererror ? FRAME_VERERROR : 0;
	if (n != NULL && e == E_OK && !w->res.vererror)
		r.score = *n;
	if (n != NULL && w->res.written) {
		r.val = text;
		r.vallen = (uint32_t)number_put(text, *n);
	}
	return store_answer(w->st, w->m, e, &r, w->res.lsn, 1);
}
