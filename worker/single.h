/*
 * single.h: requests that are one message to the store of their key.
 */
#ifndef WORKER_SINGLE_H
#define WORKER_SINGLE_H

#include "proto/err.h"
#include "worker/query.h"

struct frame;
struct request;

/* The expiry that it asks for, in a frame's milliseconds; 0 none. */
int64_t		 single_ttl(const struct request *);
/* E_OK: it is sent, or waits for room on the link. */
enum err	 single_send(struct request *);
/* The message, but for its id and deadline.  E_NUMBER: val is none. */
enum err	 single_frame(const struct request *, struct frame *);

/* The key, from the query or the body; none when neither is there any more. */
struct param_text single_key(const struct request *);
/* Its table, or the name of its hash in the cache; or none. */
struct param_text single_table(const struct request *);
/* It is out: its body is in the link's hands. */
void		 single_sent(struct request *);
void		 single_reply(struct request *, const struct frame *);
void		 single_lost(struct request *, enum err);

#endif
