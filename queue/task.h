/*
 * task.h: tasks (contract 5, do_get and do_post): a client asks and waits, a
 * worker claims the oldest task and brings the result, which goes to exactly
 * the client that asked.  Nothing is stored; all ends with the process.
 *
 * A task taken by a worker keeps its bytes, so that it can be put back.
 */
#ifndef QUEUE_TASK_H
#define QUEUE_TASK_H

#include "queue/queue.h"

#define TASK_TOKEN	32u		/* hexadecimal digits: 128 random bits */

struct tasks;

struct task_conf {
	uint32_t	 asks;		/* tasks at a time, claimed ones too */
	uint32_t	 claims;	/* workers waiting at a time */
	size_t		 bytes;		/* of all tasks' bodies */
	void		(*random)(void *, void *, size_t);
	void		*arg;
};

/* A client; embedded in what the caller keeps. */
struct task_ask {
	/*
	 * The last call: E_OK and the result (borrowed), E_WAITED.  Not after
	 * task_ask_cancel.
	 */
	void		(*done)(struct task_ask *, enum err,
			    struct queue_str result);
	int64_t		 wait;		/* us, begins again when it is claimed */
	struct task	*task_;
};

/* A worker that wants a task. */
struct task_claim {
	/* E_OK: queue, token (NUL-terminated), task, all borrowed; E_WAITED. */
	void		(*done)(struct task_claim *, enum err,
			    struct queue_str queue, const char *token,
			    struct queue_str task);
	int64_t		 wait;		/* us; 0: answer at once */
	/* Ours while it waits. */
	struct parked	 parked_;
	struct queue_str queue_;
	uint8_t		 name_[QUEUE_NAME_MAX];
};

struct tasks	*tasks_new(const struct task_conf *);
void		 tasks_free(struct tasks *);	/* nobody waits */
void		 tasks_stop(struct tasks *);	/* done(E_NOTREADY) for all */

/* Copies. done only with E_OK. E_FULL too many, E_NOMEM too many bytes. */
enum err	 task_ask(struct tasks *, struct queue_str queue,
		    struct queue_str task, struct task_ask *, mono_t now);
void		 task_ask_cancel(struct tasks *, struct task_ask *);
/* queue: n 0, any.  done only with E_OK; E_FULL. */
enum err	 task_claim(struct tasks *, struct queue_str queue,
		    struct task_claim *, mono_t now);
void		 task_claim_cancel(struct tasks *, struct task_claim *);
/* E_NOTFOUND: no such token, or nobody waits for it any more. */
enum err	 task_done(struct tasks *, struct queue_str token,
		    struct queue_str result);
/* The claim's answer did not reach the worker: it waits again, the oldest. */
enum err	 task_back(struct tasks *, struct queue_str token, mono_t now);

void		 tasks_work(struct tasks *, mono_t now);
int64_t		 tasks_next(const struct tasks *, mono_t now);	/* us, -1 never */

struct task_stat {
	uint32_t	 unassigned, assigned, asks;	/* asks: the most */
	uint32_t	 waiting, claims;
	size_t		 bytes;
};
void		 tasks_stat(const struct tasks *, struct task_stat *);

#endif
