/*
 * test_client_wire.c: libwharf's nng sockets are never closed in the program's
 * thread, also where no other thread can be had.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "proto/client.h"
#include "tests/unit.h"

typedef int	create_fn(pthread_t *, const pthread_attr_t *,
		    void *(*)(void *), void *);

static atomic_int	refuse;		/* so many more threads */
static atomic_int	refused;

/* In place of the C library's. */
int
pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *),
    void *arg)
{
	static create_fn	*next;
	void			*symbol;

	if (next == NULL) {
		symbol = dlsym(RTLD_NEXT, "pthread_create");
		memcpy(&next, &symbol, sizeof(next));
	}
	if (atomic_load(&refuse) > 0) {
		atomic_fetch_sub(&refuse, 1);
		atomic_fetch_add(&refused, 1);
		return EAGAIN;
	}
	return next(t, attr, fn, arg);
}

static int
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static struct wire *
wire(int *bell)
{
	struct wire	*wi = wire_new("/nonexistent/path", WIRE_LINK);

	CU_ASSERT_FATAL(wi != NULL);
	*bell = wire_fd(wi);
	return wi;
}

/* Too small a stack for the program's thread-local data: a larger one. */
static void
test_second_try(void)
{
	struct wire	*wi;
	int		 bell;

	wi = wire(&bell);
	atomic_store(&refuse, 1);
	wire_free(wi, 60000);
	CU_ASSERT_EQUAL(atomic_load(&refuse), 0);
	CU_ASSERT(!is_open(bell));
}

static void
test_no_thread(void)
{
	struct wire	*wi[4];
	int		 i, bell[4];

	for (i = 0; i < 4; i++)
		wi[i] = wire(&bell[i]);
	atomic_store(&refused, 0);
	atomic_store(&refuse, 100);
	for (i = 0; i < 3; i++)
		wire_free(wi[i], 60000);
	CU_ASSERT_EQUAL(atomic_load(&refused), 6);
	for (i = 0; i < 3; i++)
		CU_ASSERT(is_open(bell[i]));
	/* The next that gets one takes them along. */
	atomic_store(&refuse, 0);
	wire_free(wi[3], 60000);
	for (i = 0; i < 4; i++)
		CU_ASSERT(!is_open(bell[i]));
}

static const CU_TestInfo	tests[] = {
	{ "second try", test_second_try },
	{ "no thread", test_no_thread },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_client_wire", UNIT_SUITE("client wire", tests))
