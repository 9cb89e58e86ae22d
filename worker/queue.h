/*
 * queue.h: the inside of the plan of queues, topics and tasks: a request to
 * /hustmq/ or a bare path of the mq listener becomes one message to a router
 * (stat_all: a row of them to each).
 */
#ifndef WORKER_QUEUE_H
#define WORKER_QUEUE_H

#include <sys/queue.h>

#include "proto/msg_queue.h"
#include "worker/gone.h"
#include "worker/json.h"
#include "worker/plan.h"

struct asked {
	struct frame	 f;
	unsigned	 router;
	int		 many;		/* QUEUE_GET: count is above 1 */
	int		 automatic;	/* acknowledged when its bytes are out */
	int64_t		 wait;		/* ms that the router may take its time */
	uint8_t		*wire;		/* what f.val is, where it was made */
	/* stat_all: the rows so far, one behind the other. */
	struct json	 rows;
	uint32_t	 nrows;
	uint8_t		 after[TABLE_MAX];
	/* A client that waits: on the worker's list. */
	struct gone	 gone;
	struct request	*r;
	int		 parked;
	TAILQ_ENTRY(asked) next;
};

/*
 * queue_ask.c: the frame of a request; its texts stay the request's, or
 * a->wire's.  Errors: the refusal, and *detail.
 */
enum err	 queue_ask(struct request *, struct asked *, const char **detail);

/* What it was that the router did not take; NULL: its status says all. */
const char	*queue_why(const struct asked *, enum err);

/* Headers that a refusal carries, NULL: none. */
const char *const *queue_refusal(const struct request *);

/* Whether it answers as huststore's HA did. */
int		 queue_is_bare(const struct request *);

/* queue_show.c: rows of QUEUE_STAT and QUEUE_WORKERS; E_INTERNAL malformed. */
enum err	 queue_show_stat(struct json *, const struct request *,
		    const uint8_t *, size_t);
/* The same of many, sorted by name, as an array. */
enum err	 queue_show_all(struct json *, const struct request *,
		    const struct asked *);
enum err	 queue_show_settings(struct json *, const uint8_t *, size_t);
enum err	 queue_show_workers(struct json *, const uint8_t *, size_t);
enum err	 queue_show_tasks(struct json *, const struct request *,
		    const uint8_t *, size_t);
/* Messages of one answer: "TOKEN DELIVERIES LENGTH\n", the item, "\n". */
enum err	 queue_show_items(struct json *, const uint8_t *, size_t);

/* An answer that nobody waits for any more: what it gave goes back. */
void		 queue_late(struct worker *, const struct msg *);
/* All that wait get 503: the worker stops. */
void		 queue_stop(struct worker *);

#endif
