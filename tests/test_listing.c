/*
 * test_listing.c: what a listing is made of: JSON text within a
 * budget, the objects of entries, and places with their tokens.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/slot.h"
#include "tests/unit.h"
#include "worker/entry.h"

/* -- JSON ----------------------------------------------------------------- */

static struct budget	budget;

static int
text_is(const struct json *j, const char *want)
{
	return !j->bad && j->n == strlen(want) &&
	    memcmp(j->p, want, j->n) == 0;
}

static void
test_json(void)
{
	struct json	j;
	uint8_t		*p;
	size_t		 n;

	budget = (struct budget){ .max = 1 << 20 };
	json_init(&j, &budget);
	CU_ASSERT_PTR_NULL(json_take(&j, &n));
	json_raw(&j, "[");
	json_int(&j, INT64_MIN);
	json_raw(&j, ",");
	json_name(&j, "a.b", 3);
	json_raw(&j, ",");
	json_base64(&j, "", 0);
	json_base64(&j, "\0\xff", 2);
	CU_ASSERT(text_is(&j, "[-9223372036854775808,\"a.b\",\"\"\"AP8=\""));
	CU_ASSERT(budget.used >= j.n);
	json_cut(&j, 1);
	json_raw(&j, "]");
	p = json_take(&j, &n);
	CU_ASSERT(p != NULL && n == 2 && memcmp(p, "[]", 2) == 0);
	CU_ASSERT_EQUAL(budget.used, 0);
	free(p);
}

/* What does not fit leaves no trace, and no byte is lost to the budget. */
static void
test_json_budget(void)
{
	static const char	block[1000];
	struct json		j;
	size_t			n, mark;

	budget = (struct budget){ .max = 10000 };
	json_init(&j, &budget);
	do {
		mark = j.n;
		json_base64(&j, block, sizeof(block));
	} while (!j.bad);
	/* Seven of 1338 characters; the buffer grew into all there is. */
	CU_ASSERT_EQUAL(mark, 7 * 1338);
	CU_ASSERT_PTR_NULL(json_take(&j, &n));
	json_raw(&j, "lost");
	json_cut(&j, mark);
	json_raw(&j, "]");
	CU_ASSERT(!j.bad && j.n == mark + 1 && j.p[mark] == ']');
	CU_ASSERT(budget.used == j.cap && budget.used <= budget.max);
	json_free(&j);
	CU_ASSERT_EQUAL(budget.used, 0);
}

/* -- entries -------------------------------------------------------------- */

static int
entry_is(const struct list_item *it, int values, int all, const char *want)
{
	struct json	j;
	int		ok;

	json_init(&j, &budget);
	entry_json(&j, it, values, all);
	if (!(ok = text_is(&j, want)))
		printf("%.*s\n", (int)j.n, (const char *)j.p);
	json_free(&j);
	return ok;
}

#define BYTES(s)	(const uint8_t *)(s)

static void
test_entry(void)
{
	struct list_item	it = { .type = 'K', .version = 7,
		.keylen = 1, .key = BYTES("f"), .vallen = 3, .val = BYTES("foo"),
		.tab = BYTES("") };

	budget = (struct budget){ .max = 1 << 20 };
	CU_ASSERT(entry_is(&it, 0, 1, "{\"key\":\"Zg==\",\"ver\":7}"));
	it.ttl = 1;
	CU_ASSERT(entry_is(&it, 1, 1,
	    "{\"key\":\"Zg==\",\"val\":\"Zm9v\",\"ver\":7,\"ttl\":1}"));
	it.ttl = 2000;
	it.type = 'H';
	it.tab = BYTES("t:1");
	it.tablen = 3;
	it.vallen = 0;
	it.damaged = 1;
	CU_ASSERT(entry_is(&it, 1, 1, "{\"key\":\"Zg==\",\"ver\":7,\"ttl\":2,"
	    "\"tb\":\"t:1\",\"ty\":\"H\",\"damaged\":true}"));
	it.ttl = 2001;
	it.damaged = 0;
	CU_ASSERT(entry_is(&it, 1, 0, "{\"key\":\"Zg==\",\"ver\":7,\"ttl\":3}"));
	it.ttl = 0;
	it.type = 'Z';
	it.score = -12;
	CU_ASSERT(entry_is(&it, 0, 0, "{\"key\":\"Zg==\",\"ver\":7}"));
	CU_ASSERT(entry_is(&it, 1, 1, "{\"key\":\"Zg==\",\"val\":\"-12\","
	    "\"ver\":7,\"tb\":\"t:1\",\"ty\":\"Z\"}"));
}

