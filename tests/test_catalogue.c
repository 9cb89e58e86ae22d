/*
 * test_catalogue.c: the table of tables in one process: holding, joining,
 * letting go, types, limits, starting, settling, sums.  Each store has its own
 * mapping, as in real life.  What happens when a store is stopped or killed is
 * in test_catalogue_crash.c.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervisor/catalogue_impl.h"
#include "tests/unit.h"

#define STORES	3

static struct catalogue	*st[STORES];

static uint32_t
inc_of(unsigned store)
{
	return 100 + store;
}

static void
world_open(unsigned names)
{
	int		fd = catalogue_create(STORES, names);
	unsigned	i;

	CU_ASSERT_FATAL(fd != -1);
	for (i = 0; i < STORES; i++) {
		st[i] = catalogue_map(fd);
		CU_ASSERT_FATAL(st[i] != NULL);
	}
	close(fd);
}

static void
world_fill(void)
{
	unsigned	i;

	for (i = 0; i < STORES; i++) {
		catalogue_begin(st[i], i);
		catalogue_filled(st[i], i);
	}
}

static void
world_close(void)
{
	unsigned	i;

	for (i = 0; i < STORES; i++)
		catalogue_unmap(st[i]);
}

static enum err
hold_as(unsigned store, uint8_t type, const char *name, uint64_t stamp,
    int force, unsigned *entry)
{
	return catalogue_hold(st[store], store, inc_of(store), type, name,
	    strlen(name), stamp, force, entry);
}

static enum err
hold(unsigned store, uint8_t type, const char *name, unsigned *entry)
{
	return hold_as(store, type, name, 1000, 0, entry);
}

static enum err
settle(unsigned store, uint8_t type, const char *name, uint64_t stamp,
    unsigned *entry)
{
	return catalogue_settle(st[store], store, inc_of(store), type, name,
	    strlen(name), stamp, entry);
}

/* Its type, 0 when nobody holds it, '?' when that is not known. */
static int
type_of(const char *name)
{
	struct catalogue_row	r;

	switch (catalogue_find(st[0], name, strlen(name), &r)) {
	case E_OK:
		CU_ASSERT_STRING_EQUAL(r.name, name);
		CU_ASSERT_EQUAL(r.len, strlen(name));
		return r.type;
	case E_TYPE:
		return 0;
	case E_NOTREADY:
		return '?';
	default:
		return -1;
	}
}

static void
set(unsigned store, unsigned entry, int64_t n)
{
	struct table_sum	s = { n, n * 10, n * 1024 };

	catalogue_set(st[store], store, entry, &s);
}

static int64_t
count_of(const char *name)
{
	struct catalogue_row	r;

	if (catalogue_find(st[0], name, strlen(name), &r) != E_OK)
		return -1;
	CU_ASSERT_EQUAL(r.sum.size, r.sum.count * 10);
	CU_ASSERT_EQUAL(r.sum.capacity, r.sum.count * 1024);
	return r.sum.count;
}

static void
test_make(void)
{
	int	fd;

	CU_ASSERT(catalogue_create(0, 10) == -1 && errno == EINVAL);
	CU_ASSERT(catalogue_create(CATALOGUE_STORES + 1, 10) == -1);
	CU_ASSERT(catalogue_create(1, 0) == -1);
	CU_ASSERT(catalogue_create(1, CATALOGUE_MOST + 1) == -1);
	fd = memfd_create("other", MFD_CLOEXEC);
	CU_ASSERT(catalogue_map(fd) == NULL && errno == EINVAL);
	close(fd);
	CU_ASSERT(catalogue_map(-1) == NULL && errno == EBADF);
	fd = catalogue_create(CATALOGUE_STORES, CATALOGUE_MOST);
	CU_ASSERT(fd != -1);
	CU_ASSERT(ftruncate(fd, 4096) == -1);	/* nobody can take it away */
	st[0] = catalogue_map(fd);
	CU_ASSERT_FATAL(st[0] != NULL);
	CU_ASSERT_EQUAL(catalogue_stores(st[0]), CATALOGUE_STORES);
	CU_ASSERT_EQUAL(catalogue_names(st[0]), 0);
	catalogue_unmap(st[0]);
	catalogue_unmap(NULL);
	close(fd);
}

