/*
 * shard_clock.c: the hybrid logical clock behind the stamps of one shard.
 *
 * Invariants
 * 1 A stamp is greater than every stamp given before, also across restarts:
 *   it never exceeds a bound that the log holds durably, and a start begins
 *   after the last stamp (same boot) or after the bound (another boot).
 * 2 The bound is reserved at most CLOCK_AHEAD_MS ahead of the clock, and the
 *   clock itself is dragged towards the wall clock, so stamps never run away
 *   from real time by repeated restarts or a wall clock set back.
 */
#include "store/shard_impl.h"

void
clock_start(struct shard_clock *c, uint64_t least)
{
	c->read = mono_now();
	c->now_ms = wall_ms();
	c->frac_us = 0;
	if (c->now_ms < (int64_t)(least >> 16))
		c->now_ms = (int64_t)(least >> 16);
	c->last = least;
	c->asked = 0;
}

void
clock_turn(struct shard_clock *c)
{
	mono_t	now = mono_now();
	int64_t	wall = wall_ms();
	int64_t	gone = mono_diff(c->read, now);

	c->read = now;
	c->frac_us += wall >= c->now_ms ? gone : gone / 2;
	c->now_ms += c->frac_us / 1000;
	c->frac_us %= 1000;
	if (wall > c->now_ms) {
		c->now_ms = wall;
		c->frac_us = 0;
	}
}

static uint64_t
clock_peek(const struct shard_clock *c)
{
	uint64_t	t = (uint64_t)c->now_ms << 16;

	return t > c->last ? t : c->last + 1;
}

int
clock_may(const struct shard_clock *c, uint64_t bound)
{
	return clock_peek(c) <= bound;
}

uint64_t
clock_next(struct shard_clock *c)
{
	return c->last = clock_peek(c);
}

void
clock_take(struct shard_clock *c, uint64_t hlc)
{
	if (hlc <= c->last)
		return;
	c->last = hlc;
	if (c->now_ms < (int64_t)(hlc >> 16)) {
		c->now_ms = (int64_t)(hlc >> 16);
		c->frac_us = 0;
	}
}

uint64_t
clock_want(const struct shard_clock *c)
{
	uint64_t	renew = (uint64_t)(c->now_ms + CLOCK_RENEW_MS) << 16;

	if (c->asked > renew)
		return 0;
	return (uint64_t)(c->now_ms + CLOCK_AHEAD_MS) << 16;
}
