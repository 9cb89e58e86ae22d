/*
 * data_salvage.c: the quarantine.  A data file that is neither to be taken back
 * nor to be restored, because what MANIFEST says of it is not all there, is
 * made anew from its whole records, while the shard is opened.
 *
 * Which keys can then be believed?  Count and digest of each slot in MANIFEST
 * say so:
 * 1 A slot for which they are right has lost nothing.
 * 2 Of another slot a record that was stored later than anything damaged was
 *   is its key's newest.  Every other one may be older than what was lost: it
 *   is kept, but with a checksum that is wrong on purpose, so that it answers
 *   E_DAMAGED until it is replaced, through compactions and restarts.
 * 3 A key of such a slot that is not there may have been lost: E_DAMAGED
 *   instead of E_NOTFOUND, for which DAMAGE, a file beside MANIFEST, names the
 *   slot.  It is durable before MANIFEST names the new file.
 * A damaged record is kept as it is where that makes the slot's digest right:
 * then only its value is damaged.  Where it does not, it is left out.
 *
 * The old file stays as damaged.K.G, for whoever can make more of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/data_impl.h"
#include "store/salvage.h"
#include "supervisor/log.h"

struct rescue {
	struct data		*d;
	struct gen		*to;
	unsigned		 k, order;	/* 0: the older generation */
	const struct manifest_gen *from;
	uint8_t			 keep[SLOTS / 8]; /* damaged ones of it, too */
	uint8_t			 lost[SLOTS / 8];
	unsigned		 nlost;
	int			 quiet, spoiling;
	unsigned		 bad_order;	/* the last damage */
	uint64_t		 bad_off, bad, n;
	struct tally		 all;
	struct tables		*part;
};

/* --- storing what is read --- */

struct put_in {
	struct rescue			*r;
	const struct tkrzw_record	*rec;
	uint8_t				*spoilt;	/* or NULL */
};

static int
put_see(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	struct put_in	*p = arg;

	*val = p->rec->val;
	*len = p->rec->vallen;
	if (!p->r->spoiling)
		return 1;
	/* Only the one that would be read. */
	*val = p->spoilt;
	return old != NULL && oldlen == *len && memcmp(old, p->rec->val,
	    oldlen) == 0;
}

static enum err
rescue_put(struct rescue *r, const struct tkrzw_record *rec)
{
	struct data	*d = r->d;
	struct put_in	 p = { r, rec, NULL };
	enum err	 e;

	if (r->n++ % 256 == 0)
		open_progress(d);
	if ((e = gen_reserve(d, r->to, rec->keylen + rec->vallen)) != E_OK)
		return e;
	if (r->spoiling) {
		if ((p.spoilt = malloc(rec->vallen)) == NULL)
			return E_NOMEM;
		memcpy(p.spoilt, rec->val, rec->vallen);
		record_doubt(p.spoilt);
	}
	e = d->conf.ops->process(r->to->e, rec->key, rec->keylen, put_see, &p,
	    1);
	r->to->used += data_bytes(rec->keylen, rec->vallen) + 8;
	free(p.spoilt);
	return e;
}

/* --- what the walk says --- */

static int
rescue_whole(void *arg, uint64_t off, const struct tkrzw_record *rec)
{
	struct rescue	*r = arg;
	struct record	 x;

	(void)off;
	return record_get(&x, rec->key, rec->keylen, rec->val, rec->vallen) ==
	    E_OK && data_k(r->d, x.slot) == r->k;
}

/* Later than all damage, or of a slot that has lost nothing. */
static int
certain(const struct rescue *r, uint64_t off, const struct tkrzw_record *rec)
{
	struct record	x;

	if (record_peek(&x, rec->val, rec->vallen) != E_OK)
		return 1;
	if ((r->lost[x.slot / 8] >> x.slot % 8 & 1) == 0)
		return 1;
	return r->order > r->bad_order ||
	    (r->order == r->bad_order && off > r->bad_off);
}

static enum err
rescue_good(void *arg, uint64_t off, const struct tkrzw_record *rec)
{
	struct rescue	*r = arg;

	return r->spoiling && certain(r, off, rec) ? E_OK : rescue_put(r, rec);
}

