/*
 * data.c: reads and writes of records in the data files of one shard, and the
 * sums over them (counts, digests, live bytes) that tell whether a file is what
 * MANIFEST says.  Runs on the store's loop.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "store/data_impl.h"
#include "store/index_impl.h"
#include "supervisor/log.h"

unsigned
data_k(const struct data *d, unsigned slot)
{
	return slot_file(slot, d->conf.stores, d->conf.files);
}

/* What a record takes in a file, near enough: engine header, padding to 8. */
size_t
data_bytes(size_t keylen, size_t vallen)
{
	return (keylen + vallen + 10 + 7) & ~(size_t)7;
}

void
data_name(char *out, size_t n, unsigned k, uint64_t gen)
{
	snprintf(out, n, "data.%u.%" PRIu64 ".tkh", k, gen);
}

void
data_path(const struct data *d, char *out, size_t n, unsigned k, uint64_t gen)
{
	char	name[NAME_LEN];

	data_name(name, sizeof(name), k, gen);
	snprintf(out, n, "%s/%s", d->conf.dir, name);
}

void
data_file_name(const struct data *d, unsigned slot, char *out, size_t n)
{
	unsigned	k = data_k(d, slot);

	data_name(out, n, k, d->file[k].now.gen);
}

/* --- sums --- */

void
tally_add(struct tally *t, const struct record *r, const uint8_t *key,
    size_t keylen)
{
	struct manifest_slot	*s = &t->slot[r->slot];
	size_t			 n = data_bytes(keylen, RECORD_HEAD + r->vallen);

	t->records++;
	if (r->kind != RECORD_VALUE)
		return;
	t->live += n;
	expiry_add(&t->expiry, r->expiry, n);
	s->count++;
	digest_xor(&s->digest, record_digest(r, key, keylen));
}

void
tally_sub(struct tally *t, const struct record *r, const uint8_t *key,
    size_t keylen)
{
	struct manifest_slot	*s = &t->slot[r->slot];
	size_t			 n = data_bytes(keylen, RECORD_HEAD + r->vallen);

	t->records--;
	if (r->kind != RECORD_VALUE)
		return;
	t->live -= n;
	expiry_sub(&t->expiry, r->expiry, n);
	s->count--;
	digest_xor(&s->digest, record_digest(r, key, keylen));
}

void
tally_clear(const struct data *d, struct tally *t, unsigned k)
{
	unsigned	s;

	t->records = t->live = 0;
	expiry_free(&t->expiry);
	for (s = 0; s < SLOTS; s++)
		if (data_k(d, s) == k)
			memset(&t->slot[s], 0, sizeof(t->slot[s]));
}

void
tally_take(const struct data *d, struct tally *t, unsigned k,
    struct tally *from)
{
	unsigned	s;

	expiry_free(&t->expiry);
	t->expiry = from->expiry;
	from->expiry = (struct expiry){ 0 };
	t->records = from->records;
	t->live = from->live;
	for (s = 0; s < SLOTS; s++)
		if (data_k(d, s) == k)
			t->slot[s] = from->slot[s];
}

/* --- reading --- */

struct look {
	const uint8_t	*key;
	size_t		 keylen;
	data_seen	*seen;
	void		*arg;
	enum err	 err;
};

static int
look_see(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	struct look	*l = arg;
	struct record	 r;

	(void)val;
	(void)len;
	l->err = E_NOTFOUND;
	if (old == NULL)
		return 0;
	l->err = record_get(&r, l->key, l->keylen, old, oldlen);
	if (l->err == E_OK)
		l->seen(l->arg, &r);
	return 0;
}

/* Most are in the newest generation, where they can be read in place. */
static enum err
look_now(struct data *d, struct engine *e, uint64_t hint, struct look *l)
{
	const struct engine_ops	*ops = d->conf.ops;
	const uint8_t		*p;
	size_t			 n;

	if (hint == 0 ||
	    (p = ops->glance(e, hint, l->key, l->keylen, &n)) == NULL)
		return ops->process(e, l->key, l->keylen, look_see, l, 0);
	(void)look_see(l, p, n, NULL, NULL);
	return E_OK;
}

enum err
data_get_by(struct data *d, uint64_t hint, unsigned slot, const uint8_t *key,
    size_t keylen, data_seen *seen, void *arg)
{
	struct data_file	*f = &d->file[data_k(d, slot)];
	struct look		 l = { key, keylen, seen, arg, E_OK };
	uint8_t			 was = data_touch(d, data_k(d, slot));
	enum err		 e;

	e = look_now(d, f->now.e, hint, &l);
	if (e == E_OK && l.err == E_NOTFOUND && data_two(f))
		e = d->conf.ops->process(f->older.e, key, keylen, look_see, &l,
		    0);
	data_touched(d, data_k(d, slot), was);
	if (e == E_OK)
		e = l.err;
	/* It may have been where nothing can be read any more. */
	if (e == E_NOTFOUND && data_slot_lost(d, slot))
		e = E_DAMAGED;
	if (e == E_DAMAGED)
		d->damaged++;
	return e;
}

