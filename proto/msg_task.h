/*
 * msg_task.h: exports as tasks (STORE_EXPORT, STORE_TASK; doc/protocol.7): one
 * token for all stores that have a part, and what their states come to.
 */
#ifndef PROTO_MSG_TASK_H
#define PROTO_MSG_TASK_H

#include <stdint.h>

#include "proto/msg_list.h"

/* As task_status says them. */
enum task_state { TASK_WAITS, TASK_RUNS, TASK_DONE, TASK_UNKNOWN, TASK_STATES };

/*
 * A token of this time (microseconds since 1970): it has room for 64 who make
 * some, and for TASK_EVERYWHERE.
 */
#define TASK_TOKENS	128		/* of one microsecond */
static inline int64_t
task_token(int64_t us, unsigned who)
{
	return us * TASK_TOKENS + (int64_t)(who % 64) * 2;
}

/*
 * said: in each state, how many of the stores that were asked.  The part that
 * is least far says how far the whole is.
 */
static inline enum task_state
task_state_of(const unsigned said[TASK_STATES], int64_t token)
{
	if ((token & TASK_EVERYWHERE) != 0 && said[TASK_UNKNOWN] != 0)
		return TASK_UNKNOWN;	/* one has failed, or died */
	if (said[TASK_RUNS] != 0)
		return TASK_RUNS;
	if (said[TASK_WAITS] != 0)
		return said[TASK_DONE] != 0 ? TASK_RUNS : TASK_WAITS;
	return said[TASK_DONE] != 0 ? TASK_DONE : TASK_UNKNOWN;
}

#endif
