/*
 * plan_impl.h: what http.c and call.c tell a plan.
 */
#ifndef WORKER_PLAN_IMPL_H
#define WORKER_PLAN_IMPL_H

#include "proto/err.h"

struct frame;
struct request;

/*
 * All of the request is here, and r->due is set.  E_OK: it waits
 * (RS_SENT is the caller's to set), or was answered already (r->state says).
 */
enum err	 plan_begin(struct request *, const char **detail);
void		 plan_reply(struct request *, unsigned part,
		    const struct frame *);
void		 plan_lost(struct request *, unsigned part, enum err);
/* The request ends. */
void		 plan_forget(struct request *);

#endif
