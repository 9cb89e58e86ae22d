/*
 * test_sums.c: block checksums of a live tkrzw file that is written to, in
 * steps as checkpoints make them, against those of the whole file at once; and
 * whether each flipped bit is found in the right block.
 *
 * WHARF_SEED makes it another run.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/engine.h"
#include "store/sums.h"
#include "tests/unit.h"

#define KEYS	500u
#define VALUE	3000u
#define BIG	200000u			/* longer than three blocks */

static char		 dir[64], path[128], sum[128];
static struct engine	*e;
static int		 fd;

struct give {
	const uint8_t	*p;
	size_t		 n;
};

static int
give(void *arg, const uint8_t *old, size_t oldlen, const uint8_t **val,
    size_t *len)
{
	struct give	*g = arg;

	(void)old;
	(void)oldlen;
	*val = g->p;
	*len = g->n;
	return 1;
}

static void
set_some(unsigned n)
{
	static uint8_t	val[BIG];
	struct give	g = { val, 0 };
	uint8_t		key[8];
	size_t		i;

	while (n-- > 0) {
		snprintf((char *)key, sizeof(key), "k%05u",
		    (unsigned)rand() % KEYS);
		g.n = (size_t)rand() % (rand() % 50 == 0 ? BIG : VALUE);
		for (i = 0; i < g.n; i++)
			val[i] = (uint8_t)rand();
		CU_ASSERT_EQUAL_FATAL(engine_tkrzw.process(e, key, 6, give, &g,
		    1), E_OK);
	}
}

static void
begin(void)
{
	const char	*seed = getenv("WHARF_SEED");

	srand(seed != NULL ? (unsigned)atoi(seed) : 5);
	snprintf(dir, sizeof(dir), "/tmp/wharf-sums-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/data.0.1.tkh", dir);
	snprintf(sum, sizeof(sum), "%s/data.0.1.sum", dir);
	CU_ASSERT_EQUAL_FATAL(engine_tkrzw.open(&e, path, 1, 97), E_OK);
	fd = open(path, O_RDWR);
	CU_ASSERT_FATAL(fd != -1);
}

static void
end(void)
{
	CU_ASSERT_EQUAL(engine_tkrzw.close(&e), E_OK);
	close(fd);
	unlink(path);
	unlink(sum);
	rmdir(dir);
}

static int
same(const struct sums *a, const struct sums *b)
{
	size_t	i;

	if (a->n != b->n || a->end != b->end || a->base != b->base)
		return 0;
	for (i = 0; i < a->n; i++)
		if (a->block[i].sum != b->block[i].sum ||
		    a->block[i].first != b->block[i].first)
			return 0;
	return 1;
}

/*
 * The question on which all rests: what was summed never changes, however
 * often keys are overwritten later, and steps give what one go gives.
 */
static void
test_steps(void)
{
	struct sums	s, all;
	uint64_t	bad;
	unsigned	i;
	size_t		b;

	begin();
	sums_init(&s, 1, engine_tkrzw.base(e));
	for (i = 0; i < 60; i++) {
		set_some((unsigned)rand() % 40);
		CU_ASSERT_EQUAL(sums_extend(&s, &io_posix, fd,
		    engine_tkrzw.size(e), &bad), E_OK);
	}
	sums_init(&all, 1, engine_tkrzw.base(e));
	CU_ASSERT_EQUAL(sums_extend(&all, &io_posix, fd, s.end, &bad), E_OK);
	CU_ASSERT(s.n > 30 && same(&s, &all));
	set_some(100);
	for (b = 0; b < sums_blocks(&s); b++)
		CU_ASSERT_EQUAL(sums_check(&s, &io_posix, fd, b), E_OK);
	sums_free(&s);
	sums_free(&all);
	end();
}

