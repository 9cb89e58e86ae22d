/*
 * test_coding.c: Accept-Encoding, and that what was coded comes back.
 */
#include <string.h>
#include <zlib.h>

#include "tests/unit.h"
#include "worker/coding.h"

#define LONG	300000u

static uint8_t	in[LONG], out[2 * LONG], back[LONG + 1];

static enum coding
accept_of(const char *header)
{
	return coding_accept(header, strlen(header));
}

static void
test_accept(void)
{
	CU_ASSERT_EQUAL(accept_of("deflate"), CODING_DEFLATE_ALWAYS);
	CU_ASSERT_EQUAL(accept_of("gzip"), CODING_GZIP);
	CU_ASSERT_EQUAL(accept_of("gzip, deflate, br"), CODING_GZIP);
	CU_ASSERT_EQUAL(accept_of("br;q=1.0, gzip;q=0.8, *;q=0.1"),
	    CODING_GZIP);
	CU_ASSERT_EQUAL(accept_of("deflate, gzip;q=0"), CODING_DEFLATE);
	CU_ASSERT_EQUAL(accept_of("deflate, gzip ; q=0.000"), CODING_DEFLATE);
	CU_ASSERT_EQUAL(accept_of("br,\tDeflate;q=0.5"), CODING_DEFLATE);
	CU_ASSERT_EQUAL(accept_of("deflate;q=0"), CODING_NONE);
	CU_ASSERT_EQUAL(accept_of("Deflate"), CODING_DEFLATE);
	CU_ASSERT_EQUAL(accept_of("identity"), CODING_NONE);
	CU_ASSERT_EQUAL(accept_of("xgzip, gzipx"), CODING_NONE);
	CU_ASSERT_EQUAL(accept_of(",,;q=,"), CODING_NONE);
	CU_ASSERT_EQUAL(accept_of(""), CODING_NONE);
}

static void
test_wanted(void)
{
	CU_ASSERT(coding_wanted(CODING_DEFLATE_ALWAYS, 1));
	CU_ASSERT(!coding_wanted(CODING_GZIP, CODING_LEAST - 1));
	CU_ASSERT(coding_wanted(CODING_GZIP, CODING_LEAST));
	CU_ASSERT(!coding_wanted(CODING_NONE, 1u << 20));
}

static void
fill(int compressible)
{
	uint32_t	x = 1;
	size_t		i;

	for (i = 0; i < LONG; i++) {
		x = x * 1664525u + 1013904223u;
		in[i] = compressible ? "wharf "[i % 6] : (uint8_t)(x >> 24);
	}
}

/* zlib itself undoes it. */
static int
inflates(int window, size_t coded, size_t len)
{
	z_stream	z;
	int		rv;

	memset(&z, 0, sizeof(z));
	if (inflateInit2(&z, window) != Z_OK)
		return 0;
	z.next_in = out;
	z.avail_in = (uInt)coded;
	z.next_out = back;
	z.avail_out = (uInt)len + 1;
	rv = inflate(&z, Z_FINISH);
	(void)inflateEnd(&z);
	return rv == Z_STREAM_END && z.avail_in == 0 && z.total_out == len &&
	    memcmp(back, in, len) == 0;
}

static void
test_once(void)
{
	size_t	n;

	fill(1);
	CU_ASSERT_EQUAL(coding_once(CODING_GZIP, in, 5000, out, &n), E_OK);
	CU_ASSERT(n > 0 && n < 5000 && inflates(15 + 16, n, 5000));
	CU_ASSERT_EQUAL(coding_once(CODING_DEFLATE, in, CODING_PIECE, out, &n),
	    E_OK);
	CU_ASSERT(n > 0 && inflates(-15, n, CODING_PIECE));
	CU_ASSERT_EQUAL(coding_once(CODING_DEFLATE_ALWAYS, in, 1, out, &n),
	    E_OK);
	CU_ASSERT(n > 0 && inflates(-15, n, 1));
}

static void
test_once_random(void)
{
	size_t	n;

	fill(0);
	CU_ASSERT_EQUAL(coding_once(CODING_GZIP, in, CODING_PIECE, out, &n),
	    E_OK);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(coding_once(CODING_DEFLATE_ALWAYS, in, CODING_PIECE,
	    out, &n), E_OK);
	CU_ASSERT(n <= coding_bound(CODING_PIECE));
	CU_ASSERT(inflates(-15, n, CODING_PIECE));
}

static void
stream(enum coding c, int window, size_t len, size_t max)
{
	struct coder	*k = coder_new(c, in, len);
	size_t		 n = 0;
	long		 got = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(k);
	while (n + max <= sizeof(out) && (got = coder_read(k, out + n, max)) > 0)
		n += (size_t)got;
	CU_ASSERT_EQUAL(got, 0);
	CU_ASSERT_EQUAL(coder_read(k, out + n, max), 0);
	coder_free(k);
	CU_ASSERT(inflates(window, n, len));
}

static void
test_stream(void)
{
	int	i;

	for (i = 0; i < 2; i++) {
		fill(i);
		stream(CODING_GZIP, 15 + 16, LONG, 32768);
		stream(CODING_DEFLATE, -15, LONG, 1000);
		stream(CODING_DEFLATE_ALWAYS, -15, CODING_PIECE, 7);
		stream(CODING_GZIP, 15 + 16, 2 * CODING_PIECE, 100000);
	}
	stream(CODING_GZIP, 15 + 16, CODING_PIECE + 1, 1);
}

static const CU_TestInfo tests[] = {
	{ "accept", test_accept },
	{ "wanted", test_wanted },
	{ "once", test_once },
	{ "once_random", test_once_random },
	{ "stream", test_stream },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_coding", UNIT_SUITE("coding", tests))
