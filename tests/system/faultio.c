/*
 * faultio.c: preloaded into a node by the system tests; makes writes and syncs
 * of log files (paths ending in .seg) fail or take long, and shifts the wall
 * clock.
 *
 * The file named by WHARF_FAULT says what happens, and may change at any time:
 *	ok		nothing
 *	fail		EIO
 *	fail N		EIO after N further calls of this process
 *	slow MS		takes MS milliseconds longer
 *	full		ENOSPC
 *	die K		SIGBUS where the first generation of data file K is
 *			mapped, as from a disk that cannot read it
 *	unread K	EIO where the program itself (no library) reads data
 *			file K of a router
 * Anything else, or no such file, means ok.  Looked at on every call: the calls
 * are few and slow anyway.
 *
 * WHARF_CLOCK=MS: the program's wall clock is so many milliseconds later than it
 * is, for what goes by full minutes and should not be waited for.
 * WHARF_STEP=FILE: and by what the first 8 bytes of the file say, which may be
 * written at any time: somebody sets the clock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static int	fault_left = -1;	/* calls until "fail N" strikes; -1 unset */

EXPORT ssize_t	pread64(int, void *, size_t, off64_t);
EXPORT ssize_t	pwrite(int, const void *, size_t, off_t);
EXPORT ssize_t	pwrite64(int, const void *, size_t, off64_t);
EXPORT ssize_t	pwritev(int, const struct iovec *, int, off_t);
EXPORT ssize_t	pwritev64(int, const struct iovec *, int, off64_t);
EXPORT ssize_t	write(int, const void *, size_t);
EXPORT int	fdatasync(int);
EXPORT int	fsync(int);
EXPORT void	*mmap(void *, size_t, int, int, int, off_t);
EXPORT void	*mmap64(void *, size_t, int, int, int, off64_t);
EXPORT int	clock_gettime(clockid_t, struct timespec *);

/* The rule in force; its number, if any, in *n. */
static void
fault_read(char word[16], int *n)
{
	const char	*path = getenv("WHARF_FAULT");
	char		 text[64] = "";
	ssize_t		 got;
	int		 fd;

	strcpy(word, "ok");
	*n = -1;
	if (path == NULL || (fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got > 0)
		(void)sscanf(text, "%15s %d", word, n);
}

/* Whether fd is a log file. */
static int
fault_concerns(int fd)
{
	char	link[32], path[4096];
	ssize_t	n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	return n > 4 && memcmp(path + n - 4, ".seg", 4) == 0;
}

static int
fault_countdown(int n)
{
	if (n < 0)
		return 1;
	if (fault_left < 0)
		fault_left = n;
	return fault_left == 0 || fault_left-- == 0;
}

/* 0, or the errno that the call is to fail with. */
static int
fault_now(int fd)
{
	char		word[16];
	int		n;
	struct timespec	t;

	if (!fault_concerns(fd))
		return 0;
	fault_read(word, &n);
	if (strcmp(word, "fail") == 0)
		return fault_countdown(n) ? EIO : 0;
	fault_left = -1;
	if (strcmp(word, "full") == 0)
		return ENOSPC;
	if (strcmp(word, "slow") == 0 && n > 0) {
		t.tv_sec = n / 1000;
		t.tv_nsec = n % 1000 * 1000000L;
		nanosleep(&t, NULL);
	}
	return 0;
}

static void *
fault_next(const char *name)
{
	void	*f = dlsym(RTLD_NEXT, name);

	if (f == NULL)
		abort();
	return f;
}

#define WRAP(ret, name, decl, args)					\
ret									\
name decl								\
{									\
	static ret	(*next) decl;					\
	int		  e = fault_now(fd);				\
									\
	if (e != 0) {							\
		errno = e;						\
		return -1;						\
	}								\
	if (next == NULL)						\
		*(void **)&next = fault_next(#name);			\
	return next args;						\
}

WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
WRAP(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
WRAP(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
WRAP(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at))
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, fsync, (int fd), (fd))

/* Whether code at this address is the program's own, no library's. */
static int
fault_is_ours(void *at)
{
	Dl_info	ours, its;

	return dladdr((void *)getauxval(AT_ENTRY), &ours) != 0 &&
	    dladdr(at, &its) != 0 && ours.dli_fbase == its.dli_fbase;
}

/* Whether fd is the data file of a router that is not to be read. */
static int
fault_unread(int fd)
{
	char	word[16], link[32], path[4096], name[32];
	int	k;
	ssize_t	n;

	fault_read(word, &k);
	if (strcmp(word, "unread") != 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, path, sizeof(path) - 1)) == -1)
		return 0;
	path[n] = '\0';
	snprintf(name, sizeof(name), "/data.%d.", k);
	return strstr(path, "/router.") != NULL &&
	    strstr(path, name) != NULL && strstr(path, ".tkh") != NULL;
}

ssize_t
pread64(int fd, void *p, size_t n, off64_t at)
{
	static ssize_t	(*next)(int, void *, size_t, off64_t);

	if (fault_is_ours(__builtin_return_address(0)) && fault_unread(fd)) {
		errno = EIO;
		return -1;
	}
	if (next == NULL)
		*(void **)&next = fault_next("pread64");
	return next(fd, p, n, at);
}

/* Whether fd is the data file that is not to be mapped. */
static int
fault_deadly(int fd)
{
	char	word[16], link[32], path[4096], name[32];
	int	k;
	ssize_t	n;
	size_t	len;

	fault_read(word, &k);
	if (strcmp(word, "die") != 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, path, sizeof(path) - 1)) == -1)
		return 0;
	len = (size_t)snprintf(name, sizeof(name), "/data.%d.1.tkh", k);
	return (size_t)n > len && memcmp(path + n - len, name, len) == 0;
}

void *
mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	if (fd != -1 && (flags & MAP_ANONYMOUS) == 0 && fault_deadly(fd))
		raise(SIGBUS);
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off);
}

void *
mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t off)
{
	return mmap(at, n, prot, flags, fd, off);
}

static long long
clock_step(void)
{
	static const volatile long long	*at;
	const char			*path = getenv("WHARF_STEP");
	long				 p;
	int				 fd;

	if (at != NULL || path == NULL)
		return at != NULL ? *at : 0;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return 0;
	p = syscall(SYS_mmap, NULL, sizeof(*at), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == -1)
		return 0;
	at = (const volatile long long *)p;
	return *at;
}

/*
 * By number: before the first lookup of a name somebody may want the time.
 * Libraries get the true one: nng waits for moments of it in the kernel.
 */
int
clock_gettime(clockid_t id, struct timespec *t)
{
	const char	*text = getenv("WHARF_CLOCK");
	long long	 shift, ns;
	int		 r = (int)syscall(SYS_clock_gettime, id, t);

	if (r != 0 || id != CLOCK_REALTIME ||
	    (text == NULL && getenv("WHARF_STEP") == NULL) ||
	    !fault_is_ours(__builtin_return_address(0)))
		return r;
	shift = (text == NULL ? 0 : atoll(text)) + clock_step();
	ns = t->tv_nsec + shift % 1000 * 1000000;
	t->tv_sec += shift / 1000 + (ns < 0 ? -1 : ns / 1000000000);
	t->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
	return r;
}
