/*
 * shard.h: one shard: log and data files together, versions, expiry, the
 * clock.  What a store (and later a router) may include of libshard.
 *
 * One thread, the loop's, calls everything here; notify comes from others and
 * asks for shard_poll.  Nothing blocks except shard_open and shard_close.
 *
 * A write is applied at once and gets an LSN; its answer may go out when
 * shard_released() has reached that LSN.  A read gets the LSN that it depends
 * on (0: none) and waits likewise.
 */
#ifndef STORE_SHARD_H
#define STORE_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "store/data.h"
#include "store/engine.h"
#include "store/index.h"
#include "store/record.h"
#include "store/wal.h"

struct shard;

struct shard_conf {
	const char		*dir;		/* exists, with wal/ in it */
	const struct engine_ops	*ops;
	const struct io		*io;
	uint64_t		 node;		/* node id */
	uint16_t		 node_no;	/* in stamps; 0 for a lone node */
	unsigned		 store, stores, files;
	size_t			 segment;
	enum wal_sync		 sync;
	uint64_t		 compact_bytes;
	size_t			 index_memory;	/* bytes; 0: 256 MiB */
	struct catalogue	*catalogue;	/* NULL: none (tests, routers) */
	uint32_t		 inc;		/* of this process, for it */
	_Atomic uint8_t		*reading;	/* as data_conf's, or NULL */
	uint64_t		 suspects;
	void			(*progress)(void *);
	void			(*notify)(void *);	/* any thread */
	void			*arg;
};

struct shard_opened {
	int		fresh, clean;
	uint64_t	replayed;	/* log records */
	int		torn;		/* a torn log tail was cut */
	char		error[320];	/* why shard_open failed */
};

/*
 * Errors: E_STALE data of another node, count or newer version; E_DAMAGED;
 * E_NOSPACE; E_INTERNAL.  opened->error says what.
 */
enum err	 shard_open(struct shard **, const struct shard_conf *,
		    struct shard_opened *);
/* clean: make everything durable, checkpoint, close in order. */
enum err	 shard_close(struct shard *, int clean);

/* Which record: borrowed bytes. */
struct shard_key {
	uint8_t		 type;		/* enum record_type */
	unsigned	 slot;
	const uint8_t	*tab, *key;
	size_t		 tablen, keylen;
};

struct shard_write;
/*
 * Sees the live record under the key, or NULL, before the rules of versions
 * decide, and sets what is to be written: val and vallen, or keep.  Anything
 * but E_OK refuses the write.  The record's bytes are gone afterwards.
 */
typedef enum err shard_change(void *arg, const struct record *,
    struct shard_write *);

struct shard_write {
	const uint8_t	*val;
	size_t		 vallen;
	const uint8_t	*head;		/* stands before val; put only */
	size_t		 headlen;
	uint32_t	 ver;		/* expected version, 0 any */
	int64_t		 ttl;		/* msec, <= 0 none */
	int		 is_dup, create;
	int		 update;	/* change refuses when there is none */
	int		 keep;		/* set by change: all stays as it is */
	shard_change	*change;	/* put only; NULL: val as given */
	void		*arg;
};

struct shard_result {
	uint32_t	 version;
	int		 vererror;
	int		 written;	/* it is E_OK, and not kept as it was */
	uint64_t	 lsn;		/* answer when released up to here */
};

/*
 * Looks a live record up; seen (may be NULL) gets it when E_OK; result->lsn is
 * filled in before that, ->version after.  E_OK, E_NOTFOUND, E_DAMAGED; E_READONLY when it
 * would meet a record that a failed log may have lost.
 */
enum err	 shard_get(struct shard *, const struct shard_key *,
		    data_seen *seen, void *arg, struct shard_result *);
/*
 * Contract 1.2.  E_OK (with vererror: kept as it was), E_VERSION, E_EXISTS,
 * E_NOTFOUND, E_DAMAGED, what change said; E_NOSPACE, E_READONLY: nothing was
 * done.  E_AGAIN: nothing was done, ask again after the next shard_poll.
 */
enum err	 shard_put(struct shard *, const struct shard_key *,
		    const struct shard_write *, struct shard_result *);
enum err	 shard_del(struct shard *, const struct shard_key *,
		    const struct shard_write *, struct shard_result *);

/*
 * Takes over a record as another shard or node wrote it (RECORD_HEAD + value,
 * sealed; doc/storage.md): not a byte of it changes, so version, expiry, stamp,
 * prev, kind and digest stay.  It is written when its stamp is later than that
 * of what is there, dead and expired ones too.  The clock goes on after its
 * stamp: whoever asks has refused what is too far ahead.  E_OK (written or
 * not); E_PARAM: no record of this shard's slots, E_DAMAGED: fails its checksum;
 * else as shard_put, E_TYPE and E_TABLES too.
 */
enum err	 shard_apply(struct shard *, const uint8_t *key, size_t keylen,
		    const uint8_t *val, size_t vallen, struct shard_result *);
/*
 * Shows every record of data file k (0..files-1), dead and expired ones too,
 * in no order, unverified, as shard_apply wants it; returns when all were shown
 * or fn did not say E_OK.  Nothing else may be asked of this shard meanwhile.
 * E_DAMAGED, E_NOMEM, or what fn said.
 */
