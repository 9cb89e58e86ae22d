/*
 * restore_files.c: puts the files of a shard together from a backup and those
 * that it rests on.  Every byte that is read is held against BACKUP, the blocks
 * of the data files against their sums, and what MANIFEST names must be there.
 *
 * What comes out is what a power cut behind E would have left, but for two
 * things: the node's id in MANIFEST and in the heads of the log's segments, and
 * this boot's in MANIFEST, so that files are taken back in place, which reads
 * and verifies every record (data_rewind.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/restore_impl.h"
#include "store/sums.h"
#include "store/wal_format.h"

#define STEP		(1u << 20)

/* A file being read, and perhaps written. */
struct copying {
	struct restore	*r;
	const char	*from, *to;	/* names, for messages */
	int		 in, out;	/* -1: not written */
	uint8_t		*buf;		/* STEP */
};

/* --- bytes --- */

static int
copy_step(struct copying *c, XXH3_state_t *x, off_t at, uint64_t to, size_t n)
{
	if (io_read_all(&io_posix, c->in, c->buf, n, at) == -1)
		return errno == 0 ? restore_bad(c->from, "is shorter than "
		    "BACKUP says") : restore_errno(c->from, "read");
	XXH3_128bits_update(x, c->buf, n);
	if (c->out != -1 && io_write_all(&io_posix, c->out, c->buf, n,
	    (off_t)to) == -1)
		return restore_errno(c->to, "write");
	restore_tell(c->r, n);
	return 0;
}

/* All of in, which is what f says, to the place of it in out. */
static int
copy_bytes(struct copying *c, const struct backup_file *f)
{
	uint64_t		 n = f->to - f->from, at;
	XXH128_canonical_t	 sum;
	XXH3_state_t		*x = XXH3_createState();
	int			 bad = x == NULL;

	if (!bad)
		XXH3_128bits_reset(x);
	for (at = 0; !bad && at < n; at += STEP)
		bad = copy_step(c, x, (off_t)at, f->from + at,
		    n - at < STEP ? (size_t)(n - at) : STEP) == -1;
	if (!bad) {
		XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(x));
		if (memcmp(sum.digest, f->sum, sizeof(f->sum)) != 0)
			bad = restore_bad(c->from, "is damaged: not the "
			    "checksum in BACKUP") == -1;
	}
	XXH3_freeState(x);
	return bad ? -1 : 0;
}

