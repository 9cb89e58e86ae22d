/*
 * data_open.c: opens the data files of a shard as RULE start says.
 *
 * MANIFEST clean: files are opened as they stand, if each is closed, as long as
 * MANIFEST says and has as many entries.  Else a file is what lies below F of
 * its generation: taken back to that in place after a mere kill
 * (data_rewind.c); otherwise, and when that finds anything amiss, restored into
 * a fresh generation, synced, counted and compared with the digests, named in
 * MANIFEST, and only then the old one is removed; one file after the other, so
 * that the disk needs room for one more file only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/clock.h"
#include "store/data_impl.h"
#include "supervisor/log.h"

#define POLL_NS		200000000	/* how often progress is looked at */

static enum err	 fail(struct data_found *, enum err, const char *, ...)
		    __attribute__((format(printf, 3, 4)));

static enum err
fail(struct data_found *found, enum err e, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(found->error, sizeof(found->error), fmt, ap);
	va_end(ap);
	return e;
}

void
open_progress(struct data *d)
{
	if (d->conf.progress != NULL)
		d->conf.progress(d->conf.arg);
}

/* --- restoring --- */

struct restoring {
	const struct engine_ops	*ops;
	const char		*from, *to;
	uint64_t		 end;
	enum err		 err;
};

static void *
restore_thread(void *arg)
{
	struct restoring	*r = arg;

	r->err = r->ops->restore(r->from, r->to, r->end);
	return NULL;
}

int
open_joined(pthread_t t)
{
	struct timespec	until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += POLL_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_timedjoin_np(t, NULL, &until) == 0;
}

static uint64_t
blocks_of(const char *path, const char *suffix)
{
	char		name[PATH_LEN + 16];
	struct stat	st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? (uint64_t)st.st_blocks : 0;
}

/*
 * tkrzw restores in one call that may take minutes.  It runs beside, and
 * progress is reported only as long as the files that it writes grow.
 */
static enum err
restore_watched(struct data *d, struct restoring *r)
{
	pthread_t	t;
	uint64_t	was = 0, now;

	if (pthread_create(&t, NULL, restore_thread, r) != 0)
		return E_NOMEM;
	while (!open_joined(t)) {
		now = blocks_of(r->to, "") + blocks_of(r->to, ".tmp.offset") +
		    blocks_of(r->to, ".tmp.dead");
		if (now != was)
			open_progress(d);
		was = now;
	}
	return r->err;
}

static enum err
sync_path(struct data *d, const char *path)
{
	const struct io	*io = d->conf.io;
	int		 fd, r;

	if ((fd = io->open(io, path, O_RDWR | O_CLOEXEC, 0)) == -1)
		return E_INTERNAL;
	r = io->fsync(io, fd);
	close(fd);
	if (r == -1 || io_sync_dir(io, d->conf.dir) == -1)
		return E_INTERNAL;
	return E_OK;
}

static void
remove_restored(struct data *d, const char *path)
{
	static const char *const suffix[] = { "", ".tmp.offset", ".tmp.dead" };
	char			 name[PATH_LEN + 16];
	unsigned		 i;

	for (i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffix[i]);
		d->conf.io->unlink(d->conf.io, name);
	}
}

/* m: in what MANIFEST says, out the generation gen restored from it. */
static enum err
restore(struct data *d, struct gen *g, unsigned k, struct manifest_gen *m,
    uint64_t gen, struct data_found *found)
{
	char			 from[PATH_LEN], to[PATH_LEN];
	struct restoring	 r = { d->conf.ops, from, to, m->size, E_OK };
	struct stat		 st;
	uint8_t			 was;
	enum err		 e;

	data_path(d, from, sizeof(from), k, m->gen);
	data_path(d, to, sizeof(to), k, gen);
	if (stat(from, &st) == -1 || (uint64_t)st.st_size < m->size)
		return fail(found, E_DAMAGED, "%s: missing, or shorter than "
		    "the %" PRIu64 " bytes in MANIFEST", from, m->size);
	if (!disk_has(d, m->size + m->size / 8 + SLACK))
		return fail(found, E_NOSPACE, "%s: no disk space to restore "
		    "%" PRIu64 " bytes", from, m->size);
	was = data_touch(d, k);
	e = restore_watched(d, &r);
	data_touched(d, k, was);
	if (e == E_OK)
		e = sync_path(d, to);
	if (e == E_OK && stat(to, &st) == -1)
		e = E_INTERNAL;
	if (e == E_OK) {
		m->gen = gen;
		m->size = (uint64_t)st.st_size;
		e = gen_open(d, g, k, m);
	}
	if (e == E_OK)
		return E_OK;
	remove_restored(d, to);
	return fail(found, e, "%s: cannot be restored up to %" PRIu64
	    " with %" PRIu64 " records: %s", from, r.end, m->count,
	    err_text(e));
}

