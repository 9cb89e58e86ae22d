/*
 * test_shard_tables.c: two shards and the catalogue that they share: a name has
 * one type on both, also after kills; what is shown is what the durable records
 * add up to; a name that both have, with two types, becomes one's alone.
 * Everything runs on both engines.
 *
 * WHARF_SEED and WHARF_STEPS make it another or a longer run.
 */
#include <stdint.h>
#include <string.h>

#include "proto/clock.h"
#include "proto/slot.h"
#include "store/shard.h"
#include "tests/shard_rig.h"
#include "tests/unit.h"

#define STORES	2u
#define FILES	3u
#define NODE	0x77686172660001ull
#define NAMES	6u
#define MEMBERS	40u

struct world {
	const struct engine_ops	*ops;
	char			 base[64], dir[STORES][128];
	unsigned		 copies;
	int			 fd;
	struct catalogue	*cat[STORES];
	struct shard		*s[STORES];
	uint32_t		 inc;
};

/* --- the rig --- */

static void
new_catalogue(struct world *w)
{
	unsigned	i;

	for (i = 0; i < STORES; i++)
		catalogue_unmap(w->cat[i]);
	if (w->fd != -1)
		close(w->fd);
	w->fd = catalogue_create(STORES, 1000);
	for (i = 0; i < STORES; i++)
		CU_ASSERT_PTR_NOT_NULL_FATAL(w->cat[i] =
		    catalogue_map(w->fd));
}

static void
world_init(struct world *w, const struct engine_ops *ops)
{
	unsigned	i;

	memset(w, 0, sizeof(*w));
	w->ops = ops;
	w->fd = -1;
	snprintf(w->base, sizeof(w->base), "/tmp/test_shard_tables.XXXXXX");
	shard_base(w->base);
	for (i = 0; i < STORES; i++)
		shard_dir(w->dir[i], sizeof(w->dir[i]), w->base, i);
	w->copies = STORES;
	new_catalogue(w);
}

static void
open_shard(struct world *w, unsigned i)
{
	struct shard_conf	c = {
		.dir = w->dir[i], .ops = w->ops, .io = &io_posix,
		.node = NODE, .store = i, .stores = STORES, .files = FILES,
		.segment = 1 << 20, .sync = WAL_ALWAYS,
		.compact_bytes = 65536, .notify = shard_quiet,
		.catalogue = w->cat[i], .inc = ++w->inc
	};
	struct shard_opened	o;
	enum err		e = shard_open(&w->s[i], &c, &o);

	if (e != E_OK)
		printf("open: %s: %s\n", err_name(e), o.error);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
}

static void
close_shard(struct world *w, unsigned i)
{
	CU_ASSERT_EQUAL(shard_close(w->s[i], 1), E_OK);
	w->s[i] = NULL;
}

/* Goes on with the files as a SIGKILL at this moment would leave them. */
static void
kill_shard(struct world *w, unsigned i)
{
	char	next[128];

	shard_image(next, sizeof(next), w->base, w->copies++, w->dir[i]);
	shard_close(w->s[i], 0);
	snprintf(w->dir[i], sizeof(w->dir[i]), "%s", next);
	w->s[i] = NULL;
}

static void
world_free(struct world *w)
{
	unsigned	i;

	for (i = 0; i < STORES; i++) {
		if (w->s[i] != NULL)
			close_shard(w, i);
		catalogue_unmap(w->cat[i]);
	}
	close(w->fd);
	shard_drop(w->base);
}

/* "Hname": type and name. */
static unsigned
key_of(struct shard_key *k, const char *tab, const char *member)
{
	memset(k, 0, sizeof(*k));
	k->type = (uint8_t)tab[0];
	k->tab = (const uint8_t *)tab + 1;
	k->tablen = strlen(tab + 1);
	k->key = (const uint8_t *)member;
	k->keylen = strlen(member);
	k->slot = k->type == TYPE_ZSET ? slot_of(k->tab, k->tablen) :
	    slot_of(k->key, k->keylen);
	return slot_store(k->slot, STORES);
}

