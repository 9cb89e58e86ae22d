/*
 * brief.h: plans that end in a short text.
 */
#ifndef WORKER_BRIEF_H
#define WORKER_BRIEF_H

#include "worker/json.h"
#include "worker/plan.h"

/* plan_done with this text; E_NOMEM when it is bad.  Frees it in any case. */
void	 brief_text(struct request *, struct json *, const char *const *headers);
/* The same with a decimal number. */
void	 brief_number(struct request *, int64_t, const char *const *headers);

#endif