/* One file of a backup; there is none where nothing came since. */
static int
copy_piece(struct copying *c, const char *dir, const struct backup_file *f)
{
	char		name[BACKUP_PATH_MAX + 24], path[PATH_MAX];
	struct stat	st;
	int		bad;

	if (f->from == f->to && f->from != 0)
		return 0;
	backup_path(f, name);
	restore_path(path, "%s/%s", dir, name);
	c->from = path;
	if ((c->in = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return restore_errno(path, "open");
	posix_fadvise(c->in, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (fstat(c->in, &st) == -1)
		bad = restore_errno(path, "look") == -1;
	else if ((uint64_t)st.st_size > f->to - f->from)
		bad = restore_bad(path, "is longer than BACKUP says") == -1;
	else
		bad = copy_bytes(c, f) == -1;
	close(c->in);
	return bad ? -1 : 0;
}

/* --- a file with what it rests on --- */

/*
 * From link i on down: what the parents have first.  Rule 2 of backup_file.h.
 */
static int
copy_chain(struct copying *c, size_t i, const struct backup_file *f)
{
	const struct restore_link	*l = &c->r->link[i], *up;
	const struct backup_file	*g;

	while (f->from != 0) {
		up = l + 1;
		if (up == c->r->link + c->r->links ||
		    (g = backup_find(&up->b, f->name)) == NULL ||
		    g->to != f->from)
			return restore_bad(up[-1].dir, "%s goes on at %" PRIu64
			    ", where nothing ends", f->name, f->from);
		if (copy_piece(c, l->dir, f) == -1)
			return -1;
		f = g;
		l = up;
	}
	return copy_piece(c, l->dir, f);
}

static int
copy_open(struct copying *c, struct restore *r, const char *to)
{
	*c = (struct copying){ .r = r, .to = to, .in = -1, .out = -1 };
	if ((c->buf = malloc(STEP)) == NULL)
		return restore_bad(to, "out of memory");
	c->out = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (c->out != -1)
		return 0;
	free(c->buf);
	return restore_errno(to, "make");
}

static int
copy_close(struct copying *c, int bad)
{
	if (!bad && c->out != -1 && fsync(c->out) == -1)
		bad = restore_errno(c->to, "sync") == -1;
	if (c->out != -1)
		close(c->out);
	free(c->buf);
	return bad ? -1 : 0;
}

/* Salt and contents stay: batches name no node. */
static int
own_segment(struct copying *c)
{
	uint8_t		block[WAL_BLOCK];
	struct seg_head	h;

	if (io_read_all(&io_posix, c->out, block, sizeof(block), 0) == -1 ||
	    seg_head_get(&h, block) != E_OK)
		return restore_bad(c->from, "is no segment of a log");
	if (h.node != c->r->link[0].b.node)
		return restore_bad(c->from, "is a segment of another node");
	h.node = c->r->node;
	seg_head_put(block, &h);
	if (io_write_all(&io_posix, c->out, block, sizeof(block), 0) == -1)
		return restore_errno(c->to, "write");
	return 0;
}

static int
copy_file(struct restore *r, const struct backup_file *f,
    enum backup_kind kind, const char *dir)
{
	struct copying	c;
	char		to[PATH_MAX];
	int		bad;

	/* "store.N/", "router.N/" of the name is dir's. */
	restore_path(to, "%s/%s", dir, strchr(f->name, '/') + 1);
	if (copy_open(&c, r, to) == -1)
		return -1;
	bad = copy_chain(&c, 0, f) == -1;
	if (!bad && kind == BACKUP_SEGMENT)
		bad = own_segment(&c) == -1;
	return copy_close(&c, bad);
}

int
restore_check_rest(struct restore *r)
{
	const struct backup	*b = &r->link[0].b;
	struct copying		 c = { .r = r, .in = -1, .out = -1 };
	struct backup_id	 id;
	enum backup_kind	 kind;
	size_t			 i;
	int			 bad = 0;

	if ((c.buf = malloc(STEP)) == NULL)
		return restore_bad(r->data, "out of memory");
	restore_begin(r, "bytes read", 0);
	for (i = 0; !bad && i < b->nfile; i++) {
		kind = backup_kind(b->file[i].name, &id);
		if (kind == BACKUP_NODE || kind == BACKUP_CONF ||
		    kind == BACKUP_AUTH)
			bad = copy_piece(&c, r->link[0].dir,
			    &b->file[i]) == -1;
	}
	return copy_close(&c, bad);
}

/* --- MANIFEST, and what it names --- */

static void
this_boot(char *out, size_t n)
{
	FILE	*f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f == NULL || fgets(out, (int)n, f) == NULL)
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (f != NULL)
		fclose(f);
}

static int
own_manifest(const struct restore *r, struct manifest *m, const char *dir)
{
	char	*text;
	size_t	 n;
	enum err e = E_NOMEM;

	m->node = r->node;
	m->clean = 0;
	this_boot(m->boot, sizeof(m->boot));
	if ((text = manifest_text(m, &n)) != NULL)
		e = manifest_write(&io_posix, dir, text, n);
	free(text);
	return e == E_OK ? 0 : restore_bad(dir, "writing MANIFEST: %s",
	    err_text(e));
}

static int
check_blocks(const char *path, const struct sums *s)
{
	size_t	 i;
	int	 fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err e = E_OK;

	if (fd == -1)
		return restore_errno(path, "open");
	for (i = 0; e == E_OK && i < sums_blocks(s); i++)
		e = sums_check(s, &io_posix, fd, i);
	close(fd);
	return e == E_OK ? 0 : restore_bad(path, "offset %zu: block fails its "
	    "checksum", (i - 1) * SUMS_BLOCK);
}

/* A data file is as long as MANIFEST says, and its blocks are as summed. */
static int
check_gen(const struct restore *r, unsigned n, const char *dir, unsigned k,
    const struct manifest_gen *g)
{
	const struct backup_file *f;
	char			  name[BACKUP_PATH_MAX], path[PATH_MAX];
	char			  shard[BACKUP_SHARD_NAME];
	struct sums		  s;
	enum err		  e;
	int			  bad = 0;

	if (g->gen == 0)
		return 0;
	backup_shard_name(&r->link[0].b, n, shard);
	snprintf(name, sizeof(name), "%s/data.%u.%" PRIu64 ".tkh", shard, k,
	    g->gen);
	f = backup_find(&r->link[0].b, name);
	if (f == NULL || f->to != g->size)
		return restore_bad(r->link[0].dir, "%s is not there up to "
		    "%" PRIu64, name, g->size);
	restore_path(path, "%s/data.%u.%" PRIu64 ".sum", dir, k, g->gen);
	e = sums_load(&s, &io_posix, path, g->gen);
	if (e != E_OK || s.end > g->size)
		bad = restore_bad(path, "%s", e == E_OK ? "is of a longer file"
		    : err_text(e)) == -1;
	else {
		restore_path(path, "%s/data.%u.%" PRIu64 ".tkh", dir, k,
		    g->gen);
		bad = check_blocks(path, &s) == -1;
	}
	sums_free(&s);
	return bad ? -1 : 0;
}

static int
take_manifest(struct restore *r, unsigned n, const char *dir)
{
	const struct backup	*b = &r->link[0].b;
	struct manifest		 m;
	char			 why[256];
	unsigned		 k, many;
	int			 bad = 0;

	manifest_init(&m);
	if (manifest_load(&m, &io_posix, dir, why, sizeof(why)) != E_OK) {
		manifest_clear(&m);
		return restore_bad(dir, "MANIFEST: %s", why);
	}
	many = backup_is_router(b, n) ? b->routers : b->stores;
	if (m.node != b->node || m.store != backup_seat(b, n) ||
	    m.stores != many || m.files != b->files)
		bad = restore_bad(dir, "MANIFEST is of another one") == -1;
	for (k = 0; !bad && k < m.files; k++)
		bad = check_gen(r, n, dir, k, &m.file[k].older) == -1 ||
		    check_gen(r, n, dir, k, &m.file[k].now) == -1;
	if (!bad)
		bad = own_manifest(r, &m, dir) == -1;
	manifest_clear(&m);
	return bad ? -1 : 0;
}

/* --- a shard --- */

static int
is_of(const struct backup *b, const struct backup_file *f, unsigned n,
    enum backup_kind *kind)
{
	struct backup_id	id;

	*kind = backup_kind(f->name, &id);
	return *kind >= BACKUP_MANIFEST &&
	    backup_shard(b, id.router, id.store) == n;
}

uint64_t
restore_bytes(const struct restore *r, int shard)
{
	const struct backup	*b = &r->link[0].b;
	struct backup_id	 id;
	uint64_t		 n = 0;
	size_t			 i;

	for (i = 0; i < b->nfile; i++)
		if (backup_kind(b->file[i].name, &id) >= BACKUP_MANIFEST &&
		    (shard == -1 || backup_shard(b, id.router, id.store) ==
		    (unsigned)shard))
			n += b->file[i].to;
	return n;
}

int
restore_shard(struct restore *r, unsigned n, const char *dir)
{
	const struct backup	*b = &r->link[0].b;
	char			 wal[PATH_MAX];
	enum backup_kind	 kind;
	size_t			 i;

	restore_path(wal, "%s/wal", dir);
	if (restore_mkdir(dir) == -1 || restore_mkdir(wal) == -1)
		return -1;
	for (i = 0; i < b->nfile; i++)
		if (is_of(b, &b->file[i], n, &kind) &&
		    copy_file(r, &b->file[i], kind, dir) == -1)
			return -1;
	if (restore_sync_dir(wal) == -1 || take_manifest(r, n, dir) == -1)
		return -1;
	return restore_sync_dir(dir);
}
