/*
 * child.h: one seat of an actor and the process that sits on it: birth, the
 * supervisor's end of fd 3, vigil, death.  What follows from these is decided
 * by the owner, through hooks.
 */
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include <sys/types.h>
#include <stdint.h>
#include <ev.h>

#include "proto/frame.h"
#include "proto/msg.h"
#include "supervisor/board.h"
#include "supervisor/log.h"
#include "supervisor/rules.h"
#include "supervisor/sample.h"

struct child;

struct child_hooks {
	void	(*ready)(struct child *);
	void	(*broken)(struct child *, uint64_t link);
	void	(*leaves)(struct child *);	/* stops by its own wish */
	void	(*backed)(struct child *, const struct msg *);	/* or NULL */
	void	(*told)(struct child *, const struct msg *);	/* the same */
	/* Called once the process is gone; status as of waitpid. */
	void	(*gone)(struct child *, int status);
};

/* What all children have in common. */
struct child_env {
	struct ev_loop			*loop;
	const struct child_hooks	*hooks;
	void				*arg;
	const char			*dir;		/* of the actors */
	uint64_t			 node;
	int				 board_fd, conf_fd, lock_fd,
					 catalogue_fd, users_fd, known_fd,
					 tls_fd;
	uint32_t			 next_inc;	/* never 0 */
};

struct child_out;

struct child {
	struct child_env	*env;
	const char		*role;		/* "store" */
	unsigned		 from;		/* FROM_STORE */
	unsigned		 seat, place;
	char			 name[24];	/* "store.0" */
	struct board_actor	*board;

	pid_t			 pid;		/* 0: none */
	uint32_t		 inc;
	int			 ctl, bell;	/* -1: none */
	struct vigil		 v;		/* v.state is the state */
	int64_t			 waited;	/* sample_starved at v.heard */
	mono_t			 born, ready_at;
	int			 was_ready;
	int			 asked;		/* its death is our wish */
	int64_t			 progress;
	const char		*killed;	/* why we did, or NULL */
	const char		*leaves;	/* why it goes by itself */
	char			 obituary[160];	/* of the last one; "" none */
	mono_t			 died;
	struct sample_rate	 rate;

	unsigned		 births;
	struct brake		 brake;
	mono_t			 braked_until;	/* .us 0: not braked */
	ev_timer		 again;

	struct child_out	*out;		/* messages that wait */
	unsigned		 nout;
	ev_io			 in_io, out_io;
	ev_child		 death;
	struct log_limit	 bad;
};

/* Some children in a row. */
struct child_set {
	struct child	*c;
	unsigned	 n;
};

void	 child_init(struct child *, struct child_env *, const char *role,
	    unsigned from, unsigned seat, unsigned place,
	    struct board_actor *);
void	 child_free(struct child *);
/* Births now; a failure counts as a death before READY. */
void	 child_start(struct child *);
/* Births after so many usec. */
void	 child_start_later(struct child *, int64_t us);
/*
 * Sends a message; descriptors are copied if it must wait.  A child that
 * takes no messages is killed, so there is no result to act on.
 */
void	 child_send(struct child *, const struct frame *, const int *fds,
	    int nfds);
/*
 * STOP; a child that is not READY is killed.  limit: usec until it is killed
 * in any case (0: as long as PROGRESS comes within patience).
 */
void	 child_stop(struct child *, int hurry, int64_t limit, int64_t patience);
void	 child_kill(struct child *, const char *why);
/* Every VIGIL_TICK: kills it when it is overdue, and sends what waits. */
void	 child_look(struct child *, mono_t now);
const char *child_state_name(const struct child *);

#endif
