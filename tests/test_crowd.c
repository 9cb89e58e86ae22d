/*
 * test_crowd.c: a data file into which much is put: it gets more buckets once,
 * with room for what comes meanwhile, and loses nothing on the way.
 */
#include <string.h>

#include "proto/slot.h"
#include "tests/shard_rig.h"
#include "tests/unit.h"

#define KEYS	240000u		/* 32,768 buckets at first */

static char	base[64], dir[128];

static struct shard *
open_shard(void)
{
	struct shard_conf	 c = {
		.dir = dir, .ops = &engine_tkrzw, .io = &io_posix, .node = 1,
		.stores = 1, .files = 1, .segment = 1 << 20, .sync = WAL_OS,
		.compact_bytes = UINT64_C(1) << 40, .notify = shard_quiet
	};
	struct shard_opened	 o;
	struct shard		*s = NULL;

	CU_ASSERT_EQUAL_FATAL(shard_open(&s, &c, &o), E_OK);
	return s;
}

static struct shard_key
numbered(unsigned n, char *name)
{
	int	len = snprintf(name, 16, "k%u", n);

	return (struct shard_key){ .type = TYPE_KV,
	    .slot = slot_of(name, (size_t)len), .key = (const uint8_t *)name,
	    .keylen = (size_t)len };
}

static void
put(struct shard *s, unsigned n)
{
	char			name[16];
	struct shard_key	k = numbered(n, name);
	struct shard_write	w = { .val = (const uint8_t *)name,
				    .vallen = k.keylen };
	struct shard_result	res;
	enum err		e;

	while ((e = shard_put(s, &k, &w, &res)) == E_AGAIN)
		shard_loop(s);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	if (n % 32 == 0)
		shard_loop(s);
}

static unsigned	same;

static void
see_name(void *arg, const struct record *r)
{
	const struct shard_key	*k = arg;

	same += r->vallen == k->keylen &&
	    memcmp(r->val, k->key, k->keylen) == 0;
}

static void
test_grows_once(void)
{
	struct shard		*s;
	struct shard_stat	 st;
	struct shard_result	 res;
	char			 name[16];
	unsigned		 i;

	snprintf(base, sizeof(base), "/tmp/test_crowd.XXXXXX");
	shard_base(base);
	shard_dir(dir, sizeof(dir), base, 0);
	s = open_shard();
	for (i = 0; i < KEYS; i++)
		put(s, i);
	do {
		shard_loop(s);
		shard_stat(s, &st);
	} while (st.data.compactions == 0 || st.data.compacting != 0);
	for (i = 0; i < 2000; i++)
		shard_loop(s);
	shard_stat(s, &st);
	CU_ASSERT_EQUAL(st.data.compactions, 1);
	CU_ASSERT_EQUAL(st.data.compacting, 0);
	CU_ASSERT_EQUAL(st.data.live_records, KEYS);
	for (i = 0; i < KEYS; i++) {
		struct shard_key	k = numbered(i, name);

		(void)shard_get(s, &k, see_name, &k, &res);
	}
	CU_ASSERT_EQUAL(same, KEYS);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

static const CU_TestInfo	tests[] = {
	{ "grows once", test_grows_once },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_crowd", UNIT_SUITE("crowd", tests))