static enum err
rescue_bad(void *arg, uint64_t from, uint64_t to,
    const struct tkrzw_record *rec)
{
	struct rescue	*r = arg;
	struct record	 x;
	char		 name[NAME_LEN];

	if (r->spoiling)
		return E_OK;
	r->bad++;
	r->bad_order = r->order;
	r->bad_off = from;
	if (!r->quiet && r->bad <= 100) {
		data_name(name, sizeof(name), r->k, r->from->gen);
		log_warnx("%s/%s offset %" PRIu64 ": %" PRIu64 " bytes are "
		    "damaged", r->d->conf.dir, name, from, to - from);
	}
	if (rec == NULL || record_peek(&x, rec->val, rec->vallen) != E_OK ||
	    data_k(r->d, x.slot) != r->k ||
	    (r->keep[x.slot / 8] >> x.slot % 8 & 1) == 0)
		return E_OK;
	return rescue_put(r, rec);
}

/* --- one pass over what there was --- */

static enum err
rescue_gen(struct rescue *r, const struct manifest_gen *m, unsigned order)
{
	const struct io	*io = r->d->conf.io;
	char		 path[PATH_LEN];
	struct sums	 sums;
	struct salvage	 s = { .io = io, .end = m->size, .arg = r,
	    .whole = rescue_whole, .good = rescue_good, .bad = rescue_bad };
	enum err	 e;

	if (m->gen == 0)
		return E_OK;
	r->from = m;
	r->order = order;
	data_sum_path(r->d, path, sizeof(path), r->k, m->gen);
	if (sums_load(&sums, io, path, m->gen) == E_OK && sums.end <= m->size)
		s.sums = &sums;
	data_path(r->d, path, sizeof(path), r->k, m->gen);
	s.fd = io->open(io, path, O_RDONLY | O_CLOEXEC, 0);
	if (s.fd == -1)
		e = errno == ENOENT ? rescue_bad(r, 0, m->size, NULL) :
		    E_INTERNAL;
	else {
		e = salvage_walk(&s);
		close(s.fd);
	}
	sums_free(&sums);
	return e;
}

static enum err
rescue_pass(struct rescue *r)
{
	const struct manifest_file	*m = &r->d->man.file[r->k];
	enum err			 e;

	if ((e = rescue_gen(r, &m->older, 0)) == E_OK)
		e = rescue_gen(r, &m->now, 1);
	return e;
}

/* Adds up what is there now, and says which slots are not as in MANIFEST. */
static enum err
rescue_compare(struct rescue *r)
{
	struct data			*d = r->d;
	const struct manifest_slot	*a, *b;
	uint64_t			 bad = 0;
	unsigned			 s;
	enum err			 e;

	tables_free(r->part);
	r->part = d->counting ? tables_part(d->conf.tables) : NULL;
	tally_clear(d, &r->all, r->k);
	e = data_scan(d, r->k, &r->all, NULL, r->part, &bad);
	if (r->spoiling || e != E_OK)
		return e;
	memset(r->lost, 0, sizeof(r->lost));
	r->nlost = 0;
	for (s = 0; s < SLOTS; s++) {
		a = &r->all.slot[s];
		b = &d->man.slot[s];
		if (data_k(d, s) != r->k || (a->count == b->count &&
		    memcmp(&a->digest, &b->digest, sizeof(a->digest)) == 0))
			continue;
		r->lost[s / 8] |= (uint8_t)(1 << s % 8);
		r->nlost++;
	}
	return E_OK;
}

/* Into a new generation; keep says what becomes of damaged records. */
static enum err
rescue_try(struct rescue *r)
{
	struct data_file	*f = &r->d->file[r->k];
	uint64_t		 want = r->d->man.file[r->k].now.count * 3 / 2;
	enum err		 e;

	r->bad = r->bad_order = 0;
	r->bad_off = 0;
	e = gen_create(r->d, &f->now, r->k, f->next_gen++,
	    want > BUCKETS_MIN ? want : BUCKETS_MIN);
	if (e == E_OK && (e = rescue_pass(r)) == E_OK)
		e = rescue_compare(r);
	return e;
}

