/*
 * sealed.c: see sealed.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE		/* memfd_create, F_ADD_SEALS */
#endif
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proto/sealed.h"

#define SEALS		(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int
sealed_make(const char *name, size_t size, const void *first, size_t n)
{
	int	saved, fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return -1;
	if (ftruncate(fd, (off_t)size) == 0 &&
	    pwrite(fd, first, n, 0) == (ssize_t)n &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

size_t
sealed_size(int fd)
{
	struct stat	st;
	int		seals = fcntl(fd, F_GET_SEALS);

	if (seals == -1 || fstat(fd, &st) == -1)
		return 0;
	if ((seals & SEALS) == SEALS && st.st_size > 0)
		return (size_t)st.st_size;
	errno = EINVAL;
	return 0;
}

void *
sealed_map(int fd, size_t least, size_t *size)
{
	void	*p;

	if ((*size = sealed_size(fd)) == 0)
		return NULL;
	if (*size < least) {
		errno = EINVAL;
		return NULL;
	}
	p = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}
