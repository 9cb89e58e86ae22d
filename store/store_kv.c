/*
 * store_kv.c: the handlers of the key-value messages: decode, look or write
 * in the shard, answer when the log allows.
 */
#include <string.h>

#include "store/store.h"

/* A get that found its record. */
struct getting {
	struct store		*st;
	const struct msg	*m;
	struct shard_result	 res;
	int			 value;		/* 0: exist */
};

static enum err	 store_read(struct actor *, const struct msg *, int value);
static void	 store_read_seen(void *, const struct record *);
static enum err	 store_wrote(struct store *, const struct msg *, unsigned slot,
		    enum err, const struct shard_result *);

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

	if ((e = store_admit(g.st, m, &k)) != E_OK)
		return e;
	e = shard_get(store_shard(g.st), &k, store_read_seen, &g, &g.res);
	if (e == E_OK)
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

	memset(&r, 0, sizeof(r));
	r.ver = rec->version;
	r.type = g->m->f.type;
	r.kind = rec->kind;
	r.stamp = rec->stamp;
	r.prev = rec->prev;
	if (rec->expiry != 0)
		r.ttl = rec->expiry > store_now(g->st) ?
		    rec->expiry - store_now(g->st) : 1;	/* 0 is: none */
	if (g->value) {
		r.val = rec->val;
		r.vallen = (uint32_t)rec->vallen;
	}
	store_answer(g->st, g->m, E_OK, &r, g->res.lsn, 0);
}

enum err
store_on_put(struct actor *a, const struct msg *m)
{
	struct store		*st = a->self;
	struct shard_write	 w = {
		.val = m->f.val, .vallen = m->f.vallen, .ver = m->f.ver,
		.ttl = m->f.ttl, .is_dup = (m->f.flags & FRAME_IS_DUP) != 0,
		.create = (m->f.flags & FRAME_CREATE) != 0
	};
	struct shard_result	 res;
	struct shard_key	 k;
	enum err		 e;

	if ((e = store_admit(st, m, &k)) != E_OK)
		return e;
	if (w.vallen == 0)
		return E_PARAM;		/* contract 1.1: at least one byte */
	e = shard_put(store_shard(st), &k, &w, &res);
	return store_wrote(st, m, k.slot, e, &res);
}

enum err
store_on_del(struct actor *a, const struct msg *m)
{
	struct store		*st = a->self;
	struct shard_write	 w = {
		.ver = m->f.ver, .is_dup = (m->f.flags & FRAME_IS_DUP) != 0
	};
	struct shard_result	 res;
	struct shard_key	 k;
	enum err		 e;

	if ((e = store_admit(st, m, &k)) != E_OK)
		return e;
	e = shard_del(store_shard(st), &k, &w, &res);
	return store_wrote(st, m, k.slot, e, &res);
}

static enum err
store_wrote(struct store *st, const struct msg *m, unsigned slot, enum err e,
    const struct shard_result *res)
{
	struct frame	r;

	if (e == E_AGAIN)
		return e;
	if (e == E_DAMAGED)
		store_damaged(st, slot);
	memset(&r, 0, sizeof(r));
	r.ver = res->version;
	r.flags = res->vererror ? FRAME_VERERROR : 0;
	return store_answer(st, m, e, &r, res->lsn, 1);
}
