/*
 * link.h: inside the mailbox: struct mailbox, struct link, and the calls
 * between mailbox.c, link*.c and desk*.c.  Nobody else includes it.
 *
 * Threads: everything belongs to the loop thread, except what nng's callbacks
 * touch: struct notice, and the atomics pipe, peer_pid, peer_uid of a link.
 */
#ifndef PROTO_LINK_H
#define PROTO_LINK_H

#include <sys/queue.h>

#include <stdatomic.h>
#include <nng/nng.h>

#include "proto/clock.h"
#include "proto/lane.h"
#include "proto/mailbox.h"
#include "proto/outq.h"
#include "proto/spin.h"

#define LINK_HELLO_US	5000000		/* an offered link must be up by then */
#define LINK_BUCKETS	256u
/*
 * When a peer dies while we send to it, nng's one reaper thread may stop for
 * good, and no nng_close comes back any more.  What is open goes on working:
 * so closing has threads of its own, and when many of them have hung for a
 * while, or one has and there is no room for a client more, the owner is told to
 * start anew.  nng then hears of no end of a link either, so that clients
 * without a lane are looked after by their processes, too.
 */
#define LINK_CLOSERS	256u		/* more of them: no new clients */
#define LINK_WEDGED	64u
#define LINK_WEDGED_US	10000000
/* The longest nng message: one chunk of frames, or one longest frame. */
#define LINK_MESSAGE	(FRAME_LONGEST + 1024u)

/*
 * How an nng callback tells the loop that something happened: it sets a bit;
 * the first bit puts the notice on the mailbox's stack and wakes the loop.
 */
struct notice {
	_Atomic unsigned	 bits;
	struct notice		*next;
	struct mailbox		*mb;
	void			(*fn)(struct notice *, unsigned bits);
};

enum link_bits {
	LINK_RECEIVED	= 1 << 0,
	LINK_SENT	= 1 << 1,
	LINK_PIPE	= 1 << 2,	/* a pipe came or went */
	LINK_CLOSED	= 1 << 3	/* the closer is done */
};

enum link_state { LINK_OFFERED, LINK_UP, LINK_DOWN };

/* A value on its way in by pieces; one at a time per link. */
struct assembly {
	uint8_t		*bytes;		/* table, key, value; NULL: swallowing */
	struct frame	 f;		/* of the first piece */
	uint32_t	 got;		/* value bytes so far */
	size_t		 charge;	/* bytes counted in mb->assembled */
	mono_t		 last;		/* when the last piece came */
	int		 active;
	int		 whole;		/* complete, kept after E_AGAIN */
};

struct link {
	struct mailbox		*mb;
	TAILQ_ENTRY(link)	 all;
	TAILQ_ENTRY(link)	 laned;		/* on mb->lanes while up */
	SLIST_ENTRY(link)	 bucket;
	TAILQ_ENTRY(link)	 unsent;	/* on mb->unsent */
	struct link_offer	 offer;
	enum link_state		 state;
	int			 client;	/* a program outside */
	int			 paused;	/* the owner said E_AGAIN */
	mono_t			 kept;		/* first to this message; or .us 0 */
	int			 answers;	/* it has asked something */
	int			 is_unsent;
	int			 broken;	/* why is set: goes down at the turn's end */
	const char		*why;
	void			*data;
	mono_t			 since;		/* it was made; its closing began */
	enum { LINK_OPEN, LINK_CLOSING, LINK_GONE } socket;

	struct notice		 notice;
	nng_socket		 sock;
	nng_aio			*raio, *saio;
	int			 receiving, sending;
	size_t			 inflight;	/* bytes of the message being sent */
	nng_msg			*in;		/* being read; trimmed as we go */
	_Atomic int		 pipe;		/* the one peer's pipe, 0 none */
	_Atomic int		 peer_pid;
	_Atomic unsigned	 peer_uid;

	struct lane		*lane;		/* NULL: nng carries all */
	struct lane_fds		 fds;		/* lane: -1, it is mapped */
	struct outq		 hello;		/* always by nng, before out */
	struct outq		 out;
	struct assembly		 assembly;
};

