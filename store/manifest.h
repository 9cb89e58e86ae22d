/*
 * manifest.h: MANIFEST, the small file that says which data files of a shard
 * are true up to where.  Text, one fact a line, the last line a checksum, so
 * that it can be read at 3 a.m. (doc/storage.md gives the grammar):
 *
 *	wharf-manifest 2           1 has no sums, table, ends
 *	node 00c0ffee00c0ffee
 *	store 0 of 2 files 16
 *	boot 0d1cf5bc-...          boot_id of the writer
 *	clean 0                    1: closed in order, nothing follows in the log
 *	bound 127389...            clock bound known durable
 *	lsn 4711                   last LSN given (clean stop only; else 0)
 *	file K G F L COUNT LIVE    a generation: number, size, LSN, records, bytes
 *	older K G F L COUNT LIVE   the read-only generation under compaction
 *	next K G                   next unused generation number
 *	slot N COUNT DIGEST        live records of a slot, XOR of their digests,
 *	                           as of the L of the slot's file
 *	expiry K MINUTE BYTES      bytes that expire in that minute (clean only)
 *	sums STEP                  what follows is whole; expired up to this step
 *	                           is taken off (clean only; 0: not saved)
 *	table T NAME COUNT SIZE CAPACITY CLAIM
 *	                           live records of a table; K -: the plain keys
 *	ends STEP COUNT SIZE CAPACITY
 *	                           of the table line above, what ends in a step
 *	end XXH3-64 of all before this line
 */
#ifndef STORE_MANIFEST_H
#define STORE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "store/io.h"
#include "store/record.h"
#include "supervisor/catalogue.h"

#define FILES_MAX	64

struct manifest_gen {
	uint64_t	gen;		/* 0: there is none */
	uint64_t	size;		/* F */
	uint64_t	lsn;		/* L */
	uint64_t	count;		/* records, dead ones included */
	uint64_t	live;		/* bytes of live records */
};

struct manifest_file {
	struct manifest_gen	now, older;
	uint64_t		next_gen;
};

struct manifest_slot {
	uint64_t	count;
	struct digest	digest;
};

struct manifest_expiry {
	uint32_t	file;
	uint64_t	minute;		/* since 1970 */
	uint64_t	bytes;
};

/* Steps are of TABLES_STEP_MS (tables.h); no number is below zero. */
struct manifest_end {
	uint32_t		step;
	struct table_sum	sum;
};

struct manifest_table {
	uint8_t			type, len;	/* K: len 0 */
	uint8_t			name[CATALOGUE_NAME];
	struct table_sum	sum;
	uint64_t		claim;
	struct manifest_end	*ends;		/* owned */
	size_t			nends;
};

struct manifest {
	uint64_t		node;
	unsigned		store, stores, files;
	char			boot[40];
	int			clean;
	uint64_t		bound, lsn;
	struct manifest_file	file[FILES_MAX];
	struct manifest_slot	slot[1024];	/* by slot number */
	struct manifest_expiry	*expiry;	/* owned */
	size_t			nexpiry;
	uint32_t		sums;		/* 0: tables says nothing */
	struct manifest_table	*tables;	/* owned */
	size_t			ntables;
};

void		 manifest_init(struct manifest *);
void		 manifest_clear(struct manifest *);	/* frees what it owns */
void		 manifest_clear_tables(struct manifest *); /* of that, tables */
/*
 * E_NOTFOUND no file, E_DAMAGED (err says the line), E_UNKNOWN a newer
 * version, E_INTERNAL (errno).
 */
enum err	 manifest_load(struct manifest *, const struct io *,
		    const char *dir, char *err, size_t errlen);
/* Parses text (for load and the fuzzer). */
enum err	 manifest_parse(struct manifest *, const char *text, size_t n,
		    char *err, size_t errlen);
/* The text, malloc'ed, with its length; NULL when out of memory. */
char		*manifest_text(const struct manifest *, size_t *n);
/*
 * Writes text durably: MANIFEST.tmp, fdatasync, rename, directory fsync.
 * E_OK; E_NOSPACE and E_NOMEM (also of descriptors): the old text stands, to be
 * tried again; E_INTERNAL.  errno says why.
 */
enum err	 manifest_write(const struct io *, const char *dir,
		    const char *text, size_t n);

#endif
