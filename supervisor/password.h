/*
 * password.h: passwords and their hashes, by libsodium (Argon2id): slow and
 * hungry for memory on purpose.  One verification takes the time and memory
 * that the hash states, at most USER_HASH_KIB.
 */
#ifndef SUPERVISOR_PASSWORD_H
#define SUPERVISOR_PASSWORD_H

#include <stddef.h>

#include "supervisor/users.h"

#define PASSWORD_MOST	1024u		/* bytes */

/* Once before anything else; 0, or -1: no libsodium to be had. */
int	 password_init(void);
/* 0, or -1: no memory. */
int	 password_hash(char out[USER_HASH], const char *password, size_t len);
/* 1 when the password is the one, 0 when not; -1: no memory to tell. */
int	 password_good(const char *hash, const char *password, size_t len);
/* A hash that no password fits, as dear as what password_hash makes. */
const char *password_nobody(void);

#endif
