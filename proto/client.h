/*
 * client.h: the inside of libwharf, shared by client*.c.  Nobody else includes
 * it; programs include wharf.h.
 *
 * All of it runs in the thread that calls the library, except nng's callbacks
 * (client_nng.c), which touch the atomics of struct wire and its bell only.
 *
 * Words: a seat is the place of one store or router, with a link to it or none
 * (a router's is made when an op is for it); an op is one request between its submission and its callback; a wire is one nng
 * socket, which may outlive its seat while nng is closing it.
 *
 * Invariants
 * 1 An op ends exactly once, in op_end; its callback runs later, from
 *   ops_call, when nobody is inside a seat any more.
 * 2 Frames leave a seat in the order they were put.  Places in that stream are
 *   counted in bytes: put, and gone (handed over).  What lies at or after gone
 *   is surely unknown to the store; nothing is ever handed over twice.
 * 3 Before the caller may sleep on the descriptor every lane is armed.
 */
#ifndef PROTO_CLIENT_H
#define PROTO_CLIENT_H

#include <sys/queue.h>

#include "proto/client_wire.h"
#include "proto/clock.h"
#include "proto/frame.h"
#include "proto/lane.h"
#include "proto/msg.h"
#include "proto/msg_link.h"
#include "proto/msg_list.h"
#include "proto/outq.h"
#pragma GCC visibility push(default)
#include "proto/wharf.h"
#pragma GCC visibility pop

#define SEATS_MAX	64u		/* stores */
#define ROUTERS_MOST	64u
#define SEAT_US		5000000		/* a link must be up by then */
#define ASK_US		1000000		/* wharfd's answer, if there is a desk */
#define SEAT_BATCH	4096u		/* frames of one seat per turn */

/* What of a listing's question its answer is read by. */
struct listing {
	uint8_t		 order, type, flags;	/* of the question */
	unsigned	 store, file;
	uint64_t	 offset;
	uint32_t	 limit;
};

struct op;
/*
 * Makes of a good answer what its command promises; changes the status when it
 * is none.
 */
typedef void	 op_take(struct wharf *, const struct op *,
		    const struct frame *, struct wharf_answer *);

struct op {
	TAILQ_ENTRY(op)	 all;
	uint32_t	 index, turn;	/* both make the id */
	int		 active;
	unsigned	 seat;
	uint16_t	 msg;
	enum wharf_status status;	/* once ended without an answer */
	mono_t		 since, due;
	/*
	 * What it is when its time is over there, and when it is cancelled;
	 * OK: it does not wait.
	 */
	enum wharf_status over;
	int		 autoack;	/* acknowledged when fn has returned */
	uint64_t	 begin, end;	/* its place in the seat's stream */
	op_take		*take;		/* NULL: as it is */
	struct listing	 list;
	wharf_fn	*fn;
	void		*arg;
};
TAILQ_HEAD(op_list, op);

enum seat_state {
	SEAT_OFF,		/* until a new try */
	SEAT_ASK,		/* asked for a lane */
	SEAT_DESK,		/* asked the front desk */
	SEAT_HELLO,		/* dialling the link, HELLO said */
	SEAT_UP
};

/* An answer that comes by pieces. */
struct pieces {
	struct frame	 f;		/* of the first piece */
	uint8_t		 tab[TABLE_MAX], key[QUEUE_TOKEN_MAX];	/* likewise */
	uint8_t		*bytes;		/* NULL: nobody wants it */
	uint32_t	 got;
	int		 active;
};

struct seat {
	struct wharf	*w;
	unsigned	 index;		/* of w->seats */
	unsigned	 number;	/* of the store, or of the router */
	int		 router;
	enum seat_state	 state;
	mono_t		 since;		/* of this state */
	mono_t		 due;		/* for leaving it, unless UP */
	int64_t		 pause;		/* usec before the next try */
	int		 by_desk;	/* the lane failed: the other way */
	int		 were_up;
	int		 broken;	/* to be lost at the end of the turn */
	enum wharf_status why;		/* of the last failure */

	int		 ask;		/* the lanes socket, -1 none */
	struct wire	*wire;
	struct lane	*lane;
	int		 bell;		/* of the lane: rings the store; -1 none */
	int		 ear;		/* it rings us; its end: the store is gone */
	int		 peer;		/* pidfd of the store; -1 none */
	mono_t		 quiet;		/* since this op; .us 0: it has spoken */
	int		 armed;		/* the store thinks that we sleep */
	unsigned	 asleep;	/* how often we asked to be rung */
	struct desk_answer link;

	struct outq	 out;
	uint64_t	 put, gone;
	int		 half;		/* a value has gone in part */
	unsigned	 ops;		/* not ended */
	unsigned	 expired;	/* of ended ops frames may lie in out */
	struct pieces	 in;
};

