/*
 * queue_impl.h: what the files of libqueue share of struct queues; for nobody
 * else.
 *
 * A name exists when clients may see it.  Beside those there are names that
 * somebody waits for, and names that were purged away and whose records are
 * still being deleted: they have a struct name too, which goes when nothing
 * keeps it (name_unused).
 */
#ifndef QUEUE_QUEUE_IMPL_H
#define QUEUE_QUEUE_IMPL_H

#include "queue/band.h"
#include "queue/form.h"
#include "queue/queue.h"
#include "queue/seen.h"
#include "queue/topic.h"

#define STEP		200u		/* messages of one step of work */
#define RETRY_US	50000		/* after storage has refused */
#define RETRY_MS	1000		/* before a message is sent again */
#define SEEN_ALL	100000u		/* workers noted, of all queues */

/* Who waits for a name. */
enum { TAKERS, READERS, PARKINGS };

enum phase { PHASE_NAMES, PHASE_FEED, PHASE_JUDGE, PHASE_OPEN };

struct range {				/* items of a topic to be deleted */
	struct range	*next;
	uint64_t	 lo, hi;
};

struct name {
	struct queues	*qs;
	struct name	*chain;			/* of the hash table */
	struct name	*busy_next, *busy_prev;
	int		 busy;
	int		 exists;
	int		 stored;		/* there is a C record */
	int		 moved;			/* counters, since it was written */
	uint32_t	 len;
	uint8_t		 text[QUEUE_NAME_MAX];
	uint64_t	 mark;			/* of the last write to it */
	struct settings	 set;
	struct parking	 parking[PARKINGS];
	struct seen	 seen;
	/* Queues. */
	struct band	 band[QUEUE_PRIORITIES];
	uint64_t	 judged;		/* ids below, of priority done, while */
	unsigned	 done;			/* PHASE_JUDGE; topics: see feed.c */
	/* Topics. */
	uint64_t	 sp, ep, pubs;
	uint64_t	 ill;			/* greatest index fed without value */
	uint64_t	 kept;			/* least index not yet in ranges */
	int64_t		 trim;			/* expired by then; 0: done */
	struct range	*range;
};

struct scratch {
	uint8_t		*p;
	size_t		 len, cap;
	int		 failed;		/* no memory */
	/* A topic's item that is in it, NULL: something else. */
	const struct name *of;
	uint64_t	 item, mark;
};

struct queues {
	struct queue_conf conf;
	enum phase	 phase;
	struct name	**table;
	uint32_t	 buckets;		/* a power of two */
	struct name	**sorted;		/* those that exist, or NULL */
	uint32_t	 existing, all;
	struct name	*busy, *busy_last;
	mono_t		 retry;			/* no work before */
	int		 refused;		/* storage has, retry counts */
	struct band_env	 env;
	struct heap	 until[PARKINGS];
	uint32_t	 workers;
	struct scratch	 scratch;
	size_t		 bytes;			/* but for env */
	uint32_t	 judge_at;		/* bucket */
	struct queues_total total;
};

/* --- names.c --- */
struct name	*name_find(const struct queues *, struct queue_str);
/* Found or made, not existing; NULL: no memory, or the name is no name. */
struct name	*name_make(struct queues *, struct queue_str);
/* Finds what exists: E_BUILDING, E_QUEUE, or E_OK and *out. */
enum err	 name_get(const struct queues *, struct queue_str,
		    enum queue_kind, struct name **out);
/*
 * Finds or makes one of a kind and its C record, raising *mark: E_BUILDING,
 * E_PARAM, E_QUEUE, E_QUEUES, E_NOMEM, what storage said.
 */
enum err	 name_create(struct queues *, struct queue_str, enum queue_kind,
		    int64_t ms, struct name **out, uint64_t *mark);
void		 name_exists(struct name *, int exists);
/* Writes the C record. */
enum err	 name_store(struct name *, uint64_t *mark);
void		 name_busy(struct name *);	/* queues_work is to look at it */
void		 name_idle(struct name *);
/* Somebody waits for it; it is made if need be: E_PARAM, E_FULL, E_NOMEM. */
enum err	 name_park(struct queues *, struct queue_str, unsigned kind,
		    struct parked *, int64_t us, const struct queue_now *);
/* Nobody of these does any more; 0: it did not. */
int		 name_unpark(struct parked *);
uint64_t	 name_waiting(const struct name *);
/* Frees it if nothing needs it. */
void		 name_unused(struct name *);
struct queue_str name_str(const struct name *);
/* Whether records of it may be damaged or lost. */
int		 name_doubt(const struct name *);
uint64_t	 name_total(const struct name *);
/* Where in sorted the names behind this one begin; -1 no memory. */
int64_t		 name_behind(struct queues *, struct queue_str);
int		 names_open(struct queues *);	/* -1 no memory */
void		 names_close(struct queues *);

