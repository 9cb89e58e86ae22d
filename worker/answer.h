/*
 * answer.h: HTTP responses.  Each function queues the response of a request
 * (suspended or not) and counts it; 0 when MHD would not take it, and then
 * the connection must be closed.
 */
#ifndef WORKER_ANSWER_H
#define WORKER_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

struct request;
struct frame;
struct MHD_Response;

/*
 * What a store says of the damage that it met (E_DAMAGED), fit for a header:
 * out, or NULL when the frame says nothing.
 */
#define ANSWER_DETAIL	96u
const char *answer_detail(const struct frame *, char out[ANSWER_DETAIL]);
/* No body; detail (or NULL) goes behind the text of Wharf-Error. */
int	 answer_status(struct request *, enum err, const char *detail);
/* The same with headers of its own (see plan_done; NULL: none). */
int	 answer_refuse(struct request *, enum err, const char *detail,
	    const char *const *headers);
/* What a store said. */
int	 answer_reply(struct request *, const struct frame *);
/*
 * 200 with a body of n bytes (malloc'ed, taken over in any case; NULL with 0)
 * that counts against the budget; type and headers: see plan_done.
 */
int	 answer_made(struct request *, uint8_t *body, size_t n,
	    const char *type, const char *const *headers);
/* The same with a response of its own (value_plain), taken over. */
int	 answer_with(struct request *, struct MHD_Response *, size_t n,
	    const char *type, const char *const *headers);
/* The constant text of the request's path, or what it makes up (/metrics). */
int	 answer_text(struct request *);
/*
 * For when MHD cannot answer any more, because a body is coming in: writes a
 * response to the socket itself.  The caller sees to it that MHD closes the
 * connection: by MHD_NO, or answer_hangup where MHD is not asking.
 */
void	 answer_raw(struct request *, enum err);
void	 answer_hangup(struct request *);
/* What the client sends after the answer will be read away (linger.h). */
void	 answer_linger(struct request *);
/* Frees the responses kept for use again. */
void	 answer_cleanup(void);

#endif
