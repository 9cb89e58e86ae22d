/*
 * wharf_queue.h: libwharf's operations on queues, topics and tasks.  A part of
 * wharf.h.
 *
 * They are the routers': the connection is linked to a router when the first
 * operation is for it.  An operation that waits has its own time (wait, in
 * milliseconds) beside that of the connection, and can be cancelled.
 *
 * Names are those of tables.  At least 1 byte has everything, at most items
 * WHARF_VALUE_MAX, messages 256 less, tasks and results WHARF_TASK_MAX.
 *
 * What waits and ends without an answer that it got - its time over, cancelled,
 * its router lost - has taken nothing for good: a message or task that came too
 * late is given back.  Nothing is ever asked a second time.
 */
#ifndef WHARF_QUEUE_H
#define WHARF_QUEUE_H

#ifndef WHARF_H
#error "include wharf.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define WHARF_TASK_MAX		(8u << 20)	/* bytes of a task or result */
#define WHARF_TOKEN_MAX		64u		/* characters */
#define WHARF_WORKER_MAX	32u		/* of a worker's name; at least 5 */
#define WHARF_BATCH_MAX		1000u		/* messages or tokens in one */
#define WHARF_PRIORITIES	3		/* 2 goes first */
#define WHARF_ANY_PRIORITY	(-1)		/* of peek */
#define WHARF_DELAY_MAX		2592000000	/* ms of a delay or life: 30 days */
#define WHARF_WAIT_MAX		1500000		/* ms; the node may allow less */
#define WHARF_RING		11000000	/* indexes of topics that sub knows */

/*
 * In brackets: what of struct wharf_queue_op a command takes beside name; what
 * it does not take must be 0.  Then what the answer has.
 */
enum wharf_queue_command {
	/* [value, priority, ttl, delay] durable; makes the queue */
	WHARF_Q_PUT = 1,
	/* [items, count, priority, ttl, delay] count: how many are put */
	WHARF_Q_MPUT,
	/*
	 * [other: the worker, count, wait, flags: WHARF_AUTO] one: value, token
	 * and as version how often it was delivered; with count above 1: count.
	 * Either way wharf_next_message.  NOTFOUND: none came.
	 */
	WHARF_Q_GET,
	/* [token; or items and count: tokens] count: how many are gone */
	WHARF_Q_ACK,
	WHARF_Q_NACK,	/* [token, delay] */
	WHARF_Q_TOUCH,	/* [token, ttl: 0 the queue's time] ttl */
	WHARF_Q_PEEK,	/* [priority, index: offset] value, version */
	WHARF_Q_MOVE,	/* [other: to where, count] number: moved */
	WHARF_Q_SET,	/* [settings, flags: WHARF_CREATE] */
	WHARF_Q_PURGE,	/* [priority] */
	WHARF_Q_WORKERS,	/* count, wharf_next_worker */
	WHARF_Q_STAT,	/* count 1, wharf_next_queue */
	/*
	 * [other: behind this name or NULL, router] no name; count,
	 * wharf_next_queue; number 1: there are more
	 */
	WHARF_Q_STAT_ALL,
	WHARF_Q_PUB,	/* [value, index or -1, ttl] number: its index */
	/*
	 * [index, wait] value.  NOTFOUND: it has expired, or did not come;
	 * WINDOW: number and ttl are the window: items number + 1 to ttl
	 */
	WHARF_Q_SUB,
	WHARF_Q_ASK,		/* [value, wait] value; WAITED: nobody did it */
	WHARF_Q_CLAIM,	/* [wait; name may be NULL] value, name, token */
	WHARF_Q_DONE,	/* [token, value] no name; NOTFOUND: too late */
	WHARF_Q_BACK,	/* [token] no name: another worker may have it */
	WHARF_Q_COUNTS	/* no name; wharf_task_counts */
};

/*
 * get: the library acknowledges when the callback has returned, or before the
 * synchronous call does.  Who dies earlier has it delivered to another.
 */
