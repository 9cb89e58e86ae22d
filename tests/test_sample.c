/*
 * test_sample.c: what wharfd looks up about a process, and rates.
 */
#include <sys/wait.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/board.h"
#include "supervisor/sample.h"
#include "tests/unit.h"

static void
test_self(void)
{
	struct sample_usage	u, v;
	int			fd;

	sample_read(getpid(), &u);
	CU_ASSERT(u.anon > 0 && u.file > 0 && u.fds >= 3);
	CU_ASSERT_FATAL((fd = open("/dev/null", O_RDONLY)) != -1);
	sample_read(getpid(), &v);
	CU_ASSERT_EQUAL(v.fds, u.fds + 1);
	close(fd);
}

static void
test_nobody(void)
{
	struct sample_usage	u;

	memset(&u, 1, sizeof(u));
	sample_read(0, &u);
	CU_ASSERT(u.anon == 0 && u.file == 0 && u.shmem == 0 && u.fds == 0);
	memset(&u, 1, sizeof(u));
	sample_read(0x7fffffff, &u);		/* nobody has this number */
	CU_ASSERT(u.anon == 0 && u.file == 0 && u.shmem == 0 && u.fds == 0);
}

/* Two spinning processes on one processor wait for each other. */
static void
test_starved(void)
{
	cpu_set_t	one, all;
	pid_t		pid;
	int64_t		before, waited = 0;
	int		i;

	CU_ASSERT_EQUAL(sample_starved(0x7fffffff), 0);
	if (access("/proc/self/schedstat", R_OK) != 0 ||
	    sched_getaffinity(0, sizeof(all), &all) != 0)
		return;
	for (i = 0; !CPU_ISSET(i, &all); i++)
		;
	CPU_ZERO(&one);
	CPU_SET(i, &one);
	CU_ASSERT_EQUAL_FATAL(sched_setaffinity(0, sizeof(one), &one), 0);
	if ((pid = fork()) == 0)
		for (;;)
			;
	CU_ASSERT_FATAL(pid > 0);
	before = sample_starved(getpid());
	while ((waited = sample_starved(getpid()) - before) < 20000)
		;
	CU_ASSERT(sample_starved(pid) > 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	(void)sched_setaffinity(0, sizeof(all), &all);
}

static void
test_machine(void)
{
	int64_t			memory = -1, available = -1, pages, size;
	struct sample_usage	u;

	sample_machine(&memory, &available);
	sample_read(getpid(), &u);
	pages = sysconf(_SC_PHYS_PAGES);
	size = sysconf(_SC_PAGESIZE);
	CU_ASSERT_EQUAL(memory, pages * size);
	CU_ASSERT(available > 0 && available < memory - u.anon);
}

static void
test_rate(void)
{
	struct sample_rate	 r = { 0 };
	int			 fd = board_create(1);
	struct board		*b = board_map(fd);
	struct board_actor	*a;
	mono_t			 born = { 1000000 };

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	a = board_place(b, 0);
	board_add(a, BC_REQUESTS, 100);
	sample_rate(&r, a, 7, born, mono_add(born, 2000000));
	CU_ASSERT_EQUAL(r.per_s, 50.0);
	sample_rate(&r, a, 7, born, mono_add(born, 2000000));
	CU_ASSERT_EQUAL(r.per_s, 50.0);		/* no time has passed */
	board_add(a, BC_REQUESTS, 30);
	sample_rate(&r, a, 7, born, mono_add(born, 5000000));
	CU_ASSERT_EQUAL(r.per_s, 10.0);
	/* Another incarnation counts from zero. */
	board_clear(a);
	board_add(a, BC_REQUESTS, 8);
	born = mono_add(born, 6000000);
	sample_rate(&r, a, 8, born, mono_add(born, 4000000));
	CU_ASSERT_EQUAL(r.per_s, 2.0);
	board_unmap(b);
	close(fd);
}

static const CU_TestInfo tests[] = {
	{ "self", test_self },
	{ "nobody", test_nobody },
	{ "starved", test_starved },
	{ "machine", test_machine },
	{ "rate", test_rate },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_sample", UNIT_SUITE("sample", tests))
