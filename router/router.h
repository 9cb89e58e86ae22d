/*
 * router.h: the inside of wharf-router: one actor, one shard, and the queues,
 * topics and tasks whose names are its own (slot of the name mod R; tasks are
 * router 0's).
 *
 * What happens to a message says queue/; here is what it happens with: frames,
 * the shard, the clock, and who waits.
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include "proto/msg_queue.h"
#include "queue/queue.h"
#include "queue/task.h"
#include "queue/topic.h"
#include "router/cast.h"
#include "router/choke.h"
#include "router/damage.h"
#include "router/forward.h"
#include "router/moves.h"
#include "router/outs.h"
#include "router/waits.h"
#include "store/server.h"
#include "store/shard_scan.h"

/* Bytes of the log that a message may need beside its items. */
#define ROUTER_ROOM	8192u
/* Bytes of an item: in an answer of many, token and lengths come along. */
#define ROUTER_ITEM_MAX	(VALUE_MAX - 256u)

/* What an answer is made of while it is put together, one at a time. */
struct page {
	uint8_t		*b;
	size_t		 len, cap;
	uint32_t	 n;		/* deliveries in it */
	uint32_t	 deliveries;	/* of the only one */
	char		 token[TOKEN_MAX + 1];	/* likewise */
	uint32_t	 end[QUEUE_COUNT_MAX];	/* where each ends */
};

/* A QUEUE_MPUT or QUEUE_ACK of many whose link keeps it. */
struct partly {
	TAILQ_ENTRY(partly) next;
	uint64_t	 link, id, mark;
	uint16_t	 msg;
	unsigned	 done;		/* items or tokens that are through */
	uint32_t	 good;		/* QUEUE_ACK: of them acknowledged */
	enum err	 err;		/* likewise: what was wrong first */
};

struct router {
	struct server	 srv;		/* first, see server.h */
	struct queues	*queues;
	struct tasks	*tasks;		/* NULL: not router 0 */
	struct waits	*waits;
	struct choke	*choke;
	struct outs	*outs;
	struct cast	*cast;		/* NULL: topics stay inside */
	struct forwards	*forwards;
	struct moves	*moves;
	struct damage	*damage;
	struct shard_scan *scan;	/* while it is building */
	int64_t		 ahead;		/* clock.c */
	mono_t		 scanned;	/* since then; .us 0: told how long */
	struct ev_timer	 due;
	double		 pause;		/* s before the next step of work */
	struct page	 page;
	TAILQ_HEAD(, partly) partly;
	struct queue_str items[QUEUE_COUNT_MAX];	/* of the op at hand */
	uint8_t		 tab[TABLE_MAX], key[TABLE_MAX];	/* likewise */
};

/* clock.c */
struct queue_now router_now(struct router *);

/*
 * Before a handler does anything: copies the name out of the message and
 * checks it.  room: bytes that the log must have (0: it only reads).  As
 * server_may, E_PARAM: no name, or another router's.
 */
enum err	 router_admit(struct router *, const struct msg *, size_t room,
		    struct queue_str *name);
/* The key of the message, copied; at most TABLE_MAX bytes. */
struct queue_str router_key(struct router *, const struct msg *);
/* An answer without anything but its status, which depends on mark. */
enum err	 router_answer(struct router *, const struct msg *, enum err,
		    uint64_t mark, int write);
/* What a wait of so many ms may be: E_PARAM. *us: microseconds. */
enum err	 router_wait(const struct router *, int64_t ms, int64_t *us);
/* Which priority a message's type says; E_PARAM. */
enum err	 router_priority(const struct msg *, unsigned *priority);
/* Has due ring when queues or tasks have something to do. */
void		 router_arm(struct router *);

/* page.c: 0: no memory, or more than an answer may be long. */
void		 page_clear(struct page *);
int		 page_room(struct page *, size_t n, struct wbuf *);
void		 page_add(struct page *, const struct wbuf *);

/* storage.c */
extern const struct queue_ops	storage_ops;
void		 router_storage(struct router *);	/* fatal */
void		 router_limits(struct router *);	/* of a new configuration */
/* rebuild.c: what there was at the start goes into the queues. */
void		 router_rebuild(struct router *);
void		 router_rebuild_step(struct router *);
void		 router_rebuilt(struct router *);	/* tells when it is done */

/* get.c, topics.c: a wait that could not be served then (wait_again). */
void		 router_get_again(struct wait *);
void		 router_sub_again(struct wait *);
/* partly.c: what is known of a message that is shown again; NULL: nothing. */
struct partly	*partly_find(struct router *, const struct msg *);
/* The same, made if need be; NULL: no memory. */
struct partly	*partly_keep(struct router *, const struct msg *);
void		 partly_free(struct router *, struct partly *);
/* What to say of a message that is refused: E_UNSURE when it was begun. */
enum err	 partly_refuse(struct router *, const struct msg *, enum err);
void		 partly_forget(struct router *, uint64_t link);	/* 0: all */

/* The handlers (msg.def). */
enum err	 router_on_put(struct actor *, const struct msg *);
enum err	 router_on_mput(struct actor *, const struct msg *);
enum err	 router_on_get(struct actor *, const struct msg *);
enum err	 router_on_ack(struct actor *, const struct msg *);
enum err	 router_on_nack(struct actor *, const struct msg *);
enum err	 router_on_touch(struct actor *, const struct msg *);
enum err	 router_on_peek(struct actor *, const struct msg *);
enum err	 router_on_move(struct actor *, const struct msg *);
enum err	 router_on_set(struct actor *, const struct msg *);
enum err	 router_on_purge(struct actor *, const struct msg *);
enum err	 router_on_workers(struct actor *, const struct msg *);
enum err	 router_on_stat(struct actor *, const struct msg *);
enum err	 router_on_pub(struct actor *, const struct msg *);
enum err	 router_on_sub(struct actor *, const struct msg *);
enum err	 router_on_task_ask(struct actor *, const struct msg *);
enum err	 router_on_task_claim(struct actor *, const struct msg *);
enum err	 router_on_task_done(struct actor *, const struct msg *);
enum err	 router_on_task_stat(struct actor *, const struct msg *);
enum err	 router_on_cancel(struct actor *, const struct msg *);
enum err	 router_on_forward(struct actor *, const struct msg *);

#endif
