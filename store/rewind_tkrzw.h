/*
 * rewind_tkrzw.h: makes a tkrzw file that was not closed what it was when it
 * was shorter; engine.h says what is promised (engine_ops.rewind).
 */
#ifndef STORE_REWIND_TKRZW_H
#define STORE_REWIND_TKRZW_H

#include "store/engine.h"

#define TKRZW_OFFSET_WIDTH	5
#define TKRZW_ALIGN_POW		3
#define TKRZW_META_MAX		16u	/* bytes of a record before its key */

/* Where the first record of a file with so many buckets is. */
uint64_t	 tkrzw_record_base(uint64_t buckets);
/* Where a bucket is, and where the record that it points to; 0: to none. */
uint64_t	 tkrzw_bucket(uint64_t bucket);
uint64_t	 tkrzw_bucket_get(const uint8_t *);
enum err	 tkrzw_rewind(const struct io *, int fd, uint64_t end,
		    uint64_t count, engine_visit *, void *arg);
enum err	 tkrzw_read(const struct io *, int fd, uint64_t end,
		    uint64_t count, engine_visit *, void *arg);

/*
 * A record's parts, for readers of files that may be damaged: nothing but its
 * own bytes is believed, and those are not verified.
 */
struct tkrzw_record {
	uint64_t	 size;		/* to the next record */
	uint64_t	 child;		/* the next of its bucket, stored before; 0 */
	int		 stores;	/* a value, as all do in appending mode */
	const uint8_t	*key, *val;	/* borrowed */
	size_t		 keylen, vallen;
};
/* Its size by the first TKRZW_META_MAX bytes (or all there are); 0: it is none. */
uint64_t	 tkrzw_record_size(const uint8_t *p, size_t n);
/* All of it, at p, of which n bytes are there: 1, or 0 when it is none. */
int		 tkrzw_record_get(struct tkrzw_record *, const uint8_t *p,
		    size_t n);
/* The base by the file's own header; 0: that is damaged. */
uint64_t	 tkrzw_base_get(const struct io *, int fd, uint64_t end);
/*
 * As tkrzw_read, of a file that was closed; then also whether its buckets and
 * counts in the header are what its records make them (E_DAMAGED).
 */
enum err	 tkrzw_check(const struct io *, int fd, uint64_t end,
		    uint64_t count, engine_visit *, void *arg);

#endif
