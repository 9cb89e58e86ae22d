/*
 * shard_kv.c: looking up, storing and deleting one record: the rules of
 * versions (contract 1.2), expiry and stamps, then log and data file.
 */
#include <string.h>
#include <xxhash.h>

#include "store/shard_impl.h"
#include "store/shard_place.h"

#define TTL_MAX	((int64_t)UINT32_MAX * 1000)	/* ms */

/* What stands under a key now. */
struct current {
	int		there;		/* any record, dead or expired too */
	int		live;
	uint32_t	version;
	struct stamp	stamp;
	size_t		bytes;
	data_seen	*seen;		/* also shown to the caller */
	void		*arg;
	int64_t		now;
	const uint64_t	*recent;	/* of a read: for the caller's lsn */
	struct shard_result *res;
};

/* A write whose value depends on what is there. */
struct changing {
	struct shard_write	*w;
	enum err		 err;
};

/* What a rule of versions decides. */
struct verdict {
	enum err	err;
	int		store;		/* 1: go on and write */
	uint32_t	version;	/* to store, or to report */
	int		vererror;
};

static enum err	 shard_may_write(const struct shard *,
		    const struct shard_write *, struct shard_result *);
static enum err	 shard_may_be(struct shard *, const struct shard_key *,
		    const struct shard_write *);
static uint64_t	*shard_take_key(struct shard *, const struct shard_key *);
static enum err	 shard_lookup(struct shard *, const struct shard_key *,
		    struct current *);
static void	 current_see(void *, const struct record *);
static enum err	 shard_lookup_change(struct shard *, const struct shard_key *,
		    struct current *, struct shard_write *);
static void	 changing_see(void *, const struct record *);
static struct verdict rule_put(const struct current *,
		    const struct shard_write *);
static struct verdict rule_del(const struct current *,
		    const struct shard_write *);
static int	 dup_wins(uint32_t v, uint32_t current);
static enum err	 shard_write(struct shard *, const struct shard_key *,
		    const struct current *, const struct shard_write *,
		    enum record_kind, uint32_t version, uint64_t *recent);

/* c->recent is that of the key, which is the record's, as hint is. */
static enum err
get(struct shard *s, const struct shard_key *k, const uint8_t *key,
    size_t keylen, uint64_t hint, struct current *c)
{
	struct shard_result	*res = c->res;
	enum err		 e;

	memset(res, 0, sizeof(*res));
	if (shard_hidden(s, k)) {
		res->lsn = *c->recent;
		return E_TYPE;
	}
	if (s->failed != E_OK && *c->recent > wal_released(s->wal))
		return E_READONLY;	/* that one will never be released */
	e = data_get_by(s->data, hint, k->slot, key, keylen, current_see, c);
	res->lsn = *c->recent;
	if (e == E_NOTFOUND || (e == E_OK && !c->live))
		return shard_no_member(s, k);
	res->version = c->version;
	return e;
}

enum err
shard_get(struct shard *s, const struct shard_key *k, data_seen *seen,
    void *arg, struct shard_result *res)
{
	struct current	c = { .recent = shard_take_key(s, k), .res = res,
	    .seen = seen, .arg = arg, .now = s->wall };

	return get(s, k, s->key, s->keylen, data_hint(s->data, k->slot,
	    s->key, s->keylen), &c);
}

int
shard_place(struct shard *s, struct shard_key *k, struct shard_place *p)
{
	p->keylen = record_key_len(k->tablen, k->keylen);
	if (p->keylen > sizeof(p->key))
		return 0;
	record_key_put(p->key, k->type, k->tab, k->tablen, k->key, k->keylen);
	k->tab = p->key + 1;
	k->key = p->key + p->keylen - k->keylen;
	p->recent = shard_recent(s, p->key, p->keylen);
	p->hint = data_hint(s->data, k->slot, p->key, p->keylen);
	return 1;
}

void
shard_ahead(struct shard *s, const struct shard_key *k,
    const struct shard_place *p)
{
	data_ahead(s->data, k->slot, p->hint);
}

enum err
shard_get_at(struct shard *s, const struct shard_key *k,
    const struct shard_place *p, data_seen *seen, void *arg,
    struct shard_result *res)
{
	struct current	c = { .recent = p->recent, .res = res, .seen = seen,
	    .arg = arg, .now = s->wall };

	return get(s, k, p->key, p->keylen, p->hint, &c);
}

