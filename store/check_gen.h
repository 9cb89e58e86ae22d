/*
 * check_gen.h: reads all of one generation of a data file up to an F and says
 * what is damaged in it; for the offline check and for that of a running store,
 * which reads what lies below F beside the loop, as nothing of it changes.
 *
 * Any thread.  What is found is told at once; the functions return E_OK when
 * all was looked at, whatever was found, else why not: E_NOMEM, E_INTERNAL
 * (errno; ECANCELED: told to stop).
 */
#ifndef STORE_CHECK_GEN_H
#define STORE_CHECK_GEN_H

#include "store/btree.h"
#include "store/engine.h"
#include "store/manifest.h"
#include "store/pace.h"
#include "store/sums.h"
#include "store/tables.h"

#define CHECK_SLOTS	1024
#define CHECK_NOWHERE	UINT64_MAX

/* off: bytes into the file, or CHECK_NOWHERE; what is borrowed. */
typedef void	 check_found(void *arg, const char *path, uint64_t off,
    const char *what);

struct check_gen {
	const struct io	*io;
	const char	*path;		/* for what is found */
	int		 fd;
	unsigned	 k, store, stores, files;
	uint64_t	 size, count;	/* F and records, as they should be */
	int		 closed;	/* its buckets and header are final */
	const struct sums *sums;	/* or NULL */
	struct pace	*pace;		/* or NULL; io's own, for what is not
					   read by it */
	check_found	*found;
	void		*arg;

	/* What its records add up to, each NULL or added to: */
	struct manifest_slot *slot;	/* CHECK_SLOTS of them */
	struct tables	*tables;
	/* Keys of a newer generation, which hide those of this one; or NULL. */
	const struct btree *over;
	struct btree	*keys;		/* NULL, or where its keys are put */
	int64_t		 later;		/* wall ms */
	uint64_t	*lasting;	/* of records that end after it */

	/* Set by check_gen_records: */
	uint64_t	 records;	/* whole ones */
	/* Set by check_gen_structure: */
	int		 broken;	/* what it says was found: then slot and
					   the like are of no use */
	enum err	 stop;		/* the visit's own failure */
	size_t		 read;		/* bytes since it waited */
};

/* Each block by its checksum. */
enum err	 check_gen_blocks(struct check_gen *);
/* Each record by its own, and whether it is in the right file. */
enum err	 check_gen_records(struct check_gen *);
/* Links, padding, counts, if closed also buckets and header; adds up. */
enum err	 check_gen_structure(struct check_gen *);
/* The slots of file k as counted against those that were kept. */
void		 check_gen_digests(const struct check_gen *,
		    const struct manifest_slot *kept);
/*
 * Sums of tables as they were kept against those that were counted, both as
 * tables_save gives them; sorts both.  path: who says that they are so.
 */
void		 check_tables(struct manifest *kept, struct manifest *counted,
		    const char *path, check_found *, void *arg);

#endif
