/*
 * world.h: what the preloaded library knows of a store's disk: which bytes,
 * sizes and names a power cut cannot take away any more, and which changes of
 * names it still may.  doc/testing.md says what is simulated and what is not.
 *
 * Everything stands in files under $POWERCUT_STATE, so that it outlives a
 * store that is killed and started again (the page cache does as well):
 *	world		struct world, mapped by the library and by the driver
 *	now.N		hard link to file N: alive even when its names are gone
 *	disk.N		what is certainly on the disk of file N
 *	image.N		image N, a copy of the store's directory after the cut
 * Paths are relative to $POWERCUT_ROOT, the store's directory.  What is said of
 * a store goes for a router as well, when $POWERCUT_PROGRAM says so.
 */
#ifndef TESTS_POWERCUT_WORLD_H
#define TESTS_POWERCUT_WORLD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define FILES_MAX	512
#define NAMES_MAX	512
#define CHANGES_MAX	1024
#define IMAGES_MAX	64
#define NAME_SIZE	112
#define PATH_LEN	1024

#define PAGE		4096u
#define SECTOR		512u

struct file {
	uint64_t	used;
	uint64_t	ino;
	uint64_t	size;		/* certainly on the disk */
};

struct name {
	int32_t		file;
	char		path[NAME_SIZE];
};

/* Not yet synced.  from "": made; to "": removed; both: renamed. */
struct change {
	uint64_t	seq;
	int32_t		file;
	char		from[NAME_SIZE];
	char		to[NAME_SIZE];
};

struct world {
	/* The driver (powercut.py) reads and writes the first eight. */
	uint64_t	points;		/* places passed where a cut may fall */
	uint64_t	cut_at;		/* make an image at this one; 0: none */
	uint64_t	cutting;	/* 1: cut_at is being looked at */
	uint64_t	cut_rare;	/* 1: but not at a write */
	uint64_t	kill_at;	/* SIGKILL this process there; 0: never */
	uint64_t	seed;
	uint64_t	delay;		/* a sync takes up to so many usec */
	uint64_t	images;		/* made so far */
	int64_t		cut_ns[IMAGES_MAX];	/* CLOCK_MONOTONIC at its end */

	uint64_t	begun;		/* the rest is filled in */
	uint64_t	seq;
	uint64_t	nnames, nchanges;
	struct file	file[FILES_MAX];
	struct name	name[NAMES_MAX];
	struct change	change[CHANGES_MAX];
};

/* Mistakes that can be planted: $POWERCUT_PLANT, a comma-separated list. */
enum plant {
	PLANT_DIR = 1,		/* dir: directories are never synced */
	PLANT_DATA = 2,		/* data: data files are never synced */
	PLANT_LOG = 4,		/* log: log segments are never synced */
	PLANT_MANIFEST = 8,	/* manifest: MANIFEST.tmp is never synced */
	PLANT_LATE = 16,	/* late: a synced write returns before it is */
};

extern struct world	*world;
extern const char	*world_root, *world_state;
extern unsigned		 world_plants;

/* What a file or directory held when a sync of it began. */
enum seen_what { SEEN_NOTHING, SEEN_DIR, SEEN_FILE, SEEN_RANGE };

struct seen {
	enum seen_what	 what;
	char		 dir[NAME_SIZE];
	uint64_t	 seq;		/* of a directory: changes up to this */
	int		 file;
	uint64_t	 ino;
	uint8_t		*p;		/* of a file: len bytes from off */
	uint64_t	 off, len;
};

/* --- disk.c; the lock is held, and calls.c lets our own calls pass --- */

/* Maps the state; takes what is in the root as durable if it is new. */
void	world_open(void);
/* The number of a file; -1: not one of ours. */
int	file_find(int fd);
int	file_of_path(const char *path);
/* Whether path lies below the root; then *rel is the rest of it. */
int	path_ours(const char *path, const char **rel);
void	file_made(int fd, const char *rel);
void	change_add(int file, const char *from, const char *to);
void	name_apply(struct name *names, uint64_t *n, const struct change *);
/* Calls see for every file that is there, in dir ("": root) and below. */
void	names_walk(const char *dir, void (*see)(const char *rel));

/* Notes what a sync of fd makes durable; nothing if that is planted. */
void	seen_take(struct seen *, int fd);
/* The same for a range of a file; what is beyond its end is left out. */
void	seen_range(struct seen *, int file, uint64_t off, uint64_t len);
/* The sync is done.  Frees what was noted. */
void	seen_commit(struct seen *);

/* --- image.c --- */
void	image_make(void);

/* --- util.c --- */
/* "now", "disk" or "image" and a number; a name below the root. */
void	 path_state(char out[PATH_LEN], const char *kind, unsigned n);
void	 path_root(char out[PATH_LEN], const char *rel);
/* len bytes from off, zeros beyond the end of the file; to be freed. */
uint8_t	*slurp(const char *path, uint64_t off, uint64_t len);
/* Lays bytes into a file, which is made if need be. */
void	 spill(const char *path, const uint8_t *, uint64_t off, uint64_t len);
/* Aborts the process: the driver takes that for a failure of the harness. */
void	 must(int ok, const char *what);

#endif