/* Written, read back; cut at each length and changed at each byte: refused. */
static void
test_goes_on(void)
{
	struct sums	s, old;
	uint64_t	bad;
	uint8_t		*p, *block = malloc(SUMS_BLOCK);
	size_t		rest, n;
	unsigned	i;

	begin();
	sums_init(&s, 1, engine_tkrzw.base(e));
	for (i = 0; i < 8; i++) {
		set_some(100);
		CU_ASSERT_EQUAL(sums_extend(&s, &io_posix, fd,
		    engine_tkrzw.size(e), &bad), E_OK);
		p = sums_bytes(&s, &n);
		CU_ASSERT_EQUAL(sums_parse(&old, p, n, 2), E_DAMAGED);
		CU_ASSERT_EQUAL(sums_parse(&old, p, n - 1, 1), E_DAMAGED);
		CU_ASSERT_EQUAL_FATAL(sums_parse(&old, p, n, 1), E_OK);
		free(p);
		set_some(100);
		CU_ASSERT_EQUAL(sums_extend(&s, &io_posix, fd,
		    engine_tkrzw.size(e), &bad), E_OK);
		CU_ASSERT(sums_goes_on(&old, &s, &rest));
		CU_ASSERT_EQUAL_FATAL(rest, sums_blocks(&old) - 1);
		CU_ASSERT(pread(fd, block, SUMS_BLOCK, (off_t)rest *
		    SUMS_BLOCK) > 0);
		CU_ASSERT(sums_match(&old, rest, block));
		block[(old.end - 1) % SUMS_BLOCK] ^= 1;
		CU_ASSERT(!sums_match(&old, rest, block));
		CU_ASSERT(!sums_goes_on(&s, &old, &rest));
		if (old.n > 1) {
			old.block[(size_t)rand() % (old.n - 1)].sum ^= 4;
			CU_ASSERT(!sums_goes_on(&old, &s, &rest));
		}
		old.gen++;
		CU_ASSERT(!sums_goes_on(&old, &s, &rest));
		sums_free(&old);
	}
	sums_free(&s);
	free(block);
	end();
}

static void
test_file(void)
{
	struct sums	s, t;
	uint64_t	bad;
	struct stat	st;
	off_t		i;
	uint8_t		c;
	int		f;

	begin();
	set_some(100);
	sums_init(&s, 1, engine_tkrzw.base(e));
	CU_ASSERT_EQUAL(sums_load(&t, &io_posix, sum, 1), E_NOTFOUND);
	CU_ASSERT_EQUAL(sums_extend(&s, &io_posix, fd, engine_tkrzw.size(e),
	    &bad), E_OK);
	CU_ASSERT_EQUAL(sums_write(&s, &io_posix, sum), E_OK);
	CU_ASSERT_EQUAL(sums_load(&t, &io_posix, sum, 2), E_DAMAGED);
	CU_ASSERT_EQUAL(sums_load(&t, &io_posix, sum, 1), E_OK);
	CU_ASSERT(same(&s, &t));
	sums_free(&t);
	f = open(sum, O_RDWR);
	CU_ASSERT_FATAL(f != -1 && fstat(f, &st) == 0);
	for (i = 0; i < st.st_size; i++) {
		CU_ASSERT_EQUAL(pread(f, &c, 1, i), 1);
		c ^= (uint8_t)(1 << rand() % 8);
		CU_ASSERT_EQUAL(pwrite(f, &c, 1, i), 1);
		if (sums_load(&t, &io_posix, sum, 1) != E_DAMAGED)
			CU_FAIL("a changed file of sums is believed");
		CU_ASSERT_EQUAL(sums_write(&s, &io_posix, sum), E_OK);
		close(f);
		f = open(sum, O_RDWR);
	}
	for (i = 0; i < st.st_size; i++) {
		CU_ASSERT_EQUAL(ftruncate(f, st.st_size - 1 - i), 0);
		if (sums_load(&t, &io_posix, sum, 1) != E_DAMAGED)
			CU_FAIL("a file of sums that was cut is believed");
	}
	close(f);
	sums_free(&s);
	end();
}