enum err	 shard_each(struct shard *, unsigned k, data_one *fn, void *arg);

/*
 * For routers.  shard_id: a number greater than all before, over restarts too,
 * once a record that was written after it is durable.  shard_room: whether
 * writes of so many bytes in all (keys, values and RECORD_HEAD of each) to a
 * slot have room, and stand in one batch of the log if no shard_kick comes
 * between them; errors as shard_put.  shard_names: the tables that have live
 * records of type C; see ends it by anything but E_OK.
 */
uint64_t	 shard_id(struct shard *);
enum err	 shard_room(struct shard *, unsigned slot, size_t bytes);
enum err	 shard_names(struct shard *, uint8_t type, shard_name_see *,
		    void *arg);

/*
 * What is said of a member of this table that is not there: E_NOTFOUND the
 * table exists; E_TYPE it does not, or is another type's; E_NOTREADY nobody
 * knows yet.
 */
enum err	 shard_missing(struct shard *, uint8_t type, const uint8_t *tab,
		    size_t tablen);

/*
 * The records of data file k (0..files-1) of a type (0: of all) and a table
 * (NULL: of all), in the order of their engine keys.  after: begin behind this
 * engine key; NULL: at the first.  passed (or NULL): how many have been passed
 * over, of offset; it may be raised by those that need not be shown for that.
 */
struct shard_range {
	unsigned	 file;
	uint8_t		 type;
	const uint8_t	*tab, *after;
	size_t		 tablen, afterlen;
	uint64_t	*passed, offset;
};
/*
 * Shows entries until see has enough.  They may depend on records up to the
 * LSN in *lsn.  For these five: E_OK; E_BUILDING: ask again after the next
 * shard_poll (notify is called when there is an answer); E_INDEX over the
 * memory limit; E_NOMEM; E_READONLY as shard_get; E_DAMAGED the file, or for
 * sorted sets a member of one in it, cannot be read.
 */
enum err	 shard_list(struct shard *, const struct shard_range *,
		    index_see *, void *arg, uint64_t *lsn);
/*
 * Sorted sets, in the order (score, member); slot: of the table.  How many
 * live members have a score below min, and how many min..max.
 */
enum err	 shard_zcount(struct shard *, unsigned slot, const uint8_t *tab,
		    size_t tablen, int64_t min, int64_t max, uint64_t *below,
		    uint64_t *within, uint64_t *lsn);
/* How many live members stand before (score, member). */
enum err	 shard_zrank(struct shard *, unsigned slot, const uint8_t *tab,
		    size_t tablen, int64_t score, const uint8_t *key,
		    size_t keylen, uint64_t *rank, uint64_t *lsn);
/* From the member at rank on, forwards or backwards. */
enum err	 shard_zwalk(struct shard *, unsigned slot, const uint8_t *tab,
		    size_t tablen, uint64_t rank, int reverse, index_see *,
		    void *arg, uint64_t *lsn);
/* As the last one, from behind (not including) (score, member) on. */
enum err	 shard_zafter(struct shard *, unsigned slot, const uint8_t *tab,
		    size_t tablen, int64_t score, const uint8_t *key,
		    size_t keylen, int reverse, index_see *, void *arg,
		    uint64_t *lsn);

/* At the start of a loop turn: takes the clock. */
void		 shard_turn(struct shard *);
/* At its end: hands the batch to the log. */
void		 shard_kick(struct shard *);
/* After notify: takes results over. */
void		 shard_poll(struct shard *);
/*
 * A step of background work: checkpoints, compaction, indexes; of 50 to 150 us
 * and a third of the time since the last one.  Returns 1 when there is more to
 * do soon.
 */
int		 shard_work(struct shard *);

uint64_t	 shard_released(const struct shard *);
/* E_OK, or E_READONLY after a failed write or sync. */
enum err	 shard_failed(const struct shard *);
/* Since the last write that succeeded, one was refused for want of space. */
int		 shard_nospace(const struct shard *);
/*
 * After a failure: tries the disk with a small synced file on the helper's
 * thread; done(arg, E_OK) on the loop when it works again.
 */
void		 shard_probe(struct shard *, void (*done)(void *, enum err), void *);

struct shard_stat {
	struct wal_stat		wal;
	struct data_stat	data;
	struct index_stat	index;
	struct tables_stat	tables;
	uint64_t		lsn, durable;
};
void		 shard_stat(const struct shard *, struct shard_stat *);
void		 shard_log_stat(const struct shard *, struct wal_stat *); /* cheap */
void		 shard_file_name(const struct shard *, unsigned slot, char *, size_t);
/*
 * Quarantine: whether records may be missing, of a slot, or of slots start to
 * end that are in a file; and the end of it (data_accept_loss).
 */
int		 shard_lost(const struct shard *, unsigned slot);
int		 shard_file_lost(const struct shard *, unsigned file,
		    unsigned start, unsigned end);
enum err	 shard_accept_loss(struct shard *);
void		 shard_set_compact_bytes(struct shard *, uint64_t);
void		 shard_set_index_memory(struct shard *, size_t bytes);

#endif
