/*
 * store_rank.c: STORE_ZCOUNT and STORE_ZRANK: how many members of a sorted set
 * have scores between two, and how many stand before one.
 */
#include <string.h>

#include "proto/slot.h"
#include "store/store_job.h"

static enum err	 rank_count_step(struct list_job *);
static enum err	 rank_step(struct list_job *);

enum err
store_on_zcount(struct actor *a, const struct msg *m)
{
	struct store	*st = a->self;
	struct list_job	*j;
	enum err	 e;

	if ((e = store_may(st, m)) != E_OK)
		return e;
	if ((j = job_new(a, m, rank_count_step)) == NULL)
		return E_NOMEM;
	e = list_ask_get(&j->ask, j->m.f.val, j->m.f.vallen);
	j->ask.start = 0;
	j->ask.end = SLOTS;
	if (e == E_OK)
		e = j->m.f.type != TYPE_ZSET ? E_PARAM :
		    list_ask_table(a, &j->m.f, &j->ask);
	if (e != E_OK) {
		job_free(j);
		return e;
	}
	return job_start(j);
}

enum err
store_on_zrank(struct actor *a, const struct msg *m)
{
	struct store		*st = a->self;
	struct shard_key	 k;
	struct list_job		*j;
	enum err		 e;

	if ((e = store_admit(st, m, "Z", &k)) != E_OK)
		return e;
	if ((j = job_new(a, m, rank_step)) == NULL)
		return E_NOMEM;
	/* Those were checked, the others a peer may have changed since. */
	memcpy(j->bytes, k.tab, k.tablen);
	memcpy(j->bytes + k.tablen, k.key, k.keylen);
	return job_start(j);
}

static enum err
rank_count_step(struct list_job *j)
{
	const struct frame	*f = &j->m.f;
	uint64_t		 below, within = 0;
	enum err		 e;

	if ((e = job_table(j)) != E_OK)
		return e;
	e = shard_zcount(store_shard(j->st), slot_of(f->tab, f->tablen),
	    f->tab, f->tablen, j->ask.min, j->ask.max, &below, &within,
	    &j->lsn);
	j->r.score = (int64_t)within;	/* 0 unless E_OK */
	return e;
}

struct ranked {
	int64_t		score;
	uint32_t	version;
	enum err	err;
};

static void
rank_seen(void *arg, const struct record *r)
{
	struct ranked	*k = arg;

	k->version = r->version;
	k->err = score_get(r, &k->score);
}

/* Its score is in its record; its place among the others in the index. */
static enum err
rank_step(struct list_job *j)
{
	const struct frame	*f = &j->m.f;
	struct shard		*s = store_shard(j->st);
	struct shard_key	 k = {
		.type = TYPE_ZSET, .slot = slot_of(f->tab, f->tablen),
		.tab = f->tab, .tablen = f->tablen,
		.key = f->key, .keylen = f->keylen
	};
	struct shard_result	 res = { 0 };
	struct ranked		 seen = { .err = E_OK };
	uint64_t		 rank, below, all, lsn = 0;
	enum err		 e;

	e = shard_get(s, &k, rank_seen, &seen, &res);
	j->lsn = res.lsn;
	if (e == E_OK)
		e = seen.err;
	if (e != E_OK)
		return e;
	e = shard_zrank(s, k.slot, k.tab, k.tablen, seen.score, k.key,
	    k.keylen, &rank, &lsn);
	if (e != E_OK)
		return e;
	if (f->flags & FRAME_REVERSE) {
		e = shard_zcount(s, k.slot, k.tab, k.tablen, INT64_MIN,
		    INT64_MAX, &below, &all, &lsn);
		if (e != E_OK)
			return e;
		rank = all - 1 - rank;
	}
	if (lsn > j->lsn)
		j->lsn = lsn;
	j->r.score = (int64_t)rank;
	j->r.ver = seen.version;
	return E_OK;
}
