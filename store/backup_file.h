/*
 * backup_file.h: BACKUP, the text file that makes a directory a backup: what
 * is in it, as of which moment, and which backup it rests on.  It is written
 * last, so a directory without one is the rest of a backup that failed.
 *
 * Below the directory that "wharfctl backup" is given (all times UTC):
 *
 *	20261122T234501-full/			everything
 *	20261123T234501-20261122T234501/	what came since that other one
 *		BACKUP
 *		NODE conf auth.file		of the node (the last if it has one;
 *						conf as wharfd -c takes it)
 *		store.N/MANIFEST		clean 0, as it was at the moment
 *		store.N/data.K.G.tkh		its bytes [0, F)
 *		store.N/data.K.G.tkh.FROM	its bytes [FROM, F)
 *		store.N/data.K.G.sum		sums.h; of all from its base to F
 *		store.N/wal/M.seg		the log behind the least L
 *		router.N/...			the same of a router's shard
 *
 * Text, one fact a line, words separated by one blank, lines in this order:
 *
 *	wharf-backup 2
 *	node HEX16
 *	version 1.2.3                 of the wharfd that made it
 *	made MS                       since 1970, when it was asked for
 *	stores S files K routers R
 *	parent NAME HEX16             directory beside this one, its "end"; or
 *	parent -                      none: a full backup
 *	store N E BOUND               each store in order: all up to LSN E is
 *	                              in it, nothing later; no stamp in it is
 *	                              above BOUND
 *	router N E BOUND              each router in order, likewise
 *	file NAME FROM TO HEX32       ascending by the bytes of NAME: the bytes
 *	                              [FROM, TO) of that file are here, with
 *	                              this XXH3-128 (canonical)
 *	end HEX16                     XXH3-64 of all before this line
 *
 * Rules
 * 1 FROM is 0, but for data.K.G.tkh, whose file here is then NAME.FROM.  Where
 *   FROM is TO there is no file: nothing came since.
 * 2 A data file with FROM > 0 begins where the parent's line of that name ends:
 *   that one's TO is FROM, and so on down to one with FROM 0.  Put together
 *   they are the file up to its F; all else is whole in each backup.
 * 3 What lies before the first record of a data file (its base, in .sum) was
 *   copied while it changed, and is not to be believed.
 * 4 The log ends with the batch of E.  One that ends earlier is damaged.
 *
 * Format 1 has no routers in it: no such lines, no files of theirs.  A backup
 * may rest on one of format 1; all of a router's files are then whole in it.
 *
 * Stores and routers are counted as one row of shards here: first the stores,
 * then the routers, as far as the backup has them in it.
 *
 * To change it: raise BACKUP_FORMAT, keep the old reader, add a case to
 * tests/test_backup_file.c.
 */
#ifndef STORE_BACKUP_FILE_H
#define STORE_BACKUP_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

#define BACKUP_FORMAT	2
#define BACKUP_NAME	"BACKUP"
#define BACKUP_PART	"PART"		/* a shard's share, until BACKUP is */
#define BACKUP_STORES	64		/* and as many routers */
#define BACKUP_SHARDS	(2 * BACKUP_STORES)
#define BACKUP_SHARD_NAME 16		/* "router.63", and NUL */
#define BACKUP_DIR_MAX	40		/* "YYYYMMDDThhmmss-..." and NUL */
#define BACKUP_PATH_MAX	96		/* of a file within, and NUL */

struct backup_store {			/* or router */
	int		there;		/* there is a line for it */
	uint64_t	lsn, bound;
};

struct backup_file {
	char		name[BACKUP_PATH_MAX];	/* without .FROM */
	uint64_t	from, to;		/* bytes of the file */
	uint8_t		sum[16];
};

struct backup {
	unsigned		 format;	/* of the text */
	uint64_t		 node;
	char			 version[32];
	int64_t			 made;		/* ms since 1970 */
	unsigned		 stores, files, routers;
	char			 parent[BACKUP_DIR_MAX];	/* "": none */
	uint64_t		 parent_end;
	struct backup_store	 store[BACKUP_SHARDS];	/* the shards */
	struct backup_file	*file;		/* owned, in order */
	size_t			 nfile, maxfile;
	uint64_t		 end;		/* its checksum, as read or written */
};

/* What a name in a file line stands for. */
enum backup_kind {
	BACKUP_NONE,			/* no name that may be there */
	BACKUP_NODE, BACKUP_CONF, BACKUP_AUTH,
	BACKUP_MANIFEST, BACKUP_DATA, BACKUP_SUMS, BACKUP_SEGMENT
};

struct backup_id {
	int		router;
	unsigned	store, k;	/* number of the store, or router */
	uint64_t	gen;		/* of a data file; number of a segment */
};

enum backup_kind backup_kind(const char *name, struct backup_id *);
/* How many are in it, once all are: its stores and, after format 1, routers. */
unsigned	 backup_shards(const struct backup *);
/* The place in the row; there need not be one of that number. */
unsigned	 backup_shard(const struct backup *, int router, unsigned seat);
int		 backup_is_router(const struct backup *, unsigned shard);
/* Its number among its kind. */
unsigned	 backup_seat(const struct backup *, unsigned shard);
/* "store.0", "router.0": its directory, here and in a node's data. */
void		 backup_shard_name(const struct backup *, unsigned shard,
		    char out[BACKUP_SHARD_NAME]);
/* Where the bytes of a line are, within the backup's directory. */
void		 backup_path(const struct backup_file *,
		    char out[BACKUP_PATH_MAX + 24]);
/*
 * 1: text is the name of a backup's directory; *full says which sort.  stamp
 * (16 bytes) gets its time, as in the name, which orders backups.
 */
int		 backup_dir_name(const char *text, char stamp[16], int *full);

void		 backup_init(struct backup *);
void		 backup_clear(struct backup *);	/* frees what it owns */
/* Adds a file line, anywhere; 0, or -1 out of memory or no such name. */
int		 backup_add(struct backup *, const char *name, uint64_t from,
		    uint64_t to, const uint8_t sum[16]);
/*
 * Writes DIRFD/name, 0600 and synced, and adds its line.  E_OK; E_NOMEM;
 * E_NOSPACE, E_INTERNAL (errno).
 */
enum err	 backup_put_file(struct backup *, int dirfd, const char *name,
		    const void *p, size_t n);
/* The line of that name, or NULL.  The lines must be in order. */
const struct backup_file *backup_find(const struct backup *, const char *name);

/*
 * Parses text: E_DAMAGED, and err says which line; E_UNKNOWN a newer format;
 * E_NOMEM.  It is a BACKUP if it has all shards, else a PART: a store's says
 * "routers 0", a router's "stores 0".
 */
enum err	 backup_parse(struct backup *, const char *text, size_t n,
		    char *err, size_t errlen);
/* The text, malloc'ed; sorts the files, sets end.  NULL: out of memory. */
char		*backup_text(struct backup *, size_t *n);
int		 backup_whole(const struct backup *);	/* has all shards */
/*
 * Reads DIRFD/path (AT_FDCWD will do).  E_NOTFOUND; E_INTERNAL (errno); else
 * as backup_parse.  whole: one without all shards is E_DAMAGED.
 */
enum err	 backup_load(struct backup *, int dirfd, const char *path,
		    int whole, char *err, size_t errlen);
/*
 * Writes DIRFD/name durably: by name.tmp, fsync, rename, fsync of the
 * directory.  E_OK; E_NOMEM; E_NOSPACE, E_INTERNAL (errno).
 */
enum err	 backup_write(struct backup *, int dirfd, const char *name);

#endif
