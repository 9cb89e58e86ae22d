/*
 * import_page.c: pages of listings; see import_page.h.  Bytes of the source
 * are not trusted: lengths are checked, what inflates too far is damaged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "supervisor/import_page.h"

#define RAW_DEFLATE	(-15)		/* zlib: no head, largest window */
#define INFLATE_FIRST	4u		/* times the compressed size */

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long
page_base64(uint8_t *out, const char *in, size_t n)
{
	size_t	 i, j, pad;
	uint32_t group;
	uint8_t	*p = out;
	int	 d;

	if (n % 4 != 0)
		return -1;
	pad = n == 0 || in[n - 1] != '=' ? 0 : in[n - 2] != '=' ? 1 : 2;
	for (i = 0; i < n; i += 4) {
		for (group = 0, j = 0; j < 4; j++) {
			d = i + j >= n - pad ? 0 : base64_digit(in[i + j]);
			if (d == -1)
				return -1;
			group = group << 6 | (uint32_t)d;
		}
		*p++ = (uint8_t)(group >> 16);
		*p++ = (uint8_t)(group >> 8);
		*p++ = (uint8_t)group;
	}
	return (long)(p - out) - (long)pad;
}

/* What comes out, malloc'ed; NULL: no such stream, or longer than may be. */
static uint8_t *
inflated(const uint8_t *in, size_t n, size_t *len)
{
	z_stream	 z = { .next_in = (Bytef *)in, .avail_in = (uInt)n };
	size_t		 cap = n * INFLATE_FIRST + 64;
	uint8_t		*out = NULL, *more;
	int		 rv = Z_OK;

	if (inflateInit2(&z, RAW_DEFLATE) != Z_OK)
		return NULL;
	for (; rv == Z_OK && z.total_out <= WHARF_VALUE_MAX; cap *= 2) {
		if ((more = realloc(out, cap)) == NULL)
			break;
		out = more;
		z.next_out = out + z.total_out;
		z.avail_out = (uInt)(cap - z.total_out);
		rv = inflate(&z, Z_SYNC_FLUSH);
		if (rv == Z_BUF_ERROR && z.avail_in != 0 && z.avail_out == 0)
			rv = Z_OK;
	}
	*len = z.total_out;
	inflateEnd(&z);
	if (rv == Z_STREAM_END && *len <= WHARF_VALUE_MAX)
		return out;
	free(out);
	return NULL;
}

int
page_keep(struct page *p, struct item *it, uint8_t *value, size_t n)
{
	uint8_t	**more = realloc(p->inflated,
	    (p->ninflated + 1) * sizeof(*more));

	if (more == NULL)
		return -1;
	p->inflated = more;
	more[p->ninflated++] = value;
	it->value = value;
	it->length = n;
	it->fate = n == 0 && it->type != WHARF_SET ? ITEM_UNREAD : ITEM_GOOD;
	return 0;
}

/* An object's text, or NULL; with its length. */
static const char *
text_of(const json_t *o, const char *name, size_t *n)
{
	const json_t	*v = json_object_get(o, name);

	if (!json_is_string(v))
		return NULL;
	*n = json_string_length(v);
	return json_string_value(v);
}

/* The decoded bytes, laid at *at, which moves behind them. */
static const uint8_t *
bytes_of(const json_t *o, const char *name, uint8_t **at, size_t *len)
{
	const uint8_t	*begin = *at;
	const char	*text;
	size_t		 n;
	long		 got;

	if ((text = text_of(o, name, &n)) == NULL ||
	    (got = page_base64(*at, text, n)) == -1)
		return NULL;
	*len = (size_t)got;
	*at += got;
	return begin;
}

/* 0: the text of no integer. */
static int
score_of(const json_t *o, int64_t *score)
{
	const char	*text;
	char		*end;
	size_t		 n;

	if ((text = text_of(o, "val", &n)) == NULL || n == 0)
		return 0;
	errno = 0;
	*score = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static void
value_read(struct page *p, struct item *it, const json_t *o, uint8_t **at)
{
	uint8_t	*plain;
	size_t	 n;

	it->fate = ITEM_UNREAD;
	if (it->type == WHARF_ZSET) {
		if (score_of(o, &it->score))
			it->fate = ITEM_GOOD;
		return;
	}
	it->value = bytes_of(o, "val", at, &it->length);
	if (it->value == NULL || it->length == 0) {
		it->value = NULL;
		it->length = 0;
		return;
	}
	it->fate = ITEM_GOOD;
	if (json_integer_value(json_object_get(o, "gz")) != 1)
		return;
	it->fate = ITEM_DAMAGED;
	if ((plain = inflated(it->value, it->length, &n)) != NULL &&
	    page_keep(p, it, plain, n) == -1)
		free(plain);
}

/* 1: an entry; 0: something else. */
static int
item_read(struct page *p, struct item *it, const json_t *o, uint8_t **at,
    enum wharf_type type, const char *table)
{
	const char	*s;
	size_t		 n;

	s = text_of(o, "ty", &n);
	it->type = s != NULL ? (enum wharf_type)s[0] : type;
	s = text_of(o, "tb", &n);
	it->table = it->type == WHARF_KEY ? NULL : s != NULL ? s : table;
	if (memchr("KHSZ", it->type, 4) == NULL ||
	    (it->type != WHARF_KEY && it->table == NULL))
		return 0;
	if ((it->key = bytes_of(o, "key", at, &it->keylen)) == NULL)
		return 0;
	it->version = (uint32_t)json_integer_value(json_object_get(o, "ver"));
	it->ttl = json_integer_value(json_object_get(o, "ttl")) * 1000;
	if (it->type != WHARF_SET)
		value_read(p, it, o, at);
	if (json_is_true(json_object_get(o, "damaged")))
		it->fate = ITEM_DAMAGED;
	return 1;
}

int
page_read(struct page *p, const char *text, size_t n, enum wharf_type type,
    const char *table)
{
	uint8_t	*at;
	size_t	 i;

	memset(p, 0, sizeof(*p));
	p->root = json_loadb(text, n, 0, NULL);
	if (!json_is_array(p->root))
		goto fail;
	p->n = json_array_size(p->root);
	/* What is decoded is shorter than what it was decoded from. */
	p->items = calloc(p->n + 1, sizeof(*p->items));
	p->bytes = at = malloc(n + 3);
	if (p->items == NULL || p->bytes == NULL)
		goto fail;
	for (i = 0; i < p->n; i++)
		if (!item_read(p, &p->items[i], json_array_get(p->root, i),
		    &at, type, table))
			goto fail;
	return 0;
fail:
	page_free(p);
	return -1;
}

void
page_free(struct page *p)
{
	size_t	i;

	for (i = 0; i < p->ninflated; i++)
		free(p->inflated[i]);
	free(p->inflated);
	free(p->items);
	free(p->bytes);
	json_decref(p->root);
	memset(p, 0, sizeof(*p));
}
