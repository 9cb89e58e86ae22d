/*
 * test_tables.c: the sums over live records against a model that adds them up
 * anew each time; what others are shown, and when; who holds a name.
 *
 * WHARF_SEED and WHARF_STEPS make it another or a longer run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/tables.h"
#include "tests/unit.h"

#define TABLES		9		/* 0: the plain keys */
#define MEMBERS		60
#define BEGIN		1700000000000	/* wall ms */
#define STEP		TABLES_STEP_MS
#define PARTS		4		/* files of a shard */

static const char *const names[TABLES] = { "", "a", "b", "long:name.of_a_hash",
	"s", "t", "z", "y", "bad name\n%" };
static const uint8_t	 types[TABLES] = "KHHHSSZZH";

/* --- the model --- */

struct model {
	struct tables	*t;
	int64_t		 now, passed;	/* passed: all up to it is taken off */
	struct record	 rec[TABLES][MEMBERS];	/* kind 0: none */
	uint64_t	 hlc;
};

static unsigned
chance(unsigned n)
{
	return (unsigned)rand() % n;
}

static size_t
engine_key(unsigned tab, unsigned mem, uint8_t *out)
{
	char	name[64];
	int	n;

	n = snprintf(name, sizeof(name), "member%0*u", (int)(mem % 30), mem);
	record_key_put(out, types[tab], names[tab], strlen(names[tab]), name,
	    (size_t)n);
	return record_key_len(strlen(names[tab]), (size_t)n);
}

static size_t
member_len(unsigned mem)
{
	return (size_t)snprintf(NULL, 0, "member%0*u", (int)(mem % 30), mem);
}

static void
change(struct tables *t, unsigned tab, unsigned mem, const struct record *old,
    const struct record *r)
{
	uint8_t	key[RECORD_KEY_MAX];
	size_t	n = engine_key(tab, mem, key);

	tables_change(t, key, n, old != NULL && old->kind != 0 ? old : NULL, r);
}

static void
put(struct model *m, unsigned tab, unsigned mem, size_t vallen, int64_t expiry)
{
	struct record	*at = &m->rec[tab][mem], old = *at;

	*at = (struct record){ .kind = vallen == 0 && chance(2) ? RECORD_DEAD :
	    RECORD_VALUE, .version = 1, .vallen = vallen, .expiry = expiry,
	    .stamp = { .hlc = ++m->hlc } };
	change(m->t, tab, mem, &old, at);
}

static int64_t
random_expiry(const struct model *m)
{
	switch (chance(6)) {
	case 0:
		return m->now + 1 + chance(3 * STEP);
	case 1:
		return m->now + 1 + chance(100000);
	case 2:
		return m->now + 1 + (int64_t)chance(30 * 86400) * 1000;
	case 3:
		return m->now - chance(20000);		/* already past */
	default:
		return 0;
	}
}

/* Counts while it ends after the time up to which all is taken off. */
static struct table_sum
fresh(const struct model *m, unsigned tab, uint64_t *claim)
{
	struct table_sum	 s = { 0, 0, 0 };
	const struct record	*r;
	unsigned		 i;
	int64_t			 n;

	*claim = 0;
	for (i = 0; i < MEMBERS; i++) {
		r = &m->rec[tab][i];
		if (r->kind != RECORD_VALUE ||
		    (r->expiry != 0 && r->expiry <= m->passed))
			continue;
		n = (int64_t)(member_len(i) + r->vallen);
		s.count++;
		s.size += n;
		s.capacity += (n + 1023) / 1024 * 1024;
	}
	return s;
}

static unsigned
differences(const struct model *m, struct tables *t)
{
	struct table_sum	 is, should;
	uint64_t		 claim;
	unsigned		 i, bad = 0;

	for (i = 0; i < TABLES; i++) {
		should = fresh(m, i, &claim);
		tables_sum(t, types[i], (const uint8_t *)names[i],
		    strlen(names[i]), &is);
		if (memcmp(&is, &should, sizeof(is)) != 0) {
			fprintf(stderr, "table %c %s: %lld of %lld bytes, "
			    "should be %lld of %lld\n", types[i], names[i],
			    (long long)is.count, (long long)is.size,
			    (long long)should.count, (long long)should.size);
			bad++;
		}
	}
	return bad;
}

