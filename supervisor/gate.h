/*
 * gate.h: what programs of this host may ask by nng (architecture 3): the user
 * id of a client's process, which the kernel vouches for, has a role, and each
 * message needs one.
 *
 * nng.roles is a comma separated list of user:role; a user is a name of this
 * host, a number, or * for all who are not named.  Root and the user of wharfd
 * are admins.  Without auth.file and nng.roles everybody is: then the modes of
 * the sockets decide alone.
 */
#ifndef SUPERVISOR_GATE_H
#define SUPERVISOR_GATE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/users.h"

#define GATE_ENTRIES	256u

struct conf;
struct gate;

/* NULL with a message; any error refuses the whole list. */
struct gate	*gate_new(const struct conf *, char *err, size_t errlen);
void		 gate_free(struct gate *);
/*
 * Whether a client of this user may send it.  What admins do is on record in
 * the log.
 */
int		 gate_allows(const struct gate *, uid_t, uint16_t msg);
/* ROLE_NONE: may ask nothing. */
enum role	 gate_role(const struct gate *, uid_t);
/* What a message needs; ROLE_ADMIN for one that is not in the table. */
enum role	 gate_need(uint16_t msg);
/* Whether the message's row in that table exists; for its test. */
int		 gate_knows(uint16_t msg);

#endif
