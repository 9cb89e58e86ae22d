/*
 * sums.h: checksums over the append-only part of a data file, in blocks of
 * 64 KiB, kept beside it in data.K.G.sum.  They find and place damage that
 * tkrzw does not see, and say where records begin, so that what follows a
 * damaged block can be read.
 *
 * What lies between the first record and F never changes (rewind_tkrzw.c says
 * why), so a block that was full is never summed again; the last one, which
 * was not, is held against its old sum before it gets a new one: damage is
 * never signed.
 *
 * The file, little-endian:
 *
 *	 0  8 XXH3 64 of all that follows
 *	 8  4 magic "WSUM"; 12 4 format: 1
 *	16  8 generation of the data file
 *	24  8 base: where its first record is
 *	32  8 end: it is summed up to here, the end of a record
 *	40 24 the data file as it was closed, 0 if it was not since: mtime and
 *	      ctime (ns since 1970), inode
 *	64    for each block from base to end, 10 bytes:
 *		0 8 XXH3 64 of its bytes between base and end
 *		8 2 its first record: offset in the block / 8, 65535 none
 *
 * A block is 64 KiB of the file at a multiple of 64 KiB.  To change it: a new
 * format number.  There need be no reader for old ones: without sums a file is
 * checked by its records, and summed anew.
 */
#ifndef STORE_SUMS_H
#define STORE_SUMS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "store/io.h"

#define SUMS_BLOCK	65536u
#define SUMS_NONE	65535u		/* no record begins in the block */

struct sums_block {
	uint64_t	sum;
	uint16_t	first;		/* / 8 */
};

/* What tells that nobody wrote to a file. */
struct sums_seal {
	int64_t		mtime, ctime;	/* ns since 1970 */
	uint64_t	inode;
};

struct sums {
	uint64_t	 gen, base, end;	/* end 0: nothing yet */
	struct sums_seal seal;
	struct sums_block *block;	/* owned; the first is that of base */
	size_t		 n, max;
};

/* Nothing summed yet. */
void		 sums_init(struct sums *, uint64_t gen, uint64_t base);
void		 sums_free(struct sums *);
/* E_NOTFOUND; E_DAMAGED also of another generation or format; E_NOMEM. */
enum err	 sums_load(struct sums *, const struct io *, const char *path,
		    uint64_t gen);
/*
 * Writes it durably by path.tmp, fdatasync and rename.  The name is not synced:
 * the file that a power cut brings back is as right, it only ends earlier.
 */
enum err	 sums_write(const struct sums *, const struct io *,
		    const char *path);

/* The same as bytes, malloc'ed, n of them; NULL: no memory. */
uint8_t		*sums_bytes(const struct sums *, size_t *n);
/* From bytes: E_OK, E_DAMAGED as sums_load, E_NOMEM. */
enum err	 sums_parse(struct sums *, const uint8_t *p, size_t n,
		    uint64_t gen);

/*
 * Sums what the data file has between s->end and end, where a record must end.
 * E_DAMAGED: *bad is the offset of the block that is not as it was, or of what
 * is no record; s is as it was.  E_NOMEM, E_INTERNAL (errno).
 */
enum err	 sums_extend(struct sums *, const struct io *, int fd,
		    uint64_t end, uint64_t *bad);
/* How many blocks there are from the beginning of the file; some have no sum. */
size_t		 sums_blocks(const struct sums *);
/*
 * Is block i (of the file) as it was summed?  E_OK, E_DAMAGED (also when it
 * cannot be read in full), E_INTERNAL (errno; EIO of the disk is damage).
 */
enum err	 sums_check(const struct sums *, const struct io *, int fd,
		    size_t i);
/*
 * Is this block i, of which p has all that lies between a multiple of 64 KiB
 * and the next one, or end?  1 also where there is no sum for it.
 */
int		 sums_match(const struct sums *, size_t i, const uint8_t *p);
/*
 * 1: what was said in old, up to its end, still holds as far as now says; a
 * last block of old that was not full is *rest (SIZE_MAX: none), to be held
 * against sums_match(old).
 */
int		 sums_goes_on(const struct sums *old, const struct sums *now,
		    size_t *rest);
/* The first record that begins at or after off, as summed; 0: none known. */
uint64_t	 sums_record_after(const struct sums *, uint64_t off);

/* The file as it is now; 0 or -1 with errno. */
int		 sums_seal_get(struct sums_seal *, const char *path);
int		 sums_seal_same(const struct sums_seal *,
		    const struct sums_seal *);

#endif