static void
time_goes_on(struct model *m)
{
	static const int64_t	jump[] = { 1, 100, 3999, 4000, 60000, 86400000 };

	m->now += jump[chance(6)] * (1 + chance(3));
	if (chance(20) == 0)
		m->now -= 50000;		/* set back */
	tables_expire(m->t, m->now);
	if (m->now / STEP * STEP > m->passed)
		m->passed = m->now / STEP * STEP;
}

/* --- a start --- */

static void
clean_start(struct model *m)
{
	struct manifest	man, back;
	char		err[128], *text;
	size_t		n = 0;

	manifest_init(&man);
	man.stores = man.files = 1;
	tables_save(m->t, &man);
	CU_ASSERT_NOT_EQUAL(man.sums, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text = manifest_text(&man, &n));
	CU_ASSERT_EQUAL_FATAL(manifest_parse(&back, text, n, err,
	    sizeof(err)), E_OK);
	tables_free(m->t);
	m->t = tables_new(NULL, 0, 1, m->now);
	tables_adopt(m->t, &back);
	tables_fill(m->t);
	manifest_clear(&man);
	manifest_clear(&back);
	free(text);
	if (m->now / STEP * STEP > m->passed)
		m->passed = m->now / STEP * STEP;
}

/* What reading the files would show, some of it with its history. */
static struct tables *
counted(const struct model *m, const struct tables *t)
{
	struct tables	*part[PARTS], *sum = tables_part(t);
	struct record	 was;
	unsigned	 i, k;

	for (i = 0; i < PARTS; i++)
		part[i] = tables_part(t);
	for (i = 0; i < TABLES; i++)
		for (k = 0; k < MEMBERS; k++) {
			if (m->rec[i][k].kind == 0)
				continue;
			was = m->rec[i][k];
			was.expiry = random_expiry(m);
			was.vallen += 7;
			if (k % 2)
				change(part[k % PARTS], i, k, NULL, &was);
			change(part[k % PARTS], i, k, k % 2 ? &was : NULL,
			    &m->rec[i][k]);
		}
	for (i = 0; i < PARTS; i++)
		tables_join(sum, part[i]);
	return sum;
}

static void
unclean_start(struct model *m)
{
	struct tables	*t = tables_new(NULL, 0, 1, m->now);

	tables_free(m->t);
	m->t = t;
	/* Reading says nothing of what was taken off before. */
	m->passed = m->now / STEP * STEP;
	tables_join(t, counted(m, t));
	tables_fill(t);
}

static void
step(struct model *m)
{
	struct tables	*again;
	unsigned	 n;

	switch (chance(40)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		time_goes_on(m);
		break;
	case 5:
		clean_start(m);
		break;
	case 6:
		unclean_start(m);
		break;
	case 7:				/* counted anew beside it */
		again = counted(m, m->t);
		time_goes_on(m);
		tables_replace(m->t, again);
		break;
	default:
		for (n = chance(20); n > 0; n--)
			put(m, chance(TABLES), chance(MEMBERS), chance(3) ?
			    chance(50) : chance(5000), random_expiry(m));
	}
}

static unsigned
env(const char *name, unsigned other)
{
	const char	*s = getenv(name);

	return s == NULL ? other : (unsigned)strtoul(s, NULL, 10);
}

static void
test_model(void)
{
	static struct model	m;
	struct tables_stat	st;
	unsigned		i, steps = env("WHARF_STEPS", 6000);

	srand(env("WHARF_SEED", 1));
	m = (struct model){ .now = BEGIN, .passed = BEGIN / STEP * STEP };
	m.t = tables_new(NULL, 0, 1, m.now);
	tables_fill(m.t);
	for (i = 0; i < steps; i++) {
		step(&m);
		if (differences(&m, m.t) != 0)
			break;
	}
	CU_ASSERT_EQUAL(i, steps);
	CU_ASSERT_FALSE(tables_inexact(m.t));
	/* Without records nothing is left of it. */
	for (i = 0; i < TABLES * MEMBERS; i++)
		put(&m, i / MEMBERS, i % MEMBERS, 1, m.now - 100000000000);
	tables_released(m.t, UINT64_MAX);
	tables_stat(m.t, &st);
	CU_ASSERT_EQUAL(st.tables, 0);
	CU_ASSERT_EQUAL(st.ends, 0);
	tables_free(m.t);
}

/* --- what ends together --- */

