/*
 * mailbox_rig.h: two processes with a link between them, for test_mailbox.
 *
 * The test process is the worker.  The store is this program again, executed
 * (never just forked: nng would abort) with its descriptors at fixed places.
 */
#ifndef TESTS_MAILBOX_RIG_H
#define TESTS_MAILBOX_RIG_H

#include <ev.h>

#include "proto/mailbox.h"

#define LINK_ID		77u
#define WORKER_INC	11u
#define STORE_INC	22u
#define RING		(2u << 20)
#define BIG		(5u << 20)

/* Descriptors of the executed side. */
enum { FD_LANE = 10, FD_OWN_BELL = 11, FD_PEER_BELL = 12 };

struct rig {
	char		 dir[64];
	char		 path[LINK_PATH_MAX];
	pid_t		 pid;			/* of the store */
	struct ev_loop	*loop;
	struct mailbox	*mb;
	struct link	*link;			/* while up */
	int		 memfd;			/* kept, to scribble on */
	int		 ups, downs, broken;
	char		 why[64];
	unsigned	 rejected;
	uint64_t	 next_id;		/* answer awaited next */
	int		 answers;
	unsigned	 disorder;
	struct frame	 last;			/* the last answer, no bytes */
	uint8_t		*value;			/* a copy of its value */
	int		 small;			/* set before: little assembly_max */
	uint32_t	 inc;			/* set before rig_mailbox: not WORKER_INC */
	int		 bench;			/* keep this many in flight */
	ev_timer	 limit;
	int		 late;
};

/* The other program: argv is { self, "side", DIR, "link" or "desk", "0" or "1" }. */
int	 side_main(char **argv);

/* Both sides of one link; out_max is the worker's. */
void	 rig_begin(struct rig *, int lanes, size_t out_max);
void	 rig_end(struct rig *);
/* The parts of rig_begin. */
void	 rig_dir(struct rig *);
pid_t	 rig_spawn(struct rig *, const char *mode, int lanes, const int fds[3]);
void	 rig_mailbox(struct rig *, int bell, int lanes, size_t out_max);
void	 rig_offer(struct rig *, pid_t, int lanefd, int bell);

enum err rig_ask(struct rig *, uint16_t msg, uint64_t id, const char *key,
	    const void *val, size_t vallen);
/* Turns the loop until *what reaches n; 0 when that takes too long. */
int	 rig_until(struct rig *, const volatile int *what, int n, double seconds);
int	 rig_answers(struct rig *, int n, double seconds);
/* n bytes that differ; to be freed. */
uint8_t	*pattern(size_t n);
/* Prints round trips per second. */
void	 rig_bench(double seconds);

#endif
