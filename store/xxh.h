/*
 * xxh.h: libxxhash's functions, by the widest instructions that the processor
 * has where the library knows them (x86-64): twice as fast as what the compiler
 * may use everywhere.  The values are the same.  For what hashes short keys
 * only, xxhash.h with XXH_INLINE_ALL is better.
 */
#ifndef STORE_XXH_H
#define STORE_XXH_H

#include "config.h"

#define XXH_STATIC_LINKING_ONLY		/* XXH3_state_t on the stack */
#ifdef HAVE_XXH3_64BITS_UPDATE_DISPATCH
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#endif
