/*
 * test_helper.c: jobs run in order on one other thread, results come back in
 * order where helper_poll is called, nothing queued is forgotten.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "store/helper.h"
#include "store/io.h"
#include "tests/unit.h"

#define JOBS	1000

struct one {
	struct job	 job;
	int		 no;
	pthread_t	 where;
};

static struct one	 jobs[JOBS];
static int		 worked, done, bad;
static pthread_t	 loop;
static atomic_int	 notified;
static struct helper	*helper;

static void
on_notify(void *arg)
{
	(void)arg;
	atomic_fetch_add(&notified, 1);
}

static enum err
work(struct job *j)
{
	struct one	*o = j->arg;

	if (o->no != worked++)
		bad = 1;
	o->where = pthread_self();
	return o->no % 3 == 0 ? E_NOSPACE : E_OK;
}

static void
finish(struct job *j, enum err e)
{
	struct one	*o = j->arg;

	if (o->no != done++ || !pthread_equal(pthread_self(), loop) ||
	    pthread_equal(o->where, loop) ||
	    e != (o->no % 3 == 0 ? E_NOSPACE : E_OK))
		bad = 1;
}

static void
start(int n)
{
	int	i;

	worked = done = bad = 0;
	loop = pthread_self();
	atomic_store(&notified, 0);
	memset(jobs, 0, sizeof jobs);
	helper = helper_new(on_notify, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(helper);
	for (i = 0; i < n; i++) {
		jobs[i].no = i;
		jobs[i].job.work = work;
		jobs[i].job.done = finish;
		jobs[i].job.arg = &jobs[i];
		helper_run(helper, &jobs[i].job);
	}
}

static void
test_order(void)
{
	int	i;

	start(JOBS);
	for (i = 0; i < 5000 && done < JOBS; i++) {
		helper_poll(helper);
		usleep(1000);
	}
	CU_ASSERT_EQUAL(done, JOBS);
	CU_ASSERT_EQUAL(worked, JOBS);
	CU_ASSERT_EQUAL(atomic_load(&notified), JOBS);
	CU_ASSERT(!bad);
	helper_free(helper);
}

static void
test_free_finishes(void)
{
	start(JOBS);
	helper_free(helper);
	CU_ASSERT_EQUAL(worked, JOBS);
	CU_ASSERT_EQUAL(done, JOBS);
	CU_ASSERT(!bad);
}

static void
test_idle(void)
{
	start(0);
	helper_poll(helper);
	helper_free(helper);
	helper_free(NULL);
	CU_ASSERT_EQUAL(atomic_load(&notified), 0);
}

/* done of one job queues the next. */
static void
again(struct job *j, enum err e)
{
	struct one	*o = j->arg;

	finish(j, e);
	if (++o->no < 5)
		helper_run(helper, j);
}

static void
test_requeue(void)
{
	int	i;

	start(0);
	jobs[0].job.work = work;
	jobs[0].job.done = again;
	jobs[0].job.arg = &jobs[0];
	helper_run(helper, &jobs[0].job);
	for (i = 0; i < 5000 && done < 5; i++) {
		helper_poll(helper);
		usleep(1000);
	}
	CU_ASSERT_EQUAL(done, 5);
	CU_ASSERT(!bad);
	helper_free(helper);
}

/* io.c: writes and reads in pieces, the end of a file. */
static ssize_t
short_pwrite(const struct io *io, int fd, const void *p, size_t n, off_t off)
{
	return io_posix.pwrite(io, fd, p, n > 3 ? 3 : n, off);
}

static ssize_t
short_pread(const struct io *io, int fd, void *p, size_t n, off_t off)
{
	static int	turn;

	if (turn++ % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	return io_posix.pread(io, fd, p, n > 5 ? 5 : n, off);
}

static void
test_io(void)
{
	char		name[] = "io-test.XXXXXX", got[32];
	const char	text[] = "the quick brown fox jumps";
	struct io	io = io_posix;
	int		fd = mkstemp(name);

	CU_ASSERT_FATAL(fd != -1);
	io.pwrite = short_pwrite;
	io.pread = short_pread;
	CU_ASSERT_EQUAL(io_write_all(&io, fd, text, sizeof text, 10), 0);
	CU_ASSERT_EQUAL(io_read_all(&io, fd, got, sizeof text, 10), 0);
	CU_ASSERT_STRING_EQUAL(got, text);
	CU_ASSERT_EQUAL(io_read_all(&io, fd, got, sizeof text + 1, 10), -1);
	CU_ASSERT_EQUAL(errno, 0);
	CU_ASSERT_EQUAL(io_sync_dir(&io_posix, "."), 0);
	CU_ASSERT_EQUAL(io_sync_dir(&io_posix, "no/such/dir"), -1);
	CU_ASSERT_EQUAL(errno, ENOENT);
	close(fd);
	CU_ASSERT_EQUAL(io_posix.unlink(&io_posix, name), 0);
}

static struct {
	off_t	end;			/* where the next piece must begin */
	off_t	largest;
	int	calls, fail_at, error, slow;
} range;

/* In place of the C library's. */
int
sync_file_range(int fd, off_t from, off_t n, unsigned flags)
{
	(void)fd;
	CU_ASSERT_EQUAL(from, range.end);
	CU_ASSERT(n > 0 && n <= 64 << 20);
	CU_ASSERT_EQUAL(flags, SYNC_FILE_RANGE_WAIT_BEFORE |
	    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	range.end = from + n;
	if (n > range.largest)
		range.largest = n;
	if (range.calls == 0)
		CU_ASSERT(n <= 1 << 20);
	if (range.slow)
		usleep(12000);
	if (++range.calls != range.fail_at)
		return 0;
	errno = range.error;
	return -1;
}

static int
write_out(off_t from, off_t to, int fail_at, int error)
{
	range.end = from;
	range.calls = 0;
	range.largest = 0;
	range.fail_at = fail_at;
	range.error = error;
	return io_write_out(0, from, to);
}

/*
 * All of it in pieces, larger ones of a disk that is slow; what a sync would not
 * tell again is told.
 */
static void
test_write_out(void)
{
	CU_ASSERT_EQUAL(write_out(100, (5 << 20) + 7, 0, 0), 0);
	CU_ASSERT_EQUAL(range.end, (5 << 20) + 7);
	CU_ASSERT(range.calls >= 3);
	CU_ASSERT_EQUAL(write_out(7, 7, 0, 0), 0);
	CU_ASSERT_EQUAL(range.calls, 0);
	CU_ASSERT_EQUAL(write_out(0, 5 << 20, 2, EIO), -1);
	CU_ASSERT_EQUAL(errno, EIO);
	CU_ASSERT_EQUAL(range.calls, 2);
	CU_ASSERT_EQUAL(write_out(0, 5 << 20, 1, ENOSPC), -1);
	CU_ASSERT_EQUAL(write_out(0, 5 << 20, 1, ESPIPE), 0);
	range.slow = 1;
	CU_ASSERT_EQUAL(write_out(0, 400 << 20, 0, 0), 0);
	CU_ASSERT_EQUAL(range.end, 400 << 20);
	CU_ASSERT_EQUAL(range.largest, 64 << 20);
	range.slow = 0;
}

static const CU_TestInfo tests[] = {
	{ "order", test_order },
	{ "free finishes what is queued", test_free_finishes },
	{ "idle", test_idle },
	{ "a job queues another", test_requeue },
	{ "io loops", test_io },
	{ "written out in pieces", test_write_out },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_helper", UNIT_SUITE("helper", tests))
