/*
 * users_file.c: auth.file from the disk and through a memfd; see users.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/secret.h"
#include "supervisor/users.h"

static struct users *
users_text(const char *text, size_t len, char *err, size_t errlen)
{
	if (memchr(text, '\0', len) == NULL)
		return users_parse(text, len, err, errlen);
	snprintf(err, errlen, "not a text file");
	return NULL;
}

char *
users_read(const char *path, uid_t owner, char *err, size_t errlen)
{
	char		 why[256];
	size_t		 len;
	char		*text = secret_read(path, SECRET_HIDDEN, owner,
			    USERS_BYTES, &len, err, errlen);
	struct users	*us;

	if (text == NULL)
		return NULL;
	if ((us = users_text(text, len, why, sizeof(why))) == NULL) {
		snprintf(err, errlen, "%s: %s", path, why);
		free(text);
		return NULL;
	}
	users_free(us);
	return text;
}

int
users_to_memfd(const char *text)
{
	return secret_memfd("wharf-users", text, strlen(text));
}

struct users *
users_from_fd(int fd, char *err, size_t errlen)
{
	size_t		 len;
	char		*text = secret_text(fd, USERS_BYTES, &len);
	struct users	*us;

	if (text == NULL) {
		snprintf(err, errlen, "%s", strerror(errno));
		return NULL;
	}
	us = users_text(text, len, err, errlen);
	free(text);
	return us;
}