static enum err
put(struct shard *s, const struct shard_key *k,
    const struct shard_write *asked, struct shard_result *res)
{
	struct current		 c = { .now = s->wall };
	struct shard_write	 w = *asked;
	struct verdict		 v;
	uint64_t		*recent;
	enum err		 e;

	if ((e = shard_may_write(s, &w, res)) != E_OK ||
	    (e = shard_may_be(s, k, &w)) != E_OK)
		return e;
	recent = shard_take_key(s, k);
	e = shard_lookup_change(s, k, &c, &w);
	/* A damaged record may be replaced by whoever asks for no version. */
	if (e == E_DAMAGED && w.ver == 0 && !w.create && w.change == NULL)
		e = E_OK;
	if (e != E_OK) {
		res->lsn = *recent;
		if (e == E_NOTFOUND && (e = shard_no_member(s, k)) == E_NOTFOUND)
			res->version = 0;
		return e;
	}
	v = rule_put(&c, &w);
	e = v.err;
	if (v.store)
		e = shard_write(s, k, &c, &w, RECORD_VALUE, v.version, recent);
	res->version = v.version;
	res->vererror = v.vererror;
	res->written = v.store && e == E_OK;
	res->lsn = *recent;
	return e;
}

enum err
shard_put(struct shard *s, const struct shard_key *k,
    const struct shard_write *w, struct shard_result *res)
{
	enum err	e = put(s, k, w, res);

	if (!res->written)
		tables_unclaim(s->tables);
	return e;
}

enum err
shard_del(struct shard *s, const struct shard_key *k,
    const struct shard_write *w, struct shard_result *res)
{
	static const struct shard_write	 nothing;
	struct current	 c = { .now = s->wall };
	struct verdict	 v;
	uint64_t	*recent;
	enum err	 e;

	if ((e = shard_may_write(s, w, res)) != E_OK)
		return e;
	if (shard_hidden(s, k))
		return E_TYPE;
	recent = shard_take_key(s, k);
	e = shard_lookup(s, k, &c);
	if (e == E_DAMAGED && w->ver == 0)
		c.live = 1;	/* nor need one see a damaged one to delete it */
	else if (e != E_OK && e != E_NOTFOUND)
		return e;
	v = rule_del(&c, w);
	e = v.err;
	if (e == E_NOTFOUND && (e = shard_no_member(s, k)) != E_NOTFOUND) {
		res->lsn = *recent;
		return e;
	}
	if (v.store)
		e = shard_write(s, k, &c, &nothing, RECORD_DEAD,
		    c.version != 0 ? c.version : 1, recent);
	res->version = v.version;
	res->vererror = v.vererror;
	res->written = v.store && e == E_OK;
	res->lsn = *recent;
	return e;
}

/*
 * What no record can hold must not reach the log: a start would take it for
 * damage.
 */
static enum err
shard_may_write(const struct shard *s, const struct shard_write *w,
    struct shard_result *res)
{
	memset(res, 0, sizeof(*res));
	res->version = w->ver;
	if (w->ver > VERSION_MAX)
		return E_VERSION;
	if (w->ttl > TTL_MAX)
		return E_PARAM;
	return s->failed;
}

/* Its table has, or gets, the type of the record. */
static enum err
shard_may_be(struct shard *s, const struct shard_key *k,
    const struct shard_write *w)
{
	if (!w->update)
		return shard_claim(s, k);
	/* What is there has a table; for what is not there none is made. */
	return shard_hidden(s, k) ? E_TYPE : E_OK;
}

/*
 * Leaves the engine key in s->key; gives the key's place in recent, which no
 * cache holds: it comes while the record is looked up.
 */
static uint64_t *
shard_take_key(struct shard *s, const struct shard_key *k)
{
	record_key_put(s->key, k->type, k->tab, k->tablen, k->key, k->keylen);
	s->keylen = record_key_len(k->tablen, k->keylen);
	return shard_recent(s, s->key, s->keylen);
}

uint64_t *
shard_recent(struct shard *s, const uint8_t *key, size_t keylen)
{
	uint64_t	*recent = &s->recent[XXH3_64bits(key, keylen) %
			    RECENT_SIZE];

	__builtin_prefetch(recent, 1);
	return recent;
}

static enum err
shard_lookup(struct shard *s, const struct shard_key *k, struct current *c)
{
	return data_get(s->data, k->slot, s->key, s->keylen, current_see, c);
}

static void
current_see(void *arg, const struct record *r)
{
	struct current	*c = arg;

	c->there = 1;
	c->stamp = r->stamp;
	c->bytes = RECORD_HEAD + r->vallen;
	c->live = record_live(r, c->now);
	if (!c->live)
		return;
	c->version = r->version;
	if (c->res != NULL)
		c->res->lsn = *c->recent;
	if (c->seen != NULL)
		c->seen(c->arg, r);
}

/*
 * Looks up and lets w->change see it.  That there is no record is E_OK here;
 * errors are those of the lookup and of the change.
 */
static enum err
shard_lookup_change(struct shard *s, const struct shard_key *k,
    struct current *c, struct shard_write *w)
{
	struct changing	 ch = { .w = w };
	enum err	 e;

	if (w->change != NULL) {
		c->seen = changing_see;
		c->arg = &ch;
	}
	e = shard_lookup(s, k, c);
	if (e == E_NOTFOUND)
		e = E_OK;
	if (e == E_OK && w->change != NULL && !c->live)
		changing_see(&ch, NULL);
	return e != E_OK ? e : ch.err;
}

