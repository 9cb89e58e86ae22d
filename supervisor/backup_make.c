/*
 * backup_make.c: see backup_make.h.
 *
 * Invariants
 * 1 DIR/LOCK is held from before anything is looked at until the end: what has
 *   no BACKUP then is nobody's, and is removed.
 * 2 BACKUP comes last, after everything that it names is synced.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/backup_make.h"

#define SMALL_MAX	(16u << 20)	/* bytes of NODE, conf, auth.file */

void
backup_work_init(struct backup_work *w)
{
	unsigned	i;

	memset(w, 0, sizeof(*w));
	w->conf_fd = w->dirfd = w->lock = w->fd = -1;
	for (i = 0; i < BACKUP_SHARDS; i++)
		w->store[i] = w->parent[i] = -1;
	backup_init(&w->b);
}

static void
fd_close(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

void
backup_work_free(struct backup_work *w)
{
	unsigned	i;

	for (i = 0; i < BACKUP_SHARDS; i++) {
		fd_close(&w->store[i]);
		fd_close(&w->parent[i]);
	}
	fd_close(&w->conf_fd);
	fd_close(&w->fd);
	fd_close(&w->lock);
	fd_close(&w->dirfd);
	backup_clear(&w->b);
}

static int fail(struct backup_work *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static int
fail(struct backup_work *w, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	if (w->why[0] == '\0')
		vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
	return -1;
}

/* --- DIR --- */

/* Where anybody can write, what is found may be anybody's. */
static int
open_dir(struct backup_work *w)
{
	struct stat	st;

	if (w->dir[0] != '/')
		return fail(w, "%.200s: not an absolute path", w->dir);
	if (mkdir(w->dir, 0700) == -1 && errno != EEXIST)
		return fail(w, "%.200s: %s", w->dir, strerror(errno));
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dirfd == -1 || fstat(w->dirfd, &st) == -1)
		return fail(w, "%.200s: %s", w->dir, strerror(errno));
	if ((st.st_mode & S_IWOTH) != 0)
		return fail(w, "%.200s: others may write to it: chmod o-w",
		    w->dir);
	return 0;
}

static int
lock_dir(struct backup_work *w)
{
	w->lock = openat(w->dirfd, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (w->lock == -1)
		return fail(w, "%.200s/LOCK: %s", w->dir, strerror(errno));
	if (flock(w->lock, LOCK_EX | LOCK_NB) == -1)
		return fail(w, "%.200s: %s", w->dir, errno == EWOULDBLOCK ?
		    "another backup is being made there" : strerror(errno));
	return 0;
}

static int
remove_begun(struct backup_work *w, const struct backup_list *l)
{
	size_t	i;

	for (i = 0; i < l->n; i++) {
		if (!l->e[i].begun)
			continue;
		if (backup_dir_remove(w->dirfd, l->e[i].name) == -1)
			return fail(w, "%.200s/%s is the rest of a backup that "
			    "failed and cannot be removed: %s", w->dir,
			    l->e[i].name, strerror(errno));
		w->removed++;
	}
	return 0;
}

/* The newest of this node that can be used; NULL: there is none. */
static const struct backup_entry *
choose_parent(const struct backup_work *w, const struct backup_list *l)
{
	const struct backup_entry	*e;
	size_t				 i;

	for (i = l->n; i-- > 0; ) {
		e = &l->e[i];
		if (!e->begun && e->why[0] == '\0' && e->node == w->b.node &&
		    e->stores == w->b.stores && e->files == w->b.files &&
		    (e->format == 1 || e->routers == w->b.routers))
			return e;
	}
	return NULL;
}

/* Names order backups, so each is later than all that there are. */
static void
name_it(struct backup_work *w, const struct backup_list *l)
{
	time_t		t = (time_t)(w->b.made / 1000), last;
	char		stamp[16];
	struct tm	tm;

	if (l->n > 0) {
		memset(&tm, 0, sizeof(tm));
		strptime(l->e[l->n - 1].name, "%Y%m%dT%H%M%S", &tm);
		if ((last = timegm(&tm)) >= t)
			t = last + 1;
	}
	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
	snprintf(w->name, sizeof(w->name), "%s-%.15s", stamp,
	    w->b.parent[0] == '\0' ? "full" : w->b.parent);
}

static int
look_around(struct backup_work *w)
{
	const struct backup_entry	*p;
	struct backup_list		 l;
	int				 r;

	if (backup_dir_list(w->dirfd, &l) == -1)
		return fail(w, "%.200s: %s", w->dir, strerror(errno));
	r = remove_begun(w, &l);
	p = w->full ? NULL : choose_parent(w, &l);
	if (p != NULL) {
		memcpy(w->b.parent, p->name, sizeof(w->b.parent));
		w->b.parent_end = p->end;
	}
	name_it(w, &l);
	backup_list_free(&l);
	return r;
}

/* --- what is in it --- */

static int
make_dir(struct backup_work *w, int at, const char *name)
{
	int	fd;

	if (mkdirat(at, name, 0700) == -1 ||
	    (fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return fail(w, "%.200s: %s: %s", w->dir, name,
		    strerror(errno));
	return fd;
}

static int
make_shard(struct backup_work *w, unsigned i)
{
	char	name[BACKUP_SHARD_NAME];
	char	parent[BACKUP_DIR_MAX + BACKUP_SHARD_NAME];

	backup_shard_name(&w->b, i, name);
	if ((w->store[i] = make_dir(w, w->fd, name)) == -1)
		return -1;
	if (mkdirat(w->store[i], "wal", 0700) == -1)
		return fail(w, "%.200s: wal: %s", w->dir, strerror(errno));
	if (w->b.parent[0] == '\0')
		return 0;
	/* One of format 1 has none of a router. */
	snprintf(parent, sizeof(parent), "%s/%s", w->b.parent, name);
	w->parent[i] = openat(w->dirfd, parent,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int
make_dirs(struct backup_work *w)
{
	unsigned	i;

	if ((w->fd = make_dir(w, w->dirfd, w->name)) == -1)
		return -1;
	for (i = 0; i < backup_shards(&w->b); i++)
		if (make_shard(w, i) == -1)
			return -1;
	return 0;
}

/* Copies what is at fd, which is closed. */
static int
copy_fd(struct backup_work *w, int fd, const char *name)
{
	struct stat	 st;
	char		*p = NULL;
	ssize_t		 n = -1;
	enum err	 e = E_INTERNAL;

	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size <= SMALL_MAX &&
	    (p = malloc((size_t)st.st_size + 1)) != NULL)
		n = pread(fd, p, (size_t)st.st_size, 0);
	if (n == st.st_size)
		e = backup_put_file(&w->b, w->fd, name, p, (size_t)n);
	free(p);
	close(fd);
	return e == E_OK ? 0 : fail(w, "%s: %s", name, strerror(errno));
}

static int
copy_path(struct backup_work *w, const char *path, const char *name)
{
	int	fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return fail(w, "%.200s: %s", path, strerror(errno));
	return copy_fd(w, fd, name);
}

static int
copy_node(struct backup_work *w)
{
	char	path[PATH_MAX + 8];
	int	fd = w->conf_fd;

	snprintf(path, sizeof(path), "%s/NODE", w->data);
	w->conf_fd = -1;
	if (copy_fd(w, fd, "conf") == -1 || copy_path(w, path, "NODE") == -1)
		return -1;
	return w->auth[0] == '\0' ? 0 : copy_path(w, w->auth, "auth.file");
}

int
backup_prepare(struct backup_work *w)
{
	if (open_dir(w) == -1 || lock_dir(w) == -1 || look_around(w) == -1 ||
	    make_dirs(w) == -1 || copy_node(w) == -1)
		return -1;
	return 0;
}

/* --- the end --- */

static int
take_part(struct backup_work *w, unsigned i)
{
	const struct backup_file	*f;
	struct backup			 part;
	char				 why[128], name[BACKUP_SHARD_NAME];
	unsigned			 n;
	size_t				 j;
	int				 r = 0;

	backup_shard_name(&w->b, i, name);
	if (backup_load(&part, w->store[i], BACKUP_PART, 0, why,
	    sizeof(why)) != E_OK)
		return fail(w, "%s/%s: %s", name, BACKUP_PART, why);
	n = backup_shard(&part, backup_is_router(&w->b, i),
	    backup_seat(&w->b, i));
	if (!part.store[n].there || part.node != w->b.node)
		r = fail(w, "%s/%s is another one's", name, BACKUP_PART);
	w->b.store[i] = part.store[n];
	for (j = 0; j < part.nfile && r == 0; j++) {
		f = &part.file[j];
		w->bytes += f->to - f->from;
		if (backup_add(&w->b, f->name, f->from, f->to, f->sum) == -1)
			r = fail(w, "out of memory");
	}
	backup_clear(&part);
	return r;
}

/* A shard's directory, and what it is named in. */
static int
sync_dirs(struct backup_work *w)
{
	char		name[BACKUP_SHARD_NAME];
	unsigned	i;

	for (i = 0; i < backup_shards(&w->b); i++) {
		backup_shard_name(&w->b, i, name);
		if (unlinkat(w->store[i], BACKUP_PART, 0) == -1 ||
		    fsync(w->store[i]) == -1)
			return fail(w, "%s: %s", name, strerror(errno));
	}
	if (fsync(w->fd) == -1 || fsync(w->dirfd) == -1)
		return fail(w, "%.200s: %s", w->dir, strerror(errno));
	return 0;
}

/* Somebody may have removed what it rests on, or a part of that, meanwhile. */
static int
parent_stays(struct backup_work *w)
{
	const struct backup_entry	*p;
	struct backup_list		 l;
	int				 r = 0;

	if (w->b.parent[0] == '\0')
		return 0;
	if (backup_dir_list(w->dirfd, &l) == -1)
		return fail(w, "%.200s: %s", w->dir, strerror(errno));
	p = backup_list_find(&l, w->b.parent);
	if (p == NULL)
		r = fail(w, "%s, which it was to rest on, has gone meanwhile",
		    w->b.parent);
	else if (p->why[0] != '\0' || p->end != w->b.parent_end)
		r = fail(w, "%s, which it was to rest on, cannot be used any "
		    "more: %s", w->b.parent, p->why[0] != '\0' ? p->why :
		    "it is another one");
	backup_list_free(&l);
	return r;
}

int
backup_seal(struct backup_work *w)
{
	unsigned	i;

	for (i = 0; i < backup_shards(&w->b); i++)
		if (take_part(w, i) == -1)
			return -1;
	if (sync_dirs(w) == -1 || parent_stays(w) == -1)
		return -1;
	if (backup_write(&w->b, w->fd, BACKUP_NAME) != E_OK)
		return fail(w, "%s/%s: %s", w->name, BACKUP_NAME,
		    strerror(errno));
	return 0;
}

void
backup_abandon(struct backup_work *w)
{
	if (w->fd != -1)
		backup_dir_remove(w->dirfd, w->name);
}
