/*
 * index_impl.h: the inside of the indexes of one shard: index_trees.c,
 * index_feed.c, index.c, index_build.c, shard_index.c and, for what a data file
 * has to do with it, data_index.c.
 *
 * 1 An index is a pure function of the records of its file in the order in
 *   which they were stored: it takes one entry's changes in that order, and the
 *   last one alone counts.  So it does not matter that a build meets records
 *   that are also in the feed, as long as the feed comes after it.
 * 2 What an entry looked like is known from the index itself, never from the
 *   record that was replaced (which may be damaged).
 * 3 A build owns the trees until it is done; before and after the loop does.
 *   The feed is always the loop's.
 * 4 Questions are answered when the feed is empty.
 */
#ifndef STORE_INDEX_IMPL_H
#define STORE_INDEX_IMPL_H

#include <stdatomic.h>

#include "proto/clock.h"
#include "store/btree.h"
#include "store/data.h"
#include "store/index.h"

#define INDEX_SOURCES	2u	/* generations of a file */

struct index;
struct indexes;

/* --- index_trees.c: three trees, pure --- */

/* What has become of an entry.  version 0: its record is damaged. */
struct index_note {
	int		live;
	uint32_t	version;
	int64_t		expiry, score;
};

struct trees {
	struct btree	*keys, *scores, *ends;
	uint64_t	 damaged_sets;	/* damaged members of sorted sets */
};

int		 trees_init(struct trees *);	/* 0: no memory */
void		 trees_free(struct trees *);
size_t		 trees_bytes(const struct trees *);
/* r: NULL or a damaged record.  What a record comes to at that time. */
struct index_note index_note(const struct record *r, const uint8_t *key,
		    int64_t now);
/* 0: no memory; the trees are of no use then. */
int		 trees_apply(struct trees *, const uint8_t *key, size_t keylen,
		    const struct index_note *);
/* How many entries have expired, of sorted sets or of the rest. */
uint64_t	 trees_expired(const struct trees *, int64_t now, int sets);
/* Takes out at most n of those that have; how many it were, -1: no memory. */
int		 trees_expire(struct trees *, int64_t now, int sets, unsigned n);
/* Splits what keys holds, or scores (type Z).  0: it is no engine key. */
int		 trees_entry(const struct btree_at *, int scores, int64_t now,
		    struct index_entry *);
/* A key of scores; out has room for RECORD_KEY_MAX + 8 bytes. */
size_t		 trees_score_key(uint8_t *out, const uint8_t *tab,
		    size_t tablen, int64_t score, const uint8_t *key,
		    size_t keylen);

/* --- index_feed.c: changes that wait --- */

struct feed_block;
struct feed {
	struct feed_block	*head, *tail;
	size_t			 at;		/* read of the first */
	size_t			 bytes;		/* from malloc */
};

/* 0: no memory. */
int		 feed_add(struct feed *, const uint8_t *key, size_t keylen,
		    const struct index_note *);
/* The oldest; its key stays until the next call.  0: none. */
int		 feed_take(struct feed *, const uint8_t **key, size_t *keylen,
		    struct index_note *);
void		 feed_clear(struct feed *);

/* --- data_index.c: what a data file gives --- */

/*
 * Its generations as they are now, the older first; returns how many.  Each
 * stays as it is below size.  fd -1: there are no files, read e instead.
 */
struct data_source {
	struct engine	*e;
	int		 fd;
	int		 own;		/* the generation is gone: close fd */
	uint64_t	 size, count;
};
unsigned	 data_sources(struct data *, unsigned k,
		    struct data_source[INDEX_SOURCES]);
/* From now on changes of file k go to index_change(x, ...); NULL: nowhere. */
void		 data_watch(struct data *, unsigned k, struct index *);
unsigned	 data_file_of(const struct data *, unsigned slot);

/* --- index.c, index_build.c --- */

enum index_state { INDEX_NONE, INDEX_BUILDING, INDEX_READY };

struct index {
	struct indexes	*set;
	unsigned	 k;
	enum index_state state;
	struct trees	 t;
	struct feed	 feed;
	uint64_t	 lsn;		/* of the last change, or above it */
	mono_t		 used;
	int		 wanted;	/* a question was put off */
	enum err	 refused;	/* why there is none, until then */
	mono_t		 until;

	/* A build. */
	struct job	 job;
	struct data_source source[INDEX_SOURCES];
	unsigned	 nsource, scanning;	/* the one that is scanned */
	struct engine_iter *iter;	/* engines without read */
	int64_t		 now;		/* wall ms: what had expired is left out */
	size_t		 most;		/* bytes */
	mono_t		 began;
	uint64_t	 seen, damaged;	/* records */
	atomic_size_t	 grown;		/* bytes of the trees so far */
	atomic_int	 stop;		/* nobody wants it any more */
};

struct indexes_conf {
	struct data		*data;
	const struct engine_ops	*ops;
	const struct io		*io;
	unsigned		 files;
	size_t			 limit;		/* bytes of all of them */
	void			(*notify)(void *);
	void			*arg;
};

struct indexes {
	struct indexes_conf	 conf;
	struct helper		*helper;	/* NULL: engine without read */
	struct helper		*broom;		/* frees what was dropped; as helper */
	atomic_size_t		 leaving;	/* bytes that are not yet freed */
	struct index		*index;		/* conf.files of them */
	unsigned		 turn;		/* of background work */
	int			 closing;
	uint64_t		 builds, dropped;
};

/* NULL: no memory. */
struct indexes	*indexes_new(const struct indexes_conf *);
void		 indexes_free(struct indexes *);
void		 indexes_limit(struct indexes *, size_t bytes);
/* After a notify: takes the results of builds. */
void		 indexes_poll(struct indexes *);
/* A step of about us microseconds; 1: more to do soon. */
int		 indexes_work(struct indexes *, int64_t now, int64_t us);
/*
 * Before a question about file k: E_OK, its trees are as the file is; or what
 * the question is to be answered with.  sets: about sorted sets, which count:
 * none of theirs that has expired is in the trees.
 */
enum err	 indexes_ask(struct indexes *, unsigned k, int sets, int64_t now,
		    uint64_t lsn, struct index **);
/* The next file will be asked for: starts its build if there is room. */
void		 indexes_ahead(struct indexes *, unsigned k, int64_t now,
		    uint64_t lsn);
void		 indexes_stat(const struct indexes *, struct index_stat *);

/* A record was stored in the file (data.c). */
void		 index_change(struct index *, const uint8_t *key, size_t keylen,
		    const struct record *, uint64_t lsn);
/*
 * A generation of its file is about to be closed and removed: 1 when a build
 * still reads through fd; it is the build's then.
 */
int		 index_let_go(struct index *, const struct engine *, int fd);

/*
 * index_build.c.  E_OK: under way; index_built comes, perhaps at once.  lsn:
 * what the file holds now.
 */
enum err	 build_start(struct index *, int64_t now, uint64_t lsn);
/* Engines without read: until the time is up. 1: more to do. */
int		 build_step(struct index *, mono_t until);
/* A build's reading of engine e must end: it is about to be closed. */
void		 build_restart(struct index *);
/* index.c: on the loop, when the trees are complete or will not be. */
void		 index_built(struct index *, enum err);
/* Frees the trees, on the helper's thread where there is one. */
void		 trees_discard(struct indexes *, struct trees *);

#endif
