/*
 * worker.h: the state of one wharf-worker, and of one HTTP request in it.
 * Everything runs on the loop thread.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <sys/queue.h>
#include <sys/types.h>

#include <microhttpd.h>
#include <ev.h>

#include "proto/clock.h"
#include "supervisor/actor.h"
#include "worker/budget.h"
#include "worker/call.h"
#include "worker/coding.h"
#include "worker/connection.h"
#include "worker/listener.h"
#include "worker/paths.h"
#include "worker/pending.h"
#include "worker/query.h"

struct access;
struct asked;
struct auth;
struct blob;
struct receipt;
struct tells;
struct tls;

#define STORES_MAX	64
#define ROUTERS_MAX	16
#define VALUES_SHARED	8
#define ROOM		4096u	/* bytes of texts, body or value kept inline */

/* Where a request is.  Suspended in those marked with an s, maybe with an m. */
enum request_state {
	RS_NEW,		/* its URI was read */
	RS_WAIT_AUTH,	/* s: waits for a look at its password */
	RS_WAIT_HEAD,	/* s: waits for budget, no body byte taken */
	RS_BODY,	/* its body comes in */
	RS_WAIT_CHUNK,	/* s: waits for budget in the middle of the body */
	RS_SENT,	/* m: waits for the answer of another actor */
	RS_ANSWERED,	/* its response is queued */
	RS_DEAD		/* its connection is to be closed at once */
};

struct request {
	struct request		*next;		/* in the free list, or auth.c's */
	struct worker		*w;
	struct listener		*l;
	struct MHD_Connection	*conn;
	struct connection	*at;
	const struct path	*path;		/* NULL: no such path */
	uint8_t			 state, method;
	uint8_t			 chunked, create_only, malformed, expects;
	uint8_t			 discard, own_body;
	uint8_t			 streamed;	/* the response is compressed as it goes */
	uint8_t			 coding;	/* enum coding */
	uint8_t			 suspended, stands;	/* see request_wait */
	enum err		 wait_err;	/* why waiting ended */
	enum err		 auth;		/* what its login is good for */
	mono_t			 asked;		/* RS_WAIT_AUTH: since then */
	enum err		 refused;	/* by its head; the body is discarded */
	const char		*refused_by;	/* detail of that, or NULL */
	mono_t			 began;		/* its body; .us 0: none seen */
	mono_t			 start;		/* all of it was here */
	int64_t			 waited;	/* usec spent waiting for budget */
	int64_t			 took;		/* usec from start to the answer */
	uint8_t			 watched;	/* took is known */
	uint8_t			 sent;		/* a store was asked */
	uint8_t			 parks;		/* may wait for long */
	uint16_t		 slot;		/* of its record */
	mono_t			 due;		/* RS_SENT: when it is given up */
	struct call		 call;		/* without a plan */
	struct plan		*plan;		/* NULL: it is one message */
	void			*plan_data;	/* the plan's own */
	struct receipt		*receipt;	/* see receipt.h, or NULL */
	size_t			 urilen;
	/* The texts of the query: in room, or of their own. */
	uint8_t			*text;
	size_t			 textlen;
	/* The body: in room behind the texts, or of its own. */
	uint64_t		 declared;	/* Content-Length */
	uint64_t		 got;		/* bytes that came in */
	uint8_t			*body;
	size_t			 bodycap;
	size_t			 held;		/* bytes of budget */
	struct budget_wait	 wait;
	/* Uploads, the one that moved least recently first. */
	struct request		*up_next, *up_prev;
	int			 uploading;
	mono_t			 moved;
	/* The rest is not cleared. */
	struct params		 par;
	uint8_t			 room[ROOM];
};

struct worker {
	struct actor		 a;
	struct listener		*listeners;
	struct link		*stores[STORES_MAX];
	struct link		*routers[ROUTERS_MAX];
	unsigned		 nstores, nup, nrouters, nrup;
	struct pending		*pending;
	struct tells		*tells;		/* see tell.h */
	struct budget		 budget;
	struct blob		*shared[VALUES_SHARED];	/* see value.c */
	unsigned		 nshared;	/* there ever were */
	struct request		*free;		/* spare requests */
	unsigned		 nfree, active;
	struct request		*up_head, *up_tail;
	TAILQ_HEAD(, asked)	 waits;		/* long polls, see queue.c */
	TAILQ_HEAD(, call)	 unsent;	/* wait for room on their link */
	TAILQ_HEAD(, connection) quiet, idle;	/* see connection.c, oldest first */
	struct ev_prepare	 pump;
	struct ev_timer		 deadline, tick, hurry, look;
	mono_t			 armed;		/* when deadline rings */
	int64_t			 token;		/* of the last export */
	int			 stopping;	/* answers, but accepts no more */
	int			 leaving;	/* nothing may be suspended any more */
	/* From the configuration. */
	struct auth		*auth;		/* who may ask for what */
	struct access		*access;	/* who may connect */
	unsigned		 lists;		/* how many lists there were */
	struct tls		*tls;
	int			 get_writes;
	int			 cache;		/* there is one */
	int64_t			 ttl_max, deadline_us, idle_us;
	int64_t			 slow_us;	/* log.slow */
	uint64_t		 body_max;
};

#endif
