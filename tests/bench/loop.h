/*
 * loop.h: what loop.c (the loop), send.c (requests), conn.c (connections and
 * answers) and topic.c (another choice of what is sent) share.
 *
 * Invariants
 * 1 A request is a prepared head with the key's digits filled in, a window of
 *   the pool of values, and a tail.  What one connection has to say at a time
 *   leaves in one write; the rest of a short write is copied to conn.out, and
 *   nothing is added before that is gone.
 * 2 epoll is edge-triggered for both directions and never changed.  A read
 *   that came back short has seen everything (epoll(7)).
 * 3 Answers come in the order of the requests: ring[first] is the oldest.
 * 4 Open loop: a connection with a free place is in the queue of the idle
 *   exactly once, or has bytes left over; closed loop: it refills itself after
 *   every read.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <netdb.h>
#include <sys/uio.h>

#include "tests/bench/bench.h"

#define LOOP_IN		(256u * 1024)	/* bytes of a read */
#define COPY_MAX	2048u		/* larger values are not copied */

struct conn {
	int		 fd;
	int		 queued;
	unsigned	 first, inflight;
	struct op	*ring;
	char		*out;		/* what the socket did not take yet */
	size_t		 out_len, out_off;
	char		*stash;		/* the beginning of an answer's head */
	size_t		 stash_len;
	struct reply	 reply;
	uint64_t	 left, at;	/* bytes to come, bytes seen, of a body */
	int64_t		 body;		/* of an answer that more followed; -1 */
	uint64_t	 items;		/* that a subscriber has got */
};

struct batch {
	char		*text;
	size_t		 len, bytes;
	struct iovec	 iov[2 * DEPTH_MAX + 1];
	int		 n;
};

struct loop {
	struct bench		*b;
	const struct wire	*wire;
	const struct wire	*others;	/* all connections' but the first */
	struct addrinfo		*to;
	struct request		 requests[OP_KINDS];
	struct conn		*conns;
	struct conn		**idle;		/* a ring of o.conns places */
	unsigned		 idle_first, idle_n;
	uint64_t		 inflight;
	struct batch		 batch;
	char			*in;
	int			 ep;
	/* What a connection sends next; 0: nothing now. */
	int			(*next)(struct loop *, struct conn *,
				    struct op *, int64_t now);
	/* What became of it; body as op_done has it. */
	void			(*done)(struct loop *, struct conn *,
				    struct op *, int status, int64_t body,
				    int64_t now);
};

/* loop.c.  Opens all connections. */
void	 loop_open(struct loop *, struct bench *, const struct wire *);
/* Waits for events, and does what they ask for; how many there were. */
int	 loop_turn(struct loop *);

/* send.c.  Sends up to `most` ops on a connection; how many. */
unsigned conn_fill(struct loop *, struct conn *, unsigned most, int64_t now);
/* What the socket did not take before. */
void	 conn_flush(struct conn *);

/* What a connection speaks. */
static inline const struct wire *
conn_wire(const struct loop *l, const struct conn *c)
{
	return c == l->conns ? l->wire : l->others;
}

/* conn.c.  Exits when it cannot connect. */
void	 conn_open(struct loop *, struct conn *);
/* What epoll said; *now is the time of the last answer taken. */
void	 conn_event(struct loop *, struct conn *, uint32_t events,
	    int64_t *now);

#endif