static void
test_same_second(void)
{
	struct tables		*t = tables_new(NULL, 0, 1, BEGIN);
	struct record		 r = { .kind = RECORD_VALUE, .version = 1,
	    .vallen = 10 };
	struct tables_stat	 st;
	struct table_sum	 s;
	unsigned		 i;
	uint8_t			 key[32] = "Hsame\0";

	tables_fill(t);
	for (i = 0; i < 100000; i++) {
		memcpy(key + 6, &i, 4);
		/* All within one second, and one step. */
		r.expiry = (BEGIN / STEP + 10) * STEP + 1000 + i % 1000;
		tables_change(t, key, 10, NULL, &r);
	}
	tables_stat(t, &st);
	CU_ASSERT_EQUAL(st.ends, 1);
	CU_ASSERT_EQUAL(tables_expire(t, r.expiry - 1000), 0);
	CU_ASSERT(tables_sum(t, 'H', (const uint8_t *)"same", 4, &s));
	CU_ASSERT_EQUAL(s.count, 100000);
	CU_ASSERT_EQUAL(s.size, 1400000);
	/* One entry is taken out, whatever it says. */
	CU_ASSERT_EQUAL(tables_expire(t, r.expiry + STEP), 100000);
	CU_ASSERT_FALSE(tables_sum(t, 'H', (const uint8_t *)"same", 4, &s));
	tables_stat(t, &st);
	CU_ASSERT_EQUAL(st.ends, 0);
	tables_free(t);
}

/* Memory of steps comes and goes with them; none of many is lost. */
static void
test_many_steps(void)
{
	struct tables		*t = tables_new(NULL, 0, 1, BEGIN);
	struct record		 r = { .kind = RECORD_VALUE, .version = 1 };
	struct tables_stat	 few, st;
	int64_t			 i, n = 50000;
	uint64_t		 gone = 0;
	uint8_t			 key[16] = "K\0";

	tables_fill(t);
	tables_stat(t, &few);
	for (i = 0; i < n; i++) {
		memcpy(key + 2, &i, 8);
		r.expiry = BEGIN + (i * 7919 % n + 1) * STEP;
		tables_change(t, key, 10, NULL, &r);
	}
	tables_stat(t, &st);
	CU_ASSERT_EQUAL(st.ends, (uint64_t)n);
	CU_ASSERT(st.bytes - few.bytes <= (uint64_t)n * 86);
	for (i = 1; i <= n + 1; i += i < n / 2 ? 1 : 5000)
		gone += tables_expire(t, BEGIN + i * STEP);
	gone += tables_expire(t, BEGIN + (n + 2) * STEP);
	CU_ASSERT_EQUAL(gone, (uint64_t)n);
	tables_stat(t, &st);
	CU_ASSERT_EQUAL(st.ends, 0);
	CU_ASSERT(st.bytes - few.bytes <= 256 * 8 * 32);
	tables_free(t);
}

/* --- with others --- */

struct rig {
	int			 fd;
	struct catalogue	*cat[2];
	struct tables		*t[2];
	uint64_t		 lsn;
};

static void
rig_make(struct rig *g)
{
	unsigned	i;

	memset(g, 0, sizeof(*g));
	g->fd = catalogue_create(2, 100);
	for (i = 0; i < 2; i++) {
		g->cat[i] = catalogue_map(g->fd);
		CU_ASSERT_PTR_NOT_NULL_FATAL(g->cat[i]);
		g->t[i] = tables_new(g->cat[i], i, i + 1, BEGIN);
	}
}

static void
rig_free(struct rig *g)
{
	unsigned	i;

	for (i = 0; i < 2; i++) {
		tables_free(g->t[i]);
		catalogue_unmap(g->cat[i]);
	}
	close(g->fd);
}

static const struct record	one = { .kind = RECORD_VALUE, .version = 1,
	.vallen = 5, .stamp = { .hlc = 1000 } };
static const struct record	dead = { .kind = RECORD_DEAD, .version = 1,
	.stamp = { .hlc = 2000 } };

/* A member "m" of a table with a name of one byte. */
static void
member(struct rig *g, unsigned i, const char *tab, const struct record *old,
    const struct record *r, uint64_t first)
{
	uint8_t	key[] = { (uint8_t)tab[0], (uint8_t)tab[1], 0, 'm' };

	tables_logged(g->t[i], ++g->lsn, first);
	tables_change(g->t[i], key, sizeof(key), old, r);
}

/* "Hx": type and name. */
static enum err
claim(struct rig *g, unsigned i, const char *tab)
{
	return tables_claim(g->t[i], (uint8_t)tab[0],
	    (const uint8_t *)tab + 1, 1, 5);
}

