/*
 * tls.h: TLS under MHD: whose certificate, and handshakes.
 *
 * MHD runs the handshake, and would do nothing else: while one is under way it
 * takes the connection for ready, and its time-out is 0.  So between two steps
 * the connection is suspended and watched here.  At most TLS_SHAKING of them
 * are under way in a worker, each for TLS_SHAKE_MOST; then the oldest goes.
 */
#ifndef WORKER_TLS_H
#define WORKER_TLS_H

#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <microhttpd.h>

struct connection;
struct listener;
struct worker;

#define TLS_SHAKING	512u
#define TLS_SHAKE_MOST	10		/* s */

struct tls_conn;
TAILQ_HEAD(tls_queue, tls_conn);

/* Fatal without the descriptor of the actor, or with a bad pair in it. */
void	 tls_init(struct worker *);
void	 tls_free(struct worker *);
/* A new pair, from a memfd; the old one stays when it cannot be read. */
void	 tls_take(struct worker *, int fd);
/* tls.priorities, for the connections to come. */
void	 tls_reload(struct worker *);
/* What MHD has to know of a listener that speaks TLS. */
const struct MHD_OptionItem *tls_options(void);

/* A connection of such a listener begins, ends. */
void	 tls_begin(struct listener *, struct connection *,
	    struct MHD_Connection *);
void	 tls_end(struct connection *);
/* MHD says that a handshake failed. */
void	 tls_failed(struct listener *);
/* After a run of MHD: handshakes that wait for their client leave it. */
void	 tls_park(struct listener *);
/*
 * Ends handshakes that took too long; all: gives every one back to MHD, which
 * must not find any suspended when it is stopped.
 */
void	 tls_expire(struct worker *, int all);
/*
 * The next thing that MHD writes is the head of an answer, and its body will
 * follow: they leave together.
 */
void	 tls_hold(struct connection *);
/* Past MHD, where nothing of an answer is on its way; it may get lost. */
void	 tls_send_last(struct connection *, const void *, size_t);

#endif
