/*
 * wal_impl.h: what the wal_*.c files share and nobody else includes.
 *
 * Who touches what:
 *	struct wal_log	the log thread (wal_open before it starts, wal_close
 *			after it has ended)
 *	struct wal_pass	both, under its lock
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

/* Our view of the open segment; see wal_file.c. */
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
	uint32_t	 end, synced;	/* bytes of the segment: written, durable */
	uint64_t	 written, durable;
	uint64_t	 bound_written, bound;
	int		 dirty;		/* something is written, not synced */
	mono_t		 dirty_since;
	int		*old;		/* earlier segments, not synced yet */
	size_t		 nold, maxold;
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
/* Puts the open segment aside, to be synced with the next one, or closes it. */
int	 wal_log_leave(struct wal_log *);
/* Seals and writes a batch; durable when the log says so (wal_log_through). */
int	 wal_log_write(struct wal_log *, struct wal_buf *, uint64_t off,
	    uint32_t span, uint64_t bound);
int	 wal_log_sync(struct wal_log *);
/* Creates new.id of size bytes, zero-filled and synced. stop may be NULL. */
int	 wal_fill(const struct io *, const char *dir, uint64_t id, uint64_t size,
	    const atomic_int *stop);

/* What goes between the loop and the log thread. */
struct wal_pass {
	pthread_mutex_t	 lock;
	pthread_cond_t	 work, done;
	struct wal_buf	*buf;		/* handed over, not taken yet */
	struct wal_place place;
	uint64_t	 buf_bound;
	mono_t		 since;
	int		 busy;		/* handed over, not finished */
	int		 stop;
	int		 failed;	/* errno */
	uint64_t	 want;		/* wal_sync_to: sync up to this LSN */
	unsigned	 waiters;	/* threads in wal_sync_to */
	uint64_t	 written, durable, bound;
	uint64_t	 batches, bytes;
	int64_t		 last_us;
};

/* wal_thread.c */
void	*wal_thread(void *);

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
	pthread_t	 thread;
	int		 started;	/* the thread runs */

	struct wal_buf	 buf[2];
	struct wal_buf	*open;		/* the one being filled */
	uint64_t	 last;		/* last LSN given */
	uint64_t	 bound_next, bound_given; /* the last batch has */
	int		 forced;	/* an empty batch is wanted */
	int		 busy;		/* copies of what is in pass: */
	int		 failed;
	uint64_t	 written, durable, bound;
	uint64_t	 batches, bytes;
	int64_t		 last_us;

	struct wal_seg	*segs, **segs_tail, *cur;
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

/* wal_recover.c, wal_walk.c, wal_tail.c: used by wal_open only */
struct rec_seg {
	uint64_t	 number, size;
	struct seg_head	 head;
	int		 valid;		/* head is */
	uint64_t	 limit;		/* a later segment has it from there on */
	uint64_t	 last;		/* last LSN that counts; first - 1: none */
	uint64_t	 end;		/* bytes that count; 0: not looked at */
};

struct rec {
	struct wal	*w;
	struct wal_found *found;
	uint64_t	 after;
	wal_replay	*replay;
	void		*arg;
	struct rec_seg	*seg;
	size_t		 n, max;
	uint64_t	 expect;	/* LSN that comes next; 0 none seen */
	uint64_t	 durable;	/* known durable */
	/* the segment in memory */
	int		 fd;
	size_t		 cur, loaded;
	uint8_t		*p;
	size_t		 cap;
};

enum err wal_fail(struct rec *, enum err, const char *, ...)
	    __attribute__((format(printf, 3, 4)));
enum err wal_recover(struct rec *);
void	 wal_rec_free(struct rec *);
enum err wal_walk(struct rec *);
/* Opens segment i for reading through wal_load. */
enum err wal_read(struct rec *, size_t i);
/* Reads segment i at least up to end, or to its end. */
enum err wal_load(struct rec *, size_t end);
/* The valid batch at off of the segment in memory: 1, 0, or -1 with *e. */
int	 wal_batch_at(struct rec *, size_t off, struct batch_head *, enum err *e);
void	 wal_batch_cut(struct batch_head *, uint64_t limit);
enum err wal_tail(struct rec *, uint64_t next_lsn);

#endif
