/*
 * linger.h: a connection refused in the middle of an upload.  Closing a
 * socket with unread bytes resets the connection, and the client may lose the
 * answer that says why; so a duplicate of the socket stays open for a while
 * after MHD closed its own, and what still comes in is thrown away.
 *
 * At most LINGER_MAX sockets, LINGER_BYTES and LINGER_TIME each.
 */
#ifndef WORKER_LINGER_H
#define WORKER_LINGER_H

struct ev_loop;

#define LINGER_MAX	64u
#define LINGER_BYTES	(128u << 20)
#define LINGER_TIME	5.0		/* s */

/* A duplicate for linger_start, -1 when there may be no more. */
int	linger_dup(int fd);
/* Takes the duplicate: no more is sent, what comes is read away. */
void	linger_start(struct ev_loop *, int fd);
/* At the end of the worker. */
void	linger_stop(struct ev_loop *);

#endif
