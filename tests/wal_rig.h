/*
 * wal_rig.h: what the tests of the log share: a directory, a helper, an I/O
 * table whose calls can be made to fail, records that follow from their LSN,
 * and a loop in place of the store's.
 */
#ifndef TESTS_WAL_RIG_H
#define TESTS_WAL_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/clock.h"
#include "store/wal.h"
#include "tests/unit.h"

#define UNUSED_ __attribute__((unused))

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RIG_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RIG_SANITIZED
#endif

/* How long a test may take: 2 make check-long, 1 make check, 0 sanitizers. */
static UNUSED_ int
rig_size(void)
{
	const char	*s = getenv("WHARF_LONG");

	if (s != NULL && *s != '\0')
		return 2;
#ifdef RIG_SANITIZED
	return 0;
#else
	return 1;
#endif
}

/* An I/O table over io_posix. */
struct rig_io {
	struct io	 io;
	atomic_long	 calls;		/* that change something */
	atomic_long	 fail_at;	/* from this call on all fail; 0 never */
	atomic_int	 full;		/* fallocate, growing writes: ENOSPC */
	atomic_long	 room;		/* fallocate of more: ENOSPC; 0 off */
	atomic_int	 full_after;	/* ENOSPC after so many writes; -1 off */
	atomic_int	 no_direct;	/* 1 open, 2 first write: EINVAL */
	atomic_int	 bad_write, bad_sync;	/* EIO once */
	atomic_int	 delay_us;	/* every sync and every write */
	atomic_int	 hold_sync;	/* 1: the next sync waits (2) until changed */
	atomic_long	 syncs;
};

struct rig {
	char		 dir[64];
	char		 copy[80];	/* for rig_copy */
	struct rig_io	 rio;
	struct helper	*helper;
	struct wal	*w;
	struct wal_found found;
	enum wal_sync	 sync;
	size_t		 segment;
	unsigned	 size;		/* of small values */
	uint64_t	 node;
	uint16_t	 store;
	int		 complete;	/* as wal_conf's */
	uint64_t	 big_lsn;	/* this record has */
	size_t		 big_size;	/* such a value */
	uint64_t	 seen;		/* last LSN replayed */
	uint64_t	 seen_first;
	int		 wrong;		/* a replayed record was not as written */
	atomic_int	 notified;
};

static int
rio_fails(const struct io *io)
{
	struct rig_io	*r = io->arg;
	long		 at = atomic_load(&r->fail_at);

	if (atomic_fetch_add(&r->calls, 1) + 1 < at || at == 0)
		return 0;
	errno = EIO;
	return 1;
}

static int
rio_open(const struct io *io, const char *path, int flags, mode_t mode)
{
	struct rig_io	*r = io->arg;

	if ((flags & O_CREAT) != 0 && rio_fails(io))
		return -1;
	if ((flags & O_DIRECT) != 0 && atomic_load(&r->no_direct) == 1) {
		errno = EINVAL;
		return -1;
	}
	return open(path, flags, mode);
}

static ssize_t
rio_pread(const struct io *io, int fd, void *p, size_t n, off_t off)
{
	(void)io;
	return pread(fd, p, n, off);
}

static ssize_t
rio_pwrite(const struct io *io, int fd, const void *p, size_t n, off_t off)
{
	struct rig_io	*r = io->arg;
	struct stat	 st;

	if (rio_fails(io))
		return -1;
	if (atomic_load(&r->no_direct) == 2 &&
	    (fcntl(fd, F_GETFL) & O_DIRECT) != 0) {
		errno = EINVAL;
		return -1;
	}
	if (atomic_exchange(&r->bad_write, 0)) {
		errno = EIO;
		return -1;
	}
	if (atomic_load(&r->full_after) >= 0 && fstat(fd, &st) == 0 &&
	    (n > 8192 || off + (off_t)n > st.st_size) &&
	    atomic_fetch_sub(&r->full_after, 1) == 0) {
		atomic_store(&r->full_after, 0);
		errno = ENOSPC;
		return -1;
	}
	if (atomic_load(&r->delay_us) > 0)
		usleep((useconds_t)atomic_load(&r->delay_us));
	return pwrite(fd, p, n, off);
}

