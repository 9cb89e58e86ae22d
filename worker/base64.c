/*
 * base64.c: three bytes, four characters.
 */
#include "worker/base64.h"

static const char	letters[2][65] = {
	[BASE64_STD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/",
	[BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-_",
};

/* The last one or two bytes. */
static size_t
tail_put(uint8_t *out, const uint8_t *p, size_t n, enum base64_form form)
{
	const char	*set = letters[form];
	uint32_t	 v = (uint32_t)p[0] << 16;
	size_t		 len = 0;

	if (n == 2)
		v |= (uint32_t)p[1] << 8;
	out[len++] = (uint8_t)set[v >> 18];
	out[len++] = (uint8_t)set[v >> 12 & 63];
	if (n == 2)
		out[len++] = (uint8_t)set[v >> 6 & 63];
	while (form == BASE64_STD && len < 4)
		out[len++] = '=';
	return len;
}

size_t
base64_put(uint8_t *out, const void *in, size_t n, enum base64_form form)
{
	const char	*set = letters[form];
	const uint8_t	*p = in;
	uint8_t		*o = out;
	uint32_t	 v;

	for (; n >= 3; n -= 3, p += 3) {
		v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		*o++ = (uint8_t)set[v >> 18];
		*o++ = (uint8_t)set[v >> 12 & 63];
		*o++ = (uint8_t)set[v >> 6 & 63];
		*o++ = (uint8_t)set[v & 63];
	}
	if (n > 0)
		o += tail_put(o, p, n, form);
	return (size_t)(o - out);
}

static int
digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

long
base64_get(uint8_t *out, const uint8_t *in, size_t n)
{
	uint32_t	v = 0;
	unsigned	bits = 0;
	long		len = 0;
	size_t		i;
	int		d;

	if (n % 4 == 1)
		return -1;
	for (i = 0; i < n; i++) {
		if ((d = digit(in[i])) < 0)
			return -1;
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		out[len++] = (uint8_t)(v >> bits);
		v &= (1u << bits) - 1;
	}
	return v == 0 ? len : -1;	/* one text for each value */
}
