/*
 * shard_rig.h: what tests of a whole shard share: its directory, copies of it
 * as a kill would leave it, a notify that tells nobody, a turn of its loop, and
 * tests on both engines.
 */
#ifndef TESTS_SHARD_RIG_H
#define TESTS_SHARD_RIG_H

#include <CUnit/Basic.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/engine.h"
#include "store/shard.h"

/* The test polls its shard. */
static inline void
shard_quiet(void *arg)
{
	(void)arg;
}

/* Makes base, whose end is XXXXXX, for directories of shards. */
static inline void
shard_base(char *base)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(base));
}

/* Names and makes the n-th of them; out has size bytes. */
static inline void
shard_dir(char *out, size_t size, const char *base, unsigned n)
{
	char	wal[160];

	snprintf(out, size, "%s/%u", base, n);
	snprintf(wal, sizeof(wal), "%s/wal", out);
	CU_ASSERT_EQUAL_FATAL(mkdir(out, 0700), 0);
	CU_ASSERT_EQUAL_FATAL(mkdir(wal, 0700), 0);
}

/* The n-th becomes what a SIGKILL at this moment would leave of another. */
static inline void
shard_image(char *out, size_t size, const char *base, unsigned n,
    const char *from)
{
	char	cmd[600];

	snprintf(out, size, "%s/%u", base, n);
	/* A spare segment may get its name meanwhile: cp minds, we do not. */
	snprintf(cmd, sizeof(cmd), "cp -a --sparse=always '%s' '%s' 2>&1 |"
	    " grep -v 'No such file' >&2; test -d '%s/wal'", from, out, out);
	CU_ASSERT_EQUAL_FATAL(system(cmd), 0);
}

static inline int
shard_remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

/* Removes base and all that is in it. */
static inline void
shard_drop(const char *base)
{
	nftw(base, shard_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A turn of the loop of whoever serves it. */
static inline void
shard_loop(struct shard *served)
{
	shard_turn(served);
	shard_work(served);
	shard_kick(served);
	usleep(20);
	shard_poll(served);
}

/* Makes fn_tkrzw() and fn_mem() of fn_on(ops), and their rows. */
#define BOTH(fn)							\
	static void fn##_tkrzw(void) { fn##_on(&engine_tkrzw); }	\
	static void fn##_mem(void) { fn##_on(&engine_mem); }
#define ROWS(fn, name)							\
	{ (char *)name ", tkrzw", fn##_tkrzw },				\
	{ (char *)name ", memory", fn##_mem }

#endif
