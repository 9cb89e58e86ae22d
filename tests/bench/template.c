/*
 * template.c: requests from short texts; bench.h says what stands for what.
 */
#include <string.h>

#include "tests/bench/bench.h"

static void
put(struct request *r, const char *p, size_t n)
{
	if (r->len + n > sizeof(r->text))
		die("a request longer than %zu bytes", sizeof(r->text));
	memcpy(r->text + r->len, p, n);
	r->len += n;
}

static void
put_digits(struct request *r, unsigned add)
{
	static const char	zeros[KEY_DIGITS + 1] = "000000000000";

	if (r->ndigits == sizeof(r->digits) / sizeof(r->digits[0]))
		die("too many keys in a request");
	r->digits[r->ndigits].at = r->len;
	r->digits[r->ndigits++].add = add;
	put(r, zeros, KEY_DIGITS);
}

static void
put_first(struct request *r, const struct options *o)
{
	char	digits[KEY_DIGITS];

	key_digits(digits, o->first);
	put(r, digits, KEY_DIGITS);
}

static void
put_padding(struct request *r, const struct options *o)
{
	char	pad[MEMBER_MAX];

	if (o->size <= KEY_LEN)
		return;
	if (o->size > MEMBER_MAX)
		die("members are at most %d bytes long", MEMBER_MAX);
	memset(pad, 'x', o->size - KEY_LEN);
	put(r, pad, o->size - KEY_LEN);
}

void
template_put(struct request *r, const struct options *o, const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '@':
			put(r, "key:", 4);
			put_digits(r, 0);
			break;
		case '#':
			put_digits(r, 0);
			break;
		case '^':
			put_digits(r, RANGE - 1);
			break;
		case '$':
			put_digits(r, r->ndigits);
			break;
		case '!':
			put_first(r, o);
			break;
		case '~':
			put_padding(r, o);
			break;
		default:
			put(r, text, 1);
		}
}

size_t
template_size(const struct options *o, const char *text)
{
	struct request	r = { .len = 0 };

	template_put(&r, o, text);
	return r.len;
}
