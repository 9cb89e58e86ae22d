/*
 * cache_check.h: walks all that a cache has and compares it with the sums the
 * cache keeps.  Takes time in proportion to its size.
 */
#ifndef TESTS_CACHE_CHECK_H
#define TESTS_CACHE_CHECK_H

#include "store/cache.h"

/* NULL: all in order; else what is not. */
const char	*cache_check(struct cache *);

#endif
