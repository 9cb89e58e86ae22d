/*
 * rules.h: what the supervisor decides about its children, as pure functions:
 * time is an argument and nothing is done here.
 */
#ifndef SUPERVISOR_RULES_H
#define SUPERVISOR_RULES_H

#include <stdint.h>

#include "proto/clock.h"

#define BRAKE_DEATHS	30		/* in BRAKE_WINDOW are too many */
#define BRAKE_WINDOW	10000000	/* usec */
#define BRAKE_FIRST	1000000		/* usec */
#define BRAKE_MOST	60000000	/* usec */

enum death {
	DEATH_EARLY,		/* before READY */
	DEATH_LATE,		/* after it */
	DEATH_RECOVER,		/* a store asks to be started anew */
	DEATH_ASKED		/* we told it to stop */
};

/* One for each seat; zero is its start. */
struct brake {
	int64_t		died[BRAKE_DEATHS];	/* usec, ring */
	unsigned	n, head;
	int64_t		recovered;		/* last DEATH_RECOVER, 0 none */
	int64_t		pause;			/* usec, the last one */
};

/* Notes a death; returns the usec to wait before the next birth. */
int64_t	 brake_death(struct brake *, mono_t now, enum death);
void	 brake_reset(struct brake *);

enum child_state { CHILD_DOWN, CHILD_STARTING, CHILD_READY, CHILD_STOPPING };

#define VIGIL_PROGRESS	60000000	/* usec without any before READY */
#define VIGIL_BEAT	4000000		/* usec without one after it, in which
					   it could have had a processor */
#define VIGIL_CTL	4000000		/* usec with fd 3 full */
#define VIGIL_TICK	500000		/* usec between two looks */
#define VIGIL_LATE	2000000		/* usec: then it was we who slept */

struct vigil {
	enum child_state	state;
	mono_t			heard;		/* last heartbeat */
	int64_t			starved;	/* usec since, waiting for a processor */
	mono_t			moved;		/* last PROGRESS with a new number */
	mono_t			blocked;	/* .us 0: fd 3 takes messages */
	mono_t			deadline;	/* STOPPING: .us 0: none */
	int64_t			patience;	/* STOPPING: usec without PROGRESS */
};

/* Why the child must be killed now, or NULL. */
const char *vigil_verdict(const struct vigil *, mono_t now);
/* The supervisor itself slept for so long: everybody gets that time again. */
void	 vigil_grace(struct vigil *, mono_t now, int64_t slept);

struct lend_worker {
	int		ready;
	unsigned	lent;		/* seats it already minds for others */
};

/* The READY worker with the fewest lent seats; -1: there is none. */
int	 lend_choose(const struct lend_worker *, unsigned n);

#endif
