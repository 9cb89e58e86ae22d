/*
 * wal.h: the write-ahead log of one store: durability, recovery, and later
 * the replication stream.  Everything acknowledged is in it first.
 *
 * Files: <dir>/N.seg, N growing; spare files <dir>/spare.M, zero-filled ahead
 * of need by the helper thread (or recycled), so that a batch is one write to
 * blocks that exist.  A segment begins with a 4 KiB header block; batches
 * follow, each 4 KiB-aligned under O_DIRECT, 64-byte-aligned otherwise.
 * wal_format.h and doc/storage.md have both formats byte by byte.
 *
 * Threads: all functions on the store's loop, except wal_sync_to; one log
 * thread writes batches, under 1s and os another one syncs them; they call
 * notify, and the loop then calls helper_poll and wal_poll.  (The loop itself
 * calls notify, too, from helper_poll, wal_reserve and, under 1s and os, for a
 * small batch that it wrote, from wal_kick: it must only wake the loop.)
 *
 * A failed write or sync is never retried: wal_failed() becomes true for good
 * and the store recovers by starting anew.
 */
#ifndef STORE_WAL_H
#define STORE_WAL_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "store/helper.h"
#include "store/io.h"

enum wal_sync { WAL_ALWAYS, WAL_1S, WAL_OS };

struct wal;

struct wal_conf {
	const char	 *dir;		/* exists */
	size_t		  segment;	/* bytes of a segment file */
	unsigned	  spares;	/* spare segments kept ready (2) */
	enum wal_sync	  sync;
	uint64_t	  node;		/* node id, in every segment header */
	uint16_t	  store;
	int		  complete;	/* opening: nothing beyond next_lsn - 1
					   was ever given to it */
	const struct io	 *io;
	struct helper	 *helper;
	void		(*notify)(void *);	/* any thread; cheap */
	void		 *notify_arg;
};

/* What the log held when it was opened. */
struct wal_found {
	uint64_t	last_lsn;	/* 0: empty log */
	uint64_t	bound;		/* largest clock bound in a valid batch */
	uint64_t	records;	/* given to replay */
	int		torn;		/* a torn tail was cut */
	char		error[256];	/* what and where, when wal_open fails */
};

/* One record of the log, in order; E_OK goes on, anything else ends the open. */
typedef enum err wal_replay(void *arg, uint64_t lsn, const uint8_t *key,
    size_t keylen, const uint8_t *val, size_t vallen);

/*
 * Opens the log: finds the segments, replays every record with lsn > after,
 * decides torn tail (cut) or damage, and, unless the log ended cleanly, copies
 * the valid tail to a new segment and syncs it before it returns.  lsn goes on
 * after max(last found, next_lsn - 1).
 * E_DAMAGED: damage or a gap (found->error names segment and offset), unless it
 * is complete and ends before after: then the log goes on as if it had ended;
 * E_NOSPACE; E_INTERNAL; E_STALE: the log of another node or store, or of a
 * newer format.  What replay returned, when that is not E_OK.
 */
enum err	 wal_open(struct wal **, const struct wal_conf *, uint64_t after,
		    uint64_t next_lsn, wal_replay *, void *arg,
		    struct wal_found *);
/* Waits until the log thread has written what was added, or has failed. */
void		 wal_flush(struct wal *);
/*
 * Writes and syncs what is left, ends the log thread, lets those in
 * wal_sync_to go, closes and frees, whatever it returns: E_OK or E_READONLY.
 */
enum err	 wal_close(struct wal *);

/*
 * Makes sure that a record of these sizes can be added and its batch written:
 * E_OK; E_AGAIN a spare segment is being made or the buffer is full, notify
 * follows; E_NOSPACE the disk is full (tried again at later calls, at most
 * twice a second); E_NOMEM; E_READONLY the log has failed.
 */
enum err	 wal_reserve(struct wal *, size_t keylen, size_t vallen);
/*
 * Adds a record (after wal_reserve): the caller fills *key and *val, which
 * stay valid until the next wal_reserve, wal_add or wal_kick.  Returns its LSN.
 */
uint64_t	 wal_add(struct wal *, size_t keylen, size_t vallen,
		    uint8_t **key, uint8_t **val);
/* The clock bound that the next batch carries. */
void		 wal_set_bound(struct wal *, uint64_t bound);
/*
 * The bound that is durable; under os, which promises nothing for a power
 * cut, the one that is written.  1s syncs a batch that raises it at once.
 */
uint64_t	 wal_bound(const struct wal *);
/*
 * Hands what was added to the log thread if that is idle, or writes it; force:
 * an empty batch too, if no batch has the bound yet (remembered until it is
 * idle).
 */
void		 wal_kick(struct wal *, int force);
/* Takes over the log thread's results; updates the marks below. */
void		 wal_poll(struct wal *);

uint64_t	 wal_last(const struct wal *);		/* last LSN given */
/* First LSN of the batch that is being filled: released as a whole. */
uint64_t	 wal_batch(const struct wal *);
uint64_t	 wal_written(const struct wal *);
uint64_t	 wal_durable(const struct wal *);
/* The mark that releases answers: durable, or written under 1s and os. */
uint64_t	 wal_released(const struct wal *);
int		 wal_failed(const struct wal *);	/* errno of the failure, 0 none */

/* Any thread: returns when the log is on stable storage up to lsn, or failed. */
enum err	 wal_sync_to(struct wal *, uint64_t lsn);
/* Every data file holds, synced, all up to lsn: older segments become spares. */
void		 wal_recycle(struct wal *, uint64_t lsn);
/*
 * Keeps every segment that has a record later than lsn, whatever wal_recycle
 * says, until it is called again; UINT64_MAX: holds no more, and what was
 * held back is freed.  Returns the number of the first segment that is kept.
 */
uint64_t	 wal_hold(struct wal *, uint64_t lsn);

struct wal_stat {
	uint64_t	batches, bytes;
	unsigned	segments, spares;
	uint64_t	filled;		/* segments filled since wal_open */
	int64_t		last_us;	/* handed over until durable, last batch */
};
void		 wal_stat(const struct wal *, struct wal_stat *);

#endif
