/*
 * netstring.h: D. J. Bernstein, "Netstrings", 1997: "3:abc,".  Pure; the bytes
 * are a stranger's.
 */
#ifndef WORKER_NETSTRING_H
#define WORKER_NETSTRING_H

#include <stddef.h>
#include <stdint.h>

#define NETSTRING_DIGITS	9u	/* of a length, at most */

/*
 * The next of the netstrings in *left bytes at *p, both of which pass over it;
 * *text is borrowed.  0: there is none, or it is malformed (a length with a
 * leading zero is), and nothing is changed.
 */
int	 netstring_next(const uint8_t **p, size_t *left, const uint8_t **text,
	    uint32_t *len);

#endif