enum err
data_get(struct data *d, unsigned slot, const uint8_t *key, size_t keylen,
    data_seen *seen, void *arg)
{
	return data_get_by(d, data_hint(d, slot, key, keylen), slot, key,
	    keylen, seen, arg);
}

uint64_t
data_hint(struct data *d, unsigned slot, const uint8_t *key, size_t keylen)
{
	const struct engine_ops	*ops = d->conf.ops;

	return ops->hint == NULL ? 0 :
	    ops->hint(d->file[data_k(d, slot)].now.e, key, keylen);
}

void
data_ahead(struct data *d, unsigned slot, uint64_t hint)
{
	unsigned	k = data_k(d, slot);
	uint8_t		was;

	if (hint == 0)
		return;
	was = data_touch(d, k);		/* it reads the bucket */
	d->conf.ops->ahead(d->file[k].now.e, hint);
	data_touched(d, k, was);
}

/* --- writing --- */

struct put {
	const uint8_t	*key, *val;
	size_t		 keylen, vallen;
	unsigned	 slot;
	struct record	 old;		/* header fields only, if known */
	int		 found, damaged, known;
};

static int
put_look(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	struct put	*p = arg;

	(void)val;
	(void)len;
	if (old != NULL) {
		p->found = 1;
		p->damaged = record_get(&p->old, p->key, p->keylen, old,
		    oldlen) != E_OK;
		p->known = !p->damaged || (record_peek(&p->old, old,
		    oldlen) == E_OK && p->old.slot == p->slot);
	}
	return 0;
}

static int
put_see(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	struct put	*p = arg;

	put_look(arg, old, oldlen, val, len);
	*val = p->val;
	*len = p->vallen;
	return 1;
}

enum err
data_reserve(struct data *d, unsigned slot, size_t bytes)
{
	return gen_reserve(d, &d->file[data_k(d, slot)].now, bytes);
}

/*
 * Stores into the newest generation and says what was seen before.  in_newest:
 * whether it was seen there.
 */
static enum err
put(struct data *d, struct data_file *f, struct put *p, int *in_newest)
{
	const struct engine_ops	*ops = d->conf.ops;
	enum err		 e;

	if ((e = gen_reserve(d, &f->now, p->keylen + p->vallen)) != E_OK)
		return e;
	e = ops->process(f->now.e, p->key, p->keylen, put_see, p, 1);
	*in_newest = p->found;
	f->now.used += data_bytes(p->keylen, p->vallen) + 8;
	if (e == E_OK && !p->found && data_two(f))
		e = ops->process(f->older.e, p->key, p->keylen, put_look, p, 0);
	return e;
}

static void
put_tables(struct data *d, unsigned k, const struct put *p,
    const struct record *r)
{
	const struct record	*old = p->known ? &p->old : NULL;

	tables_change(d->conf.tables, p->key, p->keylen, old, r);
	if (d->round.sum != NULL && d->round.begun >> k & 1)
		tables_change(d->round.sum, p->key, p->keylen, old, r);
}

static void
put_tally(struct data *d, struct data_file *f, const struct put *p,
    const struct record *r, int in_newest)
{
	if (p->known)
		tally_sub(&f->sum, &p->old, p->key, p->keylen);
	tally_add(&f->sum, r, p->key, p->keylen);
	if (!data_two(f))
		return;
	if (in_newest && p->known)
		tally_sub(&d->fresh, &p->old, p->key, p->keylen);
	tally_add(&d->fresh, r, p->key, p->keylen);
}

enum err
data_set(struct data *d, unsigned slot, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen, uint64_t lsn)
{
	unsigned		 k = data_k(d, slot);
	struct data_file	*f = &d->file[k];
	struct put		 p = { .key = key, .keylen = keylen,
	    .val = val, .vallen = vallen, .slot = slot };
	struct record		 r;
	int			 in_newest = 0;
	uint8_t			 was;
	enum err		 e;

	if (record_peek(&r, val, vallen) != E_OK || r.slot != slot)
		return E_INTERNAL;
	f->dirty = 1;
	was = data_touch(d, k);
	e = put(d, f, &p, &in_newest);
	data_touched(d, k, was);
	if (e == E_OK)
		put_tally(d, f, &p, &r, in_newest);
	if (e == E_OK && d->conf.tables != NULL)
		put_tables(d, k, &p, &r);
	if (e == E_OK && f->index != NULL)
		index_change(f->index, key, keylen, &r, lsn);
	if (e == E_OK && p.damaged) {
		d->damaged++;
		f->lost++;
		d->tables_lost++;
		d->fresh_lost += in_newest && data_two(f);
	}
	if (e != E_OK && d->failed == E_OK)
		d->failed = e;
	return e;
}

