/*
 * actor.h: the child's half of the contract with wharfd, a library that every
 * actor links, and the only message dispatcher.
 *
 * Born with: argv "wharf-store --seat=N --incarnation=M --place=P --node=HEX",
 * fd 3 control socket, fd 4 board, fd 5 configuration, fd 6 own bell (eventfd),
 * fd 7 the lock that says to a later wharfd that this child still lives (kept
 * open, never used), fd 8 the catalogue of tables, fd 9 the users (users.h),
 * fd 10 known logins (known.h), fd 11 the TLS pair (tls.h); stderr as wharfd's.  A child whose fd 3 reads
 * end of file has lost its supervisor: it stops in order and exits.
 */
#ifndef SUPERVISOR_ACTOR_H
#define SUPERVISOR_ACTOR_H

#include <stdint.h>
#include <ev.h>

#include "proto/mailbox.h"
#include "proto/msg.h"
#include "supervisor/board.h"
#include "supervisor/catalogue.h"
#include "supervisor/conf.h"

#define ACTOR_FD_CTL	3
#define ACTOR_FD_BOARD	4
#define ACTOR_FD_CONF	5
#define ACTOR_FD_BELL	6
#define ACTOR_FD_LOCK	7
#define ACTOR_FD_CATALOGUE 8
#define ACTOR_FD_USERS	9	/* workers only, as the next two */
#define ACTOR_FD_KNOWN	10
#define ACTOR_FD_TLS	11
#define ACTOR_FD_LAST	ACTOR_FD_TLS

#define ACTOR_BATCH	256		/* messages from one link per turn */

/* Exit codes that wharfd understands; anything else is a crash. */
#define ACTOR_EXIT_OK		0	/* stopped in order */
#define ACTOR_EXIT_ENV		1	/* fatal(): the environment; the brake applies */
#define ACTOR_EXIT_RECOVER	3	/* a store that wants to recover its log */
#define ACTOR_EXIT_REFUSED	4	/* data of another node, version, count, in use:
					   restarting will not help, wharfd stops */

struct actor;

struct handler {
	enum err	(*fn)(struct actor *, const struct msg *);
	unsigned	 from;
};

/* What the actor itself does at control messages; NULL: nothing. */
struct actor_hooks {
	/*
	 * Must end in actor_exit; may come twice, the second time in a hurry.
	 * While it takes long, actor_progress keeps wharfd patient.
	 */
	void	(*stop)(struct actor *, int hurry);
	void	(*reload)(struct actor *);		/* a->conf is new */
	/* Before reload: a memfd for users_from_fd, which stays wharfd's. */
	void	(*users)(struct actor *, int fd);
	void	(*tls)(struct actor *, int fd);	/* the same for tls_from_fd */
	void	(*link_up)(struct actor *, struct link *);
	void	(*link_down)(struct actor *, struct link *);	/* was up */
	void	(*turn)(struct actor *);		/* mailbox_hooks.turn */
	int	(*expects)(struct actor *);	/* mailbox_hooks.expects */
	/* LISTEN and UNLISTEN (workers); kind: LISTEN_ bits; owns fd. */
	void	(*listen)(struct actor *, uint64_t id, int kind, int lent,
		    int fd);
	void	(*unlisten)(struct actor *, uint64_t id);
	/*
	 * CHECK, COMPACT, BACKUP: answered with FOUND, DONE, BACKED by
	 * actor_tell.
	 */
	enum err (*order)(struct actor *, const struct msg *);
};

struct actor {
	const char		*name;		/* "store" */
	unsigned		 role;		/* FROM_STORE */
	unsigned		 seat;
	uint32_t		 inc;
	uint64_t		 node;		/* node id */
	struct ev_loop		*loop;
	struct conf		*conf;
	struct board		*board;
	struct board_actor	*my;		/* own place */
	struct catalogue	*catalogue;	/* NULL: not a store */
	struct mailbox		*mailbox;
	const struct handler	*table;		/* MSG_MAX rows */
	const struct actor_hooks *hooks;
	void			*self;		/* the actor's own state */
	struct actor_priv	*priv;
};

/*
 * Parses argv, maps what was handed down, opens the log, makes loop and
 * mailbox, starts the PROGRESS helper thread and the heartbeat timer.  fatal
 * on failure.  table and hooks must stay.
 */
void	 actor_init(struct actor *, int argc, char **argv, const char *name,
	    unsigned role, const struct handler *table,
	    const struct actor_hooks *, void *self);
/* Work is going on (before READY, after STOP): any thread, cheap. */
void	 actor_progress(struct actor *);
/* Says READY: heartbeats now, links may come. */
void	 actor_ready(struct actor *);
/* Runs the loop; returns the code given to actor_exit. */
int	 actor_run(struct actor *);
void	 actor_exit(struct actor *, int code);
void	 actor_free(struct actor *);

/* Sends wharfd a message at once; E_AGAIN: it does not read now. */
enum err actor_tell(struct actor *, const struct frame *);

/*
 * The only dispatcher: table row, sender, handler.  A handler's status other
 * than E_OK, E_PENDING and E_AGAIN is sent back as the answer (requests on a
 * link) and counted in BC_REQUESTS and BC_ERRORS or BC_REFUSED; answers that
 * a handler sends itself it counts itself.
 */
enum err actor_dispatch(struct actor *, const struct msg *);

#endif
