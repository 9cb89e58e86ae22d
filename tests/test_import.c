/*
 * test_import.c: what wharfctl import makes of pages, and what it remembers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "supervisor/import_page.h"
#include "supervisor/import_plan.h"
#include "tests/unit.h"

#define SOURCE	"http://127.0.0.1:8085"

static long
decode(const char *text, uint8_t *out)
{
	return page_base64(out, text, strlen(text));
}

static void
test_base64(void)
{
	/* RFC 4648, section 10 */
	static const char *const	coded[] = { "", "Zg==", "Zm8=", "Zm9v",
	    "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	static const char *const	bad[] = { "Z", "Zg=", "Zg", "Z===",
	    "====", "Zg==Zg==", "Zm-v", "Zm v", "=m9v", "Zm9v\n" };
	uint8_t				out[64];
	size_t				i;

	for (i = 0; i < sizeof(coded) / sizeof(coded[0]); i++) {
		CU_ASSERT_EQUAL(decode(coded[i], out), (long)i);
		CU_ASSERT_EQUAL(memcmp(out, "foobar", i), 0);
	}
	CU_ASSERT_EQUAL(decode("+/+/", out), 3);
	CU_ASSERT_EQUAL(memcmp(out, "\xfb\xff\xbf", 3), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(decode(bad[i], out), -1);
}

static int
page_of(struct page *p, const char *text, enum wharf_type type,
    const char *table)
{
	return page_read(p, text, strlen(text), type, table);
}

static void
test_kinds(void)
{
	struct page		 p;
	const struct item	*it;

	CU_ASSERT_EQUAL_FATAL(page_of(&p, "[{\"key\":\"YQ==\",\"val\":\"Yg==\","
	    "\"ver\":7,\"ttl\":3},{\"key\":\"Yw==\",\"val\":\"ZA==\",\"ver\":8,"
	    "\"tb\":\"t\",\"ty\":\"H\"},{\"key\":\"ZQ==\",\"ver\":9,\"tb\":"
	    "\"u\",\"ty\":\"S\"},{\"key\":\"Zg==\",\"ver\":1}]", WHARF_KEY,
	    NULL), 0);
	CU_ASSERT_EQUAL_FATAL(p.n, 4);
	it = &p.items[0];
	CU_ASSERT(it->type == WHARF_KEY && it->fate == ITEM_GOOD);
	CU_ASSERT(it->keylen == 1 && it->key[0] == 'a');
	CU_ASSERT(it->length == 1 && it->value[0] == 'b');
	CU_ASSERT(it->version == 7 && it->ttl == 3000 && it->table == NULL);
	it = &p.items[1];
	CU_ASSERT(it->type == WHARF_HASH && it->value[0] == 'd');
	CU_ASSERT_STRING_EQUAL(it->table, "t");
	it = &p.items[2];
	CU_ASSERT(it->type == WHARF_SET && it->fate == ITEM_GOOD);
	CU_ASSERT(it->value == NULL && it->version == 9);
	CU_ASSERT_EQUAL(p.items[3].fate, ITEM_UNREAD);
	page_free(&p);
}

static void
test_scores(void)
{
	struct page	p;

	CU_ASSERT_EQUAL_FATAL(page_of(&p, "[{\"key\":\"YQ==\",\"val\":\"-12\","
	    "\"ver\":2},{\"key\":\"Yg==\",\"val\":\"1x\"},{\"key\":\"Yw==\"},"
	    "{\"key\":\"Yw==\",\"val\":\"9223372036854775808\"}]",
	    WHARF_ZSET, "z"), 0);
	CU_ASSERT_EQUAL_FATAL(p.n, 4);
	CU_ASSERT(p.items[0].fate == ITEM_GOOD && p.items[0].score == -12);
	CU_ASSERT_STRING_EQUAL(p.items[0].table, "z");
	CU_ASSERT_EQUAL(p.items[1].fate, ITEM_UNREAD);
	CU_ASSERT_EQUAL(p.items[2].fate, ITEM_UNREAD);
	CU_ASSERT_EQUAL(p.items[3].fate, ITEM_UNREAD);
	page_free(&p);
}

static void
test_nonsense(void)
{
	static const char *const	texts[] = { "", "{}", "[", "[1]",
	    "[{}]", "[{\"key\":\"%%%%\"}]", "[{\"key\":1}]",
	    "[{\"key\":\"YQ==\",\"ty\":\"Q\",\"tb\":\"t\"}]",
	    "[{\"key\":\"YQ==\",\"ty\":\"H\"}]",
	    "[{\"key\":\"YQ==\",\"ty\":\"\"}]" };
	struct page			p;
	size_t				i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CU_ASSERT_EQUAL(page_of(&p, texts[i], WHARF_KEY, NULL), -1);
	CU_ASSERT_EQUAL(page_of(&p, "[]", WHARF_KEY, NULL), 0);
	CU_ASSERT_EQUAL(p.n, 0);
	page_free(&p);
}

/* n bytes that compress well, as RFC 1951 has it, in base64 (the alphabet's
 * order is known to page_base64 only, so that it is made here anew). */