/* --- the whole of it --- */

/* The old file is put aside, under a name that no start removes. */
static void
set_aside(const struct data *d, unsigned k, uint64_t gen)
{
	char	path[PATH_LEN], aside[PATH_LEN + 32];

	if (gen == 0)
		return;
	data_path(d, path, sizeof(path), k, gen);
	snprintf(aside, sizeof(aside), "%s/damaged.%u.%" PRIu64, d->conf.dir,
	    k, gen);
	if (link(path, aside) == 0)
		log_info("%s: what was left of it", aside);
}

/* What remains in doubt is marked, in the file and in DAMAGE. */
static enum err
rescue_mark(struct rescue *r)
{
	struct data	*d = r->d;
	unsigned	 i;
	enum err	 e;

	log_warnx("%s: data file %u: in %u slots records are lost: what may "
	    "be older, and what is missing, answers 500", d->conf.dir, r->k,
	    r->nlost);
	if (r->bad == 0)	/* whole, but not what MANIFEST says */
		r->bad_order = 2;
	r->spoiling = 1;
	if ((e = rescue_pass(r)) != E_OK || (e = rescue_compare(r)) != E_OK)
		return e;
	for (i = 0; i < SLOTS / 8; i++)
		d->lost_slot[i] |= r->lost[i];
	return damage_write(d);
}

static enum err
rescue_sync(const struct rescue *r)
{
	const struct io	*io = r->d->conf.io;

	return io->fsync(io, r->to->fd) == -1 ||
	    io_sync_dir(io, r->d->conf.dir) == -1 ? E_INTERNAL : E_OK;
}

/* The new file is what there is; d->man says so. */
static void
rescue_take(struct rescue *r)
{
	struct data		*d = r->d;
	struct data_file	*f = &d->file[r->k];
	struct manifest_file	*m = &d->man.file[r->k];

	set_aside(d, r->k, m->older.gen);
	set_aside(d, r->k, m->now.gen);
	m->now.gen = f->now.gen;
	m->now.size = d->conf.ops->size(f->now.e);
	m->now.count = d->conf.ops->count(f->now.e);
	m->now.live = r->all.live;
	memset(&m->older, 0, sizeof(m->older));
	tally_take(d, &d->file[r->k].sum, r->k, &r->all);
	tally_take(d, &(struct tally){ .slot = d->man.slot }, r->k, &r->all);
	if (d->counting) {
		tables_join(d->conf.tables, r->part);
		r->part = NULL;
	} else if (d->conf.tables != NULL)
		d->tables_lost++;	/* MANIFEST's sums are not of this */
}

enum err
salvage_file(struct data *d, unsigned k, struct data_found *found)
{
	struct rescue	*r = calloc(1, sizeof(*r));
	enum err	 e = E_NOMEM;
	unsigned	 i;

	if (r == NULL)
		return E_NOMEM;
	*r = (struct rescue){ .d = d, .k = k, .to = &d->file[k].now };
	memset(r->keep, 0xff, sizeof(r->keep));
	r->all.slot = calloc(SLOTS, sizeof(*r->all.slot));
	if (r->all.slot != NULL && (e = rescue_try(r)) == E_OK &&
	    r->nlost != 0 && r->bad != 0) {
		for (i = 0; i < SLOTS / 8; i++)
			r->keep[i] &= (uint8_t)~r->lost[i];
		r->quiet = 1;
		gen_drop(d, r->to, k);
		e = rescue_try(r);
	}
	if (e == E_OK && r->nlost != 0)
		e = rescue_mark(r);
	if (e == E_OK && (e = rescue_sync(r)) == E_OK)
		rescue_take(r);
	else
		snprintf(found->error, sizeof(found->error), "%s: data file "
		    "%u cannot be made anew: %s", d->conf.dir, k, err_text(e));
	expiry_free(&r->all.expiry);
	free(r->all.slot);
	tables_free(r->part);
	free(r);
	return e;
}
