/*
 * restore_spread.c: a backup into another number of stores or data files (and
 * its routers, which stay so many, likewise; each sort by itself).  One
 * old shard after the other is put together, opened and read, file by file, and
 * each of its live records given to the new shard of its slot, byte for byte
 * (shard_apply).  Dead ones stay behind: this node alone has the data.
 *
 * Sums and digests do not depend on how slots lie in stores: at the end those
 * of all new shards must be those of all old ones (restore_proof.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "store/restore_impl.h"

#define TURN		64		/* records between turns */
#define FULL_TRIES	5000		/* pauses; checkpoints shorten the log */

/* A shard of the new node. */
struct to {
	struct shard	*s;
	char		 dir[PATH_MAX];
};

struct spread {
	struct restore	*r;
	int		 router;
	unsigned	 first;			/* of the old ones, in BACKUP */
	unsigned	 nfrom, nto;		/* how many there are */
	struct to	*to;
	struct manifest	*old, *new;		/* as they were closed */
	unsigned	 nold, nnew;
	const char	*from;			/* directory at hand */
	unsigned	 records;		/* since the last turn */
	int		 said;			/* why there is an error */
};

/* One turn of a store's loop, for each of them. */
static void
turn_all(struct spread *w)
{
	unsigned	i;

	for (i = 0; i < w->nto; i++) {
		shard_turn(w->to[i].s);
		shard_kick(w->to[i].s);
		shard_poll(w->to[i].s);
		shard_work(w->to[i].s);
	}
	restore_tell(w->r, w->records);
	w->records = 0;
}

static enum err
give(struct spread *w, unsigned slot, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen)
{
	struct shard		*s = w->to[slot_store(slot, w->nto)].s;
	struct shard_result	 res;
	unsigned		 full = 0;
	enum err		 e;

	while ((e = shard_apply(s, key, keylen, val, vallen, &res)) ==
	    E_AGAIN || (e == E_NOSPACE && full++ < FULL_TRIES)) {
		turn_all(w);
		restore_pause();
	}
	if (e != E_OK)
		w->said = restore_bad(w->from, "a record of slot %u: %s", slot,
		    err_text(e));
	return e;
}

static enum err
take_one(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen)
{
	struct spread	*w = arg;
	struct record	 r;

	if (w->records++ >= TURN)
		turn_all(w);
	if (record_get(&r, key, keylen, val, vallen) != E_OK) {
		w->said = restore_bad(w->from, "a record fails its checksum");
		return E_DAMAGED;
	}
	if (r.kind != RECORD_VALUE)
		return E_OK;
	return give(w, r.slot, key, keylen, val, vallen);
}

static int
take_files(struct spread *w, struct shard *s)
{
	unsigned	k;
	enum err	e;

	for (k = 0; k < w->r->link[0].b.files; k++)
		if ((e = shard_each(s, k, take_one, w)) != E_OK)
			return w->said ? -1 : restore_bad(w->from, "data file "
			    "%u: %s", k, err_text(e));
	return 0;
}

static uint64_t
records_of(const struct shard *s)
{
	struct shard_stat	st;

	shard_stat(s, &st);
	return st.data.records;
}

static int
spread_shard(struct spread *w, unsigned i)
{
	struct restore	*r = w->r;
	struct shard	*s;
	char		 dir[PATH_MAX];
	unsigned	 n = w->first + i;
	int		 bad;

	restore_path(dir, "%s/restore.%u", r->data, n);
	w->from = dir;
	restore_begin(r, "bytes copied", restore_bytes(r, (int)n));
	if (restore_shard(r, n, dir) == -1)
		return -1;
	restore_end(r);
	if (restore_open(r, n, dir, &s) == -1)
		return -1;
	restore_begin(r, "records of a shard", records_of(s));
	w->records = 0;
	bad = take_files(w, s) == -1;
	turn_all(w);
	restore_end(r);
	if (bad) {
		shard_close(s, 0);
		return -1;
	}
	if (restore_close(r, dir, &s, &w->old[i]) == -1)
		return -1;
	w->nold = i + 1;
	return restore_rmdir(dir);
}

/* --- all of them --- */

static int
open_new(struct spread *w)
{
	struct to	*t;
	unsigned	 i;

	for (i = 0; i < w->nto; i++) {
		t = &w->to[i];
		restore_path(t->dir, "%s/%s.%u", w->r->data, w->router ?
		    "router" : "store", i);
		if (restore_open_new(w->r, i, w->nto, t->dir, &t->s) == -1)
			return -1;
	}
	return 0;
}

static int
close_new(struct spread *w)
{
	unsigned	i;

	for (i = 0; i < w->nto; i++) {
		if (restore_close(w->r, w->to[i].dir, &w->to[i].s,
		    &w->new[i]) == -1)
			return -1;
		w->nnew = i + 1;
	}
	return 0;
}

static int
spread_all(struct spread *w)
{
	unsigned	i;

	if (open_new(w) == -1)
		return -1;
	for (i = 0; i < w->nfrom; i++)
		if (spread_shard(w, i) == -1)
			return -1;
	if (close_new(w) == -1)
		return -1;
	return restore_same(w->old, w->nold, w->new, w->nnew);
}

static void
let_go(struct spread *w)
{
	unsigned	i;

	for (i = 0; w->to != NULL && i < w->nto; i++)
		shard_close(w->to[i].s, 0);
	for (i = 0; i < w->nold; i++)
		manifest_clear(&w->old[i]);
	for (i = 0; i < w->nnew; i++)
		manifest_clear(&w->new[i]);
	free(w->to);
	free(w->old);
	free(w->new);
}

/*
 * The shard at hand is there twice, as it was and as records; and what came
 * last stands in the new logs too.
 */
uint64_t
restore_spread_room(const struct restore *r)
{
	uint64_t	all = restore_bytes(r, -1), most = 0, n, log;
	unsigned	i;

	for (i = 0; i < backup_shards(&r->link[0].b); i++)
		if ((n = restore_bytes(r, (int)i)) > most)
			most = n;
	log = (uint64_t)(r->stores + r->routers) * (r->files + 4) *
	    RESTORE_SEGMENT;
	return all + most + (log < all ? log : all);
}

int
restore_spread(struct restore *r, int router)
{
	struct spread	w = { .r = r, .router = router };
	int		rv = -1;

	w.first = router ? r->link[0].b.stores : 0;
	w.nfrom = router ? r->routers : r->link[0].b.stores;
	w.nto = router ? r->routers : r->stores;
	if (w.nto == 0)
		return 0;
	w.to = calloc(w.nto, sizeof(*w.to));
	w.old = calloc(w.nfrom, sizeof(*w.old));
	w.new = calloc(w.nto, sizeof(*w.new));
	if (w.to == NULL || w.old == NULL || w.new == NULL)
		restore_bad(r->data, "out of memory");
	else
		rv = spread_all(&w);
	let_go(&w);
	return rv;
}
