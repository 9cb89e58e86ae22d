/*
 * catalogue_map.c: makes the memory of the table of tables (wharfd), maps it
 * (stores), and takes it from whoever handed it down only when it is sealed
 * and of the size that its head says.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>

#include "proto/sealed.h"
#include "supervisor/catalogue_impl.h"

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

	if (!limits_are_right(stores, names)) {
		errno = EINVAL;
		return -1;
	}
	return sealed_make("wharf-catalogue", catalogue_size(stores), head,
	    sizeof(head));
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
	struct catalogue	*c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->h = sealed_map(fd, sizeof(struct head), &c->size);
	if (c->h == NULL) {
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
