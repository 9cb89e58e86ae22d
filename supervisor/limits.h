/*
 * limits.h: the storage limits of contract 1.10: bytes of data, memory of the
 * node's processes, memory of the machine.  wharfd looks every LIMITS_EVERY
 * and writes what it found into its own place of the board; a store reads it
 * there before a write that grows, so all stores agree, a restarted one knows
 * at once, and nothing is sent.
 *
 * What is counted, all in bytes:
 *   disk     capacity of all keys and hash fields, as stat has it: key and
 *	      value, each record rounded up to 1024; and the bytes of live
 *	      records in the routers' data files, as they are; over from the
 *	      limit on
 *   process  RssAnon + RssShmem of wharfd and all its children, a shared page
 *	      once for each of them; over beyond the limit, percent of MemTotal
 *   system   MemTotal - MemAvailable; over beyond the limit, percent of
 *	      MemTotal
 */
#ifndef SUPERVISOR_LIMITS_H
#define SUPERVISOR_LIMITS_H

#include <stdint.h>

#include "proto/err.h"
#include "supervisor/board.h"
#include "supervisor/catalogue.h"
#include "supervisor/conf.h"

#define LIMITS_EVERY	5000000		/* usec */

enum limit { LIMIT_DISK, LIMIT_PROCESS, LIMIT_SYSTEM, LIMIT_MAX_ };

struct limits_use {
	int64_t	used[LIMIT_MAX_];	/* bytes; -1: not known, or out of date */
	int64_t	memory;			/* MemTotal, bytes; 0: not known */
};

/* One limit as the board has it, bytes. */
struct limits_row {
	const char	*name;		/* "disk": what follows "limits." */
	int64_t		 used, most;	/* most 0: there is no limit */
	int		 over;
};

/*
 * wharfd: what is used now.  memory, available: MemTotal and MemAvailable,
 * bytes; 0 when they are not known, and then memory has no limits.  The disk's
 * is -1 until every store and router has said what it holds; processes as they
 * were sampled last.
 */
void	 limits_look(struct limits_use *, struct board *,
	    const struct catalogue *, int64_t memory, int64_t available);
/*
 * wharfd: holds it against the configuration, writes it into its place, logs
 * what changed.  For what is not known stands what was found last.
 */
void	 limits_judge(struct board_actor *node, const struct conf *,
	    const struct limits_use *);
/* Anybody; node: place 0.  E_OK, or the E_LIMIT_* that stands first. */
enum err limits_over(const struct board_actor *node);
void	 limits_row(const struct board_actor *node, enum limit,
	    struct limits_row *);

#endif