/* --- queues.c --- */
static inline void
raise_mark(uint64_t *mark, uint64_t to)
{
	if (mark != NULL && *mark < to)
		*mark = to;
}
/* Storage callbacks for a record of this name; they raise name->mark too. */
enum err	 queue_write(struct name *, enum queue_type, struct queue_str key,
		    struct queue_str head, struct queue_str item,
		    uint64_t *mark);
enum err	 queue_erase(struct name *, enum queue_type, struct queue_str key,
		    uint64_t *mark);
enum err	 queue_read(struct name *, enum queue_type, struct queue_str key,
		    queue_seen *, void *arg, uint64_t *mark);
/* A whole value, in qs->scratch until the next. E_NOMEM. */
enum err	 queue_fetch(struct name *, enum queue_type, struct queue_str key,
		    struct queue_str *val, uint64_t *mark);
void		 queue_refused(struct queues *, const struct queue_now *);
static inline uint32_t
queues_waiting(const struct queues *qs)
{
	return qs->until[TAKERS].n + qs->until[READERS].n;
}

/* --- put.c --- */
/* One message without asking about lock and limits. *id: its own. */
enum err	 put_one(struct name *, unsigned priority, struct queue_str item,
		    int64_t ttl, int64_t delay, const struct queue_now *,
		    uint64_t *mark);

/* Whether n more are over the limit of all queues. */
int		 put_over(const struct queues *, unsigned n);
/* Locked, or no room for n more by its own settings. */
enum err	 put_room(const struct name *, unsigned n);

/* --- take.c --- */
int		 take_pick(struct name *, struct band **, struct place *);
/* As take_pick, without what has expired or was delivered too often. */
enum err	 take_next(struct name *, const struct queue_now *,
		    struct band **, struct place *, uint64_t *mark);
int		 take_has(const struct name *);	/* work for take_serve */
/* Serves who waits, at most *budget messages. */
void		 take_serve(struct name *, const struct queue_now *,
		    unsigned *budget);
/* Calls that end with messages that somebody may wait for call this last. */
void		 take_wake(struct name *, const struct queue_now *);
void		 take_until(struct queues *, const struct queue_now *);
void		 take_stop(struct name *, enum err);	/* all that wait */

/* --- lease.c --- */
/* Where the message lies that a token is for. */
enum err	 lease_find(struct name *, struct queue_str token,
		    struct token *, struct place *);
/* Deletes a message, its delivery, its place. */
enum err	 lease_delete(struct name *, struct band *, struct place *,
		    uint64_t *mark);
/* Writes a delivery as it is to be. */
enum err	 lease_write(struct name *, const struct band *, uint64_t id,
		    enum state, int64_t due, unsigned tries, uint64_t *mark);
int		 lease_is_dead(const struct name *, const struct place *);

/* --- due.c --- */
/* Chunks with something due; less than *budget messages. 1: all done. */
int		 due_step(struct queues *, const struct queue_now *,
		    unsigned *budget);

/* --- purge.c --- */
/* Deletes what is doomed; 1: nothing is left, 0, -1 storage refuses. */
int		 purge_sweep(struct name *, const struct queue_now *,
		    unsigned *budget);

/* --- move.c --- */
/* A message that was delivered too often, to its dead-letter queue, or later. */
enum err	 move_dead(struct name *, struct band *, struct place *,
		    const struct queue_now *, uint64_t *mark);

/* Its head, and its item, borrowed until the next fetch. */
enum err	 move_fetch(struct name *, const struct band *,
		    const struct place *, struct form_message *,
		    struct queue_str *item, uint64_t *mark);
/* It rests until then; there is room for its lease. */
void		 move_rest(struct band *, struct place *, int64_t due);
/* Another queue has it, so here it is gone. */
enum err	 move_leave(struct name *, struct band *, struct place *,
		    uint64_t *mark);

/* --- forward.c --- */
/* To a queue of another router: E_PENDING it rests here meanwhile. */
enum err	 forward_off(struct name *, struct band *, struct place *,
		    struct queue_str to, int ordered, const struct queue_now *,
		    uint64_t *mark);

/* --- feed.c --- */
int		 feed_judge(struct queues *, unsigned *budget);

/* --- topic.c, topic_sub.c --- */
uint64_t	 topic_index(const struct name *, uint32_t idx); /* 0: not in window */
int		 topic_ahead(const struct name *, uint32_t idx, uint64_t *d);
/* Trims, deletes, as purge_sweep. */
int		 topic_sweep(struct name *, unsigned *budget);
void		 topic_gone(struct name *, uint64_t lo, uint64_t hi);
void		 topic_serve(struct name *, const struct queue_now *,
		    unsigned *budget);
int		 topic_has(const struct name *);
void		 topic_until(struct queues *, const struct queue_now *);
void		 topic_stop(struct name *, enum err);

#endif