static enum err
missing(struct rig *g, unsigned i, const char *tab)
{
	return tables_missing(g->t[i], (uint8_t)tab[0],
	    (const uint8_t *)tab + 1, 1);
}

static int64_t
shown(struct rig *g, const char *tab)
{
	struct catalogue_row	row;

	return catalogue_find(g->cat[0], tab + 1, 1, &row) == E_OK &&
	    row.type == tab[0] ? row.sum.count : -1;
}

/* What is shown follows the log, batch by batch, and the name with it. */
static void
test_durable(void)
{
	struct rig	g;

	rig_make(&g);
	tables_fill(g.t[0]);
	CU_ASSERT_EQUAL(claim(&g, 0, "Hx"), E_NOTREADY);
	CU_ASSERT_EQUAL(missing(&g, 0, "Hx"), E_NOTREADY);
	tables_fill(g.t[1]);
	CU_ASSERT_EQUAL(missing(&g, 0, "Hx"), E_TYPE);
	CU_ASSERT_EQUAL(claim(&g, 0, "Hx"), E_OK);
	CU_ASSERT_EQUAL(claim(&g, 1, "Sx"), E_TYPE);
	CU_ASSERT_EQUAL(claim(&g, 1, "Hx"), E_OK);
	member(&g, 0, "Hx", NULL, &one, 1);
	CU_ASSERT_EQUAL(missing(&g, 0, "Hx"), E_NOTFOUND);
	CU_ASSERT_EQUAL(missing(&g, 0, "Sx"), E_TYPE);
	CU_ASSERT_EQUAL(shown(&g, "Hx"), 0);
	tables_released(g.t[0], 0);
	CU_ASSERT_EQUAL(shown(&g, "Hx"), 0);
	/* The batch of 1 is handed over; 2 deletes, in the next one. */
	member(&g, 0, "Hx", &one, &dead, 2);
	tables_released(g.t[0], 0);
	CU_ASSERT_EQUAL(shown(&g, "Hx"), 0);
	tables_released(g.t[0], 1);
	CU_ASSERT_EQUAL(shown(&g, "Hx"), 1);
	tables_released(g.t[0], 2);
	/* Nobody but a claim of store 1 is left, of which nothing came. */
	CU_ASSERT_EQUAL(claim(&g, 0, "Sx"), E_TYPE);
	tables_released(g.t[1], 0);
	CU_ASSERT_EQUAL(shown(&g, "Hx"), -1);
	CU_ASSERT_EQUAL(missing(&g, 0, "Hx"), E_TYPE);
	CU_ASSERT_EQUAL(claim(&g, 1, "Sx"), E_OK);
	CU_ASSERT_EQUAL(claim(&g, 0, "Hx"), E_TYPE);
	rig_free(&g);
}

/* A batch that was handed over and is done before the next record comes. */
static void
test_batches(void)
{
	struct rig	g;
	unsigned	i;

	rig_make(&g);
	tables_fill(g.t[0]);
	tables_fill(g.t[1]);
	CU_ASSERT_EQUAL(claim(&g, 0, "Zx"), E_OK);
	for (i = 0; i < 20; i++)
		member(&g, 0, "Zx", i == 0 ? NULL : &one, &one, 1);
	tables_released(g.t[0], 20);
	CU_ASSERT_EQUAL(shown(&g, "Zx"), 1);
	member(&g, 0, "Zx", NULL, &one, 21);
	member(&g, 0, "Zx", NULL, &one, 22);
	member(&g, 0, "Zx", NULL, &one, 22);
	CU_ASSERT_EQUAL(shown(&g, "Zx"), 1);
	tables_released(g.t[0], 21);
	CU_ASSERT_EQUAL(shown(&g, "Zx"), 2);
	tables_released(g.t[0], 22);	/* in the middle of one: not yet */
	CU_ASSERT_EQUAL(shown(&g, "Zx"), 2);
	tables_released(g.t[0], 23);
	CU_ASSERT_EQUAL(shown(&g, "Zx"), 4);
	rig_free(&g);
}

