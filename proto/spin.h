/*
 * spin.h: when a loop polls its lanes instead of sleeping.
 *
 * Where a core goes to rest as soon as it is idle, to be woken takes longer
 * than the answer that was waited for.  So after a message a loop polls for a
 * while, but only
 * 1 when the last messages came one at a time and shortly after each other,
 *   the time of a few wake-ups allowed for, which polling saves: with several
 *   in flight nobody waits for a wake-up;
 * 2 while nobody else wants the core: a poll that took much longer than a
 *   poll takes was interrupted by another process, which is then left alone
 *   for a pause that doubles as long as this goes on.
 * Polling that ends before the next message is not in vain: a core that
 * went to rest later is awake sooner, and so is everybody on the way.
 *
 * Pure: time is an argument, and nothing is asked of the clock when us is 0.
 */
#ifndef PROTO_SPIN_H
#define PROTO_SPIN_H

#include "proto/clock.h"

struct spin {
	unsigned	us;		/* poll for so long; 0 never */
	unsigned	alone;		/* messages in a row as in 1 */
	unsigned	calm;		/* polls in a row without interruption */
	int64_t		pause;		/* usec, of 2 */
	mono_t		rest;		/* no polling before */
	mono_t		busy;		/* a message came or went */
	mono_t		slept;		/* asleep since; 0 awake */
	mono_t		polled;		/* this poll began; 0 none did */
};

void	spin_init(struct spin *, unsigned us);
/* The loop was in the kernel and is back. */
void	spin_back(struct spin *, mono_t now);
/* The lanes were looked at: taken messages came in, some went out or not. */
void	spin_looked(struct spin *, unsigned taken, int sent, mono_t now);
/* Nothing is left to do: 1 poll once more, 0 go to sleep. */
int	spin_again(struct spin *, mono_t now);

#endif
