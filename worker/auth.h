/*
 * auth.h: who a request is from, and whether its user may ask for that path.
 *
 * In this order, the cheap first: the connection's last login; logins known
 * to any worker (known.h); those that are being checked (places.h); a place
 * of its own, and the request is suspended until a thread has looked at the
 * password (verify.h).  An unknown user costs the same as a known one.
 */
#ifndef WORKER_AUTH_H
#define WORKER_AUTH_H

#include <stddef.h>

#include "proto/err.h"

struct request;
struct worker;

/* Fatal without the descriptors of the actor, or libsodium. */
void	 auth_init(struct worker *);
void	 auth_free(struct worker *);
/* New users, from a memfd; the old ones stay when it cannot be read. */
void	 auth_users(struct worker *, int fd);
/*
 * In the first call of a request: header is that of Authorization (NULL:
 * none).  E_OK, E_AUTH, E_ROLE, E_AUTHBUSY; E_PENDING: it was suspended, and
 * r->auth says what came of it when it is resumed.
 */
enum err auth_ask(struct request *r, const char *header, size_t len);
/* Resumes those whose time is up (all: everybody), with 503. */
void	 auth_expire(struct worker *, int all);

#endif
