/*
 * client_ask.h: the inside of libwharf that knows commands: requests made of a
 * struct wharf_op, what is made of their answers, listings, batches.
 */
#ifndef PROTO_CLIENT_ASK_H
#define PROTO_CLIENT_ASK_H

#include "proto/client.h"

/*
 * What is sent, and what becomes of the answer.  Not to be copied: f.val may be
 * ask.
 */
struct request {
	struct frame	 f;
	unsigned	 seat;
	op_take		*take;
	struct listing	 list;
	int64_t		 wait;		/* usec, beside the op's own time */
	enum wharf_status over;		/* as in struct op */
	int		 autoack;
	uint8_t		*bytes;		/* to be freed; or NULL */
	wharf_fn	*fn;
	void		*arg;
	uint8_t		 ask[LIST_ASK_SIZE];	/* the last: mostly not used */
};

/* What it brings: n bytes, at most VALUE_MAX, which must outlive it. */
static inline void
request_value(struct request *rq, const void *p, size_t n)
{
	rq->f.val = p;
	rq->f.vallen = rq->f.vtotal = (uint32_t)n;
}

/* Bytes that outlive the answer which they came with. */
struct kept {
	struct kept	*next;
	uint8_t		 bytes[];
};

/* client_types.c: from a wharf_op to a request. */
typedef enum wharf_status request_fn(struct wharf *, struct request *,
		    const struct wharf_op *);
int		 op_is_good(const struct wharf_op *);
/*
 * Of a program's structure: at least ours, and what a later version may have
 * behind it is 0: we would pass over what it means.
 */
int		 size_is_good(const void *, size_t size, size_t ours);
/* Of its record; without key, of its table. */
unsigned	 op_slot(const struct wharf_op *);
/* Whatever comes of it: request_free. */
request_fn	 request_make;
void		 request_free(struct request *);
/* Addresses it to the store that the slot lies in. */
void		 request_to(struct wharf *, struct request *, unsigned slot);

/* client_cache.c: of a command for the cache. */
request_fn	 cache_request;
/* Of the table's name. */
size_t		 op_tablen(const struct wharf_op *);

/* client_sync.c: waiting for answers, and keeping them. */
/* A block of n bytes, first in the list; NULL: no memory. */
uint8_t		*kept_add(struct kept **, size_t n);
void		 kept_free(struct kept **);
/*
 * The last answers' bytes, to be freed when the call is over: what the program
 * asks may point to them (a cursor, a key that it has just listed).
 */
struct kept	*kept_take(struct wharf *);
/* Sends it, waits, and keeps what the answer points to. */
enum wharf_status sync_run(struct wharf *, struct request *, struct kept **,
		    struct wharf_answer *);
/*
 * The request that was made with this outcome: waited for (answer may be NULL),
 * or submitted.  Frees it either way.
 */
enum wharf_status request_do(struct wharf *, struct request *,
		    enum wharf_status made, struct wharf_answer *);
enum wharf_status request_submit(struct wharf *, struct request *,
		    enum wharf_status made, wharf_fn *, void *arg);
/* Waits; of what a short form has made on the spot. */
static inline enum wharf_status
op_do(struct wharf *w, struct wharf_op op, struct wharf_answer *answer)
{
	return wharf_do(w, &op, answer);
}

/* Waits, where the caller wants only the answer's number; NULL: not even it. */
enum wharf_status op_number(struct wharf *, const struct wharf_op *,
		    int64_t *number);

/* client_list.c */
/*
 * A cursor: version 1, order, type, 0, store u16, file u16, offset that is left
 * u64, then the last key seen.  All little-endian.
 */
#define CURSOR_HEAD	16u
#define CURSOR_MAX	(CURSOR_HEAD + LIST_AFTER)
request_fn	 list_request;
/* What op asks for, from the first store and file of it on; 0: it is wrong. */
int		 list_range(const struct wharf *, const struct wharf_op *,
		    struct listing *, struct list_ask *);
/* Where a listing begins; out has CURSOR_MAX bytes, as below. */
size_t		 cursor_first(uint8_t *out, const struct listing *);
/*
 * Writes the cursor behind an entry, the number-th of its store's snapshot, of
 * a page with this question.
 */
size_t		 cursor_behind(const struct wharf *, uint8_t *out,
		    const struct listing *, const struct list_item *,
		    uint64_t number);
/* The entry at *place of a page, and the place behind it; 0: none. */
int		 page_next(const struct wharf_answer *, size_t *place,
		    struct list_item *);
void		 item_fill(struct wharf_item *, const struct list_item *);

/* client_many.c: forgets those under way. */
void		 batches_free(struct wharf *);

/* client_queue.c: of a command for queues, topics or tasks; request_free. */
enum wharf_status queue_request(struct wharf *, struct request *,
		    const struct wharf_queue_op *);
/* Whether the name of a table, queue or topic is one. */
int		 table_is_good(const char *);

/* client_queue_read.c */
op_take		 queue_take;

/* client_stat.c */
op_take		 stat_take_rows, stat_take_count;

#endif
