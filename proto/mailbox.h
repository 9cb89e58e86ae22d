/*
 * mailbox.h: an actor's links to its peers.  Each link is an nng pair1 socket
 * on a path of its own (architecture 3) and, where the supervisor gave one, a
 * lane that carries the frames once HELLO has been answered.  All functions
 * run on the actor's loop thread.  The only nng-free way in is this header.
 *
 * Whole messages only: values over FRAME_VALUE are cut into fragments when
 * sent and put together, within assembly_max bytes for all links together,
 * before the hook sees them.  A request that finds no room for assembly is
 * answered E_FULL by the mailbox; an answer that finds none reaches the hook
 * without its value and with status E_NOMEM.
 *
 * What a link does: offered -> nng connected -> HELLO both ways, peer pid and
 * incarnation checked -> up(link) -> msg(...)* -> down(link).  A link that is
 * not up within 5 s, whose pipe closes, or that carries garbage goes down for
 * good; the supervisor offers a new one.  Frames addressed to another
 * incarnation are refused E_STALE and counted.
 *
 * A link that asks but does not fetch its answers is not read while more than
 * out_max bytes of answers wait.  mailbox_new sets the umask to 077: nng gives
 * a socket its mode only after it has bound it.
 */
#ifndef PROTO_MAILBOX_H
#define PROTO_MAILBOX_H

#include <stddef.h>
#include <stdint.h>
#include <ev.h>

#include "proto/err.h"
#include "proto/msg.h"
#include "proto/msg_ctl.h"

struct mailbox;
struct link;

struct mailbox_conf {
	unsigned	 role;		/* our own FROM_* bit */
	unsigned	 seat;
	uint32_t	 inc;		/* our incarnation */
	int		 bell;		/* our eventfd (not owned) */
	int		 lanes;		/* 0: nng carries everything */
	unsigned	 batch;		/* frames taken from a link per turn */
	size_t		 out_max;	/* bytes queued per link before E_FULL */
	size_t		 assembly_max;	/* bytes of unfinished fragmented values */
	/*
	 * To be woken takes longer than many an answer: for so long after the
	 * last frame the loop polls instead of sleeping, when its last sleep
	 * was shorter than this.  Microseconds; 0: never.
	 */
	unsigned	 spin_us;
};

struct mailbox_hooks {
	void	 (*up)(void *arg, struct link *);
	/*
	 * The link is gone; it is freed after the call.  broken: our side
	 * found it so (the supervisor should be told), 0: we were told.
	 */
	void	 (*down)(void *arg, struct link *, int broken, const char *why);
	/*
	 * One whole, checked (msg_check) message.  The bytes are gone after
	 * the call, and may be changed by a hostile peer during it: copy, then
	 * check.  E_AGAIN: keep it, stop reading this link until
	 * link_resume.  Any other value is ignored here.
	 */
	enum err (*msg)(void *arg, const struct msg *);
	/* After all links were read in a turn, if any message was taken. */
	void	 (*turn)(void *arg);
	/*
	 * nng has stopped closing sockets (a fault of its own after a peer's
	 * death): all goes on, but the process should start anew some time.
	 */
	void	 (*wedged)(void *arg);
	/* Is something awaited, so that polling pays?  NULL: always. */
	int	 (*expects)(void *arg);
	/* A malformed or refused frame was dropped (for counting). */
	void	 (*reject)(void *arg, struct link *, enum err);
};

struct mailbox	*mailbox_new(struct ev_loop *, const struct mailbox_conf *,
		    const struct mailbox_hooks *, void *arg);
/* Closes every link (down is called with broken 0) and frees. */
void		 mailbox_free(struct mailbox *);
/*
 * What a link's lane is made of; -1: none.  An actor's bell is its one eventfd.
 * A client's is a pipe of which it can only read, and it rings an eventfd of its
 * link: nothing it does to its ends (flags, reading, filling) touches ours.
 */
struct lane_fds {
	int	lane;		/* the memory */
	int	bell;		/* rings the peer */
	int	ear;		/* a client rings it */
};
#define LANE_FDS_NONE	((struct lane_fds){ -1, -1, -1 })
void		 lane_fds_close(struct lane_fds *);
/*
 * Starts a link.  Takes the descriptors in any case.  E_INTERNAL when nng
 * refuses (logged), E_NOMEM, E_FULL no more clients.
 */
enum err	 mailbox_offer(struct mailbox *, const struct link_offer *,
		    const struct lane_fds *);
/* Takes a link down by its number; unknown numbers are fine. */
void		 mailbox_unlink(struct mailbox *, uint64_t id);

/*
 * Sends a message: table, key and value are copied.  E_OK taken, E_FULL the
 * link's queue is over out_max (it may exceed it by one message), E_STALE the
 * link is down, E_NOMEM not taken.  Fills in from, to, voff and vtotal, and
 * sends at the end of the loop turn (mailbox_flush) or when it has enough.
 */
enum err	 link_send(struct link *, const struct frame *);
/*
 * Answers m: a frame with its id and number, FRAME_REPLY set and everything
 * else from *r (NULL: only the status).  Answers bypass out_max (they were
 * asked for); a server stops taking messages while link_queued is high.
 */
enum err	 link_reply(struct link *, uint16_t msg, uint64_t id,
		    enum err status, const struct frame *r);
size_t		 link_queued(const struct link *);	/* bytes not yet gone */
void		 link_resume(struct link *);
/* link_resume for every link that stopped at E_AGAIN. */
void		 mailbox_resume(struct mailbox *);
/*
 * The same for those with less than max bytes queued; returns how many others
 * stay stopped.
 */
unsigned	 mailbox_resume_below(struct mailbox *, size_t max);
/* Sends what waits, rings the bells; mailbox does it before the loop sleeps. */
void		 mailbox_flush(struct mailbox *);

unsigned	 link_from(const struct link *);	/* FROM_* of the peer */
unsigned	 link_seat(const struct link *);
int		 link_dials(const struct link *);	/* 1: our side dialled */
unsigned	 link_uid(const struct link *);		/* of the peer process */
uint64_t	 link_id(const struct link *);
void		*link_data(const struct link *);	/* the owner's pointer */
void		 link_set_data(struct link *, void *);
/*
 * A handle that outlives the link: link_find gives NULL once it is down.
 * Answers that come later keep the id, never the pointer.
 */
struct link	*link_find(struct mailbox *, uint64_t id);

/*
 * The front desk of a store: an nng REP socket (contexts, no resend) at path.
 * DESK_HELLO is answered with the node's shape and a fresh private link's
 * path; the client has 5 s to dial it and say HELLO.  At most max_clients
 * links; more get E_FULL.  The desk pings itself every second over a fresh
 * connection and listens again when it gets no answer within one.
 * When a client leaves, down is called with broken 0.
 */
struct desk_conf {
	const char	*path;		/* <node.run>/store.N */
	const char	*run;		/* directory for private links */
	const char	*group;		/* owner group of the sockets, "" none */
	unsigned	 mode;		/* permissions of the sockets */
	unsigned	 stores, files, routers;	/* S, K, R for the answer */
	unsigned	 seat;
	unsigned	 max_clients;
	const char	*lanes;		/* path of the lane socket, "" none */
};
enum err	 mailbox_desk(struct mailbox *, const struct desk_conf *);

#endif
