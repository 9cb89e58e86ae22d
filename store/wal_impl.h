/*
 * wal_impl.h: what the wal_*.c files share and nobody else includes.
 *
 * Who touches what:
 *	struct wal_log	who has taken the batch: the log thread or, while that
 *			has none, the loop (wal_open before the thread starts,
 *			wal_close after it has ended)
 *	struct wal_pass	loop, log thread and sync thread, under its lock
 *	struct wal_own	helper jobs and the loop, under its lock; it outlives
 *			the wal for jobs whose done callback comes late
 *	the rest	the loop
 */
#ifndef STORE_WAL_IMPL_H
#define STORE_WAL_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/clock.h"
#include "store/wal.h"
#include "store/wal_format.h"

#define WAL_PATH	4096
#define WAL_BUFFER	(32u << 20)	/* most bytes in a batch of small records */
#define WAL_SLACK	(1u << 20)	/* that a record over WAL_BUFFER may join */
#define WAL_RETRY	500000		/* usec between tries on a full disk */

/* Bytes of one batch: room for the header, then records. */
struct wal_buf {
	uint8_t		*p;		/* WAL_BLOCK-aligned */
	size_t		 cap, len;	/* len: header included */
	uint32_t	 count;
	uint64_t	 first;		/* LSN of the first record */
	unsigned	 small;		/* batches since a big one */
};

/* wal_buf.c */
int	 wal_buf_grow(struct wal_buf *, size_t len);	/* 0, or -1 no memory */
void	 wal_buf_reset(struct wal_buf *, uint64_t first);
void	 wal_buf_free(struct wal_buf *);
uint8_t	*wal_buf_add(struct wal_buf *, size_t keylen, size_t vallen);

/* A file that is to become a segment. */
struct wal_spare {
	uint64_t	 id;
	uint64_t	 size;
	int		 made;		/* 1 spare.id, 0 new.id */
};

/* A place in the log, and what is known of everything before it. */
struct wal_mark {
	uint64_t	 lsn;
	uint64_t	 bound;		/* of the clock */
	uint64_t	 segment;
	uint32_t	 end;		/* bytes of that segment */
};

/* The open segment as who writes sees it; see wal_file.c. */
struct wal_log {
	const struct io	*io;
	const char	*dir;
	enum wal_sync	 sync;
	uint64_t	 node;
	uint16_t	 store;
	int		 direct;	/* O_DIRECT|O_DSYNC works here */
	uint8_t		*block;		/* WAL_BLOCK bytes, aligned */
	int		 fd;
	uint64_t	 salt;
	struct wal_mark	 at;		/* written */
	struct wal_mark	 safe;		/* durable, as far as known here */
};

/* Where a batch goes. */
struct wal_place {
	int		 fresh;		/* into a new segment: */
	struct wal_spare spare;
	uint64_t	 number, prev;
	uint64_t	 offset;
	uint32_t	 span;
};

/* wal_file.c: all return 0, or -1 with errno */
enum wal_name { WAL_SEG, WAL_SPARE, WAL_NEW };
void	 wal_path(char out[WAL_PATH], const char *dir, enum wal_name, uint64_t n);
int	 wal_log_init(struct wal_log *, const struct wal_conf *, const char *dir);
void	 wal_log_free(struct wal_log *);
/* Opens a spare under its present name and writes the header, durably. */
int	 wal_log_start(struct wal_log *, const struct wal_spare *,
	    uint64_t number, uint64_t first, uint64_t prev, uint64_t durable);
/* Gives a started file its segment name, durably. */
int	 wal_log_name(const struct wal_log *, const struct wal_spare *, uint64_t number);
/* Seals and writes a batch; not durable before wal_log_sync. */
int	 wal_log_write(struct wal_log *, struct wal_buf *, uint64_t off,
	    uint32_t span, uint64_t bound);
int	 wal_log_sync(struct wal_log *);
/* Creates new.id of size bytes, zero-filled and synced. stop may be NULL. */
int	 wal_fill(const struct io *, const char *dir, uint64_t id, uint64_t size,
	    const atomic_int *stop);

/* Files with something in them that no sync has covered; 1s and os. */
struct wal_stale {
	int		*old;		/* earlier segments, closed once synced */
	size_t		 nold, maxold;
	int		 fd;		/* the open segment; -1: none yet */
};

