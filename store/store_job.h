/*
 * store_job.h: a request of a store that may take more than one step: inside
 * store_job.c, store_list.c, store_rank.c, store_stat.c and store_cache.c.
 */
#ifndef STORE_STORE_JOB_H
#define STORE_STORE_JOB_H

#include <sys/queue.h>

#include "store/btree.h"
#include "store/snapshot.h"
#include "store/store_list.h"
#include "store/walk.h"

struct list_job {
	TAILQ_ENTRY(list_job) next;
	struct msg	 m;		/* its bytes are those below */
	struct actor	*a;
	struct store	*st;
	uint64_t	 link;
	mono_t		 end;		/* of our patience */
	enum err	(*step)(struct list_job *);
	enum err	 status;	/* of the last step */
	struct list_ask	 ask;
	struct walk	 walk;
	struct snapshot	 snap;
	int		 snapping;	/* snap is open */
	uint8_t		*page;		/* room for list_head, then items */
	size_t		 pagelen, pagecap;
	uint32_t	 count;		/* items in it */
	struct btree	*rows;		/* store_stat.c: of tables, by name */
	unsigned	 row;		/* the next of the catalogue */
	struct table_sum hashes;	/* so far */
	struct frame	 r;		/* the answer */
	char		 damage[DAMAGE_TEXT];	/* its value, if E_DAMAGED */
	uint64_t	 lsn;		/* and what it waits for */
	size_t		 own, charge;	/* bytes without and with what grows */
	uint8_t		 bytes[];
};

/* Takes the message over; NULL: no memory. */
struct list_job	*job_new(struct actor *, const struct msg *,
		    enum err (*step)(struct list_job *));
void		 job_free(struct list_job *);
/*
 * Runs its first step, or lets it wait; takes the job.  A step gives E_PENDING
 * and E_BUILDING to be called again, anything else is the answer, with r and
 * lsn.  Returns what the handler is to return.
 */
enum err	 job_start(struct list_job *);
/* Whether one more with so many bytes could be parked. */
int		 job_room(struct store *, size_t bytes);
/* E_OK: the message's table can have entries here, else the answer. */
enum err	 job_table(const struct list_job *);

#endif