/* -- places --------------------------------------------------------------- */

#define FILES	3u
#define ENTRIES	400u
#define LONGEST	(CURSOR_KEY + 40)

/* Entries of one store's files as it shows them: file, then key. */
struct shown {
	uint8_t		type;
	unsigned	file;
	int64_t		score;
	uint8_t		tab[4], key[LONGEST];
	uint32_t	tablen, keylen;
	uint8_t		order[LONGEST + 16];	/* what the store compares */
	size_t		orderlen;
};

static struct shown	shown[ENTRIES];
static unsigned		seen[ENTRIES];

static unsigned
draw(unsigned n)
{
	static uint64_t	x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x % n);
}

static int
bytes_cmp(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
	int	c = memcmp(a, b, an < bn ? an : bn);

	return c != 0 ? c : an < bn ? -1 : an > bn;
}

static int
shown_cmp(const void *pa, const void *pb)
{
	const struct shown	*a = pa, *b = pb;

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return bytes_cmp(a->order, a->orderlen, b->order, b->orderlen);
}

/* Many short keys, and some so long that only their ends differ. */
static void
shown_draw(struct shown *s, unsigned i, uint8_t what)
{
	memset(s, 0, sizeof(*s));
	s->type = what == CURSOR_KEYS ? (uint8_t)"KHSZ"[draw(4)] : what;
	if (s->type != 'K') {
		memcpy(s->tab, "tab", 3);
		s->tablen = what == CURSOR_KEYS ? 1 + draw(3) : 3;
	}
	s->score = draw(3) == 0 ? INT64_MIN + draw(2) :
	    draw(2) == 0 ? INT64_MAX : (int64_t)draw(3) - 1;
	s->keylen = draw(3) != 0 ? 8 : LONGEST - draw(30);
	memset(s->key, draw(2) != 0 ? 0xff : 'a', s->keylen);
	if (s->keylen > 8 && draw(3) == 0)
		s->key[20] = 'b';
	s->key[s->keylen - 2] = (uint8_t)(i >> 8);
	s->key[s->keylen - 1] = (uint8_t)i;
	s->file = what == 'Z' ? slot_of(s->tab, s->tablen) % FILES :
	    slot_of(s->type == 'Z' ? s->tab : s->key,
	    s->type == 'Z' ? s->tablen : s->keylen) % FILES;
	if (what == 'Z') {
		ordered_put(s->order, s->score);
		s->orderlen = 8;
	} else {
		s->order[s->orderlen++] = s->type;
		memcpy(s->order + 1, s->tab, s->tablen);
		s->orderlen += s->tablen + 1;
	}
	memcpy(s->order + s->orderlen, s->key, s->keylen);
	s->orderlen += s->keylen;
}

static void
item_of(struct list_item *it, const struct shown *s)
{
	memset(it, 0, sizeof(*it));
	it->type = s->type;
	it->score = s->score;
	it->tab = s->tab;
	it->tablen = (uint8_t)s->tablen;
	it->key = s->key;
	it->keylen = s->keylen;
}

/* Whether the store shows i after this place; shown is in its order. */
static int
is_after(unsigned i, unsigned file, const uint8_t *key, size_t n, int reverse)
{
	int	c = bytes_cmp(shown[i].order, shown[i].orderlen, key, n);

	if (shown[i].file != file)
		return shown[i].file > file;
	return n == 0 || (reverse ? c < 0 : c > 0);
}

/* A page from c on, as a store with one file after the other gives it. */
static unsigned
page(struct cursor *c, int reverse, unsigned limit)
{
	struct list_item	it;
	uint8_t			after[ENTRY_AFTER];
	unsigned		i, k, passed = c->passed, n = 0, file = c->file;
	size_t			len;

	len = entry_after(c, BYTES("tab"), 3, reverse, after);
	for (k = 0; k < ENTRIES && n < limit; k++) {
		i = reverse ? ENTRIES - 1 - k : k;
		if (!is_after(i, file, after, len, reverse))
			continue;
		if (passed > 0) {
			passed--;
			continue;
		}
		seen[i]++;
		n++;
		item_of(&it, &shown[i]);
		entry_pass(c, &it, 1, FILES);
	}
	return n;
}

