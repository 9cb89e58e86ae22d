/*
 * spin.c: see spin.h.
 */
#include <string.h>

#include "proto/spin.h"

#define ALONE		8u		/* messages before polling begins */
/* Wake-ups of a round trip: 30 to 50 us each on a virtual machine at rest. */
#define WAKES		200	/* usec; a sleep of us more was a short one */
#define POLL_MOST	150		/* usec that one poll may take */
#define PAUSE_LEAST	2000		/* usec */
#define PAUSE_MOST	500000		/* usec */
#define CALM		10000u		/* polls after which pauses are short again */

void
spin_init(struct spin *s, unsigned us)
{
	memset(s, 0, sizeof(*s));
	s->us = us;
	s->pause = PAUSE_LEAST;
}

void
spin_back(struct spin *s, mono_t now)
{
	int64_t	took;

	if (s->polled.us == 0)
		return;
	took = mono_diff(s->polled, now);
	s->polled.us = 0;
	if (took <= POLL_MOST) {
		if (++s->calm == CALM)
			s->pause = PAUSE_LEAST;
		return;
	}
	s->rest = mono_add(now, s->pause);
	s->calm = s->alone = 0;
	if ((s->pause *= 2) > PAUSE_MOST)
		s->pause = PAUSE_MOST;
}

void
spin_looked(struct spin *s, unsigned taken, int sent, mono_t now)
{
	if (taken == 0 && !sent)
		return;
	if (taken > 1 || (s->slept.us != 0 &&
	    mono_diff(s->slept, now) >= s->us + WAKES))
		s->alone = 0;
	else if (taken == 1 && s->alone < ALONE)
		s->alone++;
	s->slept.us = 0;
	s->busy = now;
}

int
spin_again(struct spin *s, mono_t now)
{
	if (s->alone == ALONE && mono_diff(s->busy, now) < s->us &&
	    mono_diff(s->rest, now) >= 0) {
		s->polled = now;
		return 1;
	}
	if (s->slept.us == 0)
		s->slept = now;
	return 0;
}
