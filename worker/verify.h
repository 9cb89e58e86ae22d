/*
 * verify.h: a thread that checks one password at a time, so that a worker
 * spends the memory of one (USER_HASH_KIB) and its loop goes on.
 */
#ifndef WORKER_VERIFY_H
#define WORKER_VERIFY_H

#include <stddef.h>
#include <ev.h>

struct verify;

/*
 * done is called on the loop, once for each verify_start; good is what
 * password_good says.  NULL: no memory.
 */
struct verify	*verify_new(struct ev_loop *, void (*done)(void *, int good),
		    void *arg);
/* Waits for the password at hand; done is not called any more. */
void		 verify_free(struct verify *);
int		 verify_busy(const struct verify *);
/*
 * Not while busy; copies both.  -1 when the thread, which begins with the
 * first password, cannot be had.
 */
int		 verify_start(struct verify *, const char *hash,
		    const char *password, size_t len);

#endif
