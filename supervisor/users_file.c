/*
 * users_file.c: auth.file from the disk and through a memfd; see users.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/users.h"

#define USERS_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

/* NULL, or why such a file cannot be trusted. */
static const char *
file_fault(const struct stat *st, uid_t owner)
{
	if (!S_ISREG(st->st_mode))
		return "no regular file";
	if (st->st_uid != 0 && st->st_uid != owner && st->st_uid != geteuid())
		return "belongs neither to root nor to the user of wharfd";
	if ((st->st_mode & S_IRWXO) != 0)
		return "others have rights to it: chmod o-rwx";
	if ((st->st_mode & S_IWGRP) != 0)
		return "its group may write it: chmod g-w";
	if (st->st_size > (off_t)USERS_BYTES)
		return "too long";
	return NULL;
}

/* All of it, with NUL; NULL with errno. */
static char *
fd_text(int fd, size_t *len)
{
	char	*text = malloc(USERS_BYTES + 2);
	ssize_t	 n;

	*len = 0;
	while (text != NULL && *len <= USERS_BYTES &&
	    (n = pread(fd, text + *len, USERS_BYTES + 1 - *len,
	    (off_t)*len)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			free(text);
			return NULL;
		}
		*len += (size_t)n;
	}
	if (text != NULL)
		text[*len] = '\0';
	return text;
}

static struct users *
users_fd(int fd, char **text, char *err, size_t errlen)
{
	struct users	*us = NULL;
	size_t		 len;

	if ((*text = fd_text(fd, &len)) == NULL)
		snprintf(err, errlen, "%s", strerror(errno));
	else if (memchr(*text, '\0', len) != NULL)
		snprintf(err, errlen, "not a text file");
	else
		us = users_parse(*text, len, err, errlen);
	return us;
}

char *
users_read(const char *path, uid_t owner, char *err, size_t errlen)
{
	int		 fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat	 st;
	struct users	*us = NULL;
	const char	*why = NULL;
	char		*text = NULL, detail[256];

	if (fd == -1 || fstat(fd, &st) == -1)
		why = strerror(errno);
	else if ((why = file_fault(&st, owner)) == NULL &&
	    (us = users_fd(fd, &text, detail, sizeof(detail))) == NULL)
		why = detail;
	if (why != NULL) {
		snprintf(err, errlen, "%s: %s", path, why);
		free(text);
		text = NULL;
	}
	users_free(us);
	if (fd != -1)
		close(fd);
	return text;
}

int
users_to_memfd(const char *text)
{
	int	fd = memfd_create("wharf-users", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t	len = strlen(text);

	if (fd == -1)
		return -1;
	if (write(fd, text, len) == (ssize_t)len &&
	    fcntl(fd, F_ADD_SEALS, USERS_SEALS) == 0)
		return fd;
	close(fd);
	return -1;
}

struct users *
users_from_fd(int fd, char *err, size_t errlen)
{
	char		*text = NULL;
	struct users	*us = users_fd(fd, &text, err, errlen);

	free(text);
	return us;
}