static enum err
change(struct world *w, const char *tab, const char *member, int del,
    size_t vallen, int64_t ttl)
{
	static const uint8_t	val[3000];
	struct shard_write	wr = { .val = val, .vallen = vallen,
	    .ttl = ttl };
	struct shard_result	res = { .lsn = 0 };
	struct shard_key	k;
	struct shard		*s = w->s[key_of(&k, tab, member)];
	unsigned		 i;
	enum err		 e = E_AGAIN;

	for (i = 0; i < 20000 && e == E_AGAIN; i++) {
		shard_turn(s);
		e = del ? shard_del(s, &k, &wr, &res) :
		    shard_put(s, &k, &wr, &res);
		if (e == E_AGAIN)
			shard_loop(s);
	}
	while (shard_released(s) < res.lsn)
		shard_loop(s);
	return e;
}

static enum err
put(struct world *w, const char *tab, const char *member)
{
	return change(w, tab, member, 0, 1, 0);
}

static enum err
del(struct world *w, const char *tab, const char *member)
{
	return change(w, tab, member, 1, 0, 0);
}

static enum err
look(struct world *w, const char *tab, const char *member)
{
	struct shard_key	 k;
	struct shard_result	 res;
	struct shard		*s = w->s[key_of(&k, tab, member)];

	shard_turn(s);
	return shard_get(s, &k, NULL, NULL, &res);
}

static int64_t
count_of(struct world *w, const char *tab)
{
	struct catalogue_row	row;

	return catalogue_find(w->cat[0], tab + 1, strlen(tab + 1), &row) ==
	    E_OK && row.type == (uint8_t)tab[0] ? row.sum.count : -1;
}

/* A member of a table that lies in this store. */
static const char *
member_of(const char *tab, unsigned store, unsigned n)
{
	static char		name[4][32];
	static unsigned		turn_no;
	char			*p = name[turn_no++ % 4];
	struct shard_key	k;
	unsigned		i;

	for (i = 0; i < 1000; i++) {
		snprintf(p, sizeof(name[0]), "m%u.%u", n, i);
		if (key_of(&k, tab, p) == store)
			return p;
	}
	return p;
}

/* --- one type, while it has members --- */

static void
types_on(const struct engine_ops *ops)
{
	struct world	w;
	const char	*m0 = member_of("Hx", 0, 1), *m1;

	world_init(&w, ops);
	m1 = member_of("Hx", 1, 2);
	open_shard(&w, 0);
	CU_ASSERT_EQUAL(put(&w, "Hx", m0), E_NOTREADY);
	CU_ASSERT_EQUAL(look(&w, "Hx", m0), E_NOTREADY);
	CU_ASSERT_EQUAL(put(&w, "K", m0), E_OK);
	CU_ASSERT_EQUAL(look(&w, "K", m0), E_OK);
	open_shard(&w, 1);
	CU_ASSERT_EQUAL(look(&w, "Hx", m0), E_TYPE);
	CU_ASSERT_EQUAL(del(&w, "Hx", m0), E_TYPE);
	CU_ASSERT_EQUAL(look(&w, "K", "nothing"), E_NOTFOUND);
	CU_ASSERT_EQUAL(put(&w, "Hx", m0), E_OK);
	CU_ASSERT_EQUAL(count_of(&w, "Hx"), 1);
	CU_ASSERT_EQUAL(look(&w, "Hx", m0), E_OK);
	CU_ASSERT_EQUAL(look(&w, "Hx", m1), E_NOTFOUND);
	CU_ASSERT_EQUAL(del(&w, "Hx", m1), E_NOTFOUND);
	CU_ASSERT_EQUAL(put(&w, "Sx", m1), E_TYPE);
	CU_ASSERT_EQUAL(put(&w, "Zx", m1), E_TYPE);
	CU_ASSERT_EQUAL(look(&w, "Sx", m1), E_TYPE);
	CU_ASSERT_EQUAL(put(&w, "Hx", m1), E_OK);
	CU_ASSERT_EQUAL(count_of(&w, "Hx"), 2);
	/* Killed, the one that has it still has it; nobody else gets it. */
	kill_shard(&w, 0);
	CU_ASSERT_EQUAL(put(&w, "Sx", m1), E_TYPE);
	CU_ASSERT_EQUAL(del(&w, "Hx", m1), E_OK);
	CU_ASSERT_EQUAL(put(&w, "Sx", m1), E_TYPE);
	open_shard(&w, 0);
	CU_ASSERT_EQUAL(count_of(&w, "Hx"), 1);
	CU_ASSERT_EQUAL(del(&w, "Hx", m0), E_OK);
	CU_ASSERT_EQUAL(look(&w, "Hx", m0), E_TYPE);
	CU_ASSERT_EQUAL(count_of(&w, "Hx"), -1);
	CU_ASSERT_EQUAL(put(&w, "Sx", m1), E_OK);
	CU_ASSERT_EQUAL(count_of(&w, "Sx"), 1);
	world_free(&w);
}

