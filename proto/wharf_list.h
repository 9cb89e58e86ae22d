/*
 * wharf_list.h: libwharf's listings, many records at a time, exports.  A part
 * of wharf.h.
 */
#ifndef WHARF_LIST_H
#define WHARF_LIST_H

#ifndef WHARF_H
#error "include wharf.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* An entry of a page.  Filled in by the library only. */
struct wharf_item {
	enum wharf_type	 type;
	uint32_t	 version;
	int64_t		 ttl;		/* ms left; 0: does not expire */
	int64_t		 score;		/* of a sorted set's member */
	const void	*key;
	size_t		 keylen;
	const void	*value;		/* NULL: not asked for, or it has none */
	size_t		 length;
	int		 damaged;	/* its value fails its checksum */
	unsigned	 reserved_[7];
	char		 table[WHARF_TABLE_MAX + 1];
};
/*
 * The next entry of a page (an answer to WHARF_OP_LIST): 1, or 0 when there are
 * no more.  *place: 0 at first.  Pointers are into the answer's value.
 */
int		 wharf_next_item(const struct wharf_answer *, size_t *place,
		    struct wharf_item *);

/*
 * A listing, page by page, of all stores: entries that are there throughout
 * come exactly once, whatever is written meanwhile.  range: as for
 * WHARF_OP_LIST; limit is the length of its pages.
 *
 *	while (wharf_list_next(l, &item))
 *		...
 *	if (wharf_list_status(l) != WHARF_OK)
 *		...
 *
 * wharf_list_next: 1 and an entry, which lives until the next call with l; 0:
 * the end, or a failure; after a failure the next call tries the page again.
 * Other calls with the connection may come between; close l before w.
 */
struct wharf_list;
enum wharf_status wharf_list_open(struct wharf *, struct wharf_list **,
		    const struct wharf_op *range);
int		 wharf_list_next(struct wharf_list *, struct wharf_item *);
enum wharf_status wharf_list_status(const struct wharf_list *);
/*
 * Where it stands, to go on there later with range.cursor, by any process: the
 * same range, the same node.  Lives until the next call with l; NULL: the end.
 */
const void	*wharf_list_cursor(struct wharf_list *, size_t *len);
void		 wharf_list_close(struct wharf_list *);

/* One of many; value, version, ttl, flags: for mput, as in wharf_write. */
struct wharf_record {
	enum wharf_type	 type;
	unsigned	 flags;
	const char	*table;
	const void	*key;
	size_t		 keylen;
	const void	*value;
	size_t		 length;
	uint32_t	 version;
	unsigned	 reserved_[3];
	int64_t		 ttl;
};
/*
 * Many at a time, in one message or a few to each store.  WHARF_OK: asked, and
 * answers[i].status says what became of record i: they fail one by one.
 * Anything else: nothing was asked (WHARF_AGAIN; WHARF_TOOBIG, WHARF_NOMEM;
 * WHARF_PARAM: n is 0 or over WHARF_MANY_MAX, or no record is right).  Values live
 * as after wharf_get.  mput: two of one key are done in their order.
 */
#define WHARF_MANY_MAX	65536u
enum wharf_status wharf_mget(struct wharf *, const struct wharf_record *,
		    size_t n, struct wharf_answer *answers);
enum wharf_status wharf_mput(struct wharf *, const struct wharf_record *,
		    size_t n, struct wharf_answer *answers);
/* The answers come together, when the last is there; else the same rules. */
typedef void	 wharf_many_fn(struct wharf *,
		    const struct wharf_answer *answers, size_t n, void *arg);
enum wharf_status wharf_submit_mget(struct wharf *,
		    const struct wharf_record *, size_t n, wharf_many_fn *fn,
		    void *arg);
enum wharf_status wharf_submit_mput(struct wharf *,
		    const struct wharf_record *, size_t n, wharf_many_fn *fn,
		    void *arg);

/*
 * Each store writes a snapshot of its part, in the background, to be listed with
 * WHARF_EXPORTED.  range: as for WHARF_OP_LIST, a table or all types of
 * WHARF_ONE_FILE; flags: WHARF_VALUES, and WHARF_REPLACE if there may be
 * one already; offset and limit (0: all) only where one store has it all: a
 * file, a sorted set.  token: for wharf_task, or HTTP's task_status.
 */
enum wharf_status wharf_export(struct wharf *, const struct wharf_op *range,
		    uint64_t *token);
enum wharf_task_state {
	WHARF_TASK_WAITS = 0, WHARF_TASK_RUNS, WHARF_TASK_DONE,
	WHARF_TASK_UNKNOWN
};
enum wharf_status wharf_task(struct wharf *, uint64_t token,
		    enum wharf_task_state *);
/* How many wait, run, are done and remembered. */
enum wharf_status wharf_tasks(struct wharf *,
		    unsigned counts[WHARF_TASK_UNKNOWN]);

#ifdef __cplusplus
}
#endif

#endif
