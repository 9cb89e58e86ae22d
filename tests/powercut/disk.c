/*
 * disk.c: the model of the disk: durable contents, sizes and names.
 *
 * Invariants
 * 1 disk.N (up to file[N].size) is what the file held when the last completed
 *   sync of it began, with ranges that were synced alone laid over it.
 * 2 name[] is the directory as of its last sync; name[] with all of change[]
 *   applied in order is the directory as it is.
 * A call that this library does not see would break 2; image_make checks it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/powercut/world.h"

struct world	*world;
const char	*world_root, *world_state;
unsigned	 world_plants;

static dev_t	 root_dev;

/* --- files --- */

static int
file_by_ino(uint64_t ino)
{
	int	i;

	for (i = 0; i < FILES_MAX; i++)
		if (world->file[i].used && world->file[i].ino == ino)
			return i;
	return -1;
}

int
file_find(int fd)
{
	struct stat	st;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_dev != root_dev)
		return -1;
	return file_by_ino(st.st_ino);
}

int
file_of_path(const char *path)
{
	struct stat	st;

	return stat(path, &st) == -1 ? -1 : file_by_ino(st.st_ino);
}

/* A file that is not known yet: of no bytes, as far as the disk knows. */
static int
file_add(const char *rel)
{
	char		path[PATH_LEN], keep[PATH_LEN];
	struct stat	st;
	int		i;

	for (i = 0; i < FILES_MAX && world->file[i].used; i++)
		;
	must(i < FILES_MAX, "too many files");
	path_root(path, rel);
	must(stat(path, &st) == 0, path);
	path_state(keep, "now", (unsigned)i);
	must(link(path, keep) == 0, keep);
	path_state(keep, "disk", (unsigned)i);
	spill(keep, NULL, 0, 0);
	world->file[i] = (struct file){ .used = 1, .ino = st.st_ino };
	return i;
}

static void
file_drop(int i)
{
	char	path[PATH_LEN];

	path_state(path, "now", (unsigned)i);
	must(unlink(path) == 0, path);
	path_state(path, "disk", (unsigned)i);
	must(unlink(path) == 0, path);
	world->file[i].used = 0;
}

/* Forgets files that no name, durable or not, leads to any more. */
static void
file_gc(void)
{
	char		path[PATH_LEN];
	uint8_t		keep[FILES_MAX] = { 0 };
	struct stat	st;
	uint64_t	i;

	for (i = 0; i < world->nnames; i++)
		keep[world->name[i].file] = 1;
	for (i = 0; i < world->nchanges; i++)
		keep[world->change[i].file] = 1;
	for (i = 0; i < FILES_MAX; i++) {
		if (!world->file[i].used || keep[i])
			continue;
		path_state(path, "now", (unsigned)i);
		if (stat(path, &st) == 0 && st.st_nlink == 1)
			file_drop((int)i);
	}
}

void
file_made(int fd, const char *rel)
{
	if (file_find(fd) == -1)
		change_add(file_add(rel), "", rel);
}

/* --- names --- */

void
change_add(int file, const char *from, const char *to)
{
	struct change	*c;

	must(world->nchanges < CHANGES_MAX, "too many changes of names");
	c = &world->change[world->nchanges++];
	c->seq = ++world->seq;
	c->file = file;
	must(strlen(from) < NAME_SIZE && strlen(to) < NAME_SIZE, "long name");
	strcpy(c->from, from);
	strcpy(c->to, to);
}

static void
name_remove(struct name *names, uint64_t *n, const char *path, int file)
{
	uint64_t	i;

	for (i = 0; i < *n; i++)
		if (strcmp(names[i].path, path) == 0 &&
		    (file == -1 || names[i].file == file)) {
			names[i] = names[--*n];
			return;
		}
}

void
name_apply(struct name *names, uint64_t *n, const struct change *c)
{
	if (c->from[0] != '\0')
		name_remove(names, n, c->from, c->file);
	if (c->to[0] == '\0')
		return;
	name_remove(names, n, c->to, -1);
	must(*n < NAMES_MAX, "too many names");
	names[*n].file = c->file;
	strcpy(names[(*n)++].path, c->to);
}

/* Whether the directory part of rel is dir; both may be "". */
static int
in_dir(const char *rel, const char *dir)
{
	const char	*p = strrchr(rel, '/');
	size_t		 n = p == NULL ? 0 : (size_t)(p - rel);

	return rel[0] != '\0' && n == strlen(dir) && strncmp(rel, dir, n) == 0;
}

static void
dir_commit(const char *dir, uint64_t seq)
{
	struct change	*c;
	uint64_t	 i, left = 0;

	for (i = 0; i < world->nchanges; i++) {
		c = &world->change[i];
		if (c->seq <= seq && in_dir(c->to[0] ? c->to : c->from, dir))
			name_apply(world->name, &world->nnames, c);
		else
			world->change[left++] = *c;
	}
	world->nchanges = left;
	file_gc();
}