static void
test_hold(void)
{
	unsigned	e, f, g;

	world_open(100);
	world_fill();
	CU_ASSERT_EQUAL(type_of("t"), 0);
	CU_ASSERT_EQUAL(hold(0, 'H', "t", &e), E_OK);
	CU_ASSERT_EQUAL(type_of("t"), 'H');
	CU_ASSERT_EQUAL(hold(0, 'H', "t", &f), E_OK);
	CU_ASSERT_EQUAL(e, f);
	CU_ASSERT_EQUAL(hold(0, 'S', "t", &f), E_TYPE);
	CU_ASSERT_EQUAL(hold(1, 'S', "t", &f), E_TYPE);
	CU_ASSERT_EQUAL(hold(1, 'Z', "t", &f), E_TYPE);
	CU_ASSERT_EQUAL(hold(1, 'H', "t", &g), E_OK);
	CU_ASSERT_EQUAL(g, e);
	CU_ASSERT_EQUAL(catalogue_held(st[0], 0), 1);
	CU_ASSERT_EQUAL(catalogue_held(st[0], 2), 0);

	catalogue_drop(st[0], 0, e);
	CU_ASSERT_EQUAL(type_of("t"), 'H');
	CU_ASSERT_EQUAL(catalogue_type(st[0], 0, e), 0);
	CU_ASSERT_EQUAL(catalogue_type(st[0], 1, e), 'H');
	catalogue_drop(st[0], 0, e);		/* again: nothing */
	CU_ASSERT_EQUAL(hold(2, 'Z', "t", &f), E_TYPE);
	catalogue_drop(st[1], 1, e);
	CU_ASSERT_EQUAL(type_of("t"), 0);
	CU_ASSERT_EQUAL(hold(2, 'Z', "t", &f), E_OK);
	CU_ASSERT_EQUAL(type_of("t"), 'Z');
	CU_ASSERT_EQUAL(hold(0, 'H', "t", &f), E_TYPE);
	world_close();
}

static void
test_names(void)
{
	char		long_name[CATALOGUE_NAME + 2], name[16];
	unsigned	e, f, i;

	world_open(200);
	world_fill();
	memset(long_name, 'x', sizeof(long_name));
	long_name[CATALOGUE_NAME + 1] = '\0';
	CU_ASSERT_EQUAL(hold(0, 'H', long_name, &e), E_PARAM);
	CU_ASSERT_EQUAL(type_of(long_name), 0);
	long_name[CATALOGUE_NAME] = '\0';
	CU_ASSERT_EQUAL(hold(0, 'H', long_name, &e), E_OK);
	CU_ASSERT_EQUAL(type_of(long_name), 'H');
	long_name[CATALOGUE_NAME - 1] = '\0';
	CU_ASSERT_EQUAL(type_of(long_name), 0);
	CU_ASSERT_EQUAL(hold(0, 'S', long_name, &f), E_OK);
	CU_ASSERT_NOT_EQUAL(e, f);
	CU_ASSERT_EQUAL(hold(0, 'H', "", &e), E_PARAM);
	CU_ASSERT_EQUAL(hold(0, 'K', "k", &e), E_PARAM);
	CU_ASSERT_EQUAL(hold(0, ' ', "k", &e), E_PARAM);
	CU_ASSERT_EQUAL(hold(0, 0, "k", &e), E_PARAM);
	for (i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		CU_ASSERT_EQUAL(hold(i % STORES, "HSZ"[i % 3], name, &e), E_OK);
	}
	for (i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		CU_ASSERT_EQUAL(type_of(name), "HSZ"[i % 3]);
	}
	world_close();
}

