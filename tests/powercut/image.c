/*
 * image.c: a directory as a power cut may leave it, made from what is durable
 * and what is there now.  Every choice comes from the seed and the number of
 * the image.
 *
 * Names: half of the images take some first part of the changes that were not
 * synced, as a file system with a journal would; the others any of them.
 * Contents: of each page that is not as it is on the disk the old, the new, or
 * any of the two for each of its sectors; a third of the files is all old, a
 * third all new.  Sizes: the old or the new.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/powercut/world.h"

#define SETTLE_NS	10000000L

enum taste { ALL_OLD, ALL_NEW, MIXED };

/* splitmix64, public domain, Vigna 2015. */
static uint64_t
roll(uint64_t *state, uint64_t n)
{
	uint64_t	z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % n;
}

static void
name_known(const char *rel)
{
	char	path[PATH_LEN];

	path_root(path, rel);
	must(file_of_path(path) != -1, path);
}

/* Invariant 2 of disk.c: are we aware of every name? */
static void
check_names(void)
{
	static struct name	names[NAMES_MAX];
	char			path[PATH_LEN];
	uint64_t		i, n = world->nnames;

	memcpy(names, world->name, sizeof names);
	for (i = 0; i < world->nchanges; i++)
		name_apply(names, &n, &world->change[i]);
	for (i = 0; i < n; i++) {
		path_root(path, names[i].path);
		must(file_of_path(path) == names[i].file, path);
	}
	names_walk("", name_known);
}

static uint64_t
choose_names(struct name *names, uint64_t *rng)
{
	uint64_t	n = world->nnames, first, i;
	int		ordered = roll(rng, 2) == 0;

	memcpy(names, world->name, sizeof world->name);
	first = roll(rng, world->nchanges + 1);
	for (i = 0; i < world->nchanges; i++)
		if (ordered ? i < first : roll(rng, 2) == 0)
			name_apply(names, &n, &world->change[i]);
	return n;
}

/* old becomes what the disk has of one page. */
static void
choose_page(uint8_t *old, const uint8_t *new, enum taste t, uint64_t *rng)
{
	uint64_t	how, i;

	if (t == ALL_OLD || memcmp(old, new, PAGE) == 0)
		return;
	how = t == ALL_NEW ? 1 : roll(rng, 3);
	for (i = 0; i < PAGE; i += SECTOR)
		if (how == 1 || (how == 2 && roll(rng, 2) == 0))
			memcpy(old + i, new + i, SECTOR);
}

static int
is_zero(const uint8_t *p)
{
	return p[0] == 0 && memcmp(p, p + 1, PAGE - 1) == 0;
}

/* The bytes of a file go to path; old and new are of whole pages. */
static void
put_file(const char *path, uint8_t *old, const uint8_t *new, uint64_t pages,
    enum taste t, uint64_t *rng)
{
	int		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	uint64_t	at;

	must(fd != -1, path);
	for (at = 0; at < pages * PAGE; at += PAGE) {
		choose_page(old + at, new + at, t, rng);
		if (!is_zero(old + at))
			must(pwrite(fd, old + at, PAGE, (off_t)at) == PAGE,
			    path);
	}
	close(fd);
}

static void
image_file(int file, const char *path, uint64_t *rng)
{
	char		 now[PATH_LEN], disk[PATH_LEN];
	uint64_t	 was = world->file[file].size, is, pages;
	enum taste	 t = (enum taste)roll(rng, 3);
	struct stat	 st;
	uint8_t		*old, *new;

	path_state(now, "now", (unsigned)file);
	path_state(disk, "disk", (unsigned)file);
	must(stat(now, &st) == 0, now);
	is = (uint64_t)st.st_size;
	pages = ((was > is ? was : is) + PAGE - 1) / PAGE;
	old = slurp(disk, 0, pages * PAGE);
	new = slurp(now, 0, pages * PAGE);
	put_file(path, old, new, pages, t, rng);
	if (t == ALL_OLD || (t == MIXED && roll(rng, 2) == 0))
		is = was;
	must(truncate(path, (off_t)is) == 0, path);
	free(old);
	free(new);
}

/* Directories are made once, at the first start, and never go. */
static void
image_dirs(const char *image)
{
	char		 path[PATH_LEN];
	struct dirent	*de;
	DIR		*dp;

	must(mkdir(image, 0700) == 0, image);
	must((dp = opendir(world_root)) != NULL, world_root);
	while ((de = readdir(dp)) != NULL) {
		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		must(snprintf(path, PATH_LEN, "%s/%s", image, de->d_name) <
		    PATH_LEN, image);
		must(mkdir(path, 0700) == 0, path);
	}
	closedir(dp);
}

void
image_make(void)
{
	static struct name	names[NAMES_MAX];
	const struct timespec	settle = { 0, SETTLE_NS };
	struct timespec		ts;
	char			image[PATH_LEN], path[PATH_LEN];
	uint64_t		rng = world->seed * 1000003 + world->images;
	uint64_t		n, i;

	must(world->images < IMAGES_MAX, "too many images");
	/*
	 * Nothing becomes durable from here on, as that takes the lock.  An
	 * answer that was sent too early has time to arrive and be believed.
	 */
	nanosleep(&settle, NULL);
	check_names();
	n = choose_names(names, &rng);
	path_state(image, "image", (unsigned)world->images);
	image_dirs(image);
	for (i = 0; i < n; i++) {
		must(snprintf(path, PATH_LEN, "%s/%s", image, names[i].path) <
		    PATH_LEN, image);
		image_file(names[i].file, path, &rng);
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	world->cut_ns[world->images] = ts.tv_sec * 1000000000L + ts.tv_nsec;
	world->images++;
}