static enum err
regain(struct data *d, struct gen *g, unsigned k, struct manifest_gen *m,
    struct data_found *found)
{
	uint64_t	gen = d->file[k].next_gen++;
	enum err	e;

	if (m->count != 0)
		return restore(d, g, k, m, gen, found);
	if ((e = gen_create(d, g, k, gen, BUCKETS_MIN)) != E_OK)
		return fail(found, e, "%s: creating data file %u: %s",
		    d->conf.dir, k, err_text(e));
	m->gen = gen;
	m->size = d->conf.ops->size(g->e);
	return E_OK;
}

/* --- one data file --- */

enum err
open_compare(const struct data *d, unsigned k, const struct tally *all,
    struct data_found *found)
{
	const struct manifest_slot	*a, *b;
	char				 name[NAME_LEN];
	unsigned			 s;

	for (s = 0; s < SLOTS; s++) {
		a = &all->slot[s];
		b = &d->man.slot[s];
		if (data_k(d, s) != k || (a->count == b->count &&
		    a->digest.lo == b->digest.lo &&
		    a->digest.hi == b->digest.hi))
			continue;
		data_name(name, sizeof(name), k, d->man.file[k].now.gen);
		return fail(found, E_DAMAGED, "%s/%s: slot %u has %" PRIu64
		    " live records, MANIFEST says %" PRIu64 "%s", d->conf.dir,
		    name, s, a->count, b->count,
		    a->count == b->count ? "; digests differ" : "");
	}
	return E_OK;
}

static enum err
verify_into(struct data *d, unsigned k, struct tally *all,
    struct tables *part, struct data_found *found)
{
	uint64_t	bad = 0;
	enum err	e;

	tally_clear(d, &d->fresh, k);
	e = data_scan(d, k, all, data_two(&d->file[k]) ? &d->fresh : NULL,
	    part, &bad);
	if (e != E_OK)
		fail(found, e, "%s: reading data file %u: %s", d->conf.dir, k,
		    err_text(e));
	else
		e = open_compare(d, k, all, found);
	if (bad != 0)
		log_warnx("%s: data file %u: %" PRIu64 " records fail their "
		    "checksum", d->conf.dir, k, bad);
	d->damaged += bad;
	return e;
}

enum err
open_verify(struct data *d, unsigned k, struct data_found *found)
{
	struct tables	*part = NULL;
	struct tally	 all = { 0 };
	enum err	 e;

	if ((all.slot = calloc(SLOTS, sizeof(*all.slot))) == NULL)
		return fail(found, E_NOMEM, "out of memory");
	if (d->counting)
		part = tables_part(d->conf.tables);
	if ((e = verify_into(d, k, &all, part, found)) == E_OK) {
		tally_take(d, &d->file[k].sum, k, &all);
		if (d->counting)
			tables_join(d->conf.tables, part);
	} else
		tables_free(part);
	expiry_free(&all.expiry);
	free(all.slot);
	return e;
}

/* By tkrzw, up to F; what that leaves out is noticed. */
static enum err
restore_file(struct data *d, unsigned k, struct data_found *found)
{
	struct data_file	*f = &d->file[k];
	struct manifest_file	*m = &d->man.file[k];
	enum err		 e = E_OK;

	if (m->older.gen != 0)
		e = regain(d, &f->older, k, &m->older, found);
	if (e == E_OK)
		e = regain(d, &f->now, k, &m->now, found);
	if (e == E_OK)
		e = open_verify(d, k, found);
	return e;
}

static int
gen_exists(const struct data *d, unsigned k, uint64_t gen)
{
	char	path[PATH_LEN];

	data_path(d, path, sizeof(path), k, gen);
	return access(path, F_OK) == 0;
}

/* A generation that failed to open may be the one that all is to come from. */
static void
drop_restored(struct data *d, unsigned k, struct gen *g,
    const struct manifest_file *was)
{
	if (g->gen == was->now.gen || g->gen == was->older.gen)
		gen_close(d, g);
	else
		gen_drop(d, g, k);
	*g = (struct gen){ .fd = -1 };
}

