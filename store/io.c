/*
 * io.c: the real system calls behind io.h, and the loops that every caller
 * needs around them.  No state; errno goes to the caller.  The one policy is how
 * much is written out at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/clock.h"
#include "store/io.h"

#define PIECE		(1 << 20)	/* bytes written out at a time, at first */
#define PIECE_MAX	(64 << 20)
#define SLOW		10000		/* us for a piece */

static int
posix_open(const struct io *io, const char *path, int flags, mode_t mode)
{
	(void)io;
	return open(path, flags, mode);
}

static ssize_t
posix_pread(const struct io *io, int fd, void *p, size_t n, off_t off)
{
	(void)io;
	return pread(fd, p, n, off);
}

static ssize_t
posix_pwrite(const struct io *io, int fd, const void *p, size_t n, off_t off)
{
	(void)io;
	return pwrite(fd, p, n, off);
}

static int
posix_fdatasync(const struct io *io, int fd)
{
	(void)io;
	return fdatasync(fd);
}

static int
posix_fsync(const struct io *io, int fd)
{
	(void)io;
	return fsync(fd);
}

static int
posix_fallocate_(const struct io *io, int fd, int mode, off_t off, off_t len)
{
	(void)io;
	return fallocate(fd, mode, off, len);
}

static int
posix_ftruncate(const struct io *io, int fd, off_t len)
{
	(void)io;
	return ftruncate(fd, len);
}

static int
posix_rename(const struct io *io, const char *from, const char *to)
{
	(void)io;
	return rename(from, to);
}

static int
posix_unlink(const struct io *io, const char *path)
{
	(void)io;
	return unlink(path);
}

const struct io	io_posix = {
	.open = posix_open,
	.pread = posix_pread,
	.pwrite = posix_pwrite,
	.fdatasync = posix_fdatasync,
	.fsync = posix_fsync,
	.fallocate = posix_fallocate_,
	.ftruncate = posix_ftruncate,
	.rename = posix_rename,
	.unlink = posix_unlink,
};

int
io_write_all(const struct io *io, int fd, const void *data, size_t n, off_t off)
{
	const char	*p = data;
	ssize_t		 r;

	while (n > 0) {
		r = io->pwrite(io, fd, p, n, off);
		if (r == -1 && errno == EINTR)
			continue;
		if (r <= 0) {
			if (r == 0)
				errno = EIO;
			return -1;
		}
		p += r;
		n -= (size_t)r;
		off += r;
	}
	return 0;
}

int
io_write_zeros(const struct io *io, int fd, size_t n, off_t off)
{
	static char	zeros[IO_ZEROS];	/* never written: bss */
	size_t		piece;

	for (; n > 0; n -= piece, off += (off_t)piece) {
		piece = n < IO_ZEROS ? n : IO_ZEROS;
		if (io_write_all(io, fd, zeros, piece, off) == -1)
			return -1;
	}
	return 0;
}

int
io_read_all(const struct io *io, int fd, void *data, size_t n, off_t off)
{
	char	*p = data;
	ssize_t	 r;

	while (n > 0) {
		r = io->pread(io, fd, p, n, off);
		if (r == -1 && errno == EINTR)
			continue;
		if (r <= 0) {
			if (r == 0)
				errno = 0;
			return -1;
		}
		p += r;
		n -= (size_t)r;
		off += r;
	}
	return 0;
}

int
io_write_out(int fd, off_t from, off_t to)
{
	const unsigned	 all = SYNC_FILE_RANGE_WAIT_BEFORE |
			    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	off_t		 n, piece = PIECE;
	mono_t		 began;
	int64_t		 us;

	for (; from < to; from += n) {
		n = to - from < piece ? to - from : piece;
		began = mono_now();
		if (sync_file_range(fd, from, n, all) == -1)
			return errno == EIO || io_is_full(errno) ? -1 : 0;
		us = mono_diff(began, mono_now());
		if (us > SLOW && piece < PIECE_MAX)
			piece *= 2;
		else if (us < SLOW / 4 && piece > PIECE)
			piece /= 2;
	}
	return 0;
}

int
io_sync_dir(const struct io *io, const char *path)
{
	int	fd, r, saved;

	fd = io->open(io, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	r = io->fsync(io, fd);
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}
