/*
 * known.h: logins that were verified, told from each worker to all: one table
 * in shared memory that wharfd makes, and that outlives every worker.
 *
 * A login is a tag of 16 bytes that a worker makes of the user's name,
 * password and line in auth.file, keyed with known_secret: nobody learns or
 * forges a login from the table, and a user whose line was changed or removed
 * has tags that nobody asks for any more.  A full row of the table forgets
 * one of its tags.  All calls take the same time, whatever is in the table.
 */
#ifndef SUPERVISOR_KNOWN_H
#define SUPERVISOR_KNOWN_H

#include <stdint.h>

#define KNOWN_ROWS	1024u
#define KNOWN_WAYS	4u
#define KNOWN_TAG	16u	/* bytes */
#define KNOWN_SECRET	32u	/* bytes */

struct known;

/* wharfd: the memfd, with a new secret in it; -1 with errno. */
int		 known_create(void);
struct known	*known_map(int fd);	/* NULL with errno */
void		 known_unmap(struct known *);
const uint8_t	*known_secret(const struct known *);
int		 known_has(const struct known *, const uint8_t tag[KNOWN_TAG]);
void		 known_add(struct known *, const uint8_t tag[KNOWN_TAG]);

#endif