/* Nothing that reads it by tkrzw's rules or through a map is tried again. */
static enum err
refuse_suspect(const struct data *d, unsigned k, struct data_found *found)
{
	char	name[NAME_LEN];

	data_name(name, sizeof(name), k, d->man.file[k].now.gen);
	return fail(found, E_DAMAGED, "%s/%s: the store has died of reading it "
	    "more than once", d->conf.dir, name);
}

/* What restoring left is of no use: from what MANIFEST named, what is whole. */
static enum err
quarantine(struct data *d, unsigned k, const struct manifest_file *was,
    struct data_found *found)
{
	struct data_file	*f = &d->file[k];

	log_warnx("%s; data file %u goes into quarantine", found->error, k);
	drop_restored(d, k, &f->older, was);
	drop_restored(d, k, &f->now, was);
	d->man.file[k] = *was;
	return salvage_file(d, k, found);
}

static enum err
open_rebuilt(struct data *d, unsigned k, struct data_found *found)
{
	struct data_file	*f = &d->file[k];
	struct manifest_file	*m = &d->man.file[k], was = *m;
	struct gen		 old = { .fd = -1 };
	enum err		 e;

	e = data_suspect(d, k) && was.now.gen != 0 ?
	    refuse_suspect(d, k, found) : restore_file(d, k, found);
	/* A file that is missing may be somewhere: somebody has to look. */
	if (e == E_DAMAGED && gen_exists(d, k, was.now.gen) && (was.older.gen == 0 ||
	    gen_exists(d, k, was.older.gen)))
		e = quarantine(d, k, &was, found);
	if (e != E_OK)
		return e;
	m->next_gen = f->next_gen;
	if ((e = commit_now(d)) != E_OK)
		return fail(found, e, "%s: writing MANIFEST: %s", d->conf.dir,
		    err_text(e));
	old.gen = was.older.gen;
	gen_drop(d, &old, k);
	old.gen = was.now.gen;
	gen_drop(d, &old, k);
	return E_OK;
}

/* The sums of a file that was closed in order stand in MANIFEST. */
static void
adopt(struct data *d, unsigned k)
{
	struct data_file	*f = &d->file[k];
	size_t			 i;
	unsigned		 s;

	f->sum.records = d->man.file[k].now.count;
	f->sum.live = d->man.file[k].now.live;
	for (s = 0; s < SLOTS; s++)
		if (data_k(d, s) == k)
			d->slot[s] = d->man.slot[s];
	for (i = 0; i < d->man.nexpiry; i++)
		if (d->man.expiry[i].file == k)
			expiry_load(&f->sum.expiry, d->man.expiry[i].minute,
			    d->man.expiry[i].bytes);
}

static enum err
open_as_is(struct data *d, unsigned k, struct data_found *found)
{
	struct data_file	*f = &d->file[k];
	struct manifest_file	*m = &d->man.file[k];
	enum err		 e;

	if (m->now.gen == 0)
		return E_NOTFOUND;
	e = gen_open(d, &f->now, k, &m->now);
	if (e == E_OK && m->older.gen != 0)
		e = gen_open(d, &f->older, k, &m->older);
	if (e != E_OK) {
		gen_close(d, &f->now);
		return e;
	}
	/* What somebody else wrote to is believed only when all of it is read. */
	if (!f->now.untouched || (m->older.gen != 0 && !f->older.untouched))
		return E_DAMAGED;
	if (m->older.gen != 0 || d->counting)
		return open_verify(d, k, found);
	adopt(d, k);
	return E_OK;
}

static enum err
open_closed(struct data *d, unsigned k, struct data_found *found)
{
	char		name[NAME_LEN];
	enum err	e = open_as_is(d, k, found);

	if (e == E_OK)
		return e;
	data_name(name, sizeof(name), k, d->man.file[k].now.gen);
	log_warnx("%s/%s: not as it was closed (%s): all of it is read",
	    d->conf.dir, name, e == E_DAMAGED ? "written to, damaged, or "
	    "without its .sum" : err_text(e));
	gen_close(d, &d->file[k].now);
	gen_close(d, &d->file[k].older);
	return e;
}

/* e: whether it is open already. */
static enum err
open_file(struct data *d, unsigned k, enum err e, struct data_found *found)
{
	struct data_file	*f = &d->file[k];

	open_progress(d);
	if (!d->conf.ops->files)
		return gen_create(d, &f->now, k, 0, BUCKETS_MIN);
	if (e != E_OK && (e = open_rebuilt(d, k, found)) == E_OK)
		found->restored += !found->fresh;
	f->sealed = d->man.file[k].older;
	if (e == E_OK && f->older.e != NULL) {
		d->phase = PHASE_MOVING;
		d->compacting = k;
	}
	return e;
}