struct wharf {
	char		*run, *name;
	int64_t		 timeout;	/* usec */
	int		 spin;		/* usec */
	unsigned	 spin_skip;	/* waits that do not spin */
	unsigned	 spin_pause;	/* grows with each spin in vain */
	unsigned	 waits;		/* calls of wharf_wait */
	enum wharf_lanes lanes;
	size_t		 memory, queued, assembled;
	uint32_t	 inc;		/* our own */
	uint32_t	 random;	/* for pauses */
	int		 epoll, again;	/* again: an eventfd for ourselves */
	int		 polled;	/* wharf_fd was called */
	int		 inside;	/* of a callback or a turn */
	int		 breaks;	/* some seat is broken */
	mono_t		 next;		/* when something is due; .us 0: never */
	unsigned	 stores;	/* 0: not known yet */
	unsigned	 files;		/* of each store */
	unsigned	 routers;
	/* Those of the stores, then those of the routers. */
	struct seat	 seats[SEATS_MAX + ROUTERS_MOST];

	struct op	*ops;
	unsigned	 max_ops, in_flight;
	struct op_list	 idle, flying, ended;
	struct op_list	 waiting;	/* flying, too: by the ends of waits */
	unsigned	 acks;		/* in flight, of our own */
	char		 token[QUEUE_TOKEN_MAX + 1];	/* of the answer at hand */
	char		 of_queue[TABLE_MAX + 1];	/* likewise */
	unsigned	 calls;		/* callbacks run */
	uint64_t	 reconnects;
	LIST_HEAD(, batch) batches;	/* mget, mput under way */
	struct kept	*kept;		/* bytes of the last sync answers */
	uint8_t		*cursor;	/* of the last page; CURSOR_MAX */
};

/* client_op.c */
int		 ops_init(struct wharf *, unsigned max);
struct request;			/* client_ask.h */
/* Copies what it sends. */
enum wharf_status op_submit(struct wharf *, struct request *);
/* How many more may be in flight. */
unsigned	 ops_room(const struct wharf *);
/* The op that this answer is for, or NULL: it came too late. */
struct op	*op_find(struct seat *, const struct frame *);
/* An answer: the callback runs at once. */
void		 op_answer(struct wharf *, struct op *, const struct frame *);
void		 op_end(struct wharf *, struct op *, enum wharf_status);
/* Ends what is too late. */
void		 ops_expire(struct wharf *, mono_t now);
/* The link of a seat is gone. */
void		 ops_lost(struct seat *);
/* A try to get the seat its link has failed: some shall not wait longer. */
void		 ops_doubt(struct seat *, mono_t now);
/* Runs the callbacks of ended ops. */
void		 ops_call(struct wharf *);

/* client_wait.c */
/* Nobody waits for this answer: what came with it is given back. */
void		 wait_stray(struct seat *, const struct frame *);
int		 wait_stray_matters(const struct frame *);
/* The program has these messages. */
void		 wait_ack(struct seat *, const struct frame *);
/* The router need not look for something for it any more. */
void		 wait_forget(struct seat *, const struct op *);

/* client_link.c: how a seat gets its link, and loses it. */
void		 seat_init(struct seat *, struct wharf *, unsigned number);
void		 seat_begin(struct seat *);
/* An op is for it. */
void		 seat_want(struct seat *);
/* The link is to be given up, once nobody is inside it any more. */
void		 seat_break(struct seat *, enum wharf_status why);
/* Gives it up now; a new try after a pause. */
void		 seat_lost(struct seat *);
/* Closes all and waits ms for nng at most. */
void		 seat_close(struct seat *, int ms);
/* SEAT_ON_EAR: it was hung up; a ring only wakes. */
/* SEAT_ON_PEER: the store's process has ended. */
enum seat_event {
	SEAT_ON_ASK, SEAT_ON_WIRE, SEAT_ON_EAR, SEAT_ON_PEER, SEAT_EVENTS
};
void		 seat_on(struct seat *, enum seat_event);
void		 seat_time(struct seat *, mono_t now);
/* An op of it has waited in vain: it is given up when it is too silent. */
void		 seat_doubt(struct seat *, mono_t now);

/* client_io.c: frames of a seat. */
/* Bytes that a request takes. */
size_t		 seat_cost(const struct frame *);
/* Puts a request, by pieces if it is long; 0: no memory. */
int		 seat_put(struct seat *, struct frame *);
void		 seat_flush(struct seat *);
/* Takes what the lane holds; 1: there may be more. */
int		 seat_read_lane(struct seat *);
/* Takes the frames of an nng message. */
void		 seat_read_message(struct seat *, const uint8_t *p, size_t n);
/* 0: something came in, or can go out: do not sleep. */
int		 seat_arm(struct seat *);
/* Ops of it have ended that had not begun to leave: forgets the first ones. */
void		 seat_trim_out(struct seat *);
void		 seat_forget_out(struct seat *);
void		 seat_forget_in(struct seat *);

/* client_loop.c */
int		 client_watch(struct wharf *, int fd, unsigned seat,
		    enum seat_event, uint32_t events);
/* Waits until w->next, end (.us 0: none) or an event; then a turn. */
void		 client_sleep(struct wharf *, mono_t end);

#endif
