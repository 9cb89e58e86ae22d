/*
 * calls.c: the system calls of a store, seen on their way to the C library.
 * Preloaded into a node; wakes up in $POWERCUT_PROGRAM (wharf-store) only, but
 * for boot_id, which every process of a node gets from the file $POWERCUT_BOOT:
 * another machine start, for all it can tell.
 *
 * One lock is held whenever something changes what is or will be on the disk.
 * A *point* is where the power may go: before each such call, and after each
 * sync just before it counts.  A sync takes a while (world->delay) without the
 * lock, so that the store's other threads go on and cuts fall into it.  The
 * kernel is never asked to sync anything: what is durable is this model's
 * business.  O_DIRECT goes the same way, so that any file system will do.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/powercut/world.h"

#define FDS		4096
#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define EXPORT		__attribute__((visibility("default")))

static pthread_mutex_t	 lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int	 inside;	/* this library's own calls pass */
static int		 awake;
static uint8_t		 synced_fd[FDS];	/* opened O_SYNC or O_DSYNC */
static struct seen	 late;		/* PLANT_LATE: not durable yet */

static void *
next(const char *name)
{
	void	*f = dlsym(RTLD_NEXT, name);

	must(f != NULL, name);
	return f;
}

/* The C library's function of the name, looked up once. */
#define NEXT(name)	({						\
	static __typeof__(&name)	next_;				\
	if (next_ == NULL)						\
		*(void **)&next_ = next(#name);				\
	next_; })

static unsigned
read_plants(const char *text)
{
	static const char *const	names[] = {
		"dir", "data", "log", "manifest", "late"
	};
	unsigned	i, out = 0;

	for (i = 0; text != NULL && i < sizeof names / sizeof names[0]; i++)
		if (strstr(text, names[i]) != NULL)
			out |= 1u << i;
	return out;
}

__attribute__((constructor)) static void
wake_up(void)
{
	const char	*program = getenv("POWERCUT_PROGRAM");

	world_root = getenv("POWERCUT_ROOT");
	world_state = getenv("POWERCUT_STATE");
	if (strcmp(program_invocation_short_name, program != NULL ? program :
	    "wharf-store") != 0 || world_root == NULL || world_state == NULL)
		return;
	world_plants = read_plants(getenv("POWERCUT_PLANT"));
	inside = 1;
	world_open();
	inside = 0;
	awake = 1;
}

/* --- the lock and the points --- */

static void
enter(void)
{
	pthread_mutex_lock(&lock);
	inside = 1;
}

static void
leave(void)
{
	int	saved = errno;

	inside = 0;
	pthread_mutex_unlock(&lock);
	errno = saved;
}

/*
 * With the lock.  The driver that takes cut_at back waits until cutting is 0:
 * then no image is made any more.
 */
static void
cut_if_due(uint64_t n)
{
	__atomic_store_n(&world->cutting, 1, __ATOMIC_SEQ_CST);
	if (world->cut_at != 0 && n >= world->cut_at) {
		image_make();
		world->cut_at = 0;
	}
	__atomic_store_n(&world->cutting, 0, __ATOMIC_SEQ_CST);
}

/*
 * With the lock.  Synced writes, of the log, are by far the most frequent: a
 * cut may be asked for at anything else.
 */
static void
point(int is_write)
{
	uint64_t	n = ++world->points;

	if (!is_write || !world->cut_rare)
		cut_if_due(n);
	if (world->kill_at != 0 && n >= world->kill_at) {
		world->kill_at = 0;
		raise(SIGKILL);
	}
}

/* A cut that was not reached falls after all, that is after an orderly stop. */
__attribute__((destructor)) static void
fall_asleep(void)
{
	if (!awake)
		return;
	enter();
	cut_if_due(UINT64_MAX);
	leave();
}

static void
take_a_while(void)
{
	static uint64_t	x = 88172645463325252;
	struct timespec	ts = { 0, 0 };

	if (world->delay == 0)
		return;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	ts.tv_nsec = (long)(x % (world->delay * 1000));
	nanosleep(&ts, NULL);
}

/* Without the lock: a sync goes on, and is done. */
static void
finish(struct seen *s)
{
	if (s->what == SEEN_NOTHING)
		return;
	take_a_while();
	enter();
	point(s->what == SEEN_RANGE);
	seen_commit(s);
	leave();
}

