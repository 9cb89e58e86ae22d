/*
 * data_expiry.h: the part of data_impl.h, which includes it, that knows when
 * how many bytes of a data file become garbage.
 */
#ifndef STORE_DATA_EXPIRY_H
#define STORE_DATA_EXPIRY_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that become garbage when they expire, by the minute when. */
struct expiry {
	uint64_t	*minute;	/* open addressing; 0: empty */
	uint64_t	*bytes;
	size_t		 cap, used;
	uint64_t	 upto;		/* minutes up to it are in past */
	uint64_t	 past;
};

void		 expiry_add(struct expiry *, int64_t ms, uint64_t bytes);
void		 expiry_sub(struct expiry *, int64_t ms, uint64_t bytes);
void		 expiry_load(struct expiry *, uint64_t minute, uint64_t bytes);
/* Bytes expired by now; moves what is past out of the table. */
uint64_t	 expiry_past(struct expiry *, int64_t now);
void		 expiry_free(struct expiry *);

#endif
