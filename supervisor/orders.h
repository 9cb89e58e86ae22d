/*
 * orders.h: "wharfctl check" and "wharfctl compact" in wharfd: one of each at a
 * time, told to one store or router or to all, and what they answer.  Whoever
 * asked need not stay.
 */
#ifndef SUPERVISOR_ORDERS_H
#define SUPERVISOR_ORDERS_H

#include <jansson.h>

#include "proto/msg.h"
#include "supervisor/child.h"

enum order_kind { ORDER_CHECK, ORDER_COMPACT, ORDERS };

struct orders;
struct tree;

struct orders	*orders_new(struct tree *);	/* NULL: no memory */
void	 orders_free(struct orders *);
/* What is asked for. */
struct order_what {
	int	store, router;	/* both -1: all of both; else this one */
	int	file;		/* of COMPACT; -1: all */
	int64_t	rate;		/* of CHECK: bytes a second, of all that are asked
				   together; 0: all they can */
};

/* 0: it is begun; -1 and why, static. */
int	 orders_start(struct orders *, enum order_kind,
	    const struct order_what *, const char **why);
/* How it stands, or how the last one ended; a new reference. */
json_t	*orders_json(const struct orders *, enum order_kind);

/* Of the children's hooks. */
void	 orders_told(struct orders *, const struct child *,
	    const struct msg *);
void	 orders_gone(struct orders *, const struct child *);

#endif
