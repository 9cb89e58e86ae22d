/*
 * data_pages.c: pages of a data file before they are needed.
 *
 * tkrzw writes through a shared mapping.  The first write to each new page is a
 * fault that takes a page, has the file system look for its block, and fills it:
 * 2 to 10 us.  A pwrite of zeros beforehand does so for many at once, for less than
 * 1 us each, fault included.  Nothing depends on it; what fails is let go.
 */
#include <sys/stat.h>

#include "store/data_impl.h"

#define PAGE		4096u
#define PIECE		(256u << 10)	/* zeros at a time */

static const uint8_t	zeros[PIECE];

static uint64_t
page_up(uint64_t n)
{
	return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Only what lies behind the last record, and within the file's length, which is
 * tkrzw's to change.
 */
void
pages_fill(struct data *d, struct gen *g, size_t bytes)
{
	const struct io	*io = d->conf.io;
	uint64_t	 end = g->used + bytes + PIECE, at = g->filled;
	struct stat	 st;

	if (g->fd == -1 || g->used + bytes <= g->filled)
		return;
	if (at < d->conf.ops->size(g->e))
		at = page_up(d->conf.ops->size(g->e));
	g->filled = page_up(end);
	if (fstat(g->fd, &st) == -1)
		return;
	end = least(least(g->filled, g->reserved), (uint64_t)st.st_size) &
	    ~(uint64_t)(PAGE - 1);
	for (; at < end; at += least(end - at, PIECE))
		if (io_write_all(io, g->fd, zeros, least(end - at, PIECE),
		    (off_t)at) == -1)
			return;
}
