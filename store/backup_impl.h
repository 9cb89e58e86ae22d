/*
 * backup_impl.h: what the files of a shard's backup share: shard_backup.c (the
 * loop's side), data_backup.c (what is to be copied), backup_copy.c (the
 * thread), backup_log.c, backup_out.c.
 *
 * Who touches what: the loop everything until the thread is started and after
 * it has ended; in between the thread owns all but what is atomic or under
 * lock.
 */
#ifndef STORE_BACKUP_IMPL_H
#define STORE_BACKUP_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "proto/clock.h"
#include "store/backup_file.h"
#include "store/manifest.h"
#include "store/shard_backup.h"
#include "store/sums.h"

/* One generation of a data file, as MANIFEST names it. */
struct backup_gen {
	unsigned	 k;
	uint64_t	 gen, base, size;	/* size: F */
	int		 fd, sums_fd;		/* open; -1: no .sum */
	struct sums	 sums;			/* of [base, F) */
	uint64_t	 from;			/* the parent has what is before */
};

/* A shard at one instant. */
struct backup_pin {
	char			*manifest;	/* its text, owned */
	size_t			 nmanifest;
	uint64_t		 least;		/* L: the log behind it is needed */
	uint64_t		 bound;		/* of the clock */
	struct backup_gen	 gen[2 * FILES_MAX];
	unsigned		 ngen;
};

enum backup_phase { BACKUP_PINNING, BACKUP_RUNNING, BACKUP_OVER };

struct backup_run {
	const struct io		*io;
	struct wal		*wal;
	const char		*waldir;
	void			(*notify)(void *);
	void			*notify_arg;
	char			 name[BACKUP_SHARD_NAME];
	int			 router;	/* then that is meant here: */
	unsigned		 store, stores, files;
	int			 dir, parent;
	char			 parent_name[BACKUP_DIR_MAX];
	enum backup_phase	 phase;		/* the loop's */
	unsigned		 checkpoints;	/* begun for it */
	unsigned		 most;		/* segments, then no hold */

	struct backup_pin	 pin;
	uint64_t		 last;		/* E, wanted */
	uint64_t		 first_seg;
	struct backup		 part;
	mono_t			 paced;		/* what was written is due */
	int			 hurry;		/* do not pace */
	uint8_t			*buf;		/* SUMS_BLOCK bytes */

	_Atomic uint64_t	 rate, copied, total;
	_Atomic int		 cancel;
	pthread_t		 thread;
	pthread_mutex_t		 lock;		/* of the next three */
	int			 hold_lost;	/* segments may be overwritten */
	int			 log_done;
	int			 over;

	enum err		 e;
	char			 why[200];
};

/* Notes the first failure, in words; returns e. */
enum err	 backup_fail(struct backup_run *, enum err e, const char *fmt, ...)
		    __attribute__((format(printf, 3, 4)));

/* data_backup.c */
struct data;
/*
 * What MANIFEST on the disk says, and the files that it names, opened.  E_AGAIN
 * while that is being changed: after the next helper_poll; E_DAMAGED a file in
 * quarantine, E_PARAM nothing is on the disk, E_READONLY, E_NOMEM,
 * E_INTERNAL: why says it in words.
 */
enum err	 data_pin(struct data *, struct backup_pin *, char *why,
		    size_t whylen);
void		 backup_pin_free(struct backup_pin *);

/* backup_out.c: a file that is being written, in dir. */
struct backup_out;
struct backup_out *backup_out_open(struct backup_run *, const char *name);
/* E_OK; a failure is noted, and E_AGAIN told when it was cancelled. */
enum err	 backup_out_put(struct backup_out *, const void *, size_t);
/*
 * Syncs and closes it; it is then in part as name, from..to.  e: what happened
 * so far, returned when that is no E_OK.
 */
enum err	 backup_out_end(struct backup_out *, enum err e,
		    const char *name, uint64_t from);
/* A line for what the parent has all of, up to to: no file. */
enum err	 backup_same(struct backup_run *, const char *name, uint64_t to);
/* A whole small file. */
enum err	 backup_put(struct backup_run *, const char *name,
		    const void *p, size_t n);

/* backup_log.c: from first_seg on, up to the end of the batch with E. */
enum err	 backup_copy_log(struct backup_run *);

/* backup_copy.c */
void		*backup_thread(void *);

#endif