/* --- a model --- */

static const char *const tabs[NAMES] = { "K", "Hone", "Htwo", "Sone:set",
	"Zz.1", "Zz_2" };

struct model {
	size_t	 len[NAMES][MEMBERS];		/* 0: none; else value + 1 */
};

static unsigned
chance(unsigned n)
{
	return (unsigned)rand() % n;
}

static void
random_writes(struct world *w, struct model *m, unsigned n)
{
	char		name[32];
	unsigned	t, i;
	size_t		len;

	while (n-- > 0) {
		t = chance(NAMES);
		i = chance(MEMBERS);
		snprintf(name, sizeof(name), "member.%u", i);
		if (chance(3) == 0) {
			change(w, tabs[t], name, 1, 0, 0);
			m->len[t][i] = 0;
			continue;
		}
		len = chance(10) == 0 ? chance(3000) : chance(100);
		CU_ASSERT_EQUAL(change(w, tabs[t], name, 0, len,
		    chance(3) ? 0 : 3600000), E_OK);
		m->len[t][i] = len + 1;
	}
}

static struct table_sum
fresh(const struct model *m, unsigned t)
{
	struct table_sum	s = { 0, 0, 0 };
	unsigned		i;
	int64_t			n;

	for (i = 0; i < MEMBERS; i++) {
		if (m->len[t][i] == 0)
			continue;
		n = snprintf(NULL, 0, "member.%u", i) +
		    (int64_t)m->len[t][i] - 1;
		s.count++;
		s.size += n;
		s.capacity += (n + 1023) / 1024 * 1024;
	}
	return s;
}

static unsigned
differences(struct world *w, const struct model *m)
{
	struct catalogue_row	row;
	struct table_sum	s, keys, hashes;
	unsigned		t, bad = 0;
	enum err		e;

	for (t = 1; t < NAMES; t++) {
		s = fresh(m, t);
		e = catalogue_find(w->cat[1], tabs[t] + 1,
		    strlen(tabs[t] + 1), &row);
		if (s.count == 0 ? e != E_TYPE : e != E_OK ||
		    row.type != (uint8_t)tabs[t][0] ||
		    memcmp(&row.sum, &s, sizeof(s)) != 0)
			bad++;
	}
	s = fresh(m, 0);
	catalogue_totals(w->cat[1], &keys, &hashes);
	bad += memcmp(&keys, &s, sizeof(s)) != 0;
	return bad + (hashes.count != fresh(m, 1).count + fresh(m, 2).count);
}

static void
restart(struct world *w)
{
	unsigned	i;

	switch (chance(3)) {
	case 0:				/* one store, killed */
		i = chance(STORES);
		kill_shard(w, i);
		open_shard(w, i);
		break;
	case 1:				/* one store, in order */
		i = chance(STORES);
		close_shard(w, i);
		open_shard(w, i);
		break;
	default:			/* the node */
		for (i = 0; i < STORES; i++)
			if (chance(2))
				kill_shard(w, i);
			else
				close_shard(w, i);
		new_catalogue(w);
		for (i = 0; i < STORES; i++)
			open_shard(w, i);
	}
}

static unsigned
env(const char *name, unsigned other)
{
	const char	*s = getenv(name);

	return s == NULL ? other : (unsigned)strtoul(s, NULL, 10);
}

static void
model_on(const struct engine_ops *ops)
{
	static struct model	m;
	struct world		w;
	unsigned		i;

	srand(env("WHARF_SEED", 1));
	memset(&m, 0, sizeof(m));
	world_init(&w, ops);
	for (i = 0; i < STORES; i++)
		open_shard(&w, i);
	for (i = 0; i < env("WHARF_STEPS", 20); i++) {
		random_writes(&w, &m, 40);
		CU_ASSERT_EQUAL(differences(&w, &m), 0);
		restart(&w);
		CU_ASSERT_EQUAL(differences(&w, &m), 0);
	}
	world_free(&w);
}

