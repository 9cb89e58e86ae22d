/*
 * cursor.c: places of a listing.
 */
#include <string.h>

#include "proto/base64.h"
#include "proto/buf.h"
#include "proto/frame.h"
#include "worker/cursor.h"

#define PASSED_MOST	1000000u	/* as offset, contract 1.7 */

void
cursor_begin(struct cursor *c, uint8_t what, unsigned file)
{
	c->what = what;
	c->file = (uint16_t)file;
	c->passed = 0;
	c->len = 0;
}

void
cursor_pass(struct cursor *c, unsigned file, const void *head, size_t headlen,
    const void *tail, size_t taillen)
{
	size_t	room = CURSOR_KEY - headlen;
	int	same = c->file == file && c->len == CURSOR_KEY &&
		    c->passed > 0;

	if (taillen > room)
		same = same && memcmp(c->key, head, headlen) == 0 &&
		    memcmp(c->key + headlen, tail, room) == 0;
	c->file = (uint16_t)file;
	if (taillen > room && same) {
		c->passed++;
		return;
	}
	c->passed = taillen > room;
	c->len = headlen + (taillen > room ? room : taillen);
	memcpy(c->key, head, headlen);
	if (c->len > headlen)
		memcpy(c->key + headlen, tail, c->len - headlen);
}

/* The first place after all that begin as these n bytes; 0: there is none. */
static size_t
beyond(uint8_t *p, size_t n)
{
	while (n > 0 && p[n - 1] == 0xff)
		n--;
	if (n > 0)
		p[n - 1]++;
	return n;
}

size_t
cursor_after(const struct cursor *c, int reverse, uint8_t *out)
{
	size_t	n;

	if (c->len > 0)
		memcpy(out, c->key, c->len);
	if (!reverse || c->passed == 0 || c->len <= CURSOR_SCORE)
		return c->len;
	/* Downwards, what begins so stands before its beginning. */
	if ((n = beyond(out + CURSOR_SCORE, c->len - CURSOR_SCORE)) > 0)
		return CURSOR_SCORE + n;
	if ((n = beyond(out, CURSOR_SCORE)) == 0)
		return 0;
	memset(out + n, 0, CURSOR_SCORE - n);
	return CURSOR_SCORE;
}

void
cursor_text(const struct cursor *c, char out[CURSOR_TEXT])
{
	uint8_t	raw[CURSOR_HEAD + CURSOR_KEY];
	size_t	n;

	raw[0] = c->what;
	le16_put(raw + 1, c->file);
	le32_put(raw + 3, c->passed);
	if (c->len > 0)
		memcpy(raw + CURSOR_HEAD, c->key, c->len);
	n = base64_put((uint8_t *)out, raw, CURSOR_HEAD + c->len, BASE64_URL);
	out[n] = '\0';
}

/* Type, name, 0, member: the beginning of an engine key. */
static int
engine_key(const uint8_t *p, size_t n)
{
	const uint8_t	*nul = memchr(p, 0, n);
	size_t		 name;

	if (nul == NULL || nul == p || nul + 1 == p + n)
		return 0;
	name = (size_t)(nul - p) - 1;
	if (p[0] == 'K')
		return name == 0;
	return memchr("HSZ", p[0], 3) != NULL && name > 0 &&
	    name <= FRAME_TABLE;
}

static int
key_ok(const struct cursor *c)
{
	if (c->len == 0)
		return c->passed == 0;
	if (c->passed > PASSED_MOST || (c->passed > 0 && c->len < CURSOR_KEY))
		return 0;
	if (c->what == 'Z')
		return c->len > CURSOR_SCORE;
	return c->what != CURSOR_KEYS || engine_key(c->key, c->len);
}

enum err
cursor_parse(struct cursor *c, const uint8_t *text, size_t n, uint8_t what,
    unsigned files)
{
	uint8_t	raw[CURSOR_TEXT];
	long	len;

	if (n >= CURSOR_TEXT || (len = base64_get(raw, text, n,
	    BASE64_URL)) < 0 ||
	    (size_t)len < CURSOR_HEAD || (size_t)len > CURSOR_HEAD + CURSOR_KEY)
		return E_PARAM;
	cursor_begin(c, raw[0], le16_get(raw + 1));
	c->passed = le32_get(raw + 3);
	c->len = (size_t)len - CURSOR_HEAD;
	memcpy(c->key, raw + CURSOR_HEAD, c->len);
	return c->what == what && c->file < files && key_ok(c) ? E_OK : E_PARAM;
}