static char *
deflated(size_t n)
{
	static const char	 digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	z_stream		 z = { 0 };
	uint8_t			*in = malloc(n), *out = calloc(1, n / 2 + 64);
	char			*text, *t;
	uint32_t		 g;
	size_t			 i;

	memset(in, 'x', n);
	deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
	z.next_in = in;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)(n / 2 + 60);
	deflate(&z, Z_FINISH);
	t = text = malloc(z.total_out * 2 + 8);
	/* Bytes behind the end of a stream do not matter. */
	for (i = 0; i < z.total_out; i += 3) {
		g = (uint32_t)(out[i] << 16 | out[i + 1] << 8 | out[i + 2]);
		*t++ = digits[g >> 18];
		*t++ = digits[g >> 12 & 63];
		*t++ = digits[g >> 6 & 63];
		*t++ = digits[g & 63];
	}
	*t = '\0';
	deflateEnd(&z);
	free(in);
	free(out);
	return text;
}

/* The fate and length of a value of n bytes, of its stream without the end. */
static enum item_fate
inflate_fate(size_t n, size_t cut, size_t *len)
{
	char		*coded = deflated(n), *text;
	size_t		 size = strlen(coded) + 64;
	struct page	 p;
	enum item_fate	 fate;

	coded[strlen(coded) - cut] = '\0';
	text = malloc(size);
	snprintf(text, size, "[{\"key\":\"YQ==\",\"gz\":1,\"val\":\"%s\"}]",
	    coded);
	CU_ASSERT_EQUAL_FATAL(page_of(&p, text, WHARF_KEY, NULL), 0);
	fate = p.items[0].fate;
	*len = p.items[0].length;
	page_free(&p);
	free(coded);
	free(text);
	return fate;
}

static void
test_inflate(void)
{
	static const size_t	sizes[] = { 1, 100, 5000, 1 << 20 };
	size_t			i, len;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CU_ASSERT_EQUAL(inflate_fate(sizes[i], 0, &len), ITEM_GOOD);
		CU_ASSERT_EQUAL(len, sizes[i]);
	}
	CU_ASSERT_EQUAL(inflate_fate(WHARF_VALUE_MAX + 1, 0, &len),
	    ITEM_DAMAGED);
	CU_ASSERT_EQUAL(inflate_fate(5000, 8, &len), ITEM_DAMAGED);
	CU_ASSERT_EQUAL(inflate_fate(1 << 20, 40, &len), ITEM_DAMAGED);
}

static void
plan_fill(struct plan *p)
{
	struct listing	*l;

	p->source = strdup(SOURCE);
	p->cursors = 1;
	p->expected = 1ull << 40;
	p->total = 99;
	p->tally = (struct tally){ 1, 2, 3, 4, 5 };
	l = plan_add(p);
	l->file = 7;
	l->where = (struct where){ PHASE_SNAPSHOT, 3000, 12, 5, 1ull << 60,
	    strdup("abc-_") };
	l = plan_add(p);
	l->zset = 1;
	l->expected = 8;
	snprintf(l->table, sizeof(l->table), "z:1");
	l = plan_add(p);
	l->where.phase = PHASE_DONE;
}

static void
test_state(void)
{
	struct plan	p = { 0 }, q = { 0 };
	char		path[] = "/tmp/test_import.XXXXXX", err[256];
	int		fd = mkstemp(path);

	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_EQUAL(plan_load(&q, path, SOURCE, err, sizeof(err)), -1);
	plan_fill(&p);
	CU_ASSERT_EQUAL_FATAL(plan_save(&p, path), 0);
	CU_ASSERT_EQUAL(plan_load(&q, path, "http://a:1", err, sizeof(err)),
	    -1);
	CU_ASSERT_EQUAL_FATAL(plan_load(&q, path, SOURCE, err, sizeof(err)),
	    1);
	CU_ASSERT_STRING_EQUAL(q.source, SOURCE);
	CU_ASSERT(q.cursors == 1 && q.expected == p.expected && q.total == 99);
	CU_ASSERT_EQUAL(memcmp(&q.tally, &p.tally, sizeof(q.tally)), 0);
	CU_ASSERT_EQUAL_FATAL(q.n, 3);
	CU_ASSERT(q.listings[0].where.phase == PHASE_SNAPSHOT);
	CU_ASSERT(q.listings[0].where.offset == 3000);
	CU_ASSERT(q.listings[0].where.token == 1ull << 60);
	CU_ASSERT(q.listings[0].where.quiet == 5 && q.listings[0].file == 7);
	CU_ASSERT_STRING_EQUAL(q.listings[0].where.cursor, "abc-_");
	CU_ASSERT(q.listings[1].zset && q.listings[1].expected == 8);
	CU_ASSERT_STRING_EQUAL(q.listings[1].table, "z:1");
	CU_ASSERT(q.listings[2].where.phase == PHASE_DONE);
	CU_ASSERT(q.listings[2].where.cursor == NULL);
	plan_free(&p);
	plan_free(&q);
	close(fd);
	unlink(path);
	CU_ASSERT_EQUAL(plan_load(&q, path, SOURCE, err, sizeof(err)), 0);
}

static const CU_TestInfo tests[] = {
	{ "base64", test_base64 },
	{ "kinds", test_kinds },
	{ "scores", test_scores },
	{ "nonsense", test_nonsense },
	{ "inflate", test_inflate },
	{ "state", test_state },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_import", UNIT_SUITE("import", tests))