/* --- adding up a whole file --- */

struct scan {
	struct data	*d;
	unsigned	 k;
	struct tally	*all, *newer;
	struct tables	*tables;
	uint64_t	 n, bad;
};

static void
scan_one(struct scan *s, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, int in_newer)
{
	struct record	r;

	if (record_get(&r, key, keylen, val, vallen) != E_OK) {
		s->bad++;
		/* Its header may still be right, and then its digest is. */
		if (record_peek(&r, val, vallen) != E_OK)
			return;
	}
	if (data_k(s->d, r.slot) != s->k) {
		s->bad++;
		return;
	}
	tally_add(s->all, &r, key, keylen);
	if (s->tables != NULL)
		tables_change(s->tables, key, keylen, NULL, &r);
	if (in_newer && s->newer != NULL)
		tally_add(s->newer, &r, key, keylen);
}

static int
scan_shadow(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	(void)oldlen;
	(void)val;
	(void)len;
	*(int *)arg = old != NULL;
	return 0;
}

/* over: the generation whose records hide those of g, or NULL. */
static enum err
scan_gen(struct scan *s, struct gen *g, struct gen *over)
{
	const struct engine_ops	*ops = s->d->conf.ops;
	struct engine_iter	*it;
	const uint8_t		*key, *val;
	size_t			 keylen, vallen;
	int			 hidden = 0;
	enum err		 e;

	if ((it = ops->iter(g->e)) == NULL)
		return E_NOMEM;
	while ((e = ops->next(it, &key, &keylen, &val, &vallen)) == E_OK) {
		if (s->n++ % 256 == 0 && s->d->conf.progress != NULL)
			s->d->conf.progress(s->d->conf.arg);
		if (over != NULL && (e = ops->process(over->e, key, keylen,
		    scan_shadow, &hidden, 0)) != E_OK)
			break;
		if (!hidden)
			scan_one(s, key, keylen, val, vallen, over == NULL);
	}
	ops->iter_free(it);
	return e == E_NOTFOUND ? E_OK : e;
}

enum err
data_scan(struct data *d, unsigned k, struct tally *all, struct tally *newer,
    struct tables *tables, uint64_t *bad)
{
	struct data_file	*f = &d->file[k];
	struct scan		 s = { d, k, all, newer, tables, 0, 0 };
	uint8_t			 was = data_touch(d, k);
	enum err		 e;

	e = scan_gen(&s, &f->now, NULL);
	if (e == E_OK && data_two(f))
		e = scan_gen(&s, &f->older, &f->now);
	data_touched(d, k, was);
	*bad = s.bad;
	return e;
}

/* --- the rest --- */

uint64_t
data_lsn(const struct data *d, unsigned slot)
{
	return d->man.file[data_k(d, slot)].now.lsn;
}

void
data_set_bound(struct data *d, uint64_t bound)
{
	if (bound > d->bound)
		d->bound = bound;
}

enum err
data_failed(const struct data *d)
{
	return d->failed;
}

void
data_set_compact_bytes(struct data *d, uint64_t bytes)
{
	d->conf.compact_bytes = bytes;
}

void
data_stat(const struct data *d, int64_t now, struct data_stat *st)
{
	const struct engine_ops	*ops = d->conf.ops;
	struct data		*w = (struct data *)(uintptr_t)d;
	unsigned		 k;

	memset(st, 0, sizeof(*st));
	for (k = 0; k < d->conf.files; k++) {
		struct data_file *f = &w->file[k];

		st->records += f->sum.records;
		st->live_bytes += f->sum.live;
		/* Only moves bytes that are past from the table to the sum. */
		st->expired_bytes += expiry_past(&f->sum.expiry, now);
		st->bytes += ops->size(f->now.e);
		if (data_two(f))
			st->bytes += ops->size(f->older.e);
		st->compacting += f->older.e != NULL;
	}
	for (k = 0; k < SLOTS; k++)
		st->live_records += d->slot[k].count;
	for (k = 0; k < SLOTS; k++)
		st->lost_slots += (unsigned)data_slot_lost(d, k);
	st->checkpoints = d->checkpoints;
	st->compactions = d->compactions;
}
