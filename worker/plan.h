/*
 * plan.h: requests that ask more than one store, or one store more than once
 * (listings, mget, export ...).  A plan sends parts and gathers their answers;
 * when it is done it answers the request by plan_done or plan_fail.  Each part
 * is an entry of the pending table; the request's deadline is theirs.
 */
#ifndef WORKER_PLAN_H
#define WORKER_PLAN_H

#include "proto/frame.h"
#include "worker/worker.h"

struct plan_ops {
	/*
	 * All of the request is here (r->par, r->body).  Sends the first
	 * parts.  E_OK: the request waits (some part was sent), or is answered
	 * already; anything else is its answer, and *detail (static) may say
	 * more.
	 */
	enum err (*start)(struct request *, const char **detail);
	/*
	 * The answer to a part; the frame's bytes are gone after the call.
	 * May send further parts.  A request without parts under way must
	 * have been ended.
	 */
	void	 (*reply)(struct request *, unsigned part,
		    const struct frame *);
	/*
	 * A part gets no answer: E_TIMEOUT, E_UNSURE, E_NOTREADY ...  NULL:
	 * then there is none to the request either.
	 */
	void	 (*lost)(struct request *, unsigned part, enum err);
	/* The request is over, answered or not: frees r->plan_data (may be NULL). */
	void	 (*free)(struct request *);
};

/*
 * Sends a frame to a store or router (call.h) as this part (0..PLAN_PARTS-1); fills in id and
 * deadline; what tab, key and val point to must stay until the part's answer
 * or loss came (it may have to wait for room on the link).  E_OK or an error,
 * and then the part is not under way.  Texts of r->par and r->body stay.
 */
#define PLAN_PARTS	64u
enum err	 plan_send(struct request *, unsigned to, unsigned part,
		    struct frame *);
/*
 * Takes n bytes of the worker's budget for what the plan keeps; they are given
 * back when the request ends, or at the end of the answer, before the body of
 * plan_done is counted.  E_NOMEM: there are not so many.
 */
enum err	 plan_hold(struct request *, size_t n);
/* Parts that are under way. */
unsigned	 plan_open(const struct request *);
/*
 * Gives up what is under way and answers; the caller must not touch request or
 * plan_data after it.  With body (malloc'ed, taken over,
 * may be NULL with n 0): Content-Type type; headers: name, value pairs, ended
 * by NULL, or NULL.
 */
void		 plan_fail(struct request *, enum err, const char *detail);
void		 plan_done(struct request *, uint8_t *body, size_t n,
		    const char *type, const char *const *headers);

/* As plan_done, with a response of n bytes (value_plain), taken over. */
void		 plan_value(struct request *, struct MHD_Response *, size_t n,
		    const char *type, const char *const *headers);
/* As plan_fail, with headers of its own. */
void		 plan_refuse(struct request *, enum err, const char *detail,
		    const char *const *headers);

/* The plans there are; a row of paths.def names one by its action (ACT_LIST ...). */
extern const struct plan_ops	plan_list;	/* list.c: keys, hkeys, ... */
extern const struct plan_ops	plan_many;	/* many.c: mget, mput */
extern const struct plan_ops	plan_stat;	/* stat.c: stat, stat_all, hlen ... */
extern const struct plan_ops	plan_export;	/* export.c: export */
extern const struct plan_ops	plan_queue;	/* queue.c: queues, topics, tasks */
extern const struct plan_ops	plan_task;	/* task.c: task_status, task_info */

#endif