/*
 * The tables' sums of an orderly stop stand in MANIFEST.  They are right also
 * for a file that must be restored: its records are held against the digests.
 * Without them every record is read.
 */
static void
open_tables(struct data *d, struct data_found *found)
{
	d->counting = d->conf.tables != NULL && d->conf.ops->files &&
	    (!found->clean || d->man.sums == 0);
	if (d->counting && found->clean)
		log_info("%s: MANIFEST has no sums of tables, reading all "
		    "records", d->conf.dir);
	if (d->conf.tables != NULL && d->conf.ops->files && !d->counting)
		tables_adopt(d->conf.tables, &d->man);
}

/* As they are, taken back in place, or restored. */
static enum err
open_files(struct data *d, struct data_found *found)
{
	enum err	state[FILES_MAX], e = E_OK;
	unsigned	k;

	open_tables(d, found);
	for (k = 0; k < d->conf.files; k++) {
		open_progress(d);
		d->file[k].next_gen = d->man.file[k].next_gen;
		if (d->file[k].next_gen == 0)
			d->file[k].next_gen = 1;
		state[k] = found->clean && d->conf.ops->files &&
		    !data_suspect(d, k) ? open_closed(d, k, found) : E_STALE;
	}
	if (found->same_boot && d->conf.ops->files)
		found->rewound = rewind_files(d, state);
	for (k = 0; e == E_OK && k < d->conf.files; k++)
		e = open_file(d, k, state[k], found);
	return e;
}

/* --- the shard --- */