/* --- syncs --- */

/* Whether syncs of this name are to do nothing. */
static int
planted(const char *rel)
{
	static const struct {
		enum plant	 plant;
		const char	*like;
	} which[] = {
		{ PLANT_DATA, "data.*.tkh*" },
		{ PLANT_LOG, "wal/*.seg" },
		{ PLANT_MANIFEST, "MANIFEST.tmp" },
	};
	size_t	i;

	for (i = 0; i < sizeof which / sizeof which[0]; i++)
		if ((world_plants & which[i].plant) &&
		    fnmatch(which[i].like, rel, 0) == 0)
			return 1;
	return 0;
}

/* The path of fd below the root ("" is the root itself); 0: not below it. */
static int
fd_path(int fd, char path[PATH_LEN], const char **rel)
{
	char	link[64];
	ssize_t	n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if ((n = readlink(link, path, PATH_LEN - 1)) <= 0)
		return 0;
	path[n] = '\0';
	*rel = path + n;
	return strcmp(path, world_root) == 0 || path_ours(path, rel);
}

void
seen_range(struct seen *s, int file, uint64_t off, uint64_t len)
{
	char		path[PATH_LEN];
	struct stat	st;

	memset(s, 0, sizeof *s);
	path_state(path, "now", (unsigned)file);
	must(stat(path, &st) == 0, path);
	if (off >= (uint64_t)st.st_size)
		return;
	s->what = SEEN_RANGE;
	s->file = file;
	s->ino = world->file[file].ino;
	s->off = off;
	s->len = (uint64_t)st.st_size - off;
	if (s->len > len)
		s->len = len;
	s->p = slurp(path, off, s->len);
}

void
seen_take(struct seen *s, int fd)
{
	char		path[PATH_LEN];
	const char	*rel;
	struct stat	st;
	int		file;

	memset(s, 0, sizeof *s);
	if (!fd_path(fd, path, &rel) || planted(rel) || fstat(fd, &st) == -1)
		return;
	if (S_ISDIR(st.st_mode)) {
		if (world_plants & PLANT_DIR)
			return;
		s->what = SEEN_DIR;
		s->seq = world->seq;
		must(strlen(rel) < NAME_SIZE, rel);
		strcpy(s->dir, rel);
	} else if ((file = file_find(fd)) != -1) {
		seen_range(s, file, 0, UINT64_MAX);
		s->what = SEEN_FILE;
		s->file = file;
		s->ino = st.st_ino;
	}
}

void
seen_commit(struct seen *s)
{
	char		 path[PATH_LEN];
	struct file	*f = &world->file[s->file];

	if (s->what == SEEN_DIR)
		dir_commit(s->dir, s->seq);
	/* The file may have gone for good while it was synced. */
	if ((s->what == SEEN_FILE || s->what == SEEN_RANGE) && f->used &&
	    f->ino == s->ino) {
		path_state(path, "disk", (unsigned)s->file);
		spill(path, s->p, s->off, s->len);
		if (s->what == SEEN_FILE || f->size < s->off + s->len)
			f->size = s->off + s->len;
		must(truncate(path, (off_t)f->size) == 0, path);
	}
	free(s->p);
	memset(s, 0, sizeof *s);
}

/* --- the beginning --- */

void
names_walk(const char *dir, void (*see)(const char *rel))
{
	char		 path[PATH_LEN], rel[NAME_SIZE];
	struct dirent	*de;
	DIR		*dp;

	path_root(path, dir);
	must((dp = opendir(path)) != NULL, path);
	while ((de = readdir(dp)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		must(snprintf(rel, sizeof rel, "%s%s%s", dir, dir[0] ? "/" : "",
		    de->d_name) < (int)sizeof rel, de->d_name);
		if (de->d_type == DT_DIR)
			names_walk(rel, see);
		else
			see(rel);
	}
	closedir(dp);
}

static void
name_begin(const char *rel)
{
	change_add(file_add(rel), "", rel);
}

/* All that is there now is on the disk. */
static void
begin(void)
{
	struct seen	s;
	uint64_t	i;

	names_walk("", name_begin);
	for (i = 0; i < world->nchanges; i++) {
		seen_range(&s, world->change[i].file, 0, UINT64_MAX);
		seen_commit(&s);
		name_apply(world->name, &world->nnames, &world->change[i]);
	}
	world->nchanges = 0;
	world->begun = 1;
}

void
world_open(void)
{
	char		path[PATH_LEN];
	struct stat	st;
	int		fd;

	must(snprintf(path, PATH_LEN, "%s/world", world_state) < PATH_LEN,
	    "path");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd != -1 && ftruncate(fd, sizeof *world) == 0, path);
	world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	must(world != MAP_FAILED, path);
	close(fd);
	must(stat(world_root, &st) == 0, world_root);
	root_dev = st.st_dev;
	if (!world->begun)
		begin();
}
