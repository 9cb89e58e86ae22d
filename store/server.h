/*
 * server.h: what every process that serves one shard is made of, be it a store
 * or a router: the actor, the shard, the answers that wait for the log, the
 * front desk, and the watchers that drive them.  A failed write or sync makes
 * it read-only; when the disk works again the process exits to recover.
 *
 * The owner's state begins with a struct server; the self of the actor is that
 * state.  What the owner does beside is in the hooks.
 *
 * Bounds: ANSWERS_MAX answers held, SERVER_OUT_HIGH bytes of answers per link;
 * beyond either the link is not read.
 */
#ifndef STORE_SERVER_H
#define STORE_SERVER_H

#include "proto/clock.h"
#include "store/shard.h"
#include "store/store_answer.h"
#include "supervisor/actor.h"

#define SERVER_OUT_HIGH	(8u << 20)	/* bytes */
#define SERVER_TEXT	96u		/* of a text that says why, with its NUL */

struct server;

/* Those that are NULL do nothing. */
struct server_hooks {
	void		(*tick)(struct server *);	/* twice a second */
	/* The log or the helper had results, and answers have been released. */
	void		(*released)(struct server *);
	void		(*failed)(struct server *);	/* read-only from now on */
	/* After the mailbox took messages, before their batch goes to the log. */
	void		(*turn)(struct server *);
	void		(*stop)(struct server *);	/* a stop begins */
	/* At a stop: 1 while there is more to finish than answers held. */
	int		(*waits)(struct server *);
	void		(*reload)(struct server *);
	void		(*link_up)(struct server *, struct link *);
	void		(*link_down)(struct server *, struct link *);
	/*
	 * Before an answer that is not E_OK: returns what is said instead, and
	 * may have the frame's value point to a text.
	 */
	enum err	(*refuse)(struct server *, const struct msg *,
			    enum err, struct frame *, char text[SERVER_TEXT]);
	/* ACCEPT; NULL: server_accept. */
	void		(*accept)(struct server *);
};

struct server {
	struct actor	 actor;
	struct shard	*shard;
	const struct server_hooks *hooks;
	struct actor_hooks actor_hooks;
	unsigned	 shards;	/* of its kind in the node */
	mono_t		 now;		/* of this turn */
	int64_t		 wall;		/* ms, likewise */
	struct ev_async	 woken;
	struct ev_check	 turn;
	struct ev_prepare sleep;
	struct ev_timer	 tick, work, probe, stop;
	struct answers	*answers;
	struct server_orders *orders;	/* server_orders.h */
	int		 choked;	/* a link's answers pile up */
	int		 clean;		/* the shard was stopped in order */
	int		 fresh;		/* there was none */
	int		 stopping;
	int		 over;		/* the loop has ended: the mailbox closes */
	mono_t		 stop_late;	/* then it goes, whatever waits */
	unsigned	 ticks;
	uint64_t	 batches;	/* of the log, already timed */
	struct server_backup *backup;	/* server_backup.h */
	mono_t		 full;		/* last seen without space; .us 0: told over */
};

/* actor_init; fatal on failure. */
void		 server_init(struct server *, int argc, char **argv,
		    const char *name, unsigned role, const struct handler *,
		    const struct server_hooks *);
/*
 * Opens the shard <node.data>/<name>.<seat>, one of so many; fatal, or exits
 * when it is refused.
 */
void		 server_open(struct server *, unsigned shards);
/* Opens the front desk, says READY, runs; returns the exit code. */
int		 server_run(struct server *);
/* Closes the shard and the actor; frees what server_init made. */
void		 server_close(struct server *, int code);

/*
 * Before a handler does anything: E_OK; E_EXPIRED too late; E_AGAIN the link's
 * answers pile up, or too many wait for the log; E_NOTREADY stopping.
 */
enum err	 server_may(struct server *, const struct msg *);
/* The same for messages whose answers never wait for the log. */
enum err	 server_may_now(struct server *, const struct msg *);
/* Room for one more answer that waits for the log. */
int		 server_can_hold(struct server *);
/*
 * Answers m now or, when it depends on a record that is not released yet,
 * then.  r: version, flags, ttl, table, key, value; copied when it must wait.
 * Returns E_PENDING, for the dispatcher.
 */
enum err	 server_answer(struct server *, const struct msg *,
		    enum err status, const struct frame *r, uint64_t lsn,
		    int write);
/* Contract 1.1, names of tables and queues: 1..64 of 0-9 A-Z a-z _ : . */
int		 server_name_valid(const uint8_t *, size_t);
/*
 * What is missing in slots in quarantine is taken for gone (wharfctl damage
 * accept); logged, also when it cannot be.
 */
void		 server_accept(struct server *);
/* Has the messages that links kept (E_AGAIN) shown again in the next turn. */
void		 server_again(struct server *);

#endif
