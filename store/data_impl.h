/*
 * data_impl.h: what data.c, data_gen.c, data_pages.c, data_open.c, data_rewind.c,
 * data_checkpoint.c, data_compact.c, data_recount.c and data_expiry.c share;
 * nobody else includes it.
 *
 * Invariants:
 * 1 d->man is what the MANIFEST on disk says, d->file and d->slot are what has
 *   been applied; only the loop touches either.
 * 2 One job at a time is with the helper (d->busy).  It owns d->job, and a
 *   retired generation that it drops, until its done callback.
 * 3 A key's record is the one in the newest generation that has the key; an
 *   older one below it is shadowed and counts nowhere.
 * 4 At most one file has two generations (d->compacting).  d->fresh then adds
 *   up the newer generation alone, d->file[].sum what is seen through both.
 */
#ifndef STORE_DATA_IMPL_H
#define STORE_DATA_IMPL_H

#include <pthread.h>

#include "store/data.h"
#include "store/data_expiry.h"
#include "store/sums.h"

#define SLOTS		1024
#define BUCKETS_MIN	32768u
#define AHEAD		(1u << 20)	/* bytes always reserved ahead */
#define SLACK		IO_LEAVE	/* free disk beside what is computed */
#define NAME_LEN	64
#define PATH_LEN	4096
#define RETRY_MS	1000		/* after a full disk */

/* What a set of records adds up to; dead ones count as records only. */
struct tally {
	uint64_t		 records;
	uint64_t		 live;		/* bytes */
	struct expiry		 expiry;
	struct manifest_slot	*slot;		/* SLOTS of them, shared */
};

struct gen {
	struct engine	*e;		/* NULL: there is none */
	int		 fd;		/* second descriptor, kept open; or -1 */
	uint64_t	 gen;
	uint64_t	 used;		/* bytes, or a few more than that */
	uint64_t	 reserved;	/* bytes that have disk blocks */
	uint64_t	 filled;	/* bytes that have pages, or are to do
					   without */
	int		 tight;		/* the last long reservation failed */
	int		 untouched;	/* nobody wrote to it since we closed
					   it in order, when it was opened */
	struct sums	*sums;		/* of its blocks; NULL: none.  The
					   helper's while d->busy */
};

struct data_file {
	struct gen		now, older;
	int			retired;	/* older: not read any more */
	struct manifest_gen	sealed;		/* older, as of its last write */
	uint64_t		next_gen;
	int			dirty;		/* written since noted */
	unsigned		lost;		/* damaged records replaced whose
						   part of sum is not known */
	int			on_loop;	/* its links are damaged too */
	uint64_t		kept;		/* dead bytes that must stay */
	struct tally		sum;
	struct index		*index;		/* that follows it, or NULL */
};

enum phase {
	PHASE_IDLE,
	PHASE_CREATING,		/* the helper makes the newer generation */
	PHASE_CREATED,		/* it is there; writes still go to the older */
	PHASE_SEALING,		/* writes go to the newer; not in MANIFEST yet */
	PHASE_MOVING,
	PHASE_FINISHING		/* all moved; MANIFEST still names the older */
};

struct data_job {
	struct job	 job;
	struct data	*d;
	unsigned	 k;
	/* commit */
	struct manifest	 next;
	uint64_t	 lsn;
	int		 fd, older_fd;	/* to be synced; -1: not */
	struct sums	*sums, *older_sums;	/* of these */
	int		 sum_bad;	/* a block was found damaged */
	struct gen	 drop;		/* to be removed afterwards */
	int		 dropping;
	/* recount */
	uint64_t	 size, count;	/* of the file, when it began */
	unsigned	 lost;
	struct tally	 counted, was;
	struct tables	*part;		/* or NULL */
	/* create */
	struct gen	 made;
	uint64_t	 buckets;
};

/* A record between the generations; key NULL: none. */
struct held {
	const uint8_t	*key, *val;	/* borrowed from the iterator */
	size_t		 keylen, vallen;
	int		 there;		/* the newer has one */
};

/*
 * The tables' sums counted anew, over all files: they cannot be mended file by
 * file, as it is not known what each of them adds to a table.
 */
struct round {
	struct tables	*sum;		/* NULL: there is none */
	uint64_t	 begun;		/* files (bits); their changes go in */
	unsigned	 lost;		/* data.tables_lost, when it began */
	int		 stuck;		/* a file cannot be read */
};

struct data {
	struct data_conf	 conf;
	struct manifest		 man;
	struct data_file	 file[FILES_MAX];
	struct manifest_slot	 slot[SLOTS], fresh_slot[SLOTS];
	struct tally		 fresh;
	unsigned		 fresh_lost;	/* as lost of a file */
	uint64_t		 fresh_kept;	/* as kept of one */
	unsigned		 tables_lost;	/* the same of conf.tables */
	struct round		 round;
	int			 counting;	/* at start: what is read goes
						   into conf.tables */
	uint64_t		 bound;
	enum err		 failed;
	uint8_t			 lost_slot[SLOTS / 8];	/* data_damage.h */
	_Atomic uint8_t		 unread[FILES_MAX];	/* no conf.reading */