static int
watching(int fd)
{
	struct stat	st;

	return awake && !inside && fstat(fd, &st) == 0 &&
	    (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* --- open --- */

static const char *
boot_path(const char *path)
{
	const char	*boot = getenv("POWERCUT_BOOT");

	return boot != NULL && strcmp(path, BOOT_ID) == 0 ? boot : path;
}

static int
open_seen(const char *path, int flags, mode_t mode)
{
	const int	 passed = flags & ~(O_DIRECT | O_SYNC | O_DSYNC);
	const char	*rel;
	int		 fd;

	path = boot_path(path);
	if (!awake || inside || !path_ours(path, &rel))
		return NEXT(open)(path, flags, mode);
	enter();
	if (flags & (O_CREAT | O_TRUNC))
		point(0);
	fd = NEXT(open)(path, passed, mode);
	if (fd != -1) {
		must(fd < FDS, "many descriptors");
		synced_fd[fd] = (flags & (O_SYNC | O_DSYNC)) != 0;
		if (flags & O_CREAT)
			file_made(fd, rel);
	}
	leave();
	return fd;
}

#define OPEN(name)							\
EXPORT int								\
name(const char *path, int flags, ...)					\
{									\
	va_list	ap;							\
	mode_t	mode;							\
									\
	va_start(ap, flags);						\
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;	\
	va_end(ap);							\
	return open_seen(path, flags, mode);				\
}
OPEN(open)
OPEN(open64)

EXPORT int
creat(const char *path, mode_t mode)
{
	return open_seen(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORT FILE *
fopen(const char *path, const char *mode)
{
	return NEXT(fopen)(boot_path(path), mode);
}

EXPORT FILE *
fopen64(const char *path, const char *mode)
{
	return NEXT(fopen64)(boot_path(path), mode);
}

/* --- writing --- */

/*
 * With the lock: what a write to a descriptor of O_DSYNC makes durable.  Late:
 * it is only when the next one begins.
 */
static void
note_write(struct seen *s, int fd, off_t off, ssize_t n)
{
	int	file = file_find(fd);

	if (n <= 0 || fd >= FDS || !synced_fd[fd] || file == -1)
		return;
	if ((world_plants & PLANT_LATE) == 0) {
		seen_range(s, file, (uint64_t)off, (uint64_t)n);
		return;
	}
	seen_commit(&late);
	seen_range(&late, file, (uint64_t)off, (uint64_t)n);
}

#define WRITES(name, where, decl, args)					\
EXPORT ssize_t								\
name decl								\
{									\
	struct seen	s = { 0 };					\
	ssize_t		r;						\
	off_t		off;						\
									\
	if (!watching(fd))						\
		return NEXT(name) args;					\
	enter();							\
	off = where;							\
	if (file_find(fd) != -1)					\
		point(1);						\
	r = NEXT(name) args;						\
	note_write(&s, fd, off, r);					\
	leave();							\
	finish(&s);							\
	return r;							\
}
WRITES(write, lseek(fd, 0, SEEK_CUR), (int fd, const void *p, size_t n),
    (fd, p, n))
WRITES(pwrite, at, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
WRITES(pwrite64, at, (int fd, const void *p, size_t n, off64_t at),
    (fd, p, n, at))
WRITES(writev, lseek(fd, 0, SEEK_CUR), (int fd, const struct iovec *v, int n),
    (fd, v, n))
WRITES(pwritev, at, (int fd, const struct iovec *v, int n, off_t at),
    (fd, v, n, at))
WRITES(pwritev64, at, (int fd, const struct iovec *v, int n, off64_t at),
    (fd, v, n, at))

/* Changes of size: what they change is found by looking; only a point. */
#define SIZES(name, decl, args)						\
EXPORT int								\
name decl								\
{									\
	int	r;							\
									\
	if (!watching(fd))						\
		return NEXT(name) args;					\
	enter();							\
	if (file_find(fd) != -1)					\
		point(0);						\
	r = NEXT(name) args;						\
	leave();							\
	return r;							\
}
SIZES(ftruncate, (int fd, off_t n), (fd, n))
SIZES(ftruncate64, (int fd, off64_t n), (fd, n))
SIZES(fallocate, (int fd, int m, off_t at, off_t n), (fd, m, at, n))
SIZES(fallocate64, (int fd, int m, off64_t at, off64_t n), (fd, m, at, n))

/* --- syncing --- */

static int
sync_seen(int fd)
{
	struct seen	s;

	enter();
	point(0);
	seen_take(&s, fd);
	leave();
	finish(&s);
	return 0;
}

EXPORT int
fdatasync(int fd)
{
	return watching(fd) ? sync_seen(fd) : NEXT(fdatasync)(fd);
}

EXPORT int
fsync(int fd)
{
	return watching(fd) ? sync_seen(fd) : NEXT(fsync)(fd);
}

/* The file that is mapped at p, and where in it; -1: none of ours. */
static int
mapped(const void *p, uint64_t *off)
{
	FILE		*f = fopen("/proc/self/maps", "re");
	char		 line[PATH_LEN + 128], path[PATH_LEN];
	unsigned long	 from, to, at;
	int		 file = -1;

	must(f != NULL, "maps");
	while (file == -1 && fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %1023s", &from, &to,
		    &at, path) != 4 || (uintptr_t)p < from ||
		    (uintptr_t)p >= to)
			continue;
		*off = (uintptr_t)p - from + at;
		file = file_of_path(path);
	}
	fclose(f);
	return file;
}

EXPORT int
msync(void *p, size_t n, int flags)
{
	struct seen	s = { 0 };
	uint64_t	off;
	int		file;

	if (!awake || inside || (flags & MS_SYNC) == 0)
		return NEXT(msync)(p, n, flags);
	enter();
	point(0);
	if ((file = mapped(p, &off)) != -1)
		seen_range(&s, file, off, n);
	leave();
	finish(&s);
	return 0;
}

/* --- names --- */

EXPORT int
rename(const char *from, const char *to)
{
	const char	*a, *b;
	int		 r;

	if (!awake || inside || !path_ours(from, &a) || !path_ours(to, &b))
		return NEXT(rename)(from, to);
	enter();
	point(0);
	if ((r = NEXT(rename)(from, to)) == 0)
		change_add(file_of_path(to), a, b);
	leave();
	return r;
}

EXPORT int
unlink(const char *path)
{
	const char	*rel;
	int		 r, file;

	if (!awake || inside || !path_ours(path, &rel))
		return NEXT(unlink)(path);
	enter();
	point(0);
	file = file_of_path(path);
	if ((r = NEXT(unlink)(path)) == 0)
		change_add(file, rel, "");
	leave();
	return r;
}
