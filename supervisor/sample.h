/*
 * sample.h: what wharfd looks up about its processes every few seconds:
 * memory and descriptors from /proc, and how fast requests come.  It is put
 * on the board, so that /metrics costs its reader no look at /proc.
 */
#ifndef SUPERVISOR_SAMPLE_H
#define SUPERVISOR_SAMPLE_H

#include <sys/types.h>
#include <stdint.h>

#include "proto/clock.h"

struct board_actor;

struct sample_usage {
	int64_t	anon, file, shmem;	/* resident bytes */
	int64_t	fds;
};

/* Where the rate of a seat is counted from. */
struct sample_rate {
	uint32_t	inc;
	int64_t		requests;
	mono_t		at;
	double		per_s;		/* between the last two samples */
};

/* What is not known, or nobody's (pid 0), is 0. */
void	sample_read(pid_t, struct sample_usage *);
/*
 * Usec that its first thread was ready to run and waited for a processor so far
 * (/proc/PID/schedstat, Linux's sched-stats.rst); 0: not known.
 */
int64_t	sample_starved(pid_t);
/* Of the machine: MemTotal and MemAvailable in bytes; both 0: not known. */
void	sample_machine(int64_t *memory, int64_t *available);
/* Reads it and puts it on the board. */
void	sample_take(pid_t, struct board_actor *);
/* inc, born: of the process that counts its requests on the board. */
void	sample_rate(struct sample_rate *, const struct board_actor *,
	    uint32_t inc, mono_t born, mono_t now);

#endif
