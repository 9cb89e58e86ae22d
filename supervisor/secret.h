/*
 * secret.h: small files that only some may read or change (auth.file, tls.key),
 * and how their text reaches the actors: in a sealed memfd, never by a path.
 */
#ifndef SUPERVISOR_SECRET_H
#define SUPERVISOR_SECRET_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * Reads at most so many bytes of a regular file that belongs to root, to us or
 * to owner, and that nobody else may write.  A secret is none if others may
 * read it.  The text has a NUL behind it; NULL with a message that names path.
 */
enum secret { SECRET_OPEN, SECRET_HIDDEN };
char		*secret_read(const char *path, enum secret, uid_t owner,
		    size_t most, size_t *len, char *err, size_t errlen);
/*
 * All that a descriptor has, with a NUL behind it, but no more than most + 1
 * bytes.  NULL with errno.
 */
char		*secret_text(int fd, size_t most, size_t *len);
/* Overwrites and frees. */
void		 secret_free(char *text, size_t len);
/*
 * Whole pages of zeros for what no core file is to have; NULL.  secret_drop
 * wipes them, NULL is fine.
 */
void		*secret_new(size_t);
void		 secret_drop(void *, size_t);
/* A memfd that nobody can change; -1 with errno. */
int		 secret_memfd(const char *name, const char *text, size_t len);

#endif
