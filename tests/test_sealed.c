/*
 * test_sealed.c: memory that is handed down: what it begins with, what cannot
 * be done to it, and what is not taken for it.
 */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/sealed.h"
#include "tests/unit.h"

#define SIZE	10000u

static void
test_make(void)
{
	int	 fd = sealed_make("x", SIZE, "first", 5);
	size_t	 one, two;
	char	*a, *b;

	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CU_ASSERT_EQUAL(sealed_size(fd), SIZE);
	a = sealed_map(fd, SIZE, &one);
	b = sealed_map(fd, 1, &two);
	CU_ASSERT_FATAL(a != NULL && b != NULL);
	CU_ASSERT(one == SIZE && two == SIZE);
	CU_ASSERT_EQUAL(memcmp(b, "first\0\0\0", 8), 0);
	CU_ASSERT_EQUAL(b[SIZE - 1], 0);
	a[SIZE - 1] = 'z';
	CU_ASSERT_EQUAL(b[SIZE - 1], 'z');
	CU_ASSERT_EQUAL(ftruncate(fd, SIZE - 1), -1);
	CU_ASSERT_EQUAL(ftruncate(fd, SIZE + 1), -1);
	CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	munmap(a, one);
	munmap(b, two);
	close(fd);
}

/* Not taken: errno, and nothing is mapped. */
static int
refused(int fd, size_t least)
{
	size_t	 size;
	void	*p;

	errno = 0;
	if ((p = sealed_map(fd, least, &size)) == NULL)
		return errno;
	munmap(p, size);
	return 0;
}

static void
test_others(void)
{
	const int	seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int		fd = memfd_create("x", MFD_ALLOW_SEALING);
	int		file = open("/dev/null", O_RDWR);

	CU_ASSERT_FATAL(fd != -1 && file != -1);
	CU_ASSERT_EQUAL(ftruncate(fd, SIZE), 0);
	CU_ASSERT_EQUAL(refused(fd, 1), EINVAL);
	CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	CU_ASSERT_EQUAL(refused(fd, 1), EINVAL);
	CU_ASSERT_EQUAL(sealed_size(fd), 0);
	CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, seals), 0);
	CU_ASSERT_EQUAL(sealed_size(fd), SIZE);
	CU_ASSERT_EQUAL(refused(fd, SIZE), 0);
	CU_ASSERT_EQUAL(refused(fd, SIZE + 1), EINVAL);
	CU_ASSERT_EQUAL(refused(file, 1), EINVAL);
	close(file);
	CU_ASSERT_EQUAL(refused(-1, 1), EBADF);
	close(fd);
	fd = sealed_make("x", 0, "", 0);
	CU_ASSERT_EQUAL(refused(fd, 0), EINVAL);
	close(fd);
}

static const CU_TestInfo tests[] = {
	{ "made and mapped", test_make },
	{ "what it is not", test_others },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_sealed", UNIT_SUITE("sealed", tests))
