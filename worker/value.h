/*
 * value.h: responses that carry a value.
 */
#ifndef WORKER_VALUE_H
#define WORKER_VALUE_H

#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "proto/err.h"

struct frame;
struct request;

/*
 * Makes the response for the value of f, coded as the request asks.  E_NOMEM:
 * the budget has no room; E_PARAM: it cannot be compressed.
 */
enum err	 value_response(struct request *, const struct frame *,
		    struct MHD_Response **);
/*
 * Makes the response for the value of f as it is; shared: many others are
 * likely to get the same one now.  NULL: the budget has no room.
 */
struct MHD_Response *value_plain(struct request *, const struct frame *,
		    int shared);
/*
 * The response for n malloc'ed bytes, which it takes over in any case.  NULL:
 * neither memory nor budget.
 */
struct MHD_Response *value_own(struct request *, uint8_t *, size_t n);

#endif
