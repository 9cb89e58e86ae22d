/*
 * base64.c: three bytes, four characters; or, where the processor can, twelve
 * and sixteen at a time.
 */
#ifdef __x86_64__
#include <tmmintrin.h>
#endif

#include "proto/base64.h"

static const char	letters[2][65] = {
	[BASE64_STD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/",
	[BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-_",
};

#ifdef __x86_64__
/*
 * W. Mula, D. Lemire, "Faster Base64 Encoding and Decoding using AVX2
 * Instructions" (2018), section 3, with registers of 16 bytes.  Returns how
 * many bytes were taken: multiples of 12, while 16 can be read.
 *
 * A place of the alphabet is in one of 5 runs of letters; what is to be added
 * to it depends on the run only: 13 for A-Z, 0 for a-z, 1..10 for the digits,
 * 11 and 12 for the last two.
 */
__attribute__((target("ssse3")))
static size_t
blocks_put(uint8_t *out, const uint8_t *in, size_t n, const char *set)
{
	const __m128i	spread = _mm_set_epi8(10, 11, 9, 10, 7, 8, 6, 7, 4, 5,
			    3, 4, 1, 2, 0, 1);
	const __m128i	add = _mm_setr_epi8('a' - 26, -4, -4, -4, -4, -4, -4,
			    -4, -4, -4, -4, (char)(set[62] - 62),
			    (char)(set[63] - 63), 'A', 0, 0);
	__m128i		x, run;
	size_t		at;

	for (at = 0; n - at >= 16; at += 12, out += 16) {
		x = _mm_loadu_si128((const __m128i_u *)(in + at));
		x = _mm_shuffle_epi8(x, spread);
		x = _mm_or_si128(
		    _mm_mulhi_epu16(_mm_and_si128(x,
		    _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040)),
		    _mm_mullo_epi16(_mm_and_si128(x,
		    _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010)));
		run = _mm_or_si128(_mm_subs_epu8(x, _mm_set1_epi8(51)),
		    _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(26), x),
		    _mm_set1_epi8(13)));
		x = _mm_add_epi8(x, _mm_shuffle_epi8(add, run));
		_mm_storeu_si128((__m128i_u *)out, x);
	}
	return at;
}

static size_t
quick_put(uint8_t *out, const uint8_t *in, size_t n, const char *set)
{
	return n >= 16 && __builtin_cpu_supports("ssse3") ?
	    blocks_put(out, in, n, set) : 0;
}
#else
static size_t
quick_put(uint8_t *out, const uint8_t *in, size_t n, const char *set)
{
	(void)out, (void)in, (void)n, (void)set;
	return 0;
}
#endif

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
	size_t		 done = quick_put(out, in, n, set);
	const uint8_t	*p = (const uint8_t *)in + done;
	uint8_t		*o = out + done / 3 * 4;
	uint32_t	 v;

	for (n -= done; n >= 3; n -= 3, p += 3) {
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
digit(uint8_t c, enum base64_form form)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == letters[form][62])
		return 62;
	return c == letters[form][63] ? 63 : -1;
}

/* The characters that stand for bytes; whole groups, or it is all wrong: 1. */
static size_t
padding_off(const uint8_t *in, size_t n)
{
	unsigned	i;

	if (n % 4 != 0)
		return 1;
	for (i = 0; i < 2 && n > 0 && in[n - 1] == '='; i++)
		n--;
	return n;
}

long
base64_get(uint8_t *out, const uint8_t *in, size_t n, enum base64_form form)
{
	uint32_t	v = 0;
	unsigned	bits = 0;
	long		len = 0;
	size_t		i;
	int		d;

	if (form == BASE64_STD)
		n = padding_off(in, n);
	if (n % 4 == 1)
		return -1;
	for (i = 0; i < n; i++) {
		if ((d = digit(in[i], form)) < 0)
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