/* Neither free nor missing before the last store has filled in its column. */
static void
test_notready(void)
{
	unsigned	e, i;

	world_open(100);
	for (i = 0; i < STORES; i++) {
		catalogue_begin(st[i], i);
		CU_ASSERT_EQUAL(type_of("t"), '?');
		CU_ASSERT_EQUAL(hold(i, 'H', "t", &e), E_NOTREADY);
	}
	CU_ASSERT_EQUAL(hold_as(0, 'S', "t", 5, 1, &e), E_OK);
	catalogue_filled(st[0], 0);
	catalogue_filled(st[2], 2);
	CU_ASSERT(!catalogue_complete(st[1]));
	CU_ASSERT_EQUAL(type_of("t"), 'S');
	CU_ASSERT_EQUAL(type_of("u"), '?');
	CU_ASSERT_EQUAL(hold(2, 'S', "t", &e), E_OK);	/* known already */
	CU_ASSERT_EQUAL(hold(2, 'H', "t", &e), E_TYPE);
	CU_ASSERT_EQUAL(hold(2, 'H', "u", &e), E_NOTREADY);
	catalogue_filled(st[1], 1);
	CU_ASSERT(catalogue_complete(st[1]));
	CU_ASSERT_EQUAL(type_of("u"), 0);
	CU_ASSERT_EQUAL(hold(2, 'H', "u", &e), E_OK);
	world_close();
}

static void
test_full(void)
{
	unsigned	entry[8190], e, i;
	char		name[16];

	world_open(8190);
	world_fill();
	for (i = 0; i < 8190; i++) {
		snprintf(name, sizeof(name), "table%u", i);
		CU_ASSERT_EQUAL(hold(0, 'H', name, &entry[i]), E_OK);
	}
	CU_ASSERT_EQUAL(catalogue_names(st[0]), 8190);
	CU_ASSERT_EQUAL(catalogue_held(st[0], 0), 8190);
	CU_ASSERT_EQUAL(hold(1, 'S', "more", &e), E_TABLES);
	CU_ASSERT_EQUAL(hold(1, 'H', "table17", &e), E_OK);	/* not new */
	catalogue_drop(st[1], 1, e);

	/* The places of names that have gone are used again. */
	for (i = 0; i < 8190; i += 10) {
		catalogue_drop(st[0], 0, entry[i]);
		snprintf(name, sizeof(name), "other%u", i);
		CU_ASSERT_EQUAL(hold(1, 'S', name, &e), E_OK);
		CU_ASSERT_EQUAL(hold(1, 'S', "more", &e), E_TABLES);
	}
	for (i = 0; i < 8190; i++) {
		snprintf(name, sizeof(name), "table%u", i);
		CU_ASSERT_EQUAL(type_of(name), i % 10 == 0 ? 0 : 'H');
		snprintf(name, sizeof(name), "other%u", i);
		CU_ASSERT_EQUAL(type_of(name), i % 10 == 0 ? 'S' : 0);
	}
	/* What a store has is let in although db.tables was lowered. */
	CU_ASSERT_EQUAL(hold_as(2, 'Z', "more", 1, 1, &e), E_OK);
	CU_ASSERT_EQUAL(type_of("more"), 'Z');
	CU_ASSERT_EQUAL(catalogue_names(st[0]), 8191);
	CU_ASSERT_EQUAL(hold(0, 'Z', "more", &i), E_OK);
	CU_ASSERT_EQUAL(i, e);
	CU_ASSERT_EQUAL(hold(0, 'Z', "still more", &e), E_TABLES);
	world_close();
}

/* More names than ever were, through one place. */
static void
test_generations(void)
{
	unsigned	e, i;
	char		name[16];

	world_open(1);
	world_fill();
	for (i = 0; i < 40000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		if (hold(i % 2, "HSZ"[i % 3], name, &e) != E_OK ||
		    type_of(name) != "HSZ"[i % 3])
			break;
		catalogue_drop(st[i % 2], i % 2, e);
	}
	CU_ASSERT_EQUAL(i, 40000);
	CU_ASSERT_EQUAL(catalogue_names(st[0]), 1);
	world_close();
}

