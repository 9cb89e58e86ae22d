/*
 * check_gen.c: the passes over a data file that check_gen.h names, each by a
 * reader that trusts nothing that the pass is to verify.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "store/check_gen.h"
#include "store/salvage.h"

#define WHAT	160		/* bytes of a finding */

static void
tell(const struct check_gen *c, uint64_t off, const char *what)
{
	c->found(c->arg, c->path, off, what);
}

enum err
check_gen_blocks(struct check_gen *c)
{
	const struct sums	*s = c->sums;
	uint64_t		 off;
	size_t			 i;
	enum err		 e;

	for (i = 0; s != NULL && i < sums_blocks(s); i++) {
		e = sums_check(s, c->io, c->fd, i);
		off = (uint64_t)i * SUMS_BLOCK;
		if (e == E_DAMAGED)
			tell(c, off < s->base ? s->base : off,
			    "block fails its checksum");
		else if (e != E_OK)
			return e;
	}
	return E_OK;
}

/* --- records --- */

/*
 * The slot of an engine key; CHECK_SLOTS: it is no key.  What belongs to a
 * queue or topic lies in the slot of its name; a router's own has no name, and
 * lies in the slot of the router's number.
 */
static unsigned
key_slot(const struct check_gen *c, const uint8_t *key, size_t keylen)
{
	const uint8_t	*tab, *member;
	size_t		 tablen, len;
	uint8_t		 type;

	if (record_key_get(key, keylen, &type, &tab, &tablen, &member,
	    &len) != E_OK)
		return CHECK_SLOTS;
	switch (type) {
	case TYPE_MESSAGE:
	case TYPE_DELIVERY:
	case TYPE_SETTINGS:
	case TYPE_ITEM:
	case TYPE_WORKER:
		return tablen > 0 ? slot_of(tab, tablen) : c->store;
	default:
		return slot_of_record(type, tab, tablen, member, len);
	}
}

static int
is_whole(void *arg, uint64_t off, const struct tkrzw_record *rec)
{
	struct check_gen	*c = arg;
	struct record		 r;

	(void)off;
	return record_get(&r, rec->key, rec->keylen, rec->val, rec->vallen) ==
	    E_OK && r.slot == key_slot(c, rec->key, rec->keylen) &&
	    slot_store(r.slot, c->stores) == c->store &&
	    slot_file(r.slot, c->stores, c->files) == c->k;
}

static enum err
is_good(void *arg, uint64_t off, const struct tkrzw_record *rec)
{
	struct check_gen	*c = arg;

	(void)off, (void)rec;
	c->records++;
	return E_OK;
}

static enum err
is_bad(void *arg, uint64_t from, uint64_t to, const struct tkrzw_record *rec)
{
	char	what[WHAT];

	(void)rec;
	if (errno == ECANCELED)		/* nothing was read: nothing is known */
		return E_INTERNAL;
	snprintf(what, sizeof(what), "%" PRIu64 " bytes hold no whole record",
	    to - from);
	tell(arg, from, what);
	return E_OK;
}

enum err
check_gen_records(struct check_gen *c)
{
	struct salvage	s = { .io = c->io, .fd = c->fd, .sums = c->sums,
	    .end = c->size, .whole = is_whole, .good = is_good,
	    .bad = is_bad, .arg = c };

	errno = 0;
	return salvage_walk(&s);
}

/* --- structure and sums --- */

static void
slot_change(struct check_gen *c, const struct record *r, const uint8_t *key,
    size_t keylen, int by)
{
	if (r->kind != RECORD_VALUE)
		return;
	if (c->lasting != NULL && (r->expiry == 0 || r->expiry > c->later))
		*c->lasting += (uint64_t)(int64_t)by;
	if (c->slot == NULL)
		return;
	c->slot[r->slot].count += (uint64_t)(int64_t)by;
	digest_xor(&c->slot[r->slot].digest, record_digest(r, key, keylen));
}

/* 0: it is hidden, or there is no memory. */
static int
see_key(struct check_gen *c, const uint8_t *key, size_t keylen)
{
	struct btree_at	at;

	if (c->over != NULL && btree_get(c->over, key, keylen, &at))
		return 0;
	if (c->keys != NULL && btree_put(c->keys, key, keylen, "", 0) == -1)
		c->stop = E_NOMEM;
	return c->stop == E_OK;
}

