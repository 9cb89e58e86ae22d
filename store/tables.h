/*
 * tables.h: what the live records of one shard add up to, by (type, table):
 * count, bytes, capacity (contract 1.5), exact at every change; expired ones
 * leave within TABLES_STEP_MS of their end.  And this store's dealings with
 * the shared catalogue: a name is held before its first member is logged,
 * sums are shown when they are durable.
 *
 * Expiry: what ends in the same step of time is added up in one place, so
 * a record's end costs nothing when it comes.  A record counts exactly while
 * its step lies after the last one that was taken off (tables_expire); that
 * rule alone says what an overwritten record takes away again.  The steps taken
 * off never become fewer, also when the clock is set back: then a record that
 * ends before it was may be readable and not count.
 *
 * Damaged records: see data_recount.c, which counts anew.
 *
 * Runs on the store's loop.  Memory: doc/storage.md.
 */
#ifndef STORE_TABLES_H
#define STORE_TABLES_H

#include "store/manifest.h"
#include "store/record.h"
#include "supervisor/catalogue.h"

#define TABLES_STEP_MS	4000

struct tables;

/* catalogue NULL: none (tests, routers): every name is free. */
struct tables	*tables_new(struct catalogue *, unsigned store, uint32_t inc,
		    int64_t now);
void		 tables_free(struct tables *);
/* Names of which there are live records of a type, in no order. */
typedef enum err shard_name_see(void *arg, const uint8_t *name, size_t len);
enum err	 tables_each(const struct tables *, uint8_t type,
		    shard_name_see *, void *arg);

/*
 * A record took the place of old (NULL: none) under this engine key.  Dead and
 * expired ones add up to nothing.
 */
void		 tables_change(struct tables *, const uint8_t *key, size_t keylen,
		    const struct record *old, const struct record *r);
/*
 * While files are read, on any thread, into sums of their own; added to t (and
 * freed) when they proved right.  NULL: no memory; joining that makes t inexact.
 */
struct tables	*tables_part(const struct tables *t);
void		 tables_join(struct tables *t, struct tables *part);
/* The same, in place of what t had. */
void		 tables_replace(struct tables *t, struct tables *part);
/* 1: memory was short, and t must be counted anew; asking forgets it. */
int		 tables_inexact(struct tables *);

/*
 * In place of reading: what a clean stop saved (m->sums is not 0).  tables_save
 * leaves m->sums 0 when it would be too much, or no memory.
 */
void		 tables_adopt(struct tables *, const struct manifest *m);
void		 tables_save(const struct tables *, struct manifest *m);
/* All files are open: holds every name there is, fills in the column. */
void		 tables_fill(struct tables *);

/*
 * Before a live record is logged: this name has this type from now on.  E_OK,
 * E_TYPE, E_TABLES, E_AGAIN, E_NOTREADY, E_NOMEM.  stamp: the clock (HLC) now.
 * When no record follows, tables_unclaim lets others have the name at once.
 */
enum err	 tables_claim(struct tables *, uint8_t type, const uint8_t *tab,
		    size_t tablen, uint64_t stamp);
void		 tables_unclaim(struct tables *);
/*
 * The changes that follow are of log record lsn; first: the first one of its
 * batch (what is in one batch is released together).
 */
void		 tables_logged(struct tables *, uint64_t lsn, uint64_t first);
/* What the log has released up to lsn may be seen by others. */
void		 tables_released(struct tables *, uint64_t lsn);
/* What a read answers whose member is not there: E_NOTFOUND, E_TYPE, E_NOTREADY. */
enum err	 tables_missing(struct tables *, uint8_t type,
		    const uint8_t *tab, size_t tablen);
/*
 * 1: this name belongs to another type since a conflict was settled; what we
 * have of it is not to be seen (E_TYPE) and is being deleted.
 */
int		 tables_hidden(struct tables *, uint8_t type,
		    const uint8_t *tab, size_t tablen);
/*
 * Takes off what has expired and sees whether names were lost to others; call
 * some times a second.  Returns records taken off.
 */
uint64_t	 tables_expire(struct tables *, int64_t now);
/* What has expired up to this time (ms) is taken off, and nothing later. */
int64_t		 tables_past(const struct tables *);

/* A name, borrowed until the next change. */
struct tables_name {
	uint8_t		 type;
	const uint8_t	*tab;
	size_t		 tablen;
};
/*
 * Shows each table of which the catalogue has something else in our column than
 * it should have, now; those that wait for the log are passed over.
 */
typedef void	 tables_see(void *arg, const struct tables_name *,
    const struct table_sum *column, const struct table_sum *is);
void		 tables_verify(const struct tables *, tables_see *, void *arg);
/* One of the hidden tables, to delete its records; 0: there is none. */
int		 tables_to_delete(const struct tables *, struct tables_name *);

struct tables_stat {
	uint64_t	conflicts;	/* names lost since the start */
	uint64_t	tables, ends;	/* named ones; (table, step) with any */
	uint64_t	bytes;		/* of memory */
};
void		 tables_stat(const struct tables *, struct tables_stat *);
/* What is applied of a table; K: tab "", tablen 0.  0: nothing. */
int		 tables_sum(struct tables *, uint8_t type, const uint8_t *tab,
		    size_t tablen, struct table_sum *);

#endif
