/*
 * secret.c: see secret.h.  In wharfd, which reads the files, and in the actors,
 * which read what it hands down.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervisor/secret.h"

#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

/* NULL, or why such a file cannot be trusted. */
static const char *
fault(const struct stat *st, enum secret kind, uid_t owner, size_t most)
{
	if (!S_ISREG(st->st_mode))
		return "no regular file";
	if (st->st_uid != 0 && st->st_uid != owner && st->st_uid != geteuid())
		return "belongs neither to root nor to the user of wharfd";
	if (kind == SECRET_HIDDEN && (st->st_mode & S_IRWXO) != 0)
		return "others have rights to it: chmod o-rwx";
	if ((st->st_mode & S_IWOTH) != 0)
		return "others may write it: chmod o-w";
	if ((st->st_mode & S_IWGRP) != 0)
		return "its group may write it: chmod g-w";
	if (st->st_size > (off_t)most)
		return "too long";
	return NULL;
}

char *
secret_text(int fd, size_t most, size_t *len)
{
	char	*text = malloc(most + 2);
	ssize_t	 n;

	*len = 0;
	while (text != NULL && *len <= most &&
	    (n = pread(fd, text + *len, most + 1 - *len, (off_t)*len)) != 0) {
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

void
secret_free(char *text, size_t len)
{
	if (text != NULL)
		explicit_bzero(text, len);
	free(text);
}

char *
secret_read(const char *path, enum secret kind, uid_t owner, size_t most,
    size_t *len, char *err, size_t errlen)
{
	int		 fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat	 st;
	const char	*why = NULL;
	char		*text = NULL;

	if (fd == -1 || fstat(fd, &st) == -1)
		why = strerror(errno);
	else if ((why = fault(&st, kind, owner, most)) == NULL &&
	    (text = secret_text(fd, most, len)) == NULL)
		why = strerror(errno);
	else if (text != NULL && *len > most)
		why = "too long";
	if (why != NULL) {
		snprintf(err, errlen, "%s: %s", path, why);
		free(text);
		text = NULL;
	}
	if (fd != -1)
		close(fd);
	return text;
}

void *
secret_new(size_t n)
{
	void	*p = mmap(NULL, n, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, n, MADV_DONTDUMP);
	return p;
}

void
secret_drop(void *p, size_t n)
{
	if (p == NULL)
		return;
	explicit_bzero(p, n);
	(void)munmap(p, n);
}

int
secret_memfd(const char *name, const char *text, size_t len)
{
	int	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return -1;
	if (write(fd, text, len) == (ssize_t)len &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	close(fd);
	return -1;
}
