/*
 * pace.h: a struct io for whoever reads much in the background (scrub, check):
 * its pread takes no more than so many bytes a second, leaves the page cache as
 * it found it, and can be told to stop.
 *
 * One thread reads; any thread may set rate and stop and look at bytes.
 */
#ifndef STORE_PACE_H
#define STORE_PACE_H

#include <stdatomic.h>
#include <stdint.h>

#include "proto/clock.h"
#include "store/io.h"

#define PACE_BLOCK	4096u		/* of O_DIRECT: offsets, lengths */
#define PACE_ROOM	(128u << 10)	/* most bytes of one direct read */

struct pace {
	struct io	 io;		/* to read with */
	const struct io	*base;
	atomic_uint_fast64_t rate;	/* bytes a second; 0: all it can */
	atomic_uint_fast64_t bytes;	/* read so far */
	atomic_int	 stop;		/* reads fail with ECANCELED */
	mono_t		 next;		/* no read before */
	uint8_t		*room;		/* PACE_ROOM bytes, aligned */
};

/* 0, or -1: no memory.  base must stay. */
int	 pace_init(struct pace *, const struct io *base, uint64_t rate);
void	 pace_free(struct pace *);
/*
 * Opens a file for reading, past the page cache where the file system can:
 * what is read then is what the disk has.  -1 with errno.
 */
int	 pace_open(const struct pace *, const char *path);
/* Waits as before a read of n bytes: 0, or -1 (errno ECANCELED). */
int	 pace_wait(struct pace *, size_t n);

#endif
