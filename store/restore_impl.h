/*
 * restore_impl.h: what the files of wharf-store --restore share; nobody else
 * includes it.  All of it runs in one process, on one thread (the shards that
 * it opens have theirs), with nobody else at the data.
 *
 * Errors are said once, where they are found, by restore_bad or
 * restore_errno, and are -1 above that.
 */
#ifndef STORE_RESTORE_IMPL_H
#define STORE_RESTORE_IMPL_H

#include <limits.h>
#include <stdint.h>

#include "proto/clock.h"
#include "store/backup_file.h"
#include "store/manifest.h"
#include "store/shard.h"

/* Of the logs while it goes on: small, so that they are short. */
#define RESTORE_SEGMENT	(4u << 20)

/* A backup, or one that it rests on. */
struct restore_link {
	char		 dir[PATH_MAX];
	struct backup	 b;
};

struct restore {
	/* What is asked for. */
	const char	*from, *data;
	unsigned	 stores, files, routers;	/* of the new node */
	int		 same_node;

	struct restore_link *link;		/* the backup first; owned */
	size_t		 links;
	uint64_t	 node;			/* id of the new one */
	uint64_t	 bound;			/* no stamp is above it */
	int		 lock, actors_lock;

	/* What is shown meanwhile. */
	const char	*doing;
	uint64_t	 done, whole;		/* bytes, or records */
	mono_t		 told;
};

/* restore.c */
int	 restore_bad(const char *path, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));	/* always -1 */
int	 restore_errno(const char *path, const char *what); /* always -1 */
void	 restore_path(char out[PATH_MAX], const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* What follows is this, whole of it; and so much more of it is done. */
void	 restore_begin(struct restore *, const char *doing, uint64_t whole);
void	 restore_tell(struct restore *, uint64_t more);
void	 restore_end(struct restore *);

/* restore_chain.c */
/* Finds the backup that r->from names and those it rests on. */
int	 restore_find(struct restore *);
void	 restore_let_go(struct restore *);

/* restore_target.c */
/* Makes r->data ours: locked, empty but for the mark of a restore under way. */
int	 restore_target(struct restore *);
/* NODE, last of all: from now on it is a node's directory. */
int	 restore_commit(struct restore *);
int	 restore_mkdir(const char *path);
int	 restore_rmdir(const char *path);	/* with all that is in it */
int	 restore_sync_dir(const char *path);
/* Bytes of data; what each shard has beside that comes to it. */
int	 restore_has_room(const struct restore *, uint64_t bytes);

/* Shards are numbered as in backup_file.h: stores, then routers. */
/* restore_files.c */
/* Bytes of a shard, or (shard -1) of all, put together. */
uint64_t restore_bytes(const struct restore *, int shard);
/* Reads what is no store's: it must be as it was, though nothing needs it. */
int	 restore_check_rest(struct restore *);
/*
 * Puts shard n together in dir (made here), as a power cut after E would have
 * left it, but under the id of the new node.
 */
int	 restore_shard(struct restore *, unsigned n, const char *dir);

/* restore_shard.c */
/*
 * Opens one that was put together, as one of so many with K files; E must be in
 * it.  dir must stay until it is closed.
 */
int	 restore_open(struct restore *, unsigned n, const char *dir,
	    struct shard **);
/*
 * A new and empty one of the node, number seat of so many.  dir must stay until
 * it is closed.
 */
int	 restore_open_new(struct restore *, unsigned seat, unsigned many,
	    const char *dir, struct shard **);
/* In order; then m is its MANIFEST, with the bound raised to r->bound. */
int	 restore_close(struct restore *, const char *dir, struct shard **,
	    struct manifest *m);
/* Waits a moment, at most, for what those threads do that a shard has. */
void	 restore_pause(void);

/* restore_spread.c: stores, or routers, into another number of them or files. */
uint64_t restore_spread_room(const struct restore *);	/* bytes */
int	 restore_spread(struct restore *, int router);

/* restore_proof.c */
/* Do n MANIFESTs and m others say that they hold the same records? */
int	 restore_same(const struct manifest *a, unsigned n,
	    const struct manifest *b, unsigned m);

#endif