/* --- what ended --- */

/* Nobody asks and nobody writes: it goes by itself, and the name with it. */
static void
expiry_on(const struct engine_ops *ops)
{
	struct world	w;
	int64_t		until;
	unsigned	i;

	world_init(&w, ops);
	for (i = 0; i < STORES; i++)
		open_shard(&w, i);
	for (i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(change(&w, "Sshort", member_of("S", i % 2, i),
		    0, 0, 50), E_OK);
	CU_ASSERT_EQUAL(count_of(&w, "Sshort"), 20);
	until = wall_ms() + 60000;
	while (count_of(&w, "Sshort") != -1 && wall_ms() < until)
		for (i = 0; i < STORES; i++)
			shard_loop(w.s[i]);
	CU_ASSERT_EQUAL(look(&w, "Sshort", "x"), E_TYPE);
	CU_ASSERT_EQUAL(put(&w, "Zshort", "x"), E_OK);
	world_free(&w);
}

/* --- two types for one name --- */

/* As a power cut may leave it: each wrote without the other's knowledge. */
static void
write_apart(struct world *w, unsigned i, const char *tab, unsigned n)
{
	struct table_sum	none = { 0, 0, 0 };

	new_catalogue(w);
	catalogue_begin(w->cat[1 - i], 1 - i);
	catalogue_set_keys(w->cat[1 - i], 1 - i, &none);
	catalogue_filled(w->cat[1 - i], 1 - i);
	open_shard(w, i);
	while (n-- > 0)
		CU_ASSERT_EQUAL(put(w, tab, member_of(tab, i, n)), E_OK);
}

static void
conflict_on(const struct engine_ops *ops, int killed)
{
	struct world	w;
	const char	*m;
	unsigned	i;

	world_init(&w, ops);
	write_apart(&w, 0, "Hx", 5);
	close_shard(&w, 0);
	write_apart(&w, 1, "Sx", 200);
	if (killed)
		kill_shard(&w, 1);
	else
		close_shard(&w, 1);
	new_catalogue(&w);
	open_shard(&w, 1);		/* first there, but the younger claim */
	CU_ASSERT_EQUAL(count_of(&w, "Sx"), 200);
	open_shard(&w, 0);
	shard_loop(w.s[1]);			/* sees that it lost the name */
	m = member_of("Sx", 1, 3);
	CU_ASSERT_EQUAL(look(&w, "Sx", m), E_TYPE);
	CU_ASSERT_EQUAL(put(&w, "Sx", m), E_TYPE);
	CU_ASSERT_EQUAL(del(&w, "Sx", m), E_TYPE);
	CU_ASSERT_EQUAL(put(&w, "Hx", m), E_OK);
	CU_ASSERT_EQUAL(count_of(&w, "Hx"), 6);
	for (i = 0; i < 100000; i++) {
		struct shard_stat	st;

		shard_loop(w.s[1]);
		shard_stat(w.s[1], &st);
		if (st.tables.tables == 1)
			break;
	}
	CU_ASSERT(i < 100000);
	CU_ASSERT_EQUAL(del(&w, "Hx", m), E_OK);
	CU_ASSERT_EQUAL(count_of(&w, "Hx"), 5);
	/* Nothing of it comes back. */
	close_shard(&w, 1);
	open_shard(&w, 1);
	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(del(&w, "Hx", member_of("Hx", 0, i)), E_OK);
	CU_ASSERT_EQUAL(put(&w, "Sx", m), E_OK);
	CU_ASSERT_EQUAL(count_of(&w, "Sx"), 1);
	world_free(&w);
}

static void
test_conflict_clean(void)
{
	conflict_on(&engine_tkrzw, 0);
}

static void
test_conflict_killed(void)
{
	conflict_on(&engine_tkrzw, 1);
}

static void
test_conflict_mem(void)
{
	conflict_on(&engine_mem, 1);
}

BOTH(types)
BOTH(model)
BOTH(expiry)

static const CU_TestInfo tests[] = {
	ROWS(types, "types"),
	ROWS(model, "model"),
	ROWS(expiry, "expiry"),
	{ (char *)"conflict after a stop", test_conflict_clean },
	{ (char *)"conflict after a kill", test_conflict_killed },
	{ (char *)"conflict, memory", test_conflict_mem },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_shard_tables", UNIT_SUITE("shard_tables", tests))
