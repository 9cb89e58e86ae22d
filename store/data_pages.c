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
	uint64_t	 end = g->used + bytes + IO_ZEROS, at = g->filled, size;
	struct stat	 st;

	if (g->fd == -1 || g->used + bytes <= g->filled)
		return;
	if (at < (size = d->conf.ops->size(g->e)))
		at = page_up(size);
	g->filled = page_up(end);
	if (fstat(g->fd, &st) == -1)
		return;
	end = least(least(g->filled, g->reserved), (uint64_t)st.st_size) &
	    ~(uint64_t)(PAGE - 1);
	if (at < end)
		(void)io_write_zeros(d->conf.io, g->fd, end - at, (off_t)at);
}
