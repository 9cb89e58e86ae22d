/*
 * store_num.c: the handlers of counters, scores and times to live.
 */
#include "store/store.h"

enum err
store_on_incr(struct actor *a, const struct msg *m)
{
	int64_t		 n = m->f.score;
	struct write_op	 w;
	enum err	 e;

	if ((e = store_write(&w, a, m, "KH")) != E_OK)
		return e;
	if ((e = store_grow(w.st, 0)) == E_OK)
		e = shard_incr(store_shard(w.st), &w.k, &w.asked, &n, &w.res);
	return store_wrote(&w, e, &n);
}

/* E_PARAM: both at once. */
static enum err
score_op_get(const struct frame *f, enum score_op *op)
{
	switch (f->flags & (FRAME_ADD | FRAME_SUB)) {
	case FRAME_ADD | FRAME_SUB:
		return E_PARAM;
	case FRAME_ADD:
		*op = SCORE_ADD;
		break;
	case FRAME_SUB:
		*op = SCORE_SUB;
		break;
	default:
		*op = SCORE_SET;
	}
	return E_OK;
}

enum err
store_on_zadd(struct actor *a, const struct msg *m)
{
	int64_t		 score = m->f.score;
	enum score_op	 op;
	struct write_op	 w;
	enum err	 e;

	if ((e = store_write(&w, a, m, "Z")) != E_OK ||
	    (e = score_op_get(&m->f, &op)) != E_OK)
		return e;
	if ((e = store_grow(w.st, 0)) == E_OK)
		e = shard_zadd(store_shard(w.st), &w.k, &w.asked, op, &score,
		    &w.res);
	return store_wrote(&w, e, &score);
}

enum err
store_on_expire(struct actor *a, const struct msg *m)
{
	struct write_op	 w;
	enum err	 e;

	if ((e = store_write(&w, a, m, "KHSZ")) != E_OK)
		return e;
	e = shard_expire(store_shard(w.st), &w.k, &w.asked, &w.res);
	return store_wrote(&w, e, NULL);
}