/* A store that died, and its next incarnation. */
static void
test_restart(void)
{
	unsigned	a, b, c, e;

	world_open(100);
	world_fill();
	CU_ASSERT_EQUAL(hold(0, 'H', "a", &a), E_OK);
	CU_ASSERT_EQUAL(hold(0, 'S', "b", &b), E_OK);
	CU_ASSERT_EQUAL(hold(1, 'S', "b", &b), E_OK);
	CU_ASSERT_EQUAL(hold(0, 'Z', "c", &c), E_OK);
	set(0, a, 1);
	set(0, b, 2);
	set(1, b, 20);
	set(0, c, 3);
	catalogue_begin(st[0], 0);
	/* As long as it starts, what it had counts. */
	CU_ASSERT_EQUAL(count_of("a"), 1);
	CU_ASSERT_EQUAL(count_of("b"), 22);
	CU_ASSERT(catalogue_complete(st[1]));
	CU_ASSERT_EQUAL(hold(1, 'H', "new", &e), E_OK);
	CU_ASSERT_EQUAL(hold_as(0, 'H', "a", 1000, 1, &e), E_OK);
	CU_ASSERT_EQUAL(e, a);
	set(0, a, 7);
	/* It has the name as another type than its earlier incarnation had. */
	CU_ASSERT_EQUAL(hold_as(0, 'H', "c", 1000, 1, &c), E_OK);
	set(0, c, 4);
	catalogue_filled(st[0], 0);
	CU_ASSERT_EQUAL(count_of("a"), 7);
	CU_ASSERT_EQUAL(count_of("b"), 20);
	CU_ASSERT_EQUAL(type_of("c"), 'H');
	CU_ASSERT_EQUAL(count_of("c"), 4);
	CU_ASSERT_EQUAL(catalogue_type(st[0], 0, b), 0);
	catalogue_begin(st[0], 0);
	catalogue_filled(st[0], 0);
	CU_ASSERT_EQUAL(type_of("a"), 0);
	CU_ASSERT_EQUAL(type_of("c"), 0);
	CU_ASSERT_EQUAL(type_of("b"), 'S');
	CU_ASSERT_EQUAL(catalogue_held(st[0], 0), 0);
	world_close();
}

static void
test_settle(void)
{
	unsigned	a, b, e;

	world_open(100);
	CU_ASSERT_EQUAL(hold_as(0, 'H', "t", 50, 1, &a), E_OK);
	set(0, a, 5);
	/* A newer claim loses, and so does one of the same age. */
	CU_ASSERT_EQUAL(settle(1, 'S', "t", 60, &b), E_TYPE);
	CU_ASSERT_EQUAL(settle(1, 'S', "t", 50, &b), E_TYPE);
	CU_ASSERT_EQUAL(type_of("t"), 'H');
	/* A holder with an older one makes the name older. */
	CU_ASSERT_EQUAL(hold_as(2, 'H', "t", 40, 1, &e), E_OK);
	set(2, e, 6);
	CU_ASSERT_EQUAL(settle(1, 'S', "t", 45, &b), E_TYPE);
	CU_ASSERT_EQUAL(settle(1, 'S', "t", 39, &b), E_OK);
	CU_ASSERT_EQUAL(type_of("t"), 'S');
	CU_ASSERT_EQUAL(count_of("t"), 0);
	set(1, b, 9);
	CU_ASSERT_EQUAL(catalogue_type(st[0], 0, a), 0);
	CU_ASSERT_EQUAL(catalogue_type(st[2], 2, a), 0);
	CU_ASSERT_EQUAL(catalogue_type(st[1], 1, b), 'S');
	/* What the losers still say does not count. */
	set(0, a, 4);
	CU_ASSERT_EQUAL(count_of("t"), 9);
	catalogue_drop(st[0], 0, a);
	CU_ASSERT_EQUAL(type_of("t"), 'S');
	CU_ASSERT_EQUAL(hold_as(0, 'H', "t", 50, 1, &e), E_TYPE);
	CU_ASSERT_EQUAL(hold_as(0, 'S', "t", 50, 1, &e), E_OK);
	CU_ASSERT_EQUAL(count_of("t"), 9);
	CU_ASSERT_EQUAL(settle(2, 'H', "t", 39, &e), E_TYPE);
	world_close();
}

static void
test_settle_no_conflict(void)
{
	unsigned	a, e;

	world_open(100);
	CU_ASSERT_EQUAL(settle(0, 'H', "t", 50, &a), E_OK);	/* free */
	CU_ASSERT_EQUAL(settle(1, 'H', "t", 70, &e), E_OK);	/* joins */
	CU_ASSERT_EQUAL(a, e);
	CU_ASSERT_EQUAL(catalogue_type(st[0], 0, a), 'H');
	CU_ASSERT_EQUAL(catalogue_type(st[1], 1, a), 'H');
	CU_ASSERT_EQUAL(settle(1, 'K', "t", 1, &e), E_PARAM);
	/* Only its own earlier incarnation is against it. */
	catalogue_drop(st[1], 1, a);
	catalogue_begin(st[0], 0);
	CU_ASSERT_EQUAL(settle(0, 'Z', "t", 90, &e), E_OK);
	CU_ASSERT_EQUAL(type_of("t"), 'Z');
	world_close();
}

