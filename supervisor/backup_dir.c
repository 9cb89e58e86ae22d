/*
 * backup_dir.c: see backup_dir.h.  Blocks: in wharfd only on the thread of
 * backup.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/backup_dir.h"

#define DEPTH	4		/* of directories in a backup, and some */

static int
entry_cmp(const void *a, const void *b)
{
	const struct backup_entry	*x = a, *y = b;

	return strcmp(x->name, y->name);
}

const struct backup_entry *
backup_list_find(const struct backup_list *l, const char *name)
{
	struct backup_entry	key;

	snprintf(key.name, sizeof(key.name), "%s", name);
	return l->n == 0 ? NULL :
	    bsearch(&key, l->e, l->n, sizeof(key), entry_cmp);
}

void
backup_list_free(struct backup_list *l)
{
	free(l->e);
	l->e = NULL;
	l->n = 0;
}

static void
entry_take(struct backup_entry *e, const struct backup *b)
{
	size_t	i;

	e->node = b->node;
	e->end = b->end;
	e->made = b->made;
	e->format = b->format;
	e->stores = b->stores;
	e->files = b->files;
	e->routers = b->routers;
	e->parent_end = b->parent_end;
	memcpy(e->parent, b->parent, sizeof(e->parent));
	for (i = 0; i < b->nfile; i++)
		e->bytes += b->file[i].to - b->file[i].from;
}

static void
entry_read(int dirfd, struct backup_entry *e)
{
	char		path[BACKUP_DIR_MAX + sizeof(BACKUP_NAME) + 1];
	char		why[sizeof(e->why) - 16];
	struct backup	b;
	enum err	r;

	snprintf(path, sizeof(path), "%s/%s", e->name, BACKUP_NAME);
	r = backup_load(&b, dirfd, path, 1, why, sizeof(why));
	e->begun = r == E_NOTFOUND;
	if (e->begun)
		snprintf(e->why, sizeof(e->why), "it was never finished");
	else if (r != E_OK)
		snprintf(e->why, sizeof(e->why), "%s: %s", BACKUP_NAME, why);
	else
		entry_take(e, &b);
	backup_clear(&b);
}

static int
list_names(DIR *d, struct backup_list *l)
{
	struct dirent		*de;
	struct backup_entry	*e;
	char			 stamp[16];
	int			 full;

	while (errno = 0, (de = readdir(d)) != NULL) {
		if (!backup_dir_name(de->d_name, stamp, &full))
			continue;
		if ((l->n & (l->n - 1)) == 0) {
			e = realloc(l->e, (l->n * 2 + 1) * sizeof(*e));
			if (e == NULL)
				return -1;
			l->e = e;
		}
		e = &l->e[l->n++];
		memset(e, 0, sizeof(*e));
		snprintf(e->name, sizeof(e->name), "%.39s", de->d_name);
		e->full = full;
	}
	return errno == 0 ? 0 : -1;
}

/* A parent is older, so it stands before its child and is judged already. */
static void
entry_judge(const struct backup_list *l, struct backup_entry *e)
{
	const struct backup_entry	*p;

	if (e->why[0] != '\0' || e->parent[0] == '\0')
		return;
	p = backup_list_find(l, e->parent);
	if (p == NULL)
		snprintf(e->why, sizeof(e->why), "%s is missing", e->parent);
	else if (p >= e || p->end != e->parent_end)
		snprintf(e->why, sizeof(e->why), "%s is not what it was",
		    e->parent);
	else if (p->why[0] != '\0')
		snprintf(e->why, sizeof(e->why), "%s cannot be used",
		    e->parent);
}

int
backup_dir_list(int dirfd, struct backup_list *l)
{
	int	 fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR	*d = fd == -1 ? NULL : fdopendir(fd);
	size_t	 i;
	int	 r;

	l->e = NULL;
	l->n = 0;
	if (d == NULL) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	if ((r = list_names(d, l)) == -1)
		backup_list_free(l);
	closedir(d);
	if (l->n > 0)
		qsort(l->e, l->n, sizeof(*l->e), entry_cmp);
	for (i = 0; i < l->n; i++)
		entry_read(dirfd, &l->e[i]);
	for (i = 0; i < l->n; i++)
		entry_judge(l, &l->e[i]);
	return r;
}

/* --- removing --- */

static int	remove_in(int dirfd, const char *name, int depth);

static int
remove_one(int dirfd, const char *name, int depth)
{
	if (unlinkat(dirfd, name, 0) == 0)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	return remove_in(dirfd, name, depth - 1);
}

static int
remove_in(int dirfd, const char *name, int depth)
{
	struct dirent	*de;
	DIR		*d;
	int		 fd, r = 0;

	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd == -1 || depth == 0 || (d = fdopendir(fd)) == NULL) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	while (r == 0 && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0)
			r = remove_one(fd, de->d_name, depth);
	closedir(d);
	return r == 0 ? unlinkat(dirfd, name, AT_REMOVEDIR) : -1;
}

int
backup_dir_remove(int dirfd, const char *name)
{
	char		path[BACKUP_DIR_MAX + sizeof(BACKUP_NAME) + 1];
	char		stamp[16];
	struct stat	st;
	int		full;

	if (!backup_dir_name(name, stamp, &full)) {
		errno = EINVAL;
		return -1;
	}
	snprintf(path, sizeof(path), "%s/%s", name, BACKUP_NAME);
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return errno == ENOENT ? remove_in(dirfd, name, DEPTH) : -1;
}