	int			 busy;
	struct data_job		 job;

	enum phase		 phase;
	unsigned		 compacting;	/* file, unless PHASE_IDLE */
	struct engine_iter	*iter;
	struct held		 held;
	int			 stuck;		/* the older cannot be read */
	unsigned		 turn, look;	/* next file, for checkpoint, start */
	int64_t			 next_try;	/* wall ms, after a full disk */
	uint64_t		 ordered;	/* files (bits) to be compacted */
	uint64_t		 refused;	/* of them: no room on the disk */
	int			 room_told;	/* that there is none, to the log */
	int			 image_wanted;	/* then no compaction begins */

	uint64_t		 checkpoints, compactions, damaged;
};

/* data.c */
unsigned	 data_k(const struct data *, unsigned slot);
size_t		 data_bytes(size_t keylen, size_t vallen);
void		 data_name(char *out, size_t n, unsigned k, uint64_t gen);
void		 data_path(const struct data *, char *out, size_t n,
		    unsigned k, uint64_t gen);
/* A second reader's view: is there a newer and an older generation? */
static inline int
data_two(const struct data_file *f)
{
	return f->older.e != NULL && !f->retired;
}
void		 tally_add(struct tally *, const struct record *,
		    const uint8_t *key, size_t keylen);
void		 tally_sub(struct tally *, const struct record *,
		    const uint8_t *key, size_t keylen);
/* Empties a tally; its slots are cleared where they belong to file k. */
void		 tally_clear(const struct data *, struct tally *, unsigned k);
/* Takes over what from adds up to, in place of what was there. */
void		 tally_take(const struct data *, struct tally *, unsigned k,
		    struct tally *from);
/*
 * Adds up a file by reading all of it; newer may be NULL.  E_OK, E_DAMAGED,
 * E_NOMEM.  tables (or NULL) gets what is seen.  bad: records that fail their
 * checksum (they stay: whoever asks for one is told so).
 */
enum err	 data_scan(struct data *, unsigned k, struct tally *all,
		    struct tally *newer, struct tables *, uint64_t *bad);

/* data_gen.c */
/* Afterwards the new file and its name are durable. */
enum err	 gen_create(struct data *, struct gen *, unsigned k,
		    uint64_t gen, uint64_t buckets);
/* Opens a closed file of the length and count that MANIFEST gives. */
enum err	 gen_open(struct data *, struct gen *, unsigned k,
		    const struct manifest_gen *);
/* Disk blocks for so many bytes of key and value, and AHEAD; and pages. */
enum err	 gen_reserve(struct data *, struct gen *, size_t bytes);
enum err	 gen_close(struct data *, struct gen *);
/* gen_close, and removes the file. */
void		 gen_drop(struct data *, struct gen *, unsigned k);
/* Whether the disk has n free bytes for us. */
int		 disk_has(const struct data *, uint64_t n);

/* data_pages.c */
/* Has the page cache ready for so many bytes behind what is used. */
void		 pages_fill(struct data *, struct gen *, size_t bytes);

/* data_open.c */
void		 open_progress(struct data *);
/* Joins a thread, waiting a moment at most; 0: it still runs. */
int		 open_joined(pthread_t);
/* Is file k what MANIFEST says?  E_DAMAGED: found->error says where not. */
enum err	 open_compare(const struct data *, unsigned k,
		    const struct tally *all, struct data_found *);
/* Reads all records and takes their sums, if they are what MANIFEST says. */
enum err	 open_verify(struct data *, unsigned k, struct data_found *);

/* data_rewind.c */
/*
 * Takes back in place and opens what MANIFEST names of the files whose state
 * is not E_OK; that is E_OK then, or why the file must be restored (it is
 * closed).  Returns how many were.
 */
unsigned	 rewind_files(struct data *, enum err state[FILES_MAX]);

/* data_checkpoint.c */
/* Puts file k as applied into next, all up to last. */
void		 note(struct data *, unsigned k, uint64_t last,
		    struct manifest *next);
void		 commit_start(struct data *, unsigned k, uint64_t last);
/* Writes d->man, not clean, at once, on this thread (at start). */
enum err	 commit_now(struct data *);

/* data_recount.c */
/* Has a file added up anew whose sums have become inexact, if there is one. */
void		 recount_look(struct data *, int64_t now);
/* Adds up file k, at once and in full; E_OK, E_DAMAGED, E_NOMEM. */
enum err	 recount_now(struct data *, unsigned k);
/* The same for each file that needs it (at a stop). */
enum err	 recount_all(struct data *);
/* Lets go of the tables' sums that are being counted anew. */
void		 round_drop(struct data *);

/* data_compact.c */
void		 compact_committed(struct data *, unsigned k, int dropped);
void		 compact_let_go(struct data *);

#include "store/data_damage.h"

#endif