static void
test_sums(void)
{
	struct table_sum	k = { 3, 30, 3072 }, keys, hashes;
	struct catalogue_row	r;
	unsigned		e, i, n = 0;

	world_open(100);
	world_fill();
	for (i = 0; i < STORES; i++) {
		catalogue_set_keys(st[i], i, &k);
		CU_ASSERT_EQUAL(hold(i, 'H', "h", &e), E_OK);
		set(i, e, i + 1);
		CU_ASSERT_EQUAL(hold(i, 'H', "g", &e), E_OK);
		set(i, e, 100);
		CU_ASSERT_EQUAL(hold(i, 'S', "s", &e), E_OK);
		set(i, e, 1000);
	}
	catalogue_totals(st[0], &keys, &hashes);
	CU_ASSERT(keys.count == 9 && keys.size == 90 && keys.capacity == 9216);
	CU_ASSERT_EQUAL(hashes.count, 306);
	CU_ASSERT_EQUAL(hashes.size, 3060);
	CU_ASSERT_EQUAL(hashes.capacity, 306 * 1024);
	for (i = 0; i < catalogue_names(st[0]); i++) {
		if (!catalogue_row(st[0], i, &r))
			continue;
		n++;
		CU_ASSERT_EQUAL(r.sum.count, r.name[0] == 'h' ? 6 :
		    r.name[0] == 'g' ? 300 : 3000);
		CU_ASSERT_EQUAL(r.type, r.name[0] == 's' ? 'S' : 'H');
	}
	CU_ASSERT_EQUAL(n, 3);
	/* Held again after it was let go: empty. */
	catalogue_drop(st[0], 0, e);
	CU_ASSERT_EQUAL(count_of("s"), 2000);
	CU_ASSERT_EQUAL(hold(0, 'S', "s", &e), E_OK);
	CU_ASSERT_EQUAL(count_of("s"), 2000);
	world_close();
}

/* Instead of the system's: other processes have had their turn. */
static int	holder_goes_on, turns;

int
sched_yield(void)
{
	turns++;
	if (holder_goes_on) {
		usleep(2 * CATALOGUE_WAIT_US);
		atomic_store(&st[0]->h->lock, 0);
	}
	return 0;
}

/*
 * Who waits is as little in a hurry as the holder: on a busy machine one yield
 * takes longer than the wait, and the lock may be free after it.
 */
static void
test_lock_wait(void)
{
	unsigned	e;

	world_open(10);
	world_fill();
	atomic_store(&st[0]->h->lock, inc_of(1));
	turns = 0;
	CU_ASSERT_EQUAL(hold(0, 'H', "t", &e), E_AGAIN);
	CU_ASSERT(turns > 0);
	turns = 0;
	CU_ASSERT_EQUAL(hold(0, 'H', "t", &e), E_AGAIN);
	CU_ASSERT_EQUAL(turns, 0);	/* the same holder: no second wait */
	atomic_store(&st[0]->h->lock, inc_of(2));
	holder_goes_on = 1;
	CU_ASSERT_EQUAL(hold(0, 'H', "t", &e), E_OK);
	CU_ASSERT_EQUAL(atomic_load(&st[0]->h->lock), 0);
	atomic_store(&st[0]->h->lock, inc_of(1));
	CU_ASSERT_EQUAL(hold(0, 'H', "u", &e), E_OK);
	holder_goes_on = 0;
	CU_ASSERT_EQUAL(atomic_load(&st[0]->h->lock), 0);
	world_close();
}

static const CU_TestInfo tests[] = {
	{ "making and mapping", test_make },
	{ "hold, join, drop", test_hold },
	{ "names", test_names },
	{ "not ready", test_notready },
	{ "full", test_full },
	{ "generations", test_generations },
	{ "restart", test_restart },
	{ "settle", test_settle },
	{ "settle without a conflict", test_settle_no_conflict },
	{ "sums", test_sums },
	{ "lock_wait", test_lock_wait },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_catalogue", UNIT_SUITE("catalogue", tests))