static void
changing_see(void *arg, const struct record *r)
{
	struct changing	*ch = arg;

	ch->err = ch->w->change(ch->w->arg, r, ch->w);
}

static struct verdict
verdict(enum err err, int store, uint32_t version, int vererror)
{
	return (struct verdict){ err, store, version, vererror };
}

/* Contract 1.2, the rows of put-like writes. */
static struct verdict
rule_put(const struct current *c, const struct shard_write *w)
{
	uint32_t	next = c->version % VERSION_MAX + 1;

	if (w->keep)
		return verdict(E_OK, 0, c->version, 0);
	if (w->create && c->live)
		return verdict(E_EXISTS, 0, c->version, 0);
	if (w->is_dup) {
		if (w->ver == 0)
			return verdict(E_VERSION, 0, 0, 0);
		if (!c->live || dup_wins(w->ver, c->version))
			return verdict(E_OK, 1, w->ver, 0);
		return verdict(E_OK, 0, c->version, 1);
	}
	if (!c->live && w->ver != 0)
		return verdict(E_VERSION, 0, 0, 0);
	if (c->live && w->ver != 0 && w->ver != c->version)
		return verdict(E_VERSION, 0, c->version, 1);
	return verdict(E_OK, 1, c->live ? next : 1, 0);
}

/* Contract 1.2, the rows of deletes. */
static struct verdict
rule_del(const struct current *c, const struct shard_write *w)
{
	if (!c->live)
		return verdict(E_NOTFOUND, 0, 0, 0);
	if (w->ver == 0 || w->ver == c->version)
		return verdict(E_OK, 1, c->version, 0);
	if (!w->is_dup)
		return verdict(E_VERSION, 0, c->version, 1);
	if (dup_wins(w->ver, c->version))
		return verdict(E_OK, 1, c->version, 0);
	return verdict(E_OK, 0, c->version, 1);
}

/* Not older, or just past the wrap. */
static int
dup_wins(uint32_t v, uint32_t current)
{
	return v >= current ||
	    (VERSION_MAX - current <= 100000 && v <= 100000);
}

/*
 * Everything a write needs, before any of it is done: a stamp below the
 * durable bound, log space, space in the data file.
 */
enum err
shard_reserve(struct shard *s, unsigned slot, size_t keylen, size_t vallen)
{
	struct wal_stat	 ws;
	enum err	 e;

	e = wal_reserve(s->wal, keylen, vallen);
	if (e != E_OK && e != E_AGAIN)
		return e;	/* not to be waited for */
	if (!clock_may(&s->clock, wal_bound(s->wal))) {
		shard_ask_bound(s);
		wal_kick(s->wal, 1);
		return E_AGAIN;
	}
	if (e != E_OK)
		return e;
	wal_stat(s->wal, &ws);
	if (s->conf.ops->files && ws.segments > shard_log_limit(s))
		return E_AGAIN;
	return data_reserve(s->data, slot, keylen + vallen);
}

/* Log first, then the data file; the order of architecture 4, RULE write. */
static enum err
shard_write(struct shard *s, const struct shard_key *k,
    const struct current *c, const struct shard_write *w,
    enum record_kind kind, uint32_t version, uint64_t *recent)
{
	size_t		 n = s->keylen;
	size_t		 size = RECORD_HEAD + w->headlen + w->vallen;
	struct record	 r;
	uint8_t		*key, *val;
	enum err	 e;

	if ((e = shard_reserve(s, k->slot, n, size)) != E_OK)
		return shard_refuse_write(s, e);
	s->nospace = 0;
	*recent = wal_add(s->wal, n, size, &key, &val);
	memcpy(key, s->key, n);
	if (w->headlen > 0)
		memcpy(val + RECORD_HEAD, w->head, w->headlen);
	if (w->vallen > 0)
		memcpy(val + RECORD_HEAD + w->headlen, w->val, w->vallen);
	memset(&r, 0, sizeof(r));
	r.stamp.hlc = clock_next(&s->clock);
	s->wrote = s->clock.read;
	r.stamp.node = s->conf.node_no;
	r.stamp.store = (uint16_t)s->conf.store;
	r.prev = c->stamp;
	r.expiry = w->ttl > 0 ? s->wall + w->ttl : 0;
	r.version = version;
	r.slot = (uint16_t)k->slot;
	r.kind = (uint8_t)kind;
	r.replaced = c->there ? (uint32_t)(n + c->bytes) : 0;
	r.vallen = w->headlen + w->vallen;
	record_seal(val, &r, key, n);
	tables_logged(s->tables, *recent, wal_batch(s->wal));
	if (data_set(s->data, k->slot, key, n, val, size, *recent) != E_OK) {
		s->failed = E_READONLY;
		return E_UNSURE;	/* the log may have it */
	}
	return E_OK;
}

enum err
shard_refuse_write(struct shard *s, enum err e)
{
	if (e == E_NOSPACE)
		s->nospace = 1;
	return e;
}
