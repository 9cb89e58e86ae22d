/*
 * fuzz_cursor.c: tokens of listings from strangers.  The first byte says of
 * which listing, the second how many files there are, the rest is the token.
 */
#define FUZZ_NAME "cursor"
#include "tests/fuzz.h"
#include "worker/cursor.h"

/* A place may be written again, and leads to a key of bounded length. */
static void
check_place(const struct cursor *c, const uint8_t *text, size_t size)
{
	static uint8_t	after[CURSOR_KEY];
	static char	again[CURSOR_TEXT];
	size_t		n;

	cursor_text(c, again);
	MUST(strlen(again) == size && memcmp(again, text, size) == 0);
	n = cursor_after(c, 0, after);
	MUST(n == c->len && (n == 0 || memcmp(after, c->key, n) == 0));
	if (c->what != 'Z')
		return;
	n = cursor_after(c, 1, after);
	MUST(n <= c->len && (n == 0 || n >= CURSOR_SCORE));
	MUST(n == 0 || memcmp(after, c->key, n) >= 0);
}

static int
fuzz_one(const uint8_t *data, size_t size)
{
	static const char	whats[] = "kHSZ";
	struct cursor		*c;
	uint8_t			*text;
	enum err		 e;

	if (size < 2)
		return 0;
	MUST((c = malloc(sizeof(*c))) != NULL);
	MUST((text = malloc(size)) != NULL);
	memcpy(text, data + 2, size - 2);
	e = cursor_parse(c, text, size - 2, (uint8_t)whats[data[0] % 4],
	    data[1] + 1u);
	if (e == E_OK) {
		MUST(c->file <= data[1] && c->len <= CURSOR_KEY);
		check_place(c, text, size - 2);
	}
	free(text);
	free(c);
	return e == E_OK;
}
