/*
 * helper.h: one thread that does a store's slow file work in order: zeroing
 * spare log segments, syncing data files, writing MANIFEST.
 *
 * helper_run may be called from any thread; done callbacks run where
 * helper_poll is called (the loop).  notify is called on the helper's thread
 * when something is to be polled.
 */
#ifndef STORE_HELPER_H
#define STORE_HELPER_H

#include "proto/err.h"

struct helper;

struct job {
	enum err	 (*work)(struct job *);		/* on the helper's thread */
	void		 (*done)(struct job *, enum err); /* on the loop; may free it */
	void		 *arg;
	struct job	 *next_;		/* the helper's own, as is result_ */
	enum err	  result_;
};

struct helper	*helper_new(void (*notify)(void *), void *arg);
void		 helper_run(struct helper *, struct job *);
void		 helper_poll(struct helper *);
/*
 * Finishes what is queued, ends the thread, polls a last time.  A job that a
 * done callback queues then is not run.
 */
void		 helper_free(struct helper *);

#endif
