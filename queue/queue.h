/*
 * queue.h: the queues and topics that one router owns, as a pure state
 * machine: no clock, no sockets, no files.  Time is an argument, storage a
 * table of callbacks, and whoever waits brings a struct of its own.
 *
 * A call changes the state only when storage has taken what it writes; every
 * error but the one from a callback leaves all as it was.  mark is what the
 * answer depends on (a router's LSN): each function raises *mark, never lowers
 * it; the answer may go out when storage says that the mark is released.
 *
 * One thread.  No callback may call back into the same struct queues.
 * Not here: topic.h (pub, sub), task.h, settings.h, token.h, seen.h.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/heap.h"
#include "queue/ops.h"
#include "queue/parked.h"
#include "queue/settings.h"

struct queues;

struct queues	*queues_new(const struct queue_conf *);	/* NULL: no memory */
/* Nobody may be waiting any more (queues_stop). */
void		 queues_free(struct queues *);
void		 queues_set_limits(struct queues *, const struct queue_limits *);
/* Ends all waiting: done(E_NOTREADY) or the topic's answer likewise. */
void		 queues_stop(struct queues *);
/*
 * Writes the settings whose counters have moved (a clean stop); not those of
 * which there may be a record that cannot be read.
 */
enum err	 queues_save(struct queues *, uint64_t *mark);

/* --- after a start --- */

/*
 * A new struct queues is building: all calls answer E_BUILDING.  First every
 * record of type C is fed, then queues_feed_names: from then on queue_put goes
 * on.  Then every other record of the shard, in any order, once or more; those
 * that puts write meanwhile may be among them.  val may be cut behind its first
 * QUEUE_HEAD_MAX bytes, except for C.  E_BADMSG: not a record of ours, or
 * damaged, and skipped; E_NOMEM: ask again.  A C record of name "" is skipped.
 * After queues_feed_done it takes some steps of queues_work to be open.
 */
#define QUEUE_HEAD_MAX	32u
enum err	 queues_feed(struct queues *, const struct queue_key *,
		    const uint8_t *val, size_t len);
/*
 * A record of which only the key can be read.  Likewise after the settings;
 * E_NOMEM.
 */
enum err	 queues_feed_ill(struct queues *, const struct queue_key *);
void		 queues_feed_names(struct queues *);
void		 queues_feed_done(struct queues *, const struct queue_now *);
int		 queues_building(const struct queues *);

/* --- time --- */

/*
 * Does what is due (redelivery, delays, expiry, ends of waits) and background
 * work (what purge and trim left to delete), a bounded step of at most some
 * hundred messages.  1: there is more to do at once.
 */
int		 queues_work(struct queues *, const struct queue_now *);
/* Microseconds until queues_work has something to do; 0 now, -1 never. */
int64_t		 queues_next(const struct queues *, const struct queue_now *);
/*
 * The wall clock was set back by so many ms: what waits for a moment of it does
 * so no longer than before.
 */
void		 queues_set_back(struct queues *, int64_t ms);

/* --- messages --- */

struct queue_put {
	const struct queue_str *items;	/* n of them, each at least 1 byte */
	unsigned	 n;		/* 1..QUEUE_COUNT_MAX */
	unsigned	 priority;	/* 0..2 */
	int64_t		 ttl, delay;	/* ms, 0: what the settings say */
};
/*
 * Creates the queue.  E_PARAM, E_QUEUE (a topic), E_QUEUES, E_QLOCKED, E_QFULL,
 * E_LIMIT_MESSAGES, E_NOMEM: none was put.  *done: how many were, less than n
 * only if storage refused one in the middle.
 */
enum err	 queue_put(struct queues *, struct queue_str name,
		    const struct queue_put *, const struct queue_now *,
		    unsigned *done, uint64_t *mark);

struct queue_msg {			/* a message as it is handed out */
	struct queue_str item;		/* borrowed for the call */
	const char	*token;		/* NUL-terminated, likewise; peek: NULL */
	uint32_t	 deliveries;	/* this one included */
	unsigned	 priority;
	uint64_t	 id;
};

/*
 * Somebody who wants messages: embedded in what the caller keeps of a request.
 * item is called for each message, from within queue_get or later; 0 means
 * that there is no room for it, and it stays (the first must be taken).  done
 * is the last call, and the struct is the caller's again: the first n of the
 * items count, those behind were not delivered.  err is E_OK with n > 0, else
 * n is 0: E_NOTFOUND empty or waited long enough, E_AGAIN it may ask again (it
 * was not ready, or much had to be passed over), E_DAMAGED, what storage said.
 */
struct queue_taker {
	int		(*item)(struct queue_taker *, const struct queue_msg *);
	void		(*done)(struct queue_taker *, enum err, unsigned n,
			    uint64_t mark);
	/*
	 * Asked when it has waited and its turn has come; 0: it cannot take
	 * anything now, and done is told E_AGAIN.  NULL: it always can.
	 */
	int		(*ready)(struct queue_taker *);
	unsigned	 count;		/* 1..QUEUE_COUNT_MAX, 0 is 1 */
	int		 autoack;	/* the delivery is not logged; the caller
					 * acks when the bytes are out */
	int64_t		 wait;		/* us; 0: answer at once */
	struct parked	 parked_;	/* ours while it waits */
};
/*
 * E_OK: done has been called or will be.  Else done is never called: E_QUEUE
 * (with wait: only when it is a topic; a queue may come), E_BUILDING, E_FULL
 * too many wait.  worker (n 0: nobody) is noted with the queue, up to
 * SEEN_NAME bytes.
 */
