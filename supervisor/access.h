/*
 * access.h: access.allow, the list of clients that may connect.
 *
 * A comma separated list of addresses (192.0.2.7, 2001:db8::7), networks
 * (192.0.2.0/24) and ranges (192.0.2.1-192.0.2.9), IPv4 and IPv6; blanks
 * around an entry are passed over.  Empty: everyone.  Any error refuses the
 * whole list, for half a list would let in, or keep out, whom nobody meant
 * (contract 6, W34).  IPv4 clients of an IPv6 socket (::ffff:a.b.c.d) match
 * IPv4 entries, and no IPv6 entry matches IPv4 clients.  Pure; no names are
 * looked up.
 */
#ifndef SUPERVISOR_ACCESS_H
#define SUPERVISOR_ACCESS_H

#include <stddef.h>
#include <sys/socket.h>

#define ACCESS_CHARS	8192u	/* of the list */
#define ACCESS_ENTRIES	1024u

struct access;

/* NULL with a message (about what entry). */
struct access	*access_new(const char *list, char *err, size_t errlen);
void		 access_free(struct access *);
/* 1 when the client at this address may connect. */
int		 access_allows(const struct access *, const struct sockaddr *);
/* How many ranges there are to look through; 0: everyone may. */
size_t		 access_count(const struct access *);

#endif