static int
rio_sync(const struct io *io, int fd)
{
	struct rig_io	*r = io->arg;

	int		 next = 1;

	atomic_fetch_add(&r->syncs, 1);
	if (atomic_compare_exchange_strong(&r->hold_sync, &next, 2))
		while (atomic_load(&r->hold_sync) == 2)
			usleep(200);
	if (rio_fails(io))
		return -1;
	if (atomic_exchange(&r->bad_sync, 0)) {
		errno = EIO;
		return -1;
	}
	if (atomic_load(&r->delay_us) > 0)
		usleep((useconds_t)atomic_load(&r->delay_us));
	(void)fd;	/* the tests cut no power: a real sync shows nothing */
	return 0;
}

static int
rio_fallocate(const struct io *io, int fd, int mode, off_t off, off_t n)
{
	struct rig_io	*r = io->arg;

	if (rio_fails(io))
		return -1;
	if (atomic_load(&r->full) ||
	    (atomic_load(&r->room) != 0 && n > atomic_load(&r->room))) {
		errno = ENOSPC;
		return -1;
	}
	if (atomic_load(&r->full_after) >= 0) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return fallocate(fd, mode, off, n);
}

static int
rio_ftruncate(const struct io *io, int fd, off_t n)
{
	return rio_fails(io) ? -1 : ftruncate(fd, n);
}

static int
rio_rename(const struct io *io, const char *from, const char *to)
{
	return rio_fails(io) ? -1 : rename(from, to);
}

static int
rio_unlink(const struct io *io, const char *path)
{
	return rio_fails(io) ? -1 : unlink(path);
}

static void
rig_notify(void *arg)
{
	atomic_fetch_add(&((struct rig *)arg)->notified, 1);
}

static struct helper *
rig_helper(struct rig *g)
{
	struct helper	*h = helper_new(rig_notify, g);

	if (h == NULL) {
		perror("helper_new");
		exit(99);
	}
	return h;
}

static void
rig_init(struct rig *g, enum wal_sync sync)
{
	memset(g, 0, sizeof *g);
	strcpy(g->dir, "wal-test.XXXXXX");
	if (mkdtemp(g->dir) == NULL) {
		perror("mkdtemp");
		exit(99);
	}
	snprintf(g->copy, sizeof g->copy, "%s.copy", g->dir);
	g->rio.io = (struct io){ rio_open, rio_pread, rio_pwrite, rio_sync,
	    rio_sync, rio_fallocate, rio_ftruncate, rio_rename, rio_unlink,
	    &g->rio };
	atomic_store(&g->rio.full_after, -1);
	g->sync = sync;
	g->segment = 64 << 10;
	g->size = 100;
	g->node = 7;
	g->store = 1;
	g->helper = rig_helper(g);
}

/* Calls fn for each file of the directory. */
static void
rig_files(const char *dir, void (*fn)(void *, const char *name), void *arg)
{
	DIR		*d = opendir(dir);
	struct dirent	*de;

	if (d == NULL)
		return;
	while ((de = readdir(d)) != NULL)
		if (de->d_name[0] != '.')
			fn(arg, de->d_name);
	closedir(d);
}

static void
rig_rm(void *arg, const char *name)
{
	char	path[512];

	snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
	unlink(path);
}

static void
rig_rmdir(char *dir)
{
	rig_files(dir, rig_rm, dir);
	rmdir(dir);
}

static void
rig_done(struct rig *g)
{
	helper_free(g->helper);
	rig_rmdir(g->dir);
}

static void
rig_cp(void *arg, const char *name)
{
	char	path[512], *buf = malloc(1 << 16), **dirs = arg;
	int	in, out;
	ssize_t	n;

	snprintf(path, sizeof path, "%s/%s", dirs[0], name);
	in = open(path, O_RDONLY);
	snprintf(path, sizeof path, "%s/%s", dirs[1], name);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	while ((n = read(in, buf, 1 << 16)) > 0)
		if (write(out, buf, (size_t)n) != n)
			perror("copy");
	close(in);
	close(out);
	free(buf);
}

/* Makes to a copy of from, as a power cut at this moment might leave it. */
static UNUSED_ void
rig_copy(char *from, char *to)
{
	char	*dirs[2] = { from, to };

	rig_rmdir(to);
	mkdir(to, 0700);
	rig_files(from, rig_cp, dirs);
}

/* Value length and bytes of a record follow from its LSN. */
static size_t
rig_len(const struct rig *g, uint64_t lsn)
{
	if (lsn == g->big_lsn)
		return g->big_size;
	return lsn * 7919 % (g->size + 1);
}

