/*
 * shard_tables.c: what a shard asks of the tables that its records belong to:
 * may a record of this type be written, what does it mean that there is none;
 * and the end of those whose name became another type's.
 */
#include <string.h>

#include "proto/slot.h"
#include "store/shard_impl.h"

#define EXPIRE_MS	200	/* between looks at what has expired */
#define SWEEP		32	/* records deleted at once */

enum err
shard_claim(struct shard *s, const struct shard_key *k)
{
	enum err	e = tables_claim(s->tables, k->type, k->tab, k->tablen,
			    (uint64_t)s->clock.now_ms << 16);

	/*
	 * E_AGAIN would keep the message and so hold up its link; who has the
	 * lock may have been stopped.
	 */
	return e == E_AGAIN ? E_NOTREADY : e;
}

enum err
shard_missing(struct shard *s, uint8_t type, const uint8_t *tab,
    size_t tablen)
{
	return tables_missing(s->tables, type, tab, tablen);
}

enum err
shard_no_member(struct shard *s, const struct shard_key *k)
{
	return tables_missing(s->tables, k->type, k->tab, k->tablen);
}

int
shard_hidden(struct shard *s, const struct shard_key *k)
{
	return !s->sweeping &&
	    tables_hidden(s->tables, k->type, k->tab, k->tablen);
}

void
shard_expire_tables(struct shard *s)
{
	/* Also when the clock was set back. */
	if (s->wall >= s->expired && s->wall < s->expired + EXPIRE_MS)
		return;
	s->expired = s->wall;
	tables_expire(s->tables, s->wall);
}

/* --- tables that are hidden --- */

struct swept {
	struct shard_key	k;
	uint8_t			tab[FRAME_TABLE], key[FRAME_KEY];
};

/* One is enough: deleting it changes the index that shows it. */
static int
sweep_see(void *arg, const struct index_entry *e)
{
	struct swept	*w = arg;

	if (e->expired)
		return 1;
	memcpy(w->key, e->key, e->keylen);
	w->k.key = w->key;
	w->k.keylen = e->keylen;
	return 0;
}

/* Finds a record in one file and deletes it; E_NOTFOUND there is none. */
static enum err
sweep_one(struct shard *s, struct swept *w)
{
	static const struct shard_write	any;
	struct shard_range	 range = { .file = s->sweep, .type = w->k.type,
	    .tab = w->k.tab, .tablen = w->k.tablen };
	struct shard_result	 res;
	uint64_t		 lsn;
	enum err		 e;

	w->k.key = NULL;
	if ((e = shard_list(s, &range, sweep_see, w, &lsn)) != E_OK)
		return e;
	if (w->k.key == NULL)
		return E_NOTFOUND;
	w->k.slot = w->k.type == TYPE_ZSET ?
	    slot_of(w->k.tab, w->k.tablen) : slot_of(w->k.key, w->k.keylen);
	s->sweeping = 1;
	e = shard_del(s, &w->k, &any, &res);
	s->sweeping = 0;
	return e == E_NOTFOUND ? E_INTERNAL : e;
}

int
shard_sweep(struct shard *s)
{
	struct tables_name	name;
	struct swept		w;
	unsigned		n;
	enum err		e = E_OK;

	if (!tables_to_delete(s->tables, &name))
		return 0;
	memcpy(w.tab, name.tab, name.tablen);
	w.k = (struct shard_key){ .type = name.type, .tab = w.tab,
	    .tablen = name.tablen };
	for (n = 0; n < SWEEP && e == E_OK; n++)
		e = sweep_one(s, &w);
	if (e == E_NOTFOUND)
		s->sweep = (s->sweep + 1) % s->conf.files;
	shard_kick(s);
	/* What else stands in the way is not gone at once. */
	return e == E_OK || (e == E_NOTFOUND && s->sweep != 0);
}
