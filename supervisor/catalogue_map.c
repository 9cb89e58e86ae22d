/*
 * catalogue_map.c: makes the memory of the table of tables (wharfd), maps it
 * (stores), and takes it from whoever handed it down only when it is sealed
 * and of the size that its head says.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "supervisor/catalogue_impl.h"

#define SEALS		(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static size_t
catalogue_size(unsigned stores)
{
	return sizeof(struct head) +
	    (size_t)stores * CATALOGUE_MOST * sizeof(struct cell);
}

static int
limits_are_right(unsigned stores, unsigned names)
{
	return stores >= 1 && stores <= CATALOGUE_STORES && names >= 1 &&
	    names <= CATALOGUE_MOST;
}

int
catalogue_create(unsigned stores, unsigned names)
{
	const uint32_t	head[] = { CATALOGUE_MAGIC, stores, names, CATALOGUE_MOST };
	int		fd, saved;

	if (!limits_are_right(stores, names)) {
		errno = EINVAL;
		return -1;
	}
	fd = memfd_create("wharf-catalogue", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	if (ftruncate(fd, (off_t)catalogue_size(stores)) == 0 &&
	    pwrite(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	    fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
head_is_right(const struct catalogue *c)
{
	return c->h->magic == CATALOGUE_MAGIC && c->h->most == CATALOGUE_MOST &&
	    limits_are_right(c->stores, c->limit) &&
	    catalogue_size(c->stores) == c->size;
}

struct catalogue *
catalogue_map(int fd)
{
	struct catalogue	*c;
	struct stat		 st;
	int			 seals = fcntl(fd, F_GET_SEALS);

	if (fstat(fd, &st) == -1 || seals == -1)
		return NULL;
	if ((size_t)st.st_size < sizeof(struct head) ||
	    (seals & SEALS) != SEALS) {
		errno = EINVAL;
		return NULL;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->size = (size_t)st.st_size;
	c->h = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c->h == MAP_FAILED) {
		free(c);
		return NULL;
	}
	c->stores = c->h->stores;
	c->limit = c->h->limit;
	if (!head_is_right(c)) {
		catalogue_unmap(c);
		errno = EINVAL;
		return NULL;
	}
	return c;
}

void
catalogue_unmap(struct catalogue *c)
{
	if (c == NULL)
		return;
	munmap(c->h, c->size);
	free(c);
}

unsigned
catalogue_stores(const struct catalogue *c)
{
	return c->stores;
}

unsigned
catalogue_most(const struct catalogue *c)
{
	return c->limit;
}

unsigned
catalogue_names(const struct catalogue *c)
{
	return mark_read(&c->h->top);
}

unsigned
catalogue_held(const struct catalogue *c, unsigned store)
{
	unsigned	i, n = 0, top = catalogue_names(c);

	for (i = 0; i < top; i++)
		n += atomic_load(&c->h->word[i]) >> store & 1;
	return n;
}
