/*
 * nng_stall.h: brings nng into the state in which a peer's death may leave it.
 */
#ifndef TESTS_NNG_STALL_H
#define TESTS_NNG_STALL_H

/* path: of a socket that it may make and remove.  0: it could not be done. */
int	 nng_stall(const char *path);

#endif