static void
rig_fill(uint8_t *p, size_t n, uint64_t lsn)
{
	uint64_t	x = lsn * 0x9e3779b97f4a7c15u + 1;
	size_t		i;

	for (i = 0; i < n; i++) {
		if (i % 8 == 0)
			x = x * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(x >> (8 * (i % 8)));
	}
}

static enum err
rig_replay(void *arg, uint64_t lsn, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen)
{
	struct rig	*g = arg;
	char		 want[32];
	uint8_t		*v;

	if (g->seen_first == 0)
		g->seen_first = lsn;
	else if (lsn != g->seen + 1)
		g->wrong = 1;
	g->seen = lsn;
	snprintf(want, sizeof want, "key-%llu", (unsigned long long)lsn);
	if (keylen != strlen(want) || memcmp(key, want, keylen) != 0 ||
	    vallen != rig_len(g, lsn))
		g->wrong = 1;
	v = malloc(vallen + 1);
	rig_fill(v, vallen, lsn);
	if (memcmp(v, val, vallen) != 0)
		g->wrong = 1;
	free(v);
	return E_OK;
}

static enum err
rig_open_next(struct rig *g, const char *dir, uint64_t after, uint64_t next)
{
	struct wal_conf	c = {
		.dir = dir, .segment = g->segment, .spares = 2,
		.sync = g->sync, .node = g->node, .store = g->store,
		.complete = g->complete,
		.io = &g->rio.io, .helper = g->helper,
		.notify = rig_notify, .notify_arg = g,
	};

	g->seen = g->seen_first = 0;
	g->wrong = 0;
	return wal_open(&g->w, &c, after, next, rig_replay, g, &g->found);
}

static UNUSED_ enum err
rig_open(struct rig *g, uint64_t after)
{
	return rig_open_next(g, g->dir, after, 1);
}

static void
rig_turn(struct rig *g)
{
	helper_poll(g->helper);
	wal_poll(g->w);
	wal_kick(g->w, 0);
}

/* Adds the next record, waiting for room at most two seconds. */
static UNUSED_ enum err
rig_add(struct rig *g)
{
	uint64_t	 lsn = wal_last(g->w) + 1;
	char		 k[32];
	size_t		 n = rig_len(g, lsn);
	uint8_t		*key, *val;
	enum err	 e;
	int		 i;

	snprintf(k, sizeof k, "key-%llu", (unsigned long long)lsn);
	for (i = 0; (e = wal_reserve(g->w, strlen(k), n)) == E_AGAIN &&
	    i < 20000; i++) {
		rig_turn(g);
		usleep(100);
	}
	if (e != E_OK)
		return e;
	if (wal_add(g->w, strlen(k), n, &key, &val) != lsn)
		return E_INTERNAL;
	memcpy(key, k, strlen(k));
	rig_fill(val, n, lsn);
	return E_OK;
}

/* Turns the loop until everything added is released: 1, or 0 in two seconds. */
static UNUSED_ int
rig_settle(struct rig *g)
{
	int	i;

	for (i = 0; i < 20000; i++) {
		rig_turn(g);
		if (wal_released(g->w) == wal_last(g->w))
			return 1;
		if (wal_failed(g->w))
			return 0;
		usleep(100);
	}
	return 0;
}

/* Adds n records, per to a batch. */
static UNUSED_ enum err
rig_put(struct rig *g, unsigned n, unsigned per)
{
	unsigned	i;
	enum err	e;

	for (i = 1; i <= n; i++) {
		if ((e = rig_add(g)) != E_OK)
			return e;
		if (i % per == 0 && !rig_settle(g))
			return E_READONLY;
	}
	return rig_settle(g) ? E_OK : E_READONLY;
}

/* Ends without a word to the log, as near to kill -9 as a test can. */
static UNUSED_ void
rig_crash(struct rig *g)
{
	atomic_store(&g->rio.fail_at, 1);
	wal_close(g->w);
	g->w = NULL;
	helper_free(g->helper);
	g->helper = rig_helper(g);
	atomic_store(&g->rio.fail_at, 0);
	atomic_store(&g->rio.calls, 0);
}

struct rig_count {
	const char	*part;
	unsigned	 n;
};

static UNUSED_ void
rig_count_one(void *arg, const char *name)
{
	struct rig_count	*c = arg;

	c->n += strstr(name, c->part) != NULL;
}

/* Files whose name has part in it. */
static UNUSED_ unsigned
rig_count(const char *dir, const char *part)
{
	struct rig_count	c = { part, 0 };

	rig_files(dir, rig_count_one, &c);
	return c.n;
}

#endif