static void
boot_id(char *out, size_t n)
{
	FILE	*f = fopen("/proc/sys/kernel/random/boot_id", "re");

	out[0] = '\0';
	if (f == NULL)
		return;
	if (fgets(out, (int)n, f) != NULL)
		out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

static enum err
check_identity(struct data *d, struct data_found *found)
{
	const struct data_conf	*c = &d->conf;
	const struct manifest	*m = &d->man;
	unsigned		 k;

	if (m->node != c->node)
		return fail(found, E_STALE, "%s: data of node %016" PRIx64
		    ", this is %016" PRIx64, c->dir, m->node, c->node);
	if (m->store != c->store || m->stores != c->stores ||
	    m->files != c->files)
		return fail(found, E_STALE, "%s: data of store %u of %u with "
		    "%u files, this is store %u of %u with %u", c->dir,
		    m->store, m->stores, m->files, c->store, c->stores,
		    c->files);
	for (k = 0; !c->ops->files && k < m->files; k++)
		if (m->file[k].now.gen != 0)
			return fail(found, E_STALE, "%s: has data files, which "
			    "the engine \"%s\" does not read", c->dir,
			    c->ops->name);
	return E_OK;
}

static void
new_manifest(struct data *d)
{
	const struct data_conf	*c = &d->conf;
	unsigned		 k;

	manifest_init(&d->man);
	d->man.node = c->node;
	d->man.store = c->store;
	d->man.stores = c->stores;
	d->man.files = c->files;
	for (k = 0; c->ops->files && k < c->files; k++)
		d->man.file[k].next_gen = 1;
}

static void
tell(struct data *d, const char *boot, struct data_found *found)
{
	unsigned	k;
	uint64_t	lsn;

	found->clean = d->man.clean;
	found->same_boot = boot[0] != '\0' && strcmp(boot, d->man.boot) == 0;
	found->bound = d->man.bound;
	found->lsn = d->man.lsn;
	if (!d->conf.ops->files)
		return;
	found->after = UINT64_MAX;
	for (k = 0; k < d->conf.files; k++) {
		lsn = d->man.file[k].now.lsn;
		if (lsn < found->after)
			found->after = lsn;
		if (lsn > found->lsn)
			found->lsn = lsn;
	}
}

/* A data file, or the sums of one. */
static int
named_as(const char *name, const char *want)
{
	size_t	n = strlen(want) - strlen("tkh");

	return strcmp(name, want) == 0 ||
	    (strncmp(name, want, n) == 0 && strcmp(name + n, "sum") == 0);
}

static int
named(const struct data *d, const char *name)
{
	const struct manifest_file	*m;
	char				 want[NAME_LEN];
	unsigned			 k;

	for (k = 0; k < d->conf.files; k++) {
		m = &d->man.file[k];
		data_name(want, sizeof(want), k, m->now.gen);
		if (m->now.gen != 0 && named_as(name, want))
			return 1;
		data_name(want, sizeof(want), k, m->older.gen);
		if (m->older.gen != 0 && named_as(name, want))
			return 1;
	}
	return 0;
}

/*
 * Removes what a crash left behind.  Without a MANIFEST there cannot be a data
 * file, as MANIFEST comes first: then it is MANIFEST that was lost.
 *
 * Who was killed may have renamed MANIFEST without syncing its directory.  That
 * comes first: else a power cut could bring back the one before it, and what
 * only that one names would be gone, be it a file or a part of the log.
 */
static enum err
open_leftovers(struct data *d, struct data_found *found)
{
	char		 path[PATH_LEN];
	struct dirent	*de;
	DIR		*dir;
	enum err	 e = E_OK;

	if ((!found->fresh && io_sync_dir(d->conf.io, d->conf.dir) == -1) ||
	    (dir = opendir(d->conf.dir)) == NULL)
		return fail(found, E_INTERNAL, "%s: %s", d->conf.dir,
		    strerror(errno));
	while (e == E_OK && (de = readdir(dir)) != NULL) {
		if (strncmp(de->d_name, "data.", 5) != 0 ||
		    (strstr(de->d_name, ".tkh") == NULL &&
		    strstr(de->d_name, ".sum") == NULL) || named(d, de->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", d->conf.dir, de->d_name);
		if (found->fresh)
			e = fail(found, E_DAMAGED, "%s: there are data files, "
			    "but no MANIFEST", d->conf.dir);
		else
			d->conf.io->unlink(d->conf.io, path);
	}
	closedir(dir);
	return e;
}

static enum err
open_manifest(struct data *d, struct data_found *found)
{
	char		boot[sizeof(d->man.boot)];
	enum err	e;

	boot_id(boot, sizeof(boot));
	e = manifest_load(&d->man, d->conf.io, d->conf.dir, found->error,
	    sizeof(found->error));
	if (e == E_NOTFOUND) {
		found->fresh = 1;
		found->error[0] = '\0';
		new_manifest(d);
		e = E_OK;
	} else if (e == E_OK)
		e = check_identity(d, found);
	else if (e == E_UNKNOWN)
		e = E_STALE;
	if (e == E_OK)
		e = open_leftovers(d, found);
	if (e != E_OK)
		return e;
	tell(d, boot, found);
	memcpy(d->man.boot, boot, sizeof(boot));
	d->bound = d->man.bound;
	if (found->fresh && (e = commit_now(d)) != E_OK)
		return fail(found, e, "%s: writing MANIFEST: %s", d->conf.dir,
		    err_text(e));
	return e;
}

static struct data *
data_new(const struct data_conf *c)
{
	struct data	*d;
	unsigned	 k;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	d->conf = *c;
	if (d->conf.reading == NULL)
		d->conf.reading = d->unread;
	d->job.d = d;
	d->fresh.slot = d->fresh_slot;
	for (k = 0; k < FILES_MAX; k++) {
		d->file[k].sum.slot = d->slot;
		d->file[k].now.fd = d->file[k].older.fd = -1;
	}
	return d;
}

/* So that it shows which way a start took, and what it cost. */
static void
open_tell(const struct data *d, const struct data_found *found, mono_t began)
{
	if (found->rewound + found->restored == 0)
		return;
	log_info("%s: %u data files taken back in place, %u restored, "
	    "%lld ms", d->conf.dir, found->rewound, found->restored,
	    (long long)mono_diff(began, mono_now()) / 1000);
}

enum err
data_open(struct data **out, const struct data_conf *c,
    struct data_found *found)
{
	mono_t		 began = mono_now();
	struct data	*d;
	enum err	 e;

	memset(found, 0, sizeof(*found));
	if (c->files == 0 || c->files > FILES_MAX || c->stores == 0 ||
	    c->store >= c->stores)
		return fail(found, E_PARAM, "store %u of %u with %u files",
		    c->store, c->stores, c->files);
	if ((d = data_new(c)) == NULL)
		return fail(found, E_NOMEM, "out of memory");
	if ((e = open_manifest(d, found)) == E_OK && (e = damage_load(d)) ==
	    E_OK)
		e = open_files(d, found);
	manifest_clear(&d->man);
	if (e == E_OK && (e = commit_now(d)) != E_OK)
		fail(found, e, "%s: writing MANIFEST: %s", c->dir, err_text(e));
	if (e != E_OK) {
		data_close(d, 0, 0, 0);
		return e;
	}
	open_tell(d, found, began);
	*out = d;
	return E_OK;
}
