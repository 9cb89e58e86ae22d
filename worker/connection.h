/*
 * connection.h: MHD's socket context: clients whose turn it is to send.
 */
#ifndef WORKER_CONNECTION_H
#define WORKER_CONNECTION_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "proto/clock.h"

struct request;
struct tls_conn;
struct user;
struct worker;

#define LOGIN_TAG	16u	/* bytes */

struct connection {
	struct request		*open;		/* the request at hand */
	int			 linger;	/* duplicate of the socket, or -1 */
	int			 fd;
	struct in6_addr		 peer;		/* once it was asked for */
	int			 peered;
	struct tls_conn		*tls;		/* NULL: it is plain */
	unsigned		 listed;	/* by which list it was let in */
	/* Its last login that was good, see auth.c; users 0: none. */
	uint8_t			 login[LOGIN_TAG];
	unsigned		 users;
	const struct user	*user;
	enum { CONN_BUSY, CONN_QUIET, CONN_IDLE } on;	/* busy, or on which list */
	mono_t			 since;		/* quiet since then */
	TAILQ_ENTRY(connection)	 queue;
};

/*
 * Whether access.allow lets the client at this address in; if not it is
 * counted, and logged now and then.
 */
int	 connection_may(struct worker *, const struct sockaddr *);
/* The same for one that is here, asked again when the list is a new one. */
int	 connection_still_may(struct worker *, struct connection *);
/*
 * The client's address, that of IPv4 as ::ffff:a.b.c.d; :: when it hung up
 * before it was asked for the first time.
 */
const struct in6_addr *connection_peer(struct connection *);
/* NULL without memory; the first request's failure says so then. */
struct connection *connection_new(struct worker *, struct MHD_Connection *);
/* What a refused upload still sends is read away after this. */
void	 connection_free(struct worker *, struct connection *);
/* Now it is the client's turn to send; looked at when that lasts. */
void	 connection_quiet(struct worker *, struct connection *);
/* Now it is ours. */
void	 connection_busy(struct worker *, struct connection *);
/* Hangs up on those who took too long for the head of a request. */
void	 connections_expire(struct worker *);
void	 connections_init(struct worker *);
void	 connections_stop(struct worker *);

#endif
