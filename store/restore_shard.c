/*
 * restore_shard.c: opens and closes the shards of a restore: those that were
 * put together from the backup, by the rules of every start, and new ones.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/restore_impl.h"

#define COMPACT		(4u << 20)
#define PAUSE_MS	2

static int	bell = -1;	/* the shards' threads have something to say */

static void
ring(void *arg)
{
	uint64_t	one = 1;

	(void)arg;
	if (write(bell, &one, sizeof(one)) == -1)
		return;		/* it is full of them */
}

void
restore_pause(void)
{
	struct pollfd	p = { .fd = bell, .events = POLLIN };
	uint64_t	n;

	if (poll(&p, 1, PAUSE_MS) == 1 && read(bell, &n, sizeof(n)) == -1)
		return;		/* somebody else took it: none does */
}

static int
open_shard(struct restore *r, const char *dir, unsigned seat, unsigned many,
    unsigned files, struct shard **s)
{
	struct shard_conf	c = {
		.dir = dir, .ops = &engine_tkrzw, .io = &io_posix,
		.node = r->node, .store = seat, .stores = many, .files = files,
		.segment = RESTORE_SEGMENT, .sync = WAL_OS, .compact_bytes = COMPACT,
		.notify = ring
	};
	struct shard_opened	o;
	enum err		e;

	if (bell == -1 &&
	    (bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		return restore_errno(dir, "eventfd");
	e = shard_open(s, &c, &o);
	return e == E_OK ? 0 : restore_bad(dir, "%s: %s", err_text(e),
	    o.error);
}

/* A quarantine means that something is lost: then it is no restore. */
static int
check_opened(const struct restore *r, unsigned n, const char *dir,
    const struct shard *s)
{
	uint64_t		want = r->link[0].b.store[n].lsn;
	struct shard_stat	st;
	char			path[PATH_MAX];

	restore_path(path, "%s/DAMAGE", dir);
	if (access(path, F_OK) == 0)
		return restore_bad(dir, "records were lost (quarantine)");
	shard_stat(s, &st);
	if (st.lsn < want)
		return restore_bad(dir, "the log ends at LSN %" PRIu64
		    ", the backup says %" PRIu64, st.lsn, want);
	return 0;
}

int
restore_open(struct restore *r, unsigned n, const char *dir, struct shard **s)
{
	const struct backup	*b = &r->link[0].b;

	*s = NULL;
	if (open_shard(r, dir, backup_seat(b, n), backup_is_router(b, n) ?
	    b->routers : b->stores, b->files, s) == -1)
		return -1;
	if (check_opened(r, n, dir, *s) == 0)
		return 0;
	shard_close(*s, 0);
	*s = NULL;
	return -1;
}

int
restore_open_new(struct restore *r, unsigned seat, unsigned many,
    const char *dir, struct shard **s)
{
	char	wal[PATH_MAX];

	*s = NULL;
	restore_path(wal, "%s/wal", dir);
	if (restore_mkdir(dir) == -1 || restore_mkdir(wal) == -1)
		return -1;
	return open_shard(r, dir, seat, many, r->files, s);
}

/*
 * Stamps of the next life begin behind all of the backup's, also where the wall
 * clock is behind them now.
 */
static int
raise_bound(const struct restore *r, const char *dir, struct manifest *m)
{
	char	*text, why[256];
	size_t	 n;
	enum err e;

	manifest_init(m);
	e = manifest_load(m, &io_posix, dir, why, sizeof(why));
	if (e != E_OK)
		return restore_bad(dir, "MANIFEST: %s", why);
	if (m->bound >= r->bound)
		return 0;
	m->bound = r->bound;
	e = E_NOMEM;
	if ((text = manifest_text(m, &n)) != NULL)
		e = manifest_write(&io_posix, dir, text, n);
	free(text);
	return e == E_OK ? 0 : restore_bad(dir, "writing MANIFEST: %s",
	    err_text(e));
}

int
restore_close(struct restore *r, const char *dir, struct shard **s,
    struct manifest *m)
{
	enum err	e = shard_close(*s, 1);

	*s = NULL;
	manifest_init(m);
	if (e != E_OK)
		return restore_bad(dir, "cannot be closed in order: %s",
		    err_text(e));
	if (raise_bound(r, dir, m) == 0)
		return 0;
	manifest_clear(m);
	return -1;
}
