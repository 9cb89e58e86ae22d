/*
 * data_world_sums.c: the tables' sums of a world against a fresh count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/data_world.h"

static void
must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

/* What the newest records of a table add up to, as long as they count. */
static struct table_sum
fresh(const struct world *w, unsigned tab)
{
	struct table_sum	 s = { 0, 0, 0 };
	const struct entry	*e;
	struct record		 r;
	uint8_t			 k[64];
	unsigned		 key;
	int64_t			 n;

	for (key = 0; key < WORLD_KEYS; key++) {
		if (w->newest[key] == 0 ||
		    strcmp(world_table[key % WORLD_TABLES],
		    world_table[tab]) != 0)
			continue;
		e = &w->log[w->newest[key] - 1];
		must(record_peek(&r, e->val, e->len) == E_OK, "own record");
		if (r.kind != RECORD_VALUE || (r.expiry != 0 &&
		    r.expiry <= w->now / TABLES_STEP_MS * TABLES_STEP_MS))
			continue;
		n = (int64_t)(world_key(key, k) + r.vallen) -
		    (int64_t)strlen(world_table[tab]) - 1;
		s.count++;
		s.size += n;
		s.capacity += (n + 1023) / 1024 * 1024;
	}
	return s;
}

unsigned
world_check_tables(struct world *w)
{
	struct table_sum	is, should;
	const char		*name;
	unsigned		 i, bad = 0;

	tables_expire(w->tables, w->now);
	for (i = 0; i < WORLD_TABLES; i++) {
		name = world_table[i];
		should = fresh(w, i);
		tables_sum(w->tables, (uint8_t)name[0],
		    (const uint8_t *)name + 1, strlen(name + 1), &is);
		if (memcmp(&is, &should, sizeof(is)) == 0)
			continue;
		fprintf(stderr, "table %s: %lld, not %lld\n", name,
		    (long long)is.count, (long long)should.count);
		bad++;
	}
	return bad;
}
