/*
 * restore_target.c: the directory that becomes a node's.  RESTORING stands in
 * it from the first change until NODE is there: a wharfd refuses it meanwhile,
 * and the next restore knows that all there is may go.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/restore_impl.h"

#define MARK		"RESTORING"
#define DIR_MODE	0750		/* as wharfd makes them */
#define SPARES		4u		/* log segments of each shard */
#define FILE_ROOM	(5u << 18)	/* head and reserve of a data file */

int
restore_sync_dir(const char *path)
{
	return io_sync_dir(&io_posix, path) == 0 ? 0 :
	    restore_errno(path, "sync");
}

int
restore_mkdir(const char *path)
{
	return mkdir(path, DIR_MODE) == 0 || errno == EEXIST ? 0 :
	    restore_errno(path, "make");
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

int
restore_rmdir(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ||
	    errno == ENOENT)
		return 0;
	return restore_errno(path, "remove");
}

int
restore_has_room(const struct restore *r, uint64_t bytes)
{
	struct statvfs	v;
	uint64_t	has;

	if (statvfs(r->data, &v) == -1)
		return restore_errno(r->data, "free space");
	has = (uint64_t)v.f_bavail * v.f_frsize;
	bytes += (uint64_t)(r->stores + r->routers) * (SPARES * RESTORE_SEGMENT +
	    r->files * FILE_ROOM);
	printf("%s: needs about %" PRIu64 " MiB, %" PRIu64 " MiB are free\n",
	    r->data, bytes >> 20, has >> 20);
	fflush(stdout);
	if (has >= bytes)
		return 0;
	return restore_bad(r->data, "not enough disk space");
}

/* --- ours alone --- */

static int
lock(const char *dir, const char *name, int *fd)
{
	char	path[PATH_MAX];

	restore_path(path, "%s/%s", dir, name);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (*fd == -1)
		return restore_errno(path, "open");
	if (flock(*fd, LOCK_EX | LOCK_NB) == -1)
		return restore_bad(dir, "is in use by a wharfd or what one "
		    "left running");
	return 0;
}

static int
is_any(const char *name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(name, *list) == 0)
			return 1;
	return 0;
}

/*
 * Calls fn for all but locks, mark, and what a file system has at its root;
 * stops where it is not 0.
 */
static int
each_name(const char *dir, int (*fn)(const char *dir, const char *name))
{
	static const char *const	 ours[] = { ".", "..", "LOCK",
	    "LOCK.actors", MARK, "lost+found", NULL };
	DIR				*d = opendir(dir);
	struct dirent			*de;
	int				 rv = 0;

	if (d == NULL)
		return restore_errno(dir, "open");
	while (rv == 0 && (de = readdir(d)) != NULL)
		if (!is_any(de->d_name, ours))
			rv = fn(dir, de->d_name);
	closedir(d);
	return rv;
}

static int
refuse_name(const char *dir, const char *name)
{
	return restore_bad(dir, "is not empty (%s): restore into a new "
	    "directory", name);
}

static int
remove_name(const char *dir, const char *name)
{
	char	path[PATH_MAX];

	restore_path(path, "%s/%s", dir, name);
	return restore_rmdir(path);
}

static int
set_mark(const char *dir)
{
	char	path[PATH_MAX];
	int	fd;

	restore_path(path, "%s/" MARK, dir);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640)) == -1)
		return restore_errno(path, "make");
	close(fd);
	return restore_sync_dir(dir);
}

/* What an earlier try left goes, unless that came as far as NODE. */
static int
make_empty(const char *dir)
{
	char	mark[PATH_MAX], node[PATH_MAX];

	restore_path(mark, "%s/" MARK, dir);
	restore_path(node, "%s/NODE", dir);
	if (access(mark, F_OK) == -1 || access(node, F_OK) == 0)
		return each_name(dir, refuse_name);
	printf("%s: what an unfinished restore left is removed\n", dir);
	return each_name(dir, remove_name);
}

int
restore_target(struct restore *r)
{
	if (restore_mkdir(r->data) == -1 ||
	    lock(r->data, "LOCK", &r->lock) == -1 ||
	    lock(r->data, "LOCK.actors", &r->actors_lock) == -1 ||
	    make_empty(r->data) == -1)
		return -1;
	return set_mark(r->data);
}

/* --- the end --- */

/*
 * As supervisor/node.h has it; of format 1 when the backup has no routers:
 * wharfd then makes their directories.
 */
static int
write_node(const struct restore *r, const char *path)
{
	unsigned	 format = r->routers == 0 ? 1 : 2;
	unsigned	 routers = r->link[0].b.routers;
	FILE		*f = fopen(path, "we");
	int		 bad;

	if (f == NULL)
		return restore_errno(path, "write");
	fprintf(f, "wharf-node %u\nid %016" PRIx64 "\nstores %u\nfiles %u\n"
	    "routers %u\n", format, r->node, r->stores, r->files,
	    routers == 0 ? 1 : routers);
	bad = fflush(f) != 0 || fsync(fileno(f)) == -1;
	bad |= fclose(f) != 0;
	return bad ? restore_errno(path, "write") : 0;
}

int
restore_commit(struct restore *r)
{
	char	tmp[PATH_MAX], path[PATH_MAX];

	restore_path(tmp, "%s/NODE.tmp", r->data);
	restore_path(path, "%s/NODE", r->data);
	if (restore_sync_dir(r->data) == -1 || write_node(r, tmp) == -1)
		return -1;
	if (rename(tmp, path) == -1)
		return restore_errno(path, "rename");
	if (restore_sync_dir(r->data) == -1)
		return -1;
	restore_path(path, "%s/" MARK, r->data);
	unlink(path);		/* NODE alone says what it is */
	return 0;
}
