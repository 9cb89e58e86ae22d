/*
 * engine_mem.c: the engine that keeps nothing: a chained hash table in memory,
 * for tests and for stores.engine = memory.  Its size grows with every store,
 * as that of an appending file would, so that compaction has something to do.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "store/engine.h"

struct node {
	struct node	*next;
	uint8_t		*val;
	size_t		 keylen, vallen;
	uint8_t		 key[];
};

struct engine {
	struct node	**bucket;
	uint64_t	  buckets, count, size;
};

struct engine_iter {
	struct engine	*e;
	uint64_t	 at;		/* next bucket */
	struct node	*n;		/* next node, NULL: look in bucket */
};

static enum err
mem_open(struct engine **out, const char *path, int create, uint64_t buckets)
{
	struct engine	*e;

	(void)path;
	if (!create)
		return E_NOTFOUND;
	if (buckets == 0)
		buckets = 1;
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return E_NOMEM;
	if ((e->bucket = calloc(buckets, sizeof(*e->bucket))) == NULL) {
		free(e);
		return E_NOMEM;
	}
	e->buckets = buckets;
	*out = e;
	return E_OK;
}

static enum err
mem_restore(const char *path, const char *newpath, uint64_t end)
{
	(void)path;
	(void)newpath;
	(void)end;
	return E_NOTFOUND;		/* there is no file */
}

static struct node **
find(struct engine *e, const uint8_t *key, size_t keylen)
{
	struct node	**p;

	p = &e->bucket[XXH3_64bits(key, keylen) % e->buckets];
	while (*p != NULL && ((*p)->keylen != keylen ||
	    memcmp((*p)->key, key, keylen) != 0))
		p = &(*p)->next;
	return p;
}

static enum err
add(struct engine *e, struct node **at, const uint8_t *key, size_t keylen)
{
	struct node	*n;

	if ((n = calloc(1, sizeof(*n) + keylen)) == NULL)
		return E_NOMEM;
	memcpy(n->key, key, keylen);
	n->keylen = keylen;
	*at = n;
	e->count++;
	return E_OK;
}

static enum err
mem_process(struct engine *e, const uint8_t *key, size_t keylen,
    engine_see *see, void *arg, int writable)
{
	struct node	**p = find(e, key, keylen);
	const uint8_t	 *val = NULL;
	uint8_t		 *copy;
	size_t		  len = 0;
	int		  store;

	store = see(arg, *p == NULL ? NULL : (*p)->val,
	    *p == NULL ? 0 : (*p)->vallen, &val, &len);
	if (!store || !writable)
		return E_OK;
	if ((copy = malloc(len + 1)) == NULL)
		return E_NOMEM;
	if (len != 0)
		memcpy(copy, val, len);
	if (*p == NULL && add(e, p, key, keylen) != E_OK) {
		free(copy);
		return E_NOMEM;
	}
	free((*p)->val);
	(*p)->val = copy;
	(*p)->vallen = len;
	e->size += (10 + keylen + len + 7) & ~(size_t)7;
	return E_OK;
}

static uint64_t
mem_size(struct engine *e)
{
	return e->size;
}

static uint64_t
mem_base(struct engine *e)
{
	(void)e;
	return 0;
}

static uint64_t
mem_count(struct engine *e)
{
	return e->count;
}

static uint64_t
mem_buckets(struct engine *e)
{
	return e->buckets;
}

static uint64_t
mem_room(uint64_t buckets)
{
	(void)buckets;
	return 0;
}

static enum err
mem_close(struct engine **ep)
{
	struct engine	*e = *ep;
	struct node	*n, *next;
	uint64_t	 i;

	*ep = NULL;
	if (e == NULL)
		return E_OK;
	for (i = 0; i < e->buckets; i++)
		for (n = e->bucket[i]; n != NULL; n = next) {
			next = n->next;
			free(n->val);
			free(n);
		}
	free(e->bucket);
	free(e);
	return E_OK;
}

static struct engine_iter *
mem_iter(struct engine *e)
{
	struct engine_iter	*it;

	if ((it = calloc(1, sizeof(*it))) != NULL)
		it->e = e;
	return it;
}

static enum err
mem_next(struct engine_iter *it, const uint8_t **key, size_t *keylen,
    const uint8_t **val, size_t *vallen)
{
	struct node	*n;

	while (it->n == NULL && it->at < it->e->buckets)
		it->n = it->e->bucket[it->at++];
	if ((n = it->n) == NULL)
		return E_NOTFOUND;
	it->n = n->next;
	*key = n->key;
	*keylen = n->keylen;
	*val = n->val;
	*vallen = n->vallen;
	return E_OK;
}

static void
mem_iter_free(struct engine_iter *it)
{
	free(it);
}

const struct engine_ops	engine_mem = {
	.name = "memory", .files = 0,
	.open = mem_open, .restore = mem_restore, .process = mem_process,
	.size = mem_size, .base = mem_base, .count = mem_count,
	.buckets = mem_buckets, .room = mem_room, .close = mem_close,
	.iter = mem_iter, .next = mem_next, .iter_free = mem_iter_free,
};
