/*
 * clock.h: monotonic time as a type of its own (seconds cannot be passed by
 * mistake), and the wall clock in milliseconds.
 */
#ifndef PROTO_CLOCK_H
#define PROTO_CLOCK_H

#include <stdint.h>
#include <time.h>

typedef struct {
	int64_t	us;		/* microseconds since some start */
} mono_t;

static inline mono_t
mono_now(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (mono_t){ (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 };
}

/* Microseconds from a to b. */
static inline int64_t
mono_diff(mono_t a, mono_t b)
{
	return b.us - a.us;
}

static inline mono_t
mono_add(mono_t a, int64_t us)
{
	return (mono_t){ a.us + us };
}

/* Milliseconds since 1970. */
static inline int64_t
wall_ms(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