/* The map is read record by record: waits now and then; 0: told to stop. */
static int
see_pace(struct check_gen *c, size_t n)
{
	c->read += n;
	if (c->pace == NULL || c->read < SUMS_BLOCK)
		return 1;
	if (pace_wait(c->pace, c->read) == -1)
		c->stop = E_INTERNAL;
	else
		atomic_fetch_add(&c->pace->bytes, c->read);
	c->read = 0;
	return c->stop == E_OK;
}

/* As in a start: what a record is and what it took the place of. */
static enum err
see(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen, const uint8_t *old, size_t oldlen)
{
	struct check_gen	*c = arg;
	struct record		 r, was;

	if (key == NULL)
		return E_OK;
	if (record_peek(&r, val, vallen) != E_OK ||
	    (old != NULL && record_peek(&was, old, oldlen) != E_OK))
		return E_DAMAGED;
	if (!see_pace(c, keylen + vallen) || !see_key(c, key, keylen))
		return c->stop;
	if (old != NULL)
		slot_change(c, &was, key, keylen, -1);
	slot_change(c, &r, key, keylen, 1);
	if (c->tables != NULL)
		tables_change(c->tables, key, keylen, old != NULL ? &was :
		    NULL, &r);
	return E_OK;
}

enum err
check_gen_structure(struct check_gen *c)
{
	enum err	e;

	c->broken = 0;
	c->stop = E_OK;
	e = (c->closed ? tkrzw_check : tkrzw_read)(c->io, c->fd, c->size,
	    c->count, see, c);
	if (e != E_DAMAGED)
		return e;
	c->broken = 1;
	tell(c, CHECK_NOWHERE, c->closed ?
	    "header, links, buckets or counts are not what its records make "
	    "them" : "header, links or counts are not what its records make "
	    "them");
	return E_OK;
}

void
check_gen_digests(const struct check_gen *c, const struct manifest_slot *kept)
{
	char		what[WHAT];
	unsigned	s;

	for (s = 0; s < CHECK_SLOTS; s++) {
		if (slot_store(s, c->stores) != c->store ||
		    slot_file(s, c->stores, c->files) != c->k ||
		    (c->slot[s].count == kept[s].count &&
		    memcmp(&c->slot[s].digest, &kept[s].digest,
		    sizeof(kept[s].digest)) == 0))
			continue;
		snprintf(what, sizeof(what), "slot %u: %" PRIu64 " live "
		    "records, %" PRIu64 " were counted as they were written%s",
		    s, c->slot[s].count, kept[s].count,
		    c->slot[s].count == kept[s].count ?
		    ", and their digests differ" : "");
		tell(c, CHECK_NOWHERE, what);
	}
}

/* --- tables --- */

static int
table_order(const void *x, const void *y)
{
	const struct manifest_table	*a = x, *b = y;
	int				 c = memcmp(a->name, b->name,
	    a->len < b->len ? a->len : b->len);

	if (c == 0)
		c = (int)a->len - (int)b->len;
	return c != 0 ? c : (int)a->type - (int)b->type;
}

static void
table_sort(struct manifest *m)
{
	if (m->ntables > 1)
		qsort(m->tables, m->ntables, sizeof(*m->tables), table_order);
}

static void
table_tell(const struct manifest_table *t, const struct table_sum *kept,
    const struct table_sum *counted, const char *path, check_found *found,
    void *arg)
{
	char	what[WHAT + CATALOGUE_NAME];

	if (memcmp(kept, counted, sizeof(*kept)) == 0)
		return;
	snprintf(what, sizeof(what), "table %c %.*s: %" PRId64 " members of %"
	    PRId64 " bytes are said, %" PRId64 " of %" PRId64 " are there",
	    t->type, t->len, (const char *)t->name, kept->count, kept->size,
	    counted->count, counted->size);
	found(arg, path, CHECK_NOWHERE, what);
}

void
check_tables(struct manifest *kept, struct manifest *counted, const char *path,
    check_found *found, void *arg)
{
	static const struct table_sum	 none;
	const struct manifest_table	*a, *b;
	size_t				 i = 0, j = 0;
	int				 c;

	table_sort(kept);
	table_sort(counted);
	while (i < kept->ntables || j < counted->ntables) {
		a = &kept->tables[i];
		b = &counted->tables[j];
		c = i == kept->ntables ? 1 : j == counted->ntables ? -1 :
		    table_order(a, b);
		table_tell(c <= 0 ? a : b, c <= 0 ? &a->sum : &none,
		    c >= 0 ? &b->sum : &none, path, found, arg);
		i += c <= 0;
		j += c >= 0;
	}
}
