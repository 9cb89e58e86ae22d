/*
 * users.h: who may use the node, and for what: the lines of auth.file.
 *
 *	# comment
 *	name:role:hash
 *
 * name is 1 to 64 of 0-9A-Za-z_.@- and stands once; role is read, write or
 * admin; hash is what libsodium's crypto_pwhash_str makes of a password with
 * Argon2id (RFC 9106, 16 bytes of salt, 32 of result), with at most
 * USER_HASH_KIB of memory and USER_HASH_PASSES passes, for whoever asks makes
 * a worker spend them.  Nothing else may be there, blanks neither: any error
 * refuses the whole file.
 *
 * The text travels to the workers in a sealed memfd (fd 9 and with RELOAD).
 */
#ifndef SUPERVISOR_USERS_H
#define SUPERVISOR_USERS_H

#include <stddef.h>
#include <sys/types.h>

#define USER_NAME	64u		/* bytes */
#define USER_HASH	128u		/* bytes, with NUL */
#define USER_HASH_KIB	16384u		/* KiB of memory of one verification */
#define USER_HASH_PASSES 10u
#define USERS_MOST	4096u
#define USERS_BYTES	(1u << 20)	/* of the file */

/* Each may what the one before it may. */
enum role { ROLE_NONE, ROLE_READ, ROLE_WRITE, ROLE_ADMIN };

struct user {
	char		name[USER_NAME + 1];
	char		hash[USER_HASH];
	enum role	role;
};

struct users;

/* "read"; "" for ROLE_NONE. */
const char	*role_name(enum role);
/* ROLE_NONE when it is no role's name. */
enum role	 role_parse(const char *text, size_t len);
int		 user_name_good(const char *name, size_t len);

/* NULL with a message "line N: what". */
struct users	*users_parse(const char *text, size_t len, char *err,
		    size_t errlen);
void		 users_free(struct users *);
size_t		 users_count(const struct users *);
/* NULL when there is none of this name. */
const struct user *users_find(const struct users *, const char *name,
		    size_t len);
/*
 * The text with the user's line in its place, or at the end; without it when
 * hash is NULL.  malloc'ed, with NUL; NULL without memory.  The rest of the
 * text stays as it is.
 */
char		*users_edit(const char *text, const char *name, enum role,
		    const char *hash);

/*
 * The checked text of a file (malloc'ed, with NUL), or NULL with a message.
 * It must be a regular file of root, the caller or owner, that the group may
 * not write and others may neither read nor write.
 */
char		*users_read(const char *path, uid_t owner, char *err,
		    size_t errlen);
/* A sealed memfd with this text; -1 with errno. */
int		 users_to_memfd(const char *text);
/* And back; NULL with a message.  The descriptor stays open. */
struct users	*users_from_fd(int fd, char *err, size_t errlen);

#endif
