/*
 * import_list.h: asks the source what there is, and page after page for it.
 *
 * A Wharf has cursors: every data file is walked once, with all types.  A
 * huststore has offsets: its data files give keys, fields and members of sets,
 * and each sorted set is walked by rank.  There an offset counts entries that
 * are not shown (deleted ones, members of sorted sets), so that a page, even an
 * empty one, never says that it is the last; and offsets end at 1,000,000.
 * Hence a listing rests after a run of empty pages, and goes on, as far as
 * offsets reach, only if in the end fewer entries have come than the source
 * counts; and what does not end there is exported, and the snapshot listed.
 */
#ifndef SUPERVISOR_IMPORT_LIST_H
#define SUPERVISOR_IMPORT_LIST_H

#include "supervisor/import_http.h"
#include "supervisor/import_page.h"
#include "supervisor/import_plan.h"

struct lister {
	struct source	*src;
	struct plan	*plan;
	unsigned	 size;		/* of the next page, entries */
	int		 deep;		/* no more resting */
	char		**queues;	/* names, sorted */
	size_t		 nqueues;
	char		 error[512];
};

/* All of these: 0, or -1 with a reason in error. */

/* A plan for all that the source has. */
int	 list_plan(struct lister *);
/* What a plan, new or loaded, needs besides: the names of queues. */
int	 list_open(struct lister *);
/*
 * The next page of l, which may be empty, from *at on; *at moves behind it and
 * its phase says whether to go on.
 */
int	 list_page(struct lister *, const struct listing *l,
	    struct where *at, struct page *);
void	 list_close(struct lister *);
/*
 * All listings are done or rest: 1 if entries are missing, and then those that
 * may have them walk on.
 */
int	 list_deeper(struct lister *);

#endif