TAILQ_HEAD(link_list, link);
SLIST_HEAD(link_bucket, link);
struct desk;

struct mailbox {
	struct ev_loop		*loop;
	struct mailbox_conf	 conf;
	struct mailbox_hooks	 hooks;
	void			*arg;
	struct link_list	 links, lanes, unsent, dead;
	struct link_bucket	 buckets[LINK_BUCKETS];
	unsigned		 clients;	/* links of the desk, pending too */
	size_t			 assembled;	/* bytes of unfinished values */
	unsigned		 closing;	/* sockets with a closer */
	mono_t			 closing_since;
	int			 wedged;	/* the owner was told */
	int			 taken;		/* messages since the last turn hook */
	int			 more;		/* something is left to be read */
	int			 sent;		/* a lane got frames since the last turn */
	struct spin		 spin;
	int			 breaks;	/* some link is broken */
	int			 moved;		/* some link left mb->links */
	struct desk		*desk;
	_Atomic(struct notice *) notices;

	int			 ears;		/* epoll of clients' rings, -1 none */
	ev_io			 rung;		/* of it */
	ev_io			 bell;
	ev_prepare		 prepare;
	ev_check		 check;
	ev_idle			 idle;
	ev_async		 async;
	ev_timer		 timer;
};

/* mailbox.c */
void		 notice_init(struct notice *, struct mailbox *,
		    void (*fn)(struct notice *, unsigned));
void		 notice_raise(struct notice *, unsigned bits);	/* any thread */
/* There is something to be read without anybody ringing. */
void		 mailbox_more(struct mailbox *);
/* Frees the desk, which is closed, when its last notice is through. */
void		 mailbox_forget_desk(struct mailbox *);

/* ears.c: how clients are heard. */
void		 ears_init(struct mailbox *);
/* There may be clients: 1, or 0 and errno. */
int		 ears_open(struct mailbox *);
enum err	 ears_add(struct link *);
void		 ears_drop(struct link *);
void		 ears_free(struct mailbox *);

/* link.c: birth, HELLO, death. */
struct link	*link_new(struct mailbox *, const struct link_offer *);
/* It counts as a client's from now on. */
void		 link_is_client(struct link *);
void		 link_go_down(struct link *, int broken, const char *why);
/* Remembers why; the link goes down when nobody is inside it any more. */
void		 link_break(struct link *, const char *why);
void		 link_on_hello(struct link *, const struct frame *, int ours);
/* A pipe came or went. */
void		 link_on_pipe(struct link *);
/* Frees a link that is down; 0: a notice of it is still under way. */
int		 link_free_dead(struct link *);
void		 link_check_time(struct link *, mono_t now);
/* A client without a lane whose process has ended is gone. */
void		 link_check_peer(struct link *);

/* link_nng.c: the socket of a link.  E_INTERNAL: nng refused (logged). */
enum err	 link_nng_open(struct link *, unsigned mode);
/*
 * Closes on a thread of its own, because nng_close may never return (see
 * LINK_CLOSERS); LINK_CLOSED tells when it did.
 */
void		 link_nng_close(struct link *);
void		 link_nng_receive(struct link *);
/* Sends n bytes (whole frames) as one message; 0: no memory. */
int		 link_nng_send(struct link *, const uint8_t *p, size_t n);
void		 link_on_notice(struct notice *, unsigned bits);
/* "ipc://" and the path. */
#define LINK_URL_MAX	(LINK_PATH_MAX + 8)
void		 link_url(char out[LINK_URL_MAX], const char *path);

/* link_in.c: takes at most mb->conf.batch frames. */
void		 link_read(struct link *);
/* May this link be read at this moment? */
int		 link_readable(const struct link *);
/* Takes what a dead peer left in the lane. */
void		 link_read_rest(struct link *);
void		 assembly_free(struct link *);
/* Counts a refusal and, if it was a request, answers it. */
void		 link_refuse(struct link *, const struct frame *, enum err);

/* link_out.c */
void		 link_send_hello(struct link *, const struct frame *);
void		 link_flush(struct link *);
/* 0: the lane's writer has room again and must be flushed once more. */
int		 link_may_sleep(struct link *);

#endif
