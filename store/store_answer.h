/*
 * store_answer.h: the answers of a process that serves a shard, at once or,
 * when they depend on a record that the log has not released yet, then: a ring
 * in the order of the log.  One struct answers per process.
 *
 * Bounds: from ANSWERS_MAX on nobody may ask who might have to wait, but who
 * has asked before (and was kept for something to come) is answered still.  The
 * ring begins small, doubles, and never shrinks.
 */
#ifndef STORE_STORE_ANSWER_H
#define STORE_STORE_ANSWER_H

#include "supervisor/actor.h"

#define ANSWERS_MAX	65536u

struct answers;

/* NULL: no memory. */
struct answers	*answers_new(struct actor *);
/* Forgets what waits; the links are gone. */
void		 answers_free(struct answers *);
/* From log.slow on it goes into the slow log; usec. */
void		 answers_set_slow(struct answers *, int64_t us);

/*
 * Answers m, which came at that time: at once if lsn is not beyond released,
 * else held.  Without memory it is answered at once, E_NOMEM or E_UNSURE.  r: all that the answer has; its table, key and
 * value are copied when it must wait.
 */
void		 answers_give(struct answers *, const struct msg *m,
		    mono_t came, enum err status, const struct frame *r,
		    uint64_t lsn, uint64_t released, int write);

/* Room for one more that waits. */
int		 answers_room(struct answers *);
unsigned	 answers_count(const struct answers *);
uint64_t	 answers_bytes(const struct answers *);	/* of their values */
void		 answers_gauges(const struct answers *);

/* Sends, in order, those up to this LSN. */
void		 answers_release(struct answers *, uint64_t lsn);
/*
 * The log or a data file failed: what waits may or may not be on the disk.
 * Writes are told so, reads are told to come again.
 */
void		 answers_fail(struct answers *);

#endif
