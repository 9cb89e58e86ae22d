/*
 * budget.h: the bytes of bodies that this worker may hold (RULE memory).
 *
 * Uploads ask and wait in the order they came; answers only try, for they
 * cannot wait.  Whoever waits first is served first: a big upload is not
 * starved by small ones.  Pure: time is an argument.
 */
#ifndef WORKER_BUDGET_H
#define WORKER_BUDGET_H

#include <stddef.h>

#include "proto/clock.h"

struct budget_wait {
	struct budget_wait	*next, *prev;	/* while waiting */
	size_t			 need;		/* 0: not waiting */
	mono_t			 since;
};

struct budget {
	size_t			 max, used;
	struct budget_wait	*head, *tail;
};

/* Takes n bytes if there is room for them; 1 done, 0 not. */
int	 budget_try(struct budget *, size_t n);
/* As budget_try, but after those who wait: 0 means w is queued. n > 0. */
int	 budget_ask(struct budget *, struct budget_wait *w, size_t n, mono_t now);
void	 budget_give(struct budget *, size_t n);
/* The first in the queue if its bytes are there; they are taken for it. */
struct budget_wait *budget_grant(struct budget *);
/* The first in the queue if it has waited for limit usec; removed. */
struct budget_wait *budget_expired(struct budget *, mono_t now, int64_t limit);
/* Leaves the queue; harmless when not in it. */
void	 budget_cancel(struct budget *, struct budget_wait *);

#endif
