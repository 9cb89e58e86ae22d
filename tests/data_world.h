/*
 * data_world.h: the world around data.c in its tests: a log that is a list, a
 * helper whose jobs are run by hand, a disk that remembers what was synced and
 * can be copied as a kill or a power cut would leave it.
 */
#ifndef TESTS_DATA_WORLD_H
#define TESTS_DATA_WORLD_H

#include <pthread.h>

#include "store/data.h"

#define WORLD_KEYS	400
#define WORLD_VALUE	6000		/* longest value */

/* One record of the log. */
struct entry {
	unsigned	 key;
	size_t		 len;
	uint8_t		*val;		/* sealed */
};

/* A file as it was when it was last synced. */
struct synced {
	char		 name[64];
	uint8_t		*p;
	size_t		 n;
	int		 renamed;	/* to this name, which is not synced: */
	uint8_t		*old;		/* what it was before; NULL nothing */
	size_t		 nold;
};

struct world {
	const struct engine_ops	*ops;
	struct io		 io;
	struct helper		*helper;
	struct data		*d;
	struct tables		*tables;	/* of d */
	struct data_found	 found;
	char			 dir[64];
	unsigned		 store, stores, files;
	uint64_t		 compact_bytes;
	int64_t			 now;		/* wall ms */

	struct entry		*log;		/* entry of LSN n at n - 1 */
	uint64_t		 last, synced, freed;
	uint64_t		 newest[WORLD_KEYS];	/* LSN, 0 none */

	struct synced		 disk[64];
	unsigned		 ndisk;
	pthread_mutex_t		 lock;		/* files are opened by threads */
	unsigned		 arm;		/* countdown to the snapshot */
	void			(*snapshot)(struct world *);
	int			 fail_sync, fail_fallocate, fail_rename, fail_pwrite;
	uint64_t		 pwritten;	/* bytes */
	unsigned		 progress;
	_Atomic uint8_t		 reading[FILES_MAX];
	uint64_t		 suspects;
};

void		 world_init(struct world *, const struct engine_ops *);
void		 world_free(struct world *);	/* lets go of all, removes dir */
enum err	 world_open(struct world *);
enum err	 world_close(struct world *, int clean);
/* A new one on tkrzw: keys 0..99 of 100 bytes each, settled. */
void		 world_fill(struct world *);

/* Appends to the log and sets; ttl: ms from now, 0 none. */
void		 world_put(struct world *, unsigned key, size_t len, int64_t ttl);
void		 world_del(struct world *, unsigned key);
/* Runs data_work, checkpoints and jobs until there is nothing to do. */
void		 world_settle(struct world *);
/*
 * Compares every key with the log, and the tables' sums with what its last
 * records add up to; returns the number of differences.
 */
unsigned	 world_check(struct world *);
unsigned	 world_check_tables(struct world *);	/* that alone */
/* What one key gives, and whether it is what the log says (E_OK then). */
enum err	 world_get(struct world *, unsigned key, int *same);

/*
 * A new world of the directory as it would be found now: after a kill, or a
 * power cut (power 1: every page not synced may be old or new).  The log ends
 * anywhere between what was synced and what was given.
 */
void		 world_copy(struct world *to, struct world *from, int power);
/* MANIFEST as another boot would have written it: files are restored. */
void		 world_reboot(struct world *);
/* What a store would do with it: opens, replays.  */
enum err	 world_recover(struct world *);
/* Paths of the files whose names begin with prefix, at most 16. */
void		 world_files(const struct world *, const char *prefix,
		    char out[][256], unsigned *n);
/*
 * Flips a bit at an offset of the key's newest record; the key plus WORLD_KEYS
 * means: back again.
 */
void		 world_flip(struct world *, unsigned key, size_t at);
/* Marks the files as tkrzw does while they are open. */
void		 world_unclosed(const struct world *);
/* Keys are of all types, and of several tables: type and name. */
#define WORLD_TABLES	7u
extern const char *const world_table[WORLD_TABLES];
size_t		 world_key(unsigned key, uint8_t *out);
unsigned	 world_slot(const struct world *, unsigned key);

/* The helper: runs the work of the first job, then its done; 0: none. */
int		 hand_step(struct helper *);

#endif
