/*
 * io.h: the few system calls whose failure the log and the data files must
 * survive, behind a table, so that tests can make the n-th of them fail or
 * take long.  io_posix is the real one.  Signatures and errno as in POSIX.
 */
#ifndef STORE_IO_H
#define STORE_IO_H

#include <sys/types.h>
#include <errno.h>
#include <stddef.h>

struct io {
	int	(*open)(const struct io *, const char *path, int flags, mode_t);
	ssize_t	(*pread)(const struct io *, int fd, void *, size_t, off_t);
	ssize_t	(*pwrite)(const struct io *, int fd, const void *, size_t, off_t);
	int	(*fdatasync)(const struct io *, int fd);
	int	(*fsync)(const struct io *, int fd);
	int	(*fallocate)(const struct io *, int fd, int mode, off_t, off_t);
	int	(*ftruncate)(const struct io *, int fd, off_t);
	int	(*rename)(const struct io *, const char *from, const char *to);
	int	(*unlink)(const struct io *, const char *path);
	void	*arg;
};

extern const struct io	io_posix;

/* Bytes of a disk that log and data files leave free: MANIFEST must fit. */
#define IO_LEAVE	(4u << 20)

/* Whether an errno says that the disk, or the user's share of it, is full. */
static inline int
io_is_full(int err)
{
	return err == ENOSPC || err == EDQUOT;
}

/* Loops over short writes and EINTR; 0 or -1 with errno. */
int	io_write_all(const struct io *, int fd, const void *, size_t, off_t);
/* The same with n zeros; up to IO_ZEROS are one write. */
#define IO_ZEROS	(256u << 10)
int	io_write_zeros(const struct io *, int fd, size_t n, off_t);
/* Reads exactly n bytes; 0, or -1 (errno 0: end of file came first). */
int	io_read_all(const struct io *, int fd, void *, size_t, off_t);
/*
 * Has what is dirty between from and to written out, a piece at a time, each
 * waited for: who syncs a heap of it at once has the writes of others wait for
 * all of that.  Where a piece takes long the disk has much to do for others, and
 * the next one is larger, or they would take for ever.  Makes nothing durable, a sync must follow; but that does not
 * tell again of a failure that this one met.  0, or -1 with errno.
 */
int	io_write_out(int fd, off_t from, off_t to);
/* fsyncs a directory by path; 0 or -1. */
int	io_sync_dir(const struct io *, const char *path);

#endif