#define WHARF_AUTO	(1u << 16)

/* A message to be put, or a token. */
struct wharf_bytes {
	const void	*p;
	size_t		 n;
};

enum wharf_settings_mask {
	WHARF_SET_MAX = 1 << 0, WHARF_SET_LOCK = 1 << 1,
	WHARF_SET_TIMEOUT = 1 << 2, WHARF_SET_MAXDELIVER = 1 << 3,
	WHARF_SET_DEAD = 1 << 4, WHARF_SET_TTL = 1 << 5,
	WHARF_SET_DELAY = 1 << 6, WHARF_SET_ALL = (1 << 7) - 1
};

/* Of a queue or topic; set changes the fields of mask. */
struct wharf_settings {
	size_t		 size;		/* sizeof(struct wharf_settings) */
	unsigned	 mask;		/* enum wharf_settings_mask */
	int		 lock;		/* puts are refused */
	uint32_t	 max;		/* messages not outstanding; 0 any */
	uint32_t	 timeout;	/* ms until redelivery */
	uint32_t	 maxdeliver;	/* then it goes to dead; 0 never */
	uint32_t	 ttl, delay;	/* ms, of puts that say none; 0 none */
	char		 dead[WHARF_TABLE_MAX + 1];	/* queue, "" none */
	unsigned	 reserved_[8];
};
#define WHARF_SETTINGS_INIT	{ sizeof(struct wharf_settings), \
	0, 0, 0, 0, 0, 0, 0, { 0 }, { 0, 0, 0, 0, 0, 0, 0, 0 } }

struct wharf_queue_op {
	size_t		 size;		/* sizeof(struct wharf_queue_op) */
	enum wharf_queue_command command;
	const char	*name;		/* of the queue or topic */
	const char	*other;
	const char	*token;
	const void	*value;
	size_t		 length;
	const struct wharf_bytes *items;
	unsigned	 count;
	int		 priority;
	int64_t		 ttl, delay, wait;	/* ms */
	int64_t		 index;
	const struct wharf_settings *settings;
	unsigned	 flags;		/* WHARF_AUTO, WHARF_CREATE */
	unsigned	 router;	/* 0..wharf_info's routers - 1 */
	unsigned	 reserved_[8];
};
#define WHARF_QUEUE_OP_INIT(command, name)	{ \
	sizeof(struct wharf_queue_op), (command), (name), 0, 0, 0, 0, 0, 0, \
	0, 0, 0, 0, 0, 0, 0, 0, { 0, 0, 0, 0, 0, 0, 0, 0 } }

/*
 * By the rules of wharf_get and wharf_submit_get.  NOTREADY: the router was
 * lost, or the node has none.  *handle (NULL: not wanted): for wharf_cancel.
 */
enum wharf_status wharf_queue_do(struct wharf *, const struct wharf_queue_op *,
		    struct wharf_answer *);
enum wharf_status wharf_queue_submit(struct wharf *,
		    const struct wharf_queue_op *, wharf_fn *fn, void *arg,
		    uint64_t *handle);
/*
 * Ends a get, sub, ask or claim that is in flight as if its time were over: fn
 * is called as always, later.  0: it is none of these, or has ended.
 */
int		 wharf_cancel(struct wharf *, uint64_t handle);

/* --- what answers have; *place: 0 at first; 0: there are no more --- */

struct wharf_message {
	const void	*value;
	size_t		 length;
	unsigned	 deliveries;	/* this one included */
	char		 token[WHARF_TOKEN_MAX + 1];
	unsigned	 reserved_[4];
};
int		 wharf_next_message(const struct wharf_answer *, size_t *place,
		    struct wharf_message *);

struct wharf_worker {
	char		 name[WHARF_WORKER_MAX + 1];
	int64_t		 seen;		/* seconds since 1970: its last get */
};
int		 wharf_next_worker(const struct wharf_answer *, size_t *place,
		    struct wharf_worker *);

