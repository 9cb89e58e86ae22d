/*
 * check.h: the offline check of a stopped node's data (wharf-store --check).
 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/io.h"

/*
 * Checks a shard's directory (where MANIFEST is), or all store.N and router.N
 * in a node's.
 * Writes nothing but lines on stdout: "PATH offset N: what" for each damage,
 * "PATH: what" where there is no place, and a sum for each store.
 * 0: all is whole; 1: something is damaged; 2: it could not be checked (in
 * use, not there, no memory), said on stderr.
 */
int	 check_main(int argc, char **argv);

#endif
