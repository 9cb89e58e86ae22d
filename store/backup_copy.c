/*
 * backup_copy.c: the thread of a backup: the log while it is held, then the
 * data files at leisure, then what says that they belong together.
 *
 * Every block of a data file is held against its checksum on the way (sums.h);
 * what has no checksum yet gets one when all of its records are whole.  So
 * damage is named, and never copied as if it were good.  A generation that the
 * parent has is only copied from where the parent's ends, and only if all of
 * the parent's checksums still hold: it is the same history then.
 */
#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/slot.h"
#include "store/backup_impl.h"
#include "store/salvage.h"
#include "supervisor/log.h"

#define NICE		10
#define SUM_MAX		(1u << 30)	/* bytes of a .sum */
#define NAME_LEN	64

static void
gen_name(const struct backup_gen *g, const char *suffix, char out[NAME_LEN])
{
	snprintf(out, NAME_LEN, "data.%u.%" PRIu64 ".%s", g->k, g->gen,
	    suffix);
}

static enum err
gen_bad(struct backup_run *r, const struct backup_gen *g, const char *suffix,
    const char *what)
{
	char	name[NAME_LEN];

	gen_name(g, suffix, name);
	return backup_fail(r, E_DAMAGED, "%s/%s%s", r->name, name, what);
}

static enum err
bad_at(struct backup_run *r, const struct backup_gen *g, uint64_t off)
{
	char	what[64];

	snprintf(what, sizeof(what), " offset %" PRIu64 ": block is damaged",
	    off);
	return gen_bad(r, g, "tkh", what);
}

/* --- checksums --- */

/* The bytes of an open .sum: E_OK, E_DAMAGED, E_NOMEM. */
static enum err
sums_read(const struct backup_run *r, int fd, struct sums *s, uint64_t gen)
{
	struct stat	st;
	uint8_t		*p;
	enum err	 e = E_DAMAGED;

	sums_init(s, gen, 0);
	if (fstat(fd, &st) == -1 || st.st_size <= 0 || st.st_size > SUM_MAX)
		return E_DAMAGED;
	if ((p = malloc((size_t)st.st_size)) == NULL)
		return E_NOMEM;
	if (io_read_all(r->io, fd, p, (size_t)st.st_size, 0) == 0)
		e = sums_parse(s, p, (size_t)st.st_size, gen);
	free(p);
	return e;
}

struct whole {
	struct backup_run	*r;
	const struct backup_gen	*g;
};

/* What a quarantine left in doubt is there as it was stored. */
static int
whole_is(void *arg, uint64_t off, const struct tkrzw_record *rec)
{
	struct whole	*w = arg;
	struct record	 r;

	(void)off;
	if (record_get(&r, rec->key, rec->keylen, rec->val, rec->vallen) !=
	    E_OK &&
	    record_get_doubtful(&r, rec->key, rec->keylen, rec->val,
	    rec->vallen) != E_OK)
		return 0;
	return slot_file(r.slot, w->r->stores, w->r->files) == w->g->k;
}

static enum err
whole_good(void *arg, uint64_t off, const struct tkrzw_record *rec)
{
	struct whole	*w = arg;

	(void)off, (void)rec;
	return atomic_load(&w->r->cancel) ? E_AGAIN : E_OK;
}

static enum err
whole_bad(void *arg, uint64_t from, uint64_t to,
    const struct tkrzw_record *rec)
{
	struct whole	*w = arg;

	(void)to, (void)rec;
	return bad_at(w->r, w->g, from);
}

/* There are no sums up to F: all records are looked at, then summed. */
static enum err
gen_sum(struct backup_run *r, struct backup_gen *g)
{
	struct whole	 w = { r, g };
	struct salvage	 s = { .io = r->io, .fd = g->fd, .end = g->size,
	    .whole = whole_is, .good = whole_good, .bad = whole_bad,
	    .arg = &w };
	uint64_t	 bad = g->base;
	enum err	 e;

	if ((e = salvage_walk(&s)) == E_OK)
		e = sums_extend(&g->sums, r->io, g->fd, g->size, &bad);
	if (e == E_DAMAGED)
		return bad_at(r, g, bad);
	return e == E_OK ? E_OK : backup_fail(r, e, "%s", err_text(e));
}

