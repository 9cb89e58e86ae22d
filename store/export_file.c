/*
 * export_file.c: writes, syncs and renames the two files of an export; runs on
 * the helper's thread of store_export.c.
 *
 * SPACE_LEAVE bytes of the disk are left to log and data files.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/export_file.h"
#include "store/io.h"
#include "supervisor/log.h"

#define TMP_PATH	(EXPORT_PATH + 8)
#define SPACE_LEAVE	(16u << 20)

static enum err
write_failed(struct writing *w, const char *what)
{
	w->what = what;
	w->err = errno;
	return io_is_full(errno) ? E_NOSPACE : E_INTERNAL;
}

static const char *
write_tmp(const struct writing *w, int i, char out[TMP_PATH])
{
	snprintf(out, TMP_PATH, "%s" SNAPSHOT_TMP, w->path[i]);
	return out;
}

static enum err
write_open(struct writing *w)
{
	char	path[TMP_PATH];
	int	i;

	for (i = 0; i < 2; i++) {
		if (w->fd[i] >= 0)
			continue;
		w->fd[i] = io_posix.open(&io_posix, write_tmp(w, i, path),
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
		if (w->fd[i] < 0)
			return write_failed(w, "open");
	}
	return E_OK;
}

/* Log and data files must have room to go on. */
static enum err
write_room(struct writing *w)
{
	struct statvfs	v;
	size_t		n = w->chunk.n + w->chunk.placen;

	if (fstatvfs(w->fd[0], &v) != 0)
		return write_failed(w, "statvfs");
	if ((uint64_t)v.f_bavail * v.f_frsize < (uint64_t)SPACE_LEAVE + n) {
		errno = ENOSPC;
		return write_failed(w, "write");
	}
	return E_OK;
}

enum err
export_write(struct job *j)
{
	struct writing	*w = j->arg;
	const uint8_t	*p[2] = { w->chunk.places, w->chunk.lines };
	size_t		 n[2] = { w->chunk.placen, w->chunk.n };
	enum err	 e;
	int		 i;

	if ((e = write_open(w)) != E_OK || (e = write_room(w)) != E_OK)
		return e;
	for (i = 0; i < 2; i++) {
		if (io_write_all(&io_posix, w->fd[i], p[i], n[i],
		    (off_t)w->at[i]) != 0)
			return write_failed(w, "write");
		w->at[i] += n[i];
	}
	return E_OK;
}

/*
 * The old offsets go first, the new ones come last: whoever finds offsets finds
 * their lines (snapshot.c).
 */
enum err
export_finish(struct job *j)
{
	struct writing	*w = j->arg;
	char		 path[TMP_PATH];
	enum err	 e;
	int		 i;

	if ((e = write_open(w)) != E_OK)	/* no entry at all */
		return e;
	for (i = 0; i < 2; i++) {
		if (io_posix.fdatasync(&io_posix, w->fd[i]) != 0)
			return write_failed(w, "sync");
		close(w->fd[i]);
		w->fd[i] = -1;
	}
	if (io_posix.unlink(&io_posix, w->path[0]) == 0) {
		if (io_sync_dir(&io_posix, w->dir) != 0)
			return write_failed(w, "sync the directory of");
	} else if (errno != ENOENT)
		return write_failed(w, "unlink");
	for (i = 1; i >= 0; i--)
		if (io_posix.rename(&io_posix, write_tmp(w, i, path),
		    w->path[i]) != 0 || io_sync_dir(&io_posix, w->dir) != 0)
			return write_failed(w, "rename");
	return E_OK;
}

/*
 * A task failed: its unfinished files are in nobody's way, but lines whose
 * offsets are gone already, or are not there yet, are no snapshot.
 */
enum err
export_drop(struct job *j)
{
	struct writing	*w = j->arg;
	char		 path[TMP_PATH];
	int		 i;

	export_close(w);
	for (i = 0; i < 2; i++)
		(void)io_posix.unlink(&io_posix, write_tmp(w, i, path));
	if (access(w->path[0], F_OK) != 0 && errno == ENOENT)
		(void)io_posix.unlink(&io_posix, w->path[1]);
	return E_OK;
}

void
export_close(struct writing *w)
{
	int	i;

	for (i = 0; i < 2; i++) {
		if (w->fd[i] >= 0)
			close(w->fd[i]);
		w->fd[i] = -1;
	}
}

/* Is it unfinished, or lines without offsets?  The name is used up. */
static int
sweep_wants(int dir, char *name)
{
	size_t	n = strlen(name), tmp = strlen(SNAPSHOT_TMP),
		data = strlen(SNAPSHOT_DATA);

	if (n > tmp && strcmp(name + n - tmp, SNAPSHOT_TMP) == 0)
		return 1;
	if (n <= data || strcmp(name + n - data, SNAPSHOT_DATA) != 0)
		return 0;
	name[n - data] = '\0';
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
	    errno == ENOENT;
}

void
export_sweep(const char *dir)
{
	DIR		*d = opendir(dir);
	struct dirent	*e;
	char		 name[sizeof(e->d_name)];

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		snprintf(name, sizeof(name), "%s", e->d_name);
		if (sweep_wants(dirfd(d), name) &&
		    unlinkat(dirfd(d), e->d_name, 0) != 0)
			log_warn("store: cannot remove %s/%s", dir, e->d_name);
	}
	closedir(d);
}
