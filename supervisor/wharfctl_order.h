/*
 * wharfctl_order.h: "wharfctl check" and "wharfctl compact": give the order,
 * follow it, and show what came of it.
 */
#ifndef SUPERVISOR_WHARFCTL_ORDER_H
#define SUPERVISOR_WHARFCTL_ORDER_H

#include <jansson.h>

/* Takes the request, returns wharfd's answer; does not return on a failure. */
typedef json_t *order_ask(const char *socket, json_t *request);

/*
 * Says in a request who is meant: "3" and "store.3" are a store, "router.3" is
 * a router.  0, or -1: it is neither.
 */
int	 order_set_shard(json_t *req, const char *text);
/*
 * rate: MiB a second, or NULL.  args: [WHO] of check, [WHO [FILE]] of
 * compact, as order_set_shard has it.  The exit code: 0 whole, or compacted
 * (or, without wait, begun); 1 damage, refused or failed; 2 usage.
 */
int	 order_check(order_ask *, const char *socket, char **args, int nargs,
	    const char *rate, int json);
int	 order_compact(order_ask *, const char *socket, char **args,
	    int nargs, int wait, int json);

#endif
