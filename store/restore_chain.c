/*
 * restore_chain.c: which backup is meant, and the ones that it rests on: each
 * names its parent and that one's checksum, down to a full one.  Reads only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/restore_impl.h"

#define LINKS_MAX	65536

static int
is_backup(const char *dir)
{
	char	path[PATH_MAX];

	restore_path(path, "%s/" BACKUP_NAME, dir);
	return access(path, F_OK) == 0;
}

/* The last one in a directory of backups; failed ones have no BACKUP. */
static int
newest(const char *in, char out[PATH_MAX])
{
	DIR		*d = opendir(in);
	struct dirent	*de;
	char		 stamp[16], best[16] = "", path[PATH_MAX];
	int		 full;

	if (d == NULL)
		return restore_errno(in, "open");
	out[0] = '\0';
	while ((de = readdir(d)) != NULL) {
		if (!backup_dir_name(de->d_name, stamp, &full) ||
		    strcmp(stamp, best) <= 0)
			continue;
		restore_path(path, "%s/%s", in, de->d_name);
		if (!is_backup(path))
			continue;
		memcpy(best, stamp, sizeof(best));
		memcpy(out, path, PATH_MAX);
	}
	closedir(d);
	return out[0] != '\0' ? 0 : restore_bad(in, "there is no backup");
}

static int
link_add(struct restore *r, const char *dir)
{
	struct restore_link	*l;
	char			 path[PATH_MAX], why[128];
	enum err		 e;

	l = realloc(r->link, (r->links + 1) * sizeof(*l));
	if (l == NULL || r->links >= LINKS_MAX)
		return restore_bad(dir, "its chain is too long");
	r->link = l;
	l += r->links;
	memset(l, 0, sizeof(*l));
	restore_path(l->dir, "%s", dir);
	restore_path(path, "%s/" BACKUP_NAME, dir);
	e = backup_load(&l->b, AT_FDCWD, path, 1, why, sizeof(why));
	if (e != E_OK)
		return restore_bad(path, "%s", why);
	r->links++;
	return 0;
}

/* Is the last link what the one before it calls its parent? */
static int
link_fits(const struct restore *r)
{
	const struct restore_link	*up = &r->link[r->links - 1];
	const struct backup		*b = &r->link[r->links - 2].b;

	if (up->b.end != b->parent_end)
		return restore_bad(up->dir, "is not the backup that %s rests "
		    "on", r->link[r->links - 2].dir);
	if (up->b.node != b->node || up->b.stores != b->stores ||
	    up->b.files != b->files ||
	    (up->b.format != 1 && up->b.routers != b->routers))
		return restore_bad(up->dir, "is of another node than %s",
		    r->link[r->links - 2].dir);
	return 0;
}

/* Parents lie beside the backup. */
static void
beside(const char *dir, const char *name, char out[PATH_MAX])
{
	const char	*slash = strrchr(dir, '/');

	if (slash == NULL)
		restore_path(out, "%s", name);
	else
		restore_path(out, "%.*s/%s", (int)(slash - dir), dir, name);
}

static int
chain(struct restore *r, const char *dir)
{
	char	next[PATH_MAX];

	if (link_add(r, dir) == -1)
		return -1;
	while (r->link[r->links - 1].b.parent[0] != '\0') {
		beside(r->link[r->links - 1].dir,
		    r->link[r->links - 1].b.parent, next);
		if (link_add(r, next) == -1 || link_fits(r) == -1)
			return -1;
	}
	return 0;
}

int
restore_find(struct restore *r)
{
	char	dir[PATH_MAX], *real = realpath(r->from, NULL);

	if (real == NULL)
		return restore_errno(r->from, "no such backup");
	restore_path(dir, "%s", real);
	free(real);
	if (!is_backup(dir) && newest(r->from, dir) == -1)
		return -1;
	return chain(r, dir);
}

void
restore_let_go(struct restore *r)
{
	size_t	i;

	for (i = 0; i < r->links; i++)
		backup_clear(&r->link[i].b);
	free(r->link);
	r->link = NULL;
	r->links = 0;
	if (r->lock != -1)
		close(r->lock);
	if (r->actors_lock != -1)
		close(r->actors_lock);
	r->lock = r->actors_lock = -1;
}