enum err	 queue_get(struct queues *, struct queue_str name,
		    struct queue_str worker, struct queue_taker *,
		    const struct queue_now *);
/* The client went away: done is not called any more. 0: it was not waiting. */
int		 queue_cancel(struct queues *, struct queue_taker *);

/*
 * By token, of any attempt: the message is gone for good.  E_TOKEN, E_QUEUE,
 * E_BUILDING; E_NOTFOUND it was outstanding, but storage had lost it.
 */
enum err	 queue_ack(struct queues *, struct queue_str name,
		    struct queue_str token, const struct queue_now *,
		    uint64_t *mark);
struct queue_back {
	int64_t		 delay;		/* ms until it may be delivered again */
	int		 unseen;	/* nobody had it: it does not count */
};
/* Back at its place.  Only the newest attempt's token.  E_PARAM, as ack. */
enum err	 queue_nack(struct queues *, struct queue_str name,
		    struct queue_str token, const struct queue_back *,
		    const struct queue_now *, uint64_t *mark);
/* *more: ms from now in, 0 the queue's timeout; ms that it has now out. */
enum err	 queue_touch(struct queues *, struct queue_str name,
		    struct queue_str token, int64_t *more,
		    const struct queue_now *, uint64_t *mark);

/*
 * Shows the message at offset (0 the next one) among those that are not
 * outstanding, of one priority or of all (-1), by priority and age.  see is
 * called once with E_OK.  E_NOTFOUND.
 */
enum err	 queue_peek(struct queues *, struct queue_str name, int priority,
		    uint64_t offset, void (*see)(void *, const struct queue_msg *),
		    void *arg, const struct queue_now *, uint64_t *mark);
/*
 * Moves up to most (1..QUEUE_COUNT_MAX) deliverable messages to the end of
 * another queue, as new ones.  *moved: how many, also when it ends by an
 * error; those under way to another router count.
 */
enum err	 queue_move(struct queues *, struct queue_str from,
		    struct queue_str to, unsigned most, unsigned *moved,
		    const struct queue_now *, uint64_t *mark);
/*
 * How a forward ended.  E_OK: it is durable there, and here it goes away.
 * E_UNSURE and E_TIMEOUT: nobody knows, it rests for a moment.  Else it is not
 * there, and what was moved by order can be delivered here at once.  Returns
 * that; E_UNSURE for E_OK when storage has not taken the delete, which is tried
 * again.
 */
enum err	 queue_forwarded(struct queues *, struct queue_str from,
		    unsigned priority, uint64_t id, enum err,
		    const struct queue_now *, uint64_t *mark);
/*
 * Puts what another router forwards; from and id are not looked at.  As
 * queue_put, but lock and max of the queue hold only for what is ordered.
 */
enum err	 queue_receive(struct queues *, const struct queue_forward *,
		    const struct queue_now *, uint64_t *mark);
/* Drops all of a priority that is not outstanding; see doc/storage.md. */
enum err	 queue_purge(struct queues *, struct queue_str name,
		    unsigned priority, const struct queue_now *,
		    uint64_t *mark);

/* --- queues and topics --- */

/*
 * Changes the fields that mask names (settings.h).  create: a missing queue is
 * made.  E_PARAM, E_QUEUE, E_QUEUES.
 */
enum err	 queue_set(struct queues *, struct queue_str name,
		    const struct settings *, unsigned mask, int create,
		    const struct queue_now *, uint64_t *mark);
/* Raises *mark to what the settings depend on. */
enum err	 queue_settings(const struct queues *, struct queue_str name,
		    struct settings *, uint64_t *mark);

struct queue_stat {
	struct queue_str name;
	const struct settings *set;	/* kind, max, lock, timeout, tm ... */
	uint64_t	 ready[QUEUE_PRIORITIES];
	uint64_t	 delayed, unacked, waiting;
	uint64_t	 si, ci;	/* topics: 64-bit window; queues: counters */
};
enum err	 queue_stat(const struct queues *, struct queue_str name,
		    struct queue_stat *, uint64_t *mark);
/* By name, from behind after (n 0: all) until see says 0. E_NOMEM, E_BUILDING. */
enum err	 queues_list(struct queues *, struct queue_str after,
		    int (*see)(void *, const struct queue_stat *), void *arg,
		    uint64_t *mark);
/* Workers of a queue by name, as last seen (seconds since 1970). */
enum err	 queue_workers(const struct queues *, struct queue_str name,
		    const struct queue_now *,
		    void (*see)(void *, struct queue_str worker, int64_t sec),
		    void *arg, uint64_t *mark);

struct queues_total {
	uint64_t	 messages, names, waiters;
	uint64_t	 backlog;	/* messages still to be deleted */
	uint64_t	 redelivered, expired, dead;	/* since the start */
	size_t		 bytes;		/* from malloc, all */
};
void		 queues_total(const struct queues *, struct queues_total *);

#endif