static enum err
gen_sums(struct backup_run *r, struct backup_gen *g)
{
	enum err	e;

	sums_init(&g->sums, g->gen, g->base);
	if (g->size <= g->base)
		return E_OK;		/* no record is in it */
	if (g->sums_fd != -1) {
		e = sums_read(r, g->sums_fd, &g->sums, g->gen);
		if (e == E_DAMAGED)
			return gen_bad(r, g, "sum", " is damaged");
		if (e != E_OK)
			return backup_fail(r, e, "%s", err_text(e));
	}
	if (g->sums.base != g->base || g->sums.end > g->size) {
		sums_free(&g->sums);
		sums_init(&g->sums, g->gen, g->base);
	}
	return g->sums.end == g->size ? E_OK : gen_sum(r, g);
}

/* --- what the parent has --- */

/* The part of the parent's last block that is in it: is it as it was there? */
static int
rest_same(struct backup_run *r, const struct backup_gen *g,
    const struct sums *old, size_t i)
{
	uint64_t	at = (uint64_t)i * SUMS_BLOCK;

	return io_read_all(r->io, g->fd, r->buf, (size_t)(old->end - at),
	    (off_t)at) == 0 && sums_match(old, i, r->buf);
}

/* Where the parent's copy of a generation ends; 0: it has none that will do. */
static uint64_t
parent_has(struct backup_run *r, const struct backup_gen *g)
{
	struct sums	old;
	char		name[NAME_LEN];
	uint64_t	from = 0;
	size_t		rest;
	int		fd;

	if (r->parent == -1)
		return 0;
	gen_name(g, "sum", name);
	if ((fd = openat(r->parent, name, O_RDONLY | O_CLOEXEC)) == -1)
		return 0;
	if (sums_read(r, fd, &old, g->gen) == E_OK && old.end != 0) {
		if (sums_goes_on(&old, &g->sums, &rest) &&
		    (rest == SIZE_MAX || rest_same(r, g, &old, rest)))
			from = old.end;
		else
			log_warnx("backup: %s is not what the last backup "
			    "has: copied in full", name);
	}
	close(fd);
	sums_free(&old);
	return from;
}

static enum err
prepare(struct backup_run *r)
{
	struct backup_gen	*g;
	uint64_t		 total = atomic_load(&r->copied);
	unsigned		 i;
	enum err		 e;

	for (i = 0; i < r->pin.ngen; i++) {
		g = &r->pin.gen[i];
		if ((e = gen_sums(r, g)) != E_OK)
			return e;
		g->from = parent_has(r, g);
		total += g->size - g->from;
	}
	atomic_store(&r->total, total);
	return E_OK;
}

/* --- the files --- */

/* The block at off, of n bytes, checked. */
static enum err
read_block(struct backup_run *r, const struct backup_gen *g, uint64_t off,
    size_t *n)
{
	*n = g->size - off < SUMS_BLOCK ? (size_t)(g->size - off) : SUMS_BLOCK;
	if (io_read_all(r->io, g->fd, r->buf, *n, (off_t)off) == -1)
		return bad_at(r, g, off);	/* EIO, or it ends too early */
	if (!sums_match(&g->sums, (size_t)(off / SUMS_BLOCK), r->buf))
		return bad_at(r, g, off < g->base ? g->base : off);
	return E_OK;
}

static enum err
copy_blocks(struct backup_run *r, const struct backup_gen *g,
    struct backup_out *o)
{
	uint64_t	at = g->from, off;
	size_t		n, skip;
	enum err	e = E_OK;

	for (; at < g->size && e == E_OK; at = off + n) {
		skip = (size_t)(at % SUMS_BLOCK);
		off = at - skip;
		if ((e = read_block(r, g, off, &n)) == E_OK)
			e = backup_out_put(o, r->buf + skip, n - skip);
		posix_fadvise(g->fd, (off_t)off, (off_t)n,
		    POSIX_FADV_NOREUSE);
	}
	return e;
}

