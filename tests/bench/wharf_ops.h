/*
 * wharf_ops.h: ops by libwharf, for wharf.c.
 */
#ifndef BENCH_WHARF_OPS_H
#define BENCH_WHARF_OPS_H

#include "proto/wharf.h"
#include "tests/bench/bench.h"

/* Whether libwharf has it in the generator. */
int		 wharf_op_known(enum kind);

/*
 * Submits it; everything is copied.  One of the functions is called with arg
 * when it has been answered: many for an OP_MGET, fn for all others.
 */
enum wharf_status wharf_op_submit(const struct bench *, struct wharf *,
		    const struct op *, wharf_fn *fn, wharf_many_fn *many,
		    void *arg);

#endif