/* Expired before it was durable: never below zero, gone when durable. */
static void
test_quick_end(void)
{
	struct record	r = one;
	struct rig	g;

	rig_make(&g);
	tables_fill(g.t[0]);
	tables_fill(g.t[1]);
	CU_ASSERT_EQUAL(claim(&g, 0, "Sx"), E_OK);
	r.expiry = BEGIN + 10;
	member(&g, 0, "Sx", NULL, &r, 1);
	CU_ASSERT_EQUAL(tables_expire(g.t[0], BEGIN + 2 * STEP), 1);
	CU_ASSERT_EQUAL(shown(&g, "Sx"), 0);
	tables_released(g.t[0], 1);
	CU_ASSERT_EQUAL(shown(&g, "Sx"), -1);
	rig_free(&g);
}

/* --- conflicts --- */

static void
load(struct rig *g, unsigned i, const char *tab, uint64_t hlc)
{
	struct record	r = one;

	r.stamp.hlc = hlc;
	member(g, i, tab, NULL, &r, 1);
}

/* The younger one hides and deletes; then the name is the other's alone. */
static void
test_conflict_at_start(void)
{
	struct tables_name	n;
	struct tables_stat	st;
	struct rig		g;

	rig_make(&g);
	load(&g, 0, "Hx", 10);
	load(&g, 1, "Sx", 11);
	tables_fill(g.t[0]);
	tables_fill(g.t[1]);
	CU_ASSERT_EQUAL(shown(&g, "Hx"), 1);
	CU_ASSERT_FALSE(tables_to_delete(g.t[0], &n));
	CU_ASSERT_TRUE_FATAL(tables_to_delete(g.t[1], &n));
	CU_ASSERT(n.type == 'S' && n.tablen == 1 && n.tab[0] == 'x');
	CU_ASSERT(tables_hidden(g.t[1], 'S', (const uint8_t *)"x", 1));
	CU_ASSERT_FALSE(tables_hidden(g.t[1], 'S', (const uint8_t *)"y", 1));
	CU_ASSERT_EQUAL(claim(&g, 1, "Sx"), E_TYPE);
	CU_ASSERT_EQUAL(claim(&g, 1, "Hx"), E_OK);
	CU_ASSERT_EQUAL(missing(&g, 1, "Sx"), E_TYPE);
	member(&g, 1, "Sx", &one, &dead, 2);
	tables_released(g.t[1], g.lsn);
	CU_ASSERT_FALSE(tables_to_delete(g.t[1], &n));
	CU_ASSERT_FALSE(tables_hidden(g.t[1], 'S', (const uint8_t *)"x", 1));
	tables_stat(g.t[1], &st);
	CU_ASSERT_EQUAL(st.conflicts, 1);
	rig_free(&g);
}

/* A store that starts later has the older claim: it takes the name. */
static void
test_conflict_later(void)
{
	struct tables_name	n;
	struct rig		g;

	rig_make(&g);
	load(&g, 0, "Hx", 11);
	tables_fill(g.t[0]);
	CU_ASSERT_EQUAL(claim(&g, 0, "Hx"), E_OK);
	load(&g, 1, "Zx", 10);
	tables_fill(g.t[1]);
	CU_ASSERT_EQUAL(claim(&g, 0, "Hx"), E_TYPE);
	CU_ASSERT_TRUE(tables_to_delete(g.t[0], &n));
	CU_ASSERT_EQUAL(missing(&g, 0, "Zx"), E_NOTFOUND);
	CU_ASSERT_EQUAL(shown(&g, "Zx"), 1);
	rig_free(&g);
}

/* The same is noticed by a store that nobody writes to. */
static void
test_conflict_watched(void)
{
	struct tables_name	n;
	struct rig		g;

	rig_make(&g);
	load(&g, 0, "Hx", 11);
	tables_fill(g.t[0]);
	load(&g, 1, "Zx", 10);
	tables_fill(g.t[1]);
	CU_ASSERT_FALSE(tables_to_delete(g.t[0], &n));
	tables_expire(g.t[0], BEGIN);
	CU_ASSERT_TRUE(tables_to_delete(g.t[0], &n));
	rig_free(&g);
}

static const CU_TestInfo sums[] = {
	{ "a model", test_model },
	{ "what ends in the same second", test_same_second },
	{ "many steps", test_many_steps },
	CU_TEST_INFO_NULL
};

static const CU_TestInfo others[] = {
	{ "durable ones are shown", test_durable },
	{ "batches", test_batches },
	{ "ended before durable", test_quick_end },
	{ "conflict at the start", test_conflict_at_start },
	{ "conflict with a later start", test_conflict_later },
	{ "conflict, unasked", test_conflict_watched },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_tables", UNIT_SUITE("sums", sums),
    UNIT_SUITE("others", others))