/* Every entry once, whatever the pages' sizes, through the tokens. */
static void
walk(uint8_t what, int reverse)
{
	struct cursor	 c;
	char		*text = malloc(CURSOR_TEXT);
	unsigned	 i, n, pages = 0, bad = 0;

	for (i = 0; i < ENTRIES; i++)
		shown_draw(&shown[i], i, what);
	qsort(shown, ENTRIES, sizeof(shown[0]), shown_cmp);
	memset(seen, 0, sizeof(seen));
	cursor_begin(&c, what, what == 'Z' ? shown[0].file : 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	do {
		n = page(&c, reverse, 1 + draw(7));
		cursor_text(&c, text);
		memset(&c, 0xa5, sizeof(c));
		CU_ASSERT_EQUAL_FATAL(cursor_parse(&c, BYTES(text),
		    strlen(text), what, FILES), E_OK);
	} while (n > 0 && pages++ < ENTRIES);
	for (i = 0; i < ENTRIES; i++)
		bad += seen[i] != 1;
	CU_ASSERT_EQUAL(bad, 0);
	free(text);
}

static void
test_walk(void)
{
	walk('H', 0);
	walk('S', 0);
	walk(CURSOR_KEYS, 0);
}

static void
test_walk_scores(void)
{
	walk('Z', 0);
	walk('Z', 1);
}

static int
parses(const struct cursor *c, uint8_t what, unsigned files)
{
	static char	text[CURSOR_TEXT];
	struct cursor	back;

	cursor_text(c, text);
	return cursor_parse(&back, BYTES(text), strlen(text), what, files) ==
	    E_OK;
}

static void
test_token_refused(void)
{
	struct cursor	c;

	cursor_begin(&c, 'H', 5);
	CU_ASSERT(parses(&c, 'H', 6));
	CU_ASSERT(!parses(&c, 'H', 5));		/* no such file */
	CU_ASSERT(!parses(&c, 'S', 6));		/* of another listing */
	c.passed = 1;
	CU_ASSERT(!parses(&c, 'H', 6));		/* of a key that is not cut */
	cursor_begin(&c, 'Z', 0);
	cursor_pass(&c, 0, "12345678", 8, "", 0);
	CU_ASSERT(!parses(&c, 'Z', 1));		/* no member */
	cursor_pass(&c, 0, "12345678", 8, "m", 1);
	CU_ASSERT(parses(&c, 'Z', 1));
	cursor_begin(&c, CURSOR_KEYS, 0);
	cursor_pass(&c, 0, "K\0", 2, "a", 1);
	CU_ASSERT(parses(&c, CURSOR_KEYS, 1));
	cursor_pass(&c, 0, "Ht\0", 3, "a", 1);
	CU_ASSERT(parses(&c, CURSOR_KEYS, 1));
	cursor_pass(&c, 0, "H\0", 2, "a", 1);
	CU_ASSERT(!parses(&c, CURSOR_KEYS, 1));	/* a hash without a name */
	cursor_pass(&c, 0, "Kt\0", 3, "a", 1);
	CU_ASSERT(!parses(&c, CURSOR_KEYS, 1));
	cursor_pass(&c, 0, "Qt\0", 3, "a", 1);
	CU_ASSERT(!parses(&c, CURSOR_KEYS, 1));
	CU_ASSERT_EQUAL(cursor_parse(&c, BYTES("0"), 1, 'H', 1), E_PARAM);
	CU_ASSERT_EQUAL(cursor_parse(&c, BYTES(""), 0, 'H', 1), E_PARAM);
}

static const CU_TestInfo json_tests[] = {
	{ "json", test_json },
	{ "budget", test_json_budget },
	{ "entry", test_entry },
	CU_TEST_INFO_NULL
};
static const CU_TestInfo cursor_tests[] = {
	{ "walk", test_walk },
	{ "walk_scores", test_walk_scores },
	{ "token_refused", test_token_refused },
	CU_TEST_INFO_NULL
};
UNIT_MAIN("test_listing", UNIT_SUITE("json", json_tests),
    UNIT_SUITE("cursor", cursor_tests))