static enum err
copy_data(struct backup_run *r, const struct backup_gen *g)
{
	char			 name[NAME_LEN], path[NAME_LEN + 24];
	struct backup_out	*o;
	enum err		 e;

	gen_name(g, "tkh", name);
	if (g->from == g->size)		/* a line, and no file */
		return backup_same(r, name, g->from);
	if (g->from == 0)
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s.%" PRIu64, name, g->from);
	if ((o = backup_out_open(r, path)) == NULL)
		return r->e;
	e = copy_blocks(r, g, o);
	return backup_out_end(o, e, name, g->from);
}

static enum err
copy_sums(struct backup_run *r, const struct backup_gen *g)
{
	char		 name[NAME_LEN];
	size_t		 n;
	uint8_t		*p = sums_bytes(&g->sums, &n);
	enum err	 e;

	if (p == NULL)
		return backup_fail(r, E_NOMEM, "%s", err_text(E_NOMEM));
	gen_name(g, "sum", name);
	e = backup_put(r, name, p, n);
	free(p);
	return e;
}

/* --- the whole of it --- */

/* The log, while the loop holds its segments. */
static enum err
held_part(struct backup_run *r)
{
	enum err	e;
	int		lost;

	r->hurry = 1;
	if (wal_sync_to(r->wal, r->last) != E_OK)
		return backup_fail(r, E_READONLY, "%s", err_text(E_READONLY));
	e = backup_copy_log(r);
	pthread_mutex_lock(&r->lock);
	lost = r->hold_lost;
	r->log_done = 1;
	pthread_mutex_unlock(&r->lock);
	r->hurry = 0;
	r->notify(r->notify_arg);
	if (!lost)
		return e;
	r->e = E_OK;		/* this is why it was told to stop */
	return backup_fail(r, E_INTERNAL, "%s: copying the log took so long "
	    "that writes would have had to wait", r->name);
}

static enum err
files_part(struct backup_run *r)
{
	unsigned	i;
	enum err	e = prepare(r);

	r->paced = mono_now();
	for (i = 0; i < r->pin.ngen && e == E_OK; i++)
		if ((e = copy_data(r, &r->pin.gen[i])) == E_OK)
			e = copy_sums(r, &r->pin.gen[i]);
	if (e == E_OK)
		e = backup_put(r, "MANIFEST", r->pin.manifest,
		    r->pin.nmanifest);
	return e;
}

static int
sync_dirs(const struct backup_run *r)
{
	int	fd = openat(r->dir, "wal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int	ok = fd != -1 && fsync(fd) == 0;

	if (fd != -1)
		close(fd);
	return ok;
}

/* This shard's share of BACKUP, which knows of no other sort. */
static enum err
write_part(struct backup_run *r)
{
	struct backup	*b = &r->part;
	enum err	 e;

	snprintf(b->version, sizeof(b->version), "-");
	*(r->router ? &b->routers : &b->stores) = r->stores;
	b->files = r->files;
	memcpy(b->parent, r->parent_name, sizeof(b->parent));
	b->store[backup_shard(b, r->router, r->store)] =
	    (struct backup_store){ 1, r->last, r->pin.bound };
	if (!sync_dirs(r))
		return backup_fail(r, E_INTERNAL, "%s/wal: %s", r->name,
		    strerror(errno));
	if ((e = backup_write(b, r->dir, BACKUP_PART)) != E_OK)
		return backup_fail(r, e, "%s/%s: %s", r->name,
		    BACKUP_PART, strerror(errno));
	return E_OK;
}

void *
backup_thread(void *arg)
{
	struct backup_run	*r = arg;

	/* Of this thread alone, on Linux; once nobody waits for it. */
	if (held_part(r) == E_OK) {
		(void)setpriority(PRIO_PROCESS, 0, NICE);
		if (files_part(r) == E_OK)
			write_part(r);
	}
	pthread_mutex_lock(&r->lock);
	r->over = 1;
	pthread_mutex_unlock(&r->lock);
	r->notify(r->notify_arg);
	return NULL;
}
