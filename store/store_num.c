/*
 * store_num.c: the handlers of counters, scores and times to live.
 */
#include <string.h>

#include "store/store.h"

/* The number, if the record has it; its text, if this write put it there. */
static enum err
store_counted(struct store *st, const struct msg *m, unsigned slot,
    enum err e, const struct shard_result *res, int64_t n)
{
	struct frame	r;
	uint8_t		text[NUMBER_TEXT];

	memset(&r, 0, sizeof(r));
	if (e == E_OK && !res->vererror)
		r.score = n;
	if (res->written) {
		r.val = text;
		r.vallen = (uint32_t)number_put(text, n);
	}
	return store_wrote(st, m, slot, e, res, &r);
}

enum err
store_on_incr(struct actor *a, const struct msg *m)
{
	struct store		*st = a->self;
	struct shard_write	 w = store_asked(&m->f);
	int64_t			 n = m->f.score;
	struct shard_result	 res;
	struct shard_key	 k;
	enum err		 e;

	if ((e = store_admit(st, m, "KH", &k)) != E_OK)
		return e;
	res = store_nothing(&w);
	if ((e = store_grow(st, 0)) == E_OK)
		e = shard_incr(store_shard(st), &k, &w, &n, &res);
	return store_counted(st, m, k.slot, e, &res, n);
}

enum err
store_on_zadd(struct actor *a, const struct msg *m)
{
	struct store		*st = a->self;
	struct shard_write	 w = store_asked(&m->f);
	int64_t			 score = m->f.score;
	enum score_op		 op = SCORE_SET;
	struct shard_result	 res;
	struct shard_key	 k;
	enum err		 e;

	if ((e = store_admit(st, m, "Z", &k)) != E_OK)
		return e;
	switch (m->f.flags & (FRAME_ADD | FRAME_SUB)) {
	case FRAME_ADD | FRAME_SUB:
		return E_PARAM;
	case FRAME_ADD:
		op = SCORE_ADD;
		break;
	case FRAME_SUB:
		op = SCORE_SUB;
		break;
	}
	res = store_nothing(&w);
	if ((e = store_grow(st, 0)) == E_OK)
		e = shard_zadd(store_shard(st), &k, &w, op, &score, &res);
	return store_counted(st, m, k.slot, e, &res, score);
}

enum err
store_on_expire(struct actor *a, const struct msg *m)
{
	struct store		*st = a->self;
	struct shard_write	 w = store_asked(&m->f);
	struct shard_result	 res;
	struct shard_key	 k;
	struct frame		 r;
	enum err		 e;

	if ((e = store_admit(st, m, "KHSZ", &k)) != E_OK)
		return e;
	e = shard_expire(store_shard(st), &k, &w, &res);
	memset(&r, 0, sizeof(r));
	return store_wrote(st, m, k.slot, e, &res, &r);
}
