/*
 * shard_apply.c: records that were made elsewhere: by a shard of another number
 * (restore into other stores), by another node.  They go the way of every
 * write, log first, but without a rule of versions and without a stamp of ours.
 *
 * Invariants
 * 1 Of two records of a key the one with the later stamp stays, whatever the
 *   order in which they come, and however often.
 * 2 The batch that holds a record carries a clock bound that is not below its
 *   stamp, so our own stamps are later also after a reboot.
 */
#include <string.h>

#include "proto/slot.h"
#include "store/shard_impl.h"

/* What is to be taken over; borrowed. */
struct apply {
	const uint8_t		*key, *val;
	size_t			 keylen, vallen;
	struct record		 r;
	struct shard_key	 k;
};

/* What stands under the key now. */
struct standing {
	struct stamp	stamp;
	uint32_t	version;
};

/*
 * The slot of a record by its key; -1: it is no key.  What a router keeps lies
 * with its queue; its own has no name, and any slot will do.
 */
static int
slot_by_key(const struct shard_key *k, unsigned slot)
{
	switch (k->type) {
	case TYPE_KV:
		return k->tablen != 0 ? -1 : (int)slot_of(k->key, k->keylen);
	case TYPE_HASH:
	case TYPE_SET:
		return k->tablen == 0 ? -1 : (int)slot_of(k->key, k->keylen);
	case TYPE_ZSET:
		return k->tablen == 0 ? -1 : (int)slot_of(k->tab, k->tablen);
	case TYPE_MESSAGE:
	case TYPE_DELIVERY:
	case TYPE_SETTINGS:
	case TYPE_ITEM:
	case TYPE_WORKER:
		return (int)(k->tablen == 0 ? slot :
		    slot_of(k->tab, k->tablen));
	default:
		return -1;
	}
}

/* A record whose slot is not its key's would be there and never be found. */
static enum err
apply_check(const struct shard *s, struct apply *a)
{
	struct shard_key	*k = &a->k;

	if (record_get(&a->r, a->key, a->keylen, a->val, a->vallen) != E_OK ||
	    record_key_get(a->key, a->keylen, &k->type, &k->tab, &k->tablen,
	    &k->key, &k->keylen) != E_OK)
		return E_DAMAGED;
	k->slot = a->r.slot;
	if (slot_by_key(k, k->slot) != (int)k->slot ||
	    slot_store(k->slot, s->conf.stores) != s->conf.store)
		return E_PARAM;
	return E_OK;
}

/* The name has been the table's since the record was made. */
static enum err
apply_claim(struct shard *s, const struct apply *a)
{
	if (a->r.kind != RECORD_VALUE)
		return shard_hidden(s, &a->k) ? E_TYPE : E_OK;
	return tables_claim(s->tables, a->k.type, a->k.tab, a->k.tablen,
	    a->r.stamp.hlc);
}

static void
standing_see(void *arg, const struct record *r)
{
	struct standing	*c = arg;

	c->stamp = r->stamp;
	c->version = r->version;
}

/* As shard_write, with the record's own stamp. */
static enum err
apply_write(struct shard *s, const struct apply *a, uint64_t *recent)
{
	uint8_t		*key, *val;
	enum err	 e;

	e = shard_reserve(s, a->k.slot, a->keylen, a->vallen);
	if (e != E_OK)
		return shard_refuse_write(s, e);
	s->nospace = 0;
	clock_take(&s->clock, a->r.stamp.hlc);
	shard_ask_bound(s);
	*recent = wal_add(s->wal, a->keylen, a->vallen, &key, &val);
	memcpy(key, a->key, a->keylen);
	memcpy(val, a->val, a->vallen);
	s->wrote = s->clock.read;
	tables_logged(s->tables, *recent, wal_batch(s->wal));
	if (data_set(s->data, a->k.slot, key, a->keylen, val, a->vallen,
	    *recent) != E_OK) {
		s->failed = E_READONLY;
		return E_UNSURE;	/* the log may have it */
	}
	return E_OK;
}

static enum err
apply(struct shard *s, const struct apply *a, struct shard_result *res)
{
	uint64_t	*recent = shard_recent(s, a->key, a->keylen);
	struct standing	 c = { .version = 0 };
	enum err	 e;

	e = data_get(s->data, a->k.slot, a->key, a->keylen, standing_see, &c);
	/* What is damaged can only become better. */
	if (e != E_OK && e != E_NOTFOUND && e != E_DAMAGED)
		return e;
	res->version = a->r.version;
	if (e == E_OK && stamp_cmp(&a->r.stamp, &c.stamp) <= 0) {
		res->version = c.version;
		e = E_OK;
	} else if ((e = apply_write(s, a, recent)) == E_OK)
		res->written = 1;
	res->lsn = *recent;
	return e;
}

enum err
shard_apply(struct shard *s, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen, struct shard_result *res)
{
	struct apply	a = { .key = key, .keylen = keylen, .val = val,
	    .vallen = vallen };
	enum err	e;

	memset(res, 0, sizeof(*res));
	if (s->failed != E_OK)
		return s->failed;
	if ((e = apply_check(s, &a)) != E_OK ||
	    (e = apply_claim(s, &a)) != E_OK)
		return e;
	e = apply(s, &a, res);
	if (!res->written)
		tables_unclaim(s->tables);
	return e;
}

enum err
shard_each(struct shard *s, unsigned k, data_one *fn, void *arg)
{
	return data_each(s->data, k, fn, arg);
}