static void
flip(uint64_t at)
{
	uint8_t	c;

	CU_ASSERT_EQUAL(pread(fd, &c, 1, (off_t)at), 1);
	c ^= 0x20;
	CU_ASSERT_EQUAL(pwrite(fd, &c, 1, (off_t)at), 1);
}

/* A flipped bit is found in its block and in no other. */
static void
test_flips(void)
{
	struct sums	s;
	uint64_t	bad, at;
	unsigned	i, found;
	size_t		b;

	begin();
	set_some(300);
	sums_init(&s, 1, engine_tkrzw.base(e));
	CU_ASSERT_EQUAL(sums_extend(&s, &io_posix, fd, engine_tkrzw.size(e),
	    &bad), E_OK);
	for (i = 0; i < 100; i++) {
		at = s.base + (uint64_t)rand() % (s.end - s.base);
		flip(at);
		for (b = 0, found = 0; b < sums_blocks(&s); b++)
			if (sums_check(&s, &io_posix, fd, b) == E_DAMAGED) {
				found++;
				CU_ASSERT_EQUAL(b, at / SUMS_BLOCK);
			}
		CU_ASSERT_EQUAL(found, 1);
		flip(at);
	}
	sums_free(&s);
	end();
}

/* Damage in the block that was not full is not signed by the next step. */
static void
test_not_signed(void)
{
	struct sums	s;
	uint64_t	bad = 0, at, was;

	begin();
	set_some(51);
	sums_init(&s, 1, engine_tkrzw.base(e));
	while (engine_tkrzw.size(e) % SUMS_BLOCK < 1000)
		set_some(1);
	CU_ASSERT_EQUAL(sums_extend(&s, &io_posix, fd, engine_tkrzw.size(e),
	    &bad), E_OK);
	was = s.end;
	at = was - 100;
	flip(at);
	set_some(80);
	CU_ASSERT_EQUAL(sums_extend(&s, &io_posix, fd, engine_tkrzw.size(e),
	    &bad), E_DAMAGED);
	CU_ASSERT_EQUAL(bad / SUMS_BLOCK, at / SUMS_BLOCK);
	CU_ASSERT_EQUAL(s.end, was);
	flip(at);
	CU_ASSERT_EQUAL(sums_extend(&s, &io_posix, fd, engine_tkrzw.size(e),
	    &bad), E_OK);
	sums_free(&s);
	end();
}

/* Where records begin: each place that is named is one, none is passed over. */
static void
test_first(void)
{
	struct sums	s;
	uint64_t	bad, at = 0;
	unsigned	n = 0;

	begin();
	set_some(300);
	sums_init(&s, 1, engine_tkrzw.base(e));
	CU_ASSERT_EQUAL(sums_record_after(&s, 0), 0);
	CU_ASSERT_EQUAL(sums_extend(&s, &io_posix, fd, engine_tkrzw.size(e),
	    &bad), E_OK);
	CU_ASSERT_EQUAL(sums_record_after(&s, 0), s.base);
	for (; (at = sums_record_after(&s, at)) != 0; n++) {
		/* Summed from there on, all must be records up to the end. */
		struct sums	t;

		sums_init(&t, 1, at);
		CU_ASSERT_EQUAL(sums_extend(&t, &io_posix, fd, s.end, &bad),
		    E_OK);
		sums_free(&t);
		at = (at / SUMS_BLOCK + 1) * SUMS_BLOCK;
	}
	CU_ASSERT(n > 4 && n <= s.n);
	sums_free(&s);
	end();
}

static const CU_TestInfo tests[] = {
	{ "summed in steps while it is written to", test_steps },
	{ "an older state of it", test_goes_on },
	{ "the file of sums", test_file },
	{ "a flipped bit is found in its block", test_flips },
	{ "damage is not signed", test_not_signed },
	{ "where records begin", test_first },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_sums", UNIT_SUITE("sums", tests))
