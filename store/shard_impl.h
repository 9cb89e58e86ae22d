/*
 * shard_impl.h: the inside of a shard, shared by the files shard*.c only.
 */
#ifndef STORE_SHARD_IMPL_H
#define STORE_SHARD_IMPL_H

#include <limits.h>

#include "proto/clock.h"
#include "store/shard.h"

/*
 * The hybrid clock of one shard.  A stamp's hlc is milliseconds << 16 plus a
 * counter.  now_ms follows the wall clock, but never goes back: when the wall
 * clock is behind, it runs at half speed until they meet.
 */
struct shard_clock {
	int64_t		now_ms;
	mono_t		read;		/* when now_ms was taken */
	int64_t		frac_us;	/* not yet a whole ms */
	uint64_t	last;		/* last hlc given */
	uint64_t	asked;		/* bound put into a batch */
};

#define CLOCK_AHEAD_MS	1000		/* how far a bound is reserved */
#define CLOCK_RENEW_MS	500		/* asked for anew below this */
#define CLOCK_IDLE_US	60000000	/* and so long after the last write */

void	 clock_start(struct shard_clock *, uint64_t least);
void	 clock_turn(struct shard_clock *);
/* Room for another stamp below the durable bound? */
int	 clock_may(const struct shard_clock *, uint64_t bound);
uint64_t clock_next(struct shard_clock *);
/* A stamp that another clock gave was seen: ours go on after it. */
void	 clock_take(struct shard_clock *, uint64_t hlc);
/* The bound to ask for now, or 0 when the one asked for still does. */
uint64_t clock_want(const struct shard_clock *);

/*
 * For each 20-bit hash of a key the LSN of the last write to any key with
 * it: a read of a key whose entry is not released yet waits.  Two keys that
 * share an entry make a read wait longer than it must; with 65,536 entries a
 * disk that stood for 100 ms under 5,000 writes/s held up 0.8 % of all reads.
 */
#define RECENT_SIZE	1048576u	/* 8 MiB */

struct shard {
	struct shard_conf	 conf;
	char			 waldir[PATH_MAX];
	struct helper		*helper;	/* of the data files */
	struct helper		*log_helper;
	struct wal		*wal;
	struct data		*data;
	struct tables		*tables;
	struct indexes		*indexes;
	struct backup_run	*backup;	/* NULL: none is being made */
	struct scrub		*scrub;
	struct shard_check	*check;		/* NULL: none is under way */
	int			 broken;	/* a check found a file to be */
	int			 indexing, moving;	/* background work that */
	int			 turn;			/* is not done; whose turn */
	int64_t			 expired;	/* wall ms, tables_expire */
	unsigned		 sweep;		/* next file, shard_sweep */
	int			 sweeping;	/* hidden records are seen */
	struct shard_clock	 clock;
	int64_t			 wall;		/* ms, of this turn: expiry */
	mono_t			 wrote;		/* the last write, or the start */
	mono_t			 worked;	/* the last step's end */
	uint64_t		 recent[RECENT_SIZE];
	uint64_t		 ckpt_started;	/* against wal_stat.filled */
	enum err		 failed;
	int			 nospace;
	uint8_t			 key[RECORD_KEY_MAX];	/* of the op at hand */
	size_t			 keylen;
};

#define LOG_SPARE	4u		/* segments beyond one per data file */

/* Has the next batch carry a new clock bound, when that is due. */
void	 shard_ask_bound(struct shard *);
/* shard_kv.c: the place of an engine key in recent. */
uint64_t *shard_recent(struct shard *, const uint8_t *key, size_t keylen);
/* All that a write needs, before any of it is done; E_AGAIN, E_NOSPACE ... */
enum err shard_reserve(struct shard *, unsigned slot, size_t keylen,
	    size_t vallen);
/* Remembers why not; returns that. */
enum err shard_refuse_write(struct shard *, enum err);
/*
 * shard_tables.c: what the table of a key says.  shard_claim before a write
 * that may bring in a live record: E_OK, E_TYPE, E_TABLES, E_NOTREADY, E_NOMEM.
 * shard_no_member: in place of E_NOTFOUND.
 */
enum err shard_claim(struct shard *, const struct shard_key *);
enum err shard_no_member(struct shard *, const struct shard_key *);
/*
 * 1: the name is another type's by an older claim; what this store has of it is
 * being deleted and must not be seen: E_TYPE.
 */
int	 shard_hidden(struct shard *, const struct shard_key *);
/* Takes off what expired, a few times a second. */
void	 shard_expire_tables(struct shard *);
/*
 * Deletes some records of tables that are hidden.  Returns 1 when there is more
 * to do soon.
 */
int	 shard_sweep(struct shard *);

/* shard_index.c; after log and data files have been opened. */
enum err shard_index_open(struct shard *);
/* Log segments beyond which writes wait for checkpoints. */
unsigned shard_log_limit(const struct shard *);

#endif
