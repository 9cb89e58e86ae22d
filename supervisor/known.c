/*
 * known.c: the table behind known.h.
 *
 * Invariants
 * 1 A tag is two words, written and read one by one and without a lock.  A
 *   reader that meets half of one tag and half of another compares with a
 *   mixture, which is as hard to hit as a tag itself.
 * 2 The row is a part of the tag, so which rows are used says nothing about a
 *   password to who does not have the secret.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "proto/sealed.h"
#include "supervisor/known.h"

struct tag {
	_Atomic uint64_t	w[2];
};

struct row {
	struct tag		tags[KNOWN_WAYS];
	_Atomic uint32_t	next;		/* the one to be forgotten */
	uint32_t		spare;
};

struct known {
	uint8_t		secret[KNOWN_SECRET];
	struct row	rows[KNOWN_ROWS];
};

int
known_create(void)
{
	uint8_t	secret[KNOWN_SECRET];

	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return -1;
	return sealed_make("wharf-known", sizeof(struct known), secret,
	    sizeof(secret));
}

struct known *
known_map(int fd)
{
	void	*p;
	size_t	 size;

	if ((p = sealed_map(fd, sizeof(struct known), &size)) == NULL)
		return NULL;
	/* With the secret, passwords could be tried much faster than by hash. */
	(void)madvise(p, size, MADV_DONTDUMP);
	if (size == sizeof(struct known))
		return p;
	munmap(p, size);
	errno = EINVAL;
	return NULL;
}

void
known_unmap(struct known *k)
{
	if (k != NULL)
		munmap(k, sizeof(*k));
}

const uint8_t *
known_secret(const struct known *k)
{
	return k->secret;
}

static unsigned
row_of(const uint64_t w[2])
{
	return (unsigned)(w[0] % KNOWN_ROWS);
}

int
known_has(const struct known *k, const uint8_t tag[KNOWN_TAG])
{
	uint64_t		 w[2], differ;
	const struct row	*r;
	unsigned		 i, found = 0;

	memcpy(w, tag, sizeof(w));
	r = &k->rows[row_of(w)];
	for (i = 0; i < KNOWN_WAYS; i++) {
		differ = (atomic_load_explicit(&r->tags[i].w[0],
		    memory_order_relaxed) ^ w[0]) |
		    (atomic_load_explicit(&r->tags[i].w[1],
		    memory_order_relaxed) ^ w[1]);
		found |= (unsigned)(1 ^ ((differ | (0 - differ)) >> 63));
	}
	return (int)found;
}

void
known_add(struct known *k, const uint8_t tag[KNOWN_TAG])
{
	uint64_t	 w[2];
	struct row	*r;
	struct tag	*t;

	if (known_has(k, tag))
		return;
	memcpy(w, tag, sizeof(w));
	r = &k->rows[row_of(w)];
	t = &r->tags[atomic_fetch_add_explicit(&r->next, 1,
	    memory_order_relaxed) % KNOWN_WAYS];
	atomic_store_explicit(&t->w[0], w[0], memory_order_relaxed);
	atomic_store_explicit(&t->w[1], w[1], memory_order_relaxed);
}