/* What goes between the loop, the log thread and the sync thread. */
struct wal_pass {
	pthread_mutex_t	 lock;
	pthread_cond_t	 work, sync, done;
	struct wal_buf	*buf;		/* handed over, not taken yet */
	struct wal_place place;
	uint64_t	 buf_bound;
	mono_t		 since;
	int		 busy;		/* handed over, not finished */
	int		 stop;
	int		 failed;	/* errno; the marks stand still then */
	uint64_t	 want;		/* wal_sync_to: sync up to this LSN */
	unsigned	 waiters;	/* threads in wal_sync_to */
	struct wal_mark	 written, durable;
	struct wal_stale stale;
	mono_t		 stale_since;	/* of the first write that is not durable */
	int		 syncing;
	int64_t		 sync_us;	/* the last one took */
	uint64_t	 batches, bytes;
	int64_t		 last_us;	/* handed over until written (and durable) */
};

/* Whether something is written and not durable.  Lock held. */
static inline int
wal_pass_stale(const struct wal_pass *ps)
{
	return ps->written.end != ps->durable.end ||
	    ps->written.segment != ps->durable.segment;
}

/* wal_thread.c */
void	*wal_thread(void *);
/*
 * Writes the batch that was handed over, publishes, notifies.  Called and
 * returns with the lock held.
 */
void	 wal_take(struct wal *);

/* wal_sync.c */
void	*wal_sync_thread(void *);
/* Whether the sync thread has to be woken after a write.  Lock held. */
int	 wal_sync_wake(const struct wal *, int was_stale);
/* Puts the open segment aside, to be synced: 0, or -1 with errno. */
int	 wal_stale_push(struct wal *);
/* fdatasyncs all of them: 0 or an errno. */
int	 wal_stale_sync(const struct io *, const struct wal_stale *);
void	 wal_stale_close(struct wal_stale *);

/* Helper jobs of one wal. */
struct wal_own {
	pthread_mutex_t	 lock;
	pthread_cond_t	 idle;
	unsigned	 refs;		/* the wal and each job */
	unsigned	 running;	/* jobs whose work is not over */
	atomic_int	 stop;
	struct wal	*wal;		/* NULL once closed */
	const struct io	*io;
	char		*dir;
};

/* One kind of file that helper jobs make: normal spares, big ones. */
struct wal_maker {
	unsigned	 making;
	int		 nospace;
	mono_t		 retry;		/* not before, when nospace */
};

#define WAL_SPARES	32		/* most spares */
/*
 * Freed segments kept beyond the spares wanted.  They come in bursts, when a
 * checkpoint that took long is over; while it ran, others had to be made.
 */
#define WAL_FREED	6

struct wal_seg {
	uint64_t	 number;
	uint64_t	 first, last;	/* LSNs; last once it is no longer open */
	uint64_t	 size;
	struct wal_seg	*next;
};

struct wal {
	struct wal_conf	 conf;
	char		*dir;
	size_t		 segment;	/* conf.segment, rounded */
	size_t		 batch_max;	/* bytes of a batch of normal records */
	struct wal_log	 log;
	struct wal_pass	 pass;
	struct wal_own	*own;
	pthread_t	 thread, sync_thread;

	struct wal_buf	 buf[2];
	struct wal_buf	*open;		/* the one being filled */
	uint64_t	 last;		/* last LSN given */
	uint64_t	 bound_next, bound_given; /* the last batch has */
	int		 forced;	/* an empty batch is wanted */
	mono_t		 rest;		/* wal_here: not before */
	int		 busy;		/* copies of what is in pass: */
	int		 failed;
	uint64_t	 written, durable, bound;
	uint64_t	 batches, bytes;
	int64_t		 last_us;

	struct wal_seg	*segs, **segs_tail, *cur;
	uint64_t	 hold;		/* wal_hold; UINT64_MAX: none */
	uint64_t	 unwanted;	/* the last wal_recycle, if held back */
	unsigned	 nsegs;
	uint64_t	 pos;		/* end of what cur will hold */
	size_t		 align;		/* of batches */
	uint64_t	 next_number, next_id;
	uint64_t	 filled;

	struct wal_spare spare[WAL_SPARES];
	unsigned	 nspare, freeing;	/* ready; being recycled */
	struct wal_maker maker, bigmaker;
	struct wal_spare big;		/* size 0: none */
};

/* Bytes a batch of len takes on the disk. */
static inline size_t
wal_span(const struct wal *w, size_t len)
{
	return wal_round(len, w->align);
}

/* wal.c */
struct wal_seg *wal_seg_add(struct wal *, uint64_t number, uint64_t first,
	    uint64_t size);

/* wal_spare.c */
struct wal_own	*wal_own_new(struct wal *);
void	 wal_own_close(struct wal_own *);
void	 wal_spares_want(struct wal *);
void	 wal_big_want(struct wal *, size_t need);
/* Takes a ready spare for a batch of span bytes: 1, or 0 there is none. */
int	 wal_spare_take(struct wal *, size_t span, struct wal_spare *);
/* Whether wal_spare_take would give one. */
int	 wal_spare_fits(const struct wal *, size_t span);

#endif
