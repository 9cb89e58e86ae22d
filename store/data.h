/*
 * data.h: the K data files of one shard, each of one generation or, while it
 * is compacted, two (architecture 4).  Knows records, counts, digests, sizes
 * and expiry; does not know the log, versions or who asks.
 *
 * Runs on the store's loop; only the jobs that it hands out (syncing a file,
 * writing MANIFEST) run on the helper's thread.
 */
#ifndef STORE_DATA_H
#define STORE_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "store/engine.h"
#include "store/helper.h"
#include "store/io.h"
#include "store/manifest.h"
#include "store/record.h"
#include "store/tables.h"

struct data;

struct data_conf {
	const char		*dir;		/* exists */
	const struct engine_ops	*ops;
	const struct io		*io;
	struct helper		*helper;
	struct tables		*tables;	/* kept here; NULL: none */
	uint64_t		 node;
	unsigned		 store, stores, files;
	uint64_t		 compact_bytes;
	/*
	 * FILES_MAX of them that outlive the process, not 0 while it reads the
	 * file; NULL: none.  And files (bits) that killed earlier ones.
	 */
	_Atomic uint8_t		*reading;
	uint64_t		 suspects;
	/* Work goes on (opening): called often, cheap. */
	void			(*progress)(void *);
	/* Blocks, on the helper's thread, until the log is durable to lsn. */
	enum err		(*log_sync)(void *, uint64_t lsn);
	/* On the loop, after a checkpoint: the log is not needed up to lsn. */
	void			(*log_free)(void *, uint64_t lsn);
	void			*arg;
};

/* What the MANIFEST said; for the clock and the log. */
struct data_found {
	int		fresh;		/* no MANIFEST: a new shard */
	int		clean;
	int		same_boot;
	uint64_t	bound;
	/*
	 * The last LSN given (clean), else the largest that a file is known to
	 * hold: the log must go on after it, or replay would skip new records.
	 */
	uint64_t	lsn;
	uint64_t	after;		/* least L: replay what is later */
	unsigned	rewound;	/* files taken back to F in place */
	unsigned	restored;	/* files copied up to F */
	char		error[256];	/* why data_open failed */
};

/*
 * Opens the files after the start rule: clean ones as they are, others taken
 * back to F in place (same boot) or restored to F into a fresh generation,
 * fsynced, count and digest checked, MANIFEST written; leftover files that MANIFEST does not name are removed.
 * A MANIFEST with clean 0 is durable before it returns.
 * E_STALE data of another node, store number, count or of a newer version;
 * E_DAMAGED, E_NOSPACE, E_INTERNAL: error says what.
 */
enum err	 data_open(struct data **, const struct data_conf *,
		    struct data_found *);
/*
 * clean: checkpoints everything, closes the engines and writes MANIFEST with
 * clean 1, lsn and bound; the log must be durable.  Otherwise just lets go.
 */
enum err	 data_close(struct data *, int clean, uint64_t lsn, uint64_t bound);
/*
 * Waits for the job that is with the helper, if any, and takes its result: to
 * be called before the log, which that job may be waiting for, is closed.
 */
void		 data_settle(struct data *);

/* L of the file of a slot: replay skips records up to it. */
uint64_t	 data_lsn(const struct data *, unsigned slot);

/*
 * The newest record of an engine key, dead or expired ones too, verified.
 * seen gets it with borrowed bytes.  E_OK, E_NOTFOUND, E_DAMAGED.
 */
typedef void data_seen(void *arg, const struct record *);
enum err	 data_get(struct data *, unsigned slot, const uint8_t *key,
		    size_t keylen, data_seen *, void *arg);
/*
 * So that several keys are found sooner: engine.h's hint and ahead.  A hint is
 * good for data_get_by in the same turn; 0: none.
 */
enum err	 data_get_by(struct data *, uint64_t hint, unsigned slot,
		    const uint8_t *key, size_t keylen, data_seen *, void *arg);
uint64_t	 data_hint(struct data *, unsigned slot, const uint8_t *key,
		    size_t keylen);
void		 data_ahead(struct data *, unsigned slot, uint64_t hint);
/*
 * Shows every record of file k once, as it is stored and unverified; what fn
 * does not answer with E_OK ends it.  E_OK, E_DAMAGED, E_NOMEM, or what fn said.
 */
typedef enum err data_one(void *arg, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen);
enum err	 data_each(struct data *, unsigned k, data_one *fn, void *arg);
/* Makes sure of disk space for a record (key and value lengths summed). */
enum err	 data_reserve(struct data *, unsigned slot, size_t bytes);
/*
 * Stores a sealed record (val: RECORD_HEAD + value) that the log has at lsn,
 * whatever was there.  Updates count, digest, bytes, expiry, and tables.
 * E_OK, or an error after which the shard must become read-only.
 */
enum err	 data_set(struct data *, unsigned slot, const uint8_t *key,
		    size_t keylen, const uint8_t *val, size_t vallen,
		    uint64_t lsn);

/* The bound to be written into the next MANIFEST. */
void		 data_set_bound(struct data *, uint64_t bound);
/*
 * Starts the checkpoint of the next file in turn, unless one is under way;
 * returns 1 when started.  last: the last LSN applied.
 */
int		 data_checkpoint(struct data *, uint64_t last);
/*
 * Background work in steps of about us microseconds: chooses files to compact,
 * moves records.  now: wall ms.  Returns 1 when there is more to do at once.
 */
int		 data_work(struct data *, int64_t now, uint64_t last,
		    int64_t us);
/* E_OK, or why the shard must be read-only (a failed sync, a full disk). */
enum err	 data_failed(const struct data *);

struct data_stat {
	uint64_t	records, live_records, bytes, live_bytes, expired_bytes;
	uint64_t	checkpoints, compactions;
	unsigned	compacting;		/* files with two generations */
	unsigned	lost_slots;		/* in quarantine */
};
void		 data_stat(const struct data *, int64_t now, struct data_stat *);
/* Whether records of the slot may be missing (quarantine). */
int		 data_lost(const struct data *, unsigned slot);
/* What is missing is taken for gone.  E_OK; E_INTERNAL (errno): as it was. */
enum err	 data_accept_loss(struct data *);
/* Name of the file that holds a slot ("data.3.2.tkh"), for messages. */
void		 data_file_name(const struct data *, unsigned slot, char *out, size_t n);
void		 data_set_compact_bytes(struct data *, uint64_t);

#endif
