/*
 * import_plan.h: what of the source is to be listed, how far each listing is,
 * and the file that remembers it, so that an import can be broken off at any
 * moment and go on: JSON, replaced in one step.
 */
#ifndef SUPERVISOR_IMPORT_PLAN_H
#define SUPERVISOR_IMPORT_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "proto/wharf.h"
#include "supervisor/import_put.h"

/* How far a listing is. */
enum phase {
	PHASE_WALK,		/* pages by offset or cursor */
	PHASE_REST,		/* only empty pages for a while */
	PHASE_EXPORT,		/* a snapshot is being made there */
	PHASE_SNAPSHOT,		/* pages of it */
	PHASE_DONE
};

struct where {
	enum phase	 phase;
	uint64_t	 offset;	/* where the next page begins */
	uint64_t	 got;		/* entries until now */
	unsigned	 quiet;		/* empty pages without a break */
	uint64_t	 token;		/* of the export */
	char		*cursor;	/* of a Wharf; NULL: none */
};

struct listing {
	int		 zset;		/* a sorted set, else a data file */
	unsigned	 file;
	char		 table[WHARF_TABLE_MAX + 1];
	uint64_t	 expected;	/* zset: members, as counted at the start */
	struct where	 where;		/* all before it is durable here */
};

struct plan {
	char		*source;	/* http://HOST:PORT */
	int		 cursors;	/* the source is a Wharf */
	uint64_t	 expected;	/* entries of all data files */
	uint64_t	 total;		/* records, for the progress */
	struct tally	 tally;
	struct listing	*listings;
	size_t		 n;
};

/* A new listing, all zeros, at the end; NULL: no memory. */
struct listing	*plan_add(struct plan *);
void		 plan_free(struct plan *);
/* w becomes as from, with a cursor of its own.  0; -1: no memory. */
int		 where_copy(struct where *w, const struct where *from);
/*
 * 1: read; 0: there is no file; -1: it cannot be read or is of another source,
 * with a reason in err.
 */
int		 plan_load(struct plan *, const char *path, const char *source,
		    char *err, size_t max);
/* 0; -1 and errno. */
int		 plan_save(const struct plan *, const char *path);

#endif
