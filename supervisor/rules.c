/*
 * rules.c: brake, vigil and lending; see rules.h.  Pure.
 */
#include <stddef.h>
#include <string.h>

#include "supervisor/rules.h"

/* Puts a death into the ring; 1 when the ring's oldest is within the window. */
static int
brake_note(struct brake *b, int64_t now)
{
	int64_t	oldest = b->died[b->head];
	int	full = b->n == BRAKE_DEATHS;

	b->died[b->head] = now;
	b->head = (b->head + 1) % BRAKE_DEATHS;
	if (!full)
		b->n++;
	return full && now - oldest < BRAKE_WINDOW;
}

int64_t
brake_death(struct brake *b, mono_t now, enum death d)
{
	int	often, again;

	if (d == DEATH_ASKED)
		return 0;
	often = brake_note(b, now.us);
	if (d == DEATH_RECOVER) {
		again = b->recovered != 0 &&
		    now.us - b->recovered < BRAKE_WINDOW;
		b->recovered = now.us;
		if (!again && !often)
			return 0;
		d = DEATH_EARLY;
	}
	if (d == DEATH_LATE && !often) {
		b->pause = 0;
		return 0;
	}
	b->pause = b->pause == 0 ? BRAKE_FIRST : b->pause * 2;
	if (b->pause > BRAKE_MOST)
		b->pause = BRAKE_MOST;
	return b->pause;
}

void
brake_reset(struct brake *b)
{
	memset(b, 0, sizeof(*b));
}

const char *
vigil_verdict(const struct vigil *v, mono_t now)
{
	if (v->blocked.us != 0 && mono_diff(v->blocked, now) > VIGIL_CTL)
		return "takes no control messages";
	switch (v->state) {
	case CHILD_STARTING:
		if (mono_diff(v->moved, now) > VIGIL_PROGRESS)
			return "no progress while starting";
		break;
	case CHILD_READY:
		if (mono_diff(v->heard, now) - v->starved > VIGIL_BEAT)
			return "no heartbeat";
		break;
	case CHILD_STOPPING:
		if (v->deadline.us != 0 && mono_diff(v->deadline, now) > 0)
			return "did not stop in time";
		if (mono_diff(v->moved, now) > v->patience)
			return "no progress while stopping";
		break;
	case CHILD_DOWN:
		break;
	}
	return NULL;
}

void
vigil_grace(struct vigil *v, mono_t now, int64_t slept)
{
	v->heard = v->moved = now;
	v->starved = 0;
	if (v->blocked.us != 0)
		v->blocked = now;
	if (v->deadline.us != 0)
		v->deadline = mono_add(v->deadline, slept);
}

int
lend_choose(const struct lend_worker *w, unsigned n)
{
	unsigned	i;
	int		best = -1;

	for (i = 0; i < n; i++)
		if (w[i].ready && (best == -1 || w[i].lent < w[best].lent))
			best = (int)i;
	return best;
}
