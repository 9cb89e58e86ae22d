/*
 * wal_rec.h: what reads the log back when it is opened: wal_recover.c,
 * wal_walk.c and wal_tail.c, called by wal_open alone.  One thread, no other
 * of this log runs yet.
 */
#ifndef STORE_WAL_REC_H
#define STORE_WAL_REC_H

#include "store/wal_impl.h"

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
	int		 forgo;		/* nothing of it is needed: damage in
					   it ends it, and is only told */
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