struct wharf_queue_row {
	char		 name[WHARF_TABLE_MAX + 1];
	int		 topic;		/* 1, or 0: a queue */
	struct wharf_settings settings;
	uint64_t	 ready[WHARF_PRIORITIES];
	uint64_t	 delayed, unacked;
	uint64_t	 waiting;	/* requests */
	uint64_t	 first, last;	/* a topic's items: first + 1 to last */
	int64_t		 changed;	/* seconds since 1970: made; last pub */
	unsigned	 reserved_[8];
};
int		 wharf_next_queue(const struct wharf_answer *, size_t *place,
		    struct wharf_queue_row *);

/* --- short forms, synchronous --- */

enum wharf_status wharf_queue_put(struct wharf *, const char *queue,
		    const void *item, size_t length, int priority, int64_t ttl,
		    int64_t delay);
/* *put (may be NULL): how many are, also when it fails. */
enum wharf_status wharf_queue_mput(struct wharf *, const char *queue,
		    const struct wharf_bytes *items, unsigned n, int priority,
		    int64_t ttl, int64_t delay, unsigned *put);
/* worker may be NULL; flags: WHARF_AUTO. */
enum wharf_status wharf_queue_get(struct wharf *, const char *queue,
		    const char *worker, int64_t wait, unsigned flags,
		    struct wharf_answer *);
enum wharf_status wharf_queue_ack(struct wharf *, const char *queue,
		    const char *token);
enum wharf_status wharf_queue_nack(struct wharf *, const char *queue,
		    const char *token, int64_t delay);
/* *left (may be NULL): ms until it is delivered again. */
enum wharf_status wharf_queue_touch(struct wharf *, const char *queue,
		    const char *token, int64_t more, int64_t *left);
enum wharf_status wharf_queue_peek(struct wharf *, const char *queue,
		    int priority, uint64_t offset, struct wharf_answer *);
enum wharf_status wharf_queue_move(struct wharf *, const char *from,
		    const char *to, unsigned most, unsigned *moved);
enum wharf_status wharf_queue_set(struct wharf *, const char *queue,
		    const struct wharf_settings *, int create);
enum wharf_status wharf_queue_settings(struct wharf *, const char *queue,
		    struct wharf_settings *);
enum wharf_status wharf_queue_purge(struct wharf *, const char *queue,
		    int priority);
enum wharf_status wharf_queue_stat(struct wharf *, const char *name,
		    struct wharf_queue_row *);
/* All of the node, router by router, by name; see says 0: enough. */
enum wharf_status wharf_queue_stat_all(struct wharf *,
		    int (*see)(void *arg, const struct wharf_queue_row *),
		    void *arg);

/* index -1: behind the last; ttl 0: 15 minutes.  *at may be NULL. */
enum wharf_status wharf_pub(struct wharf *, const char *topic, const void *item,
		    size_t length, int64_t index, int64_t ttl, int64_t *at);
enum wharf_status wharf_sub(struct wharf *, const char *topic, int64_t index,
		    int64_t wait, struct wharf_answer *);

enum wharf_status wharf_task_ask(struct wharf *, const char *queue,
		    const void *task, size_t length, int64_t wait,
		    struct wharf_answer *);
enum wharf_status wharf_task_claim(struct wharf *, const char *queue,
		    int64_t wait, struct wharf_answer *);
enum wharf_status wharf_task_done(struct wharf *, const char *token,
		    const void *result, size_t length);
enum wharf_status wharf_task_back(struct wharf *, const char *token);

struct wharf_task_numbers {
	unsigned	 waiting;	/* tasks that nobody has taken */
	unsigned	 running;	/* somebody has */
	unsigned	 most;		/* of both */
	unsigned	 workers;	/* that wait for a task */
	unsigned	 workers_most;
	unsigned	 reserved_[3];
};
enum wharf_status wharf_task_counts(struct wharf *, struct wharf_task_numbers *);

#ifdef __cplusplus
}
#endif

#endif
