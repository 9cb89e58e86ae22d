/*
 * coding.c: zlib under coding.h.  The streams for short values are made once
 * and reset, because making one costs more than compressing a KiB.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "worker/coding.h"

#define LEVEL	2	/* level 6 takes 2.5 ms for 64 KiB of text, 2 takes 0.9 */

enum { WINDOW_RAW = -15, WINDOW_GZIP = 15 + 16 };

struct coder {
	z_stream	 z;
	const uint8_t	*in;		/* not yet given to zlib */
	size_t		 left;
	int		 done;
};

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Whether "; q=0" (or 0.0, 0.00, 0.000) follows a coding's name. */
static int
weight_is_zero(const char *p, const char *end)
{
	for (; p < end; p++)
		if ((*p == 'q' || *p == 'Q') && p + 1 < end && p[1] == '=')
			break;
	if (p == end)
		return 0;
	for (p += 2; p < end; p++)
		if (*p != '0' && *p != '.' && !is_blank(*p))
			return 0;
	return 1;
}

/* Whether the list names the coding with a weight above 0. */
static int
list_names(const char *p, const char *end, const char *name)
{
	size_t		 len = strlen(name);
	const char	*item, *stop, *semi;

	for (; p < end; p = stop + 1) {
		stop = memchr(p, ',', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		for (item = p; item < stop && is_blank(*item); item++)
			;
		for (semi = item; semi < stop && *semi != ';' &&
		    !is_blank(*semi); semi++)
			;
		if ((size_t)(semi - item) == len &&
		    strncasecmp(item, name, len) == 0)
			return !weight_is_zero(semi, stop);
	}
	return 0;
}

enum coding
coding_accept(const char *header, size_t len)
{
	const char	*end = header + len;

	if (len == 7 && memcmp(header, "deflate", 7) == 0)
		return CODING_DEFLATE_ALWAYS;
	if (list_names(header, end, "gzip"))
		return CODING_GZIP;
	if (list_names(header, end, "deflate"))
		return CODING_DEFLATE;
	return CODING_NONE;
}

int
coding_wanted(enum coding c, size_t len)
{
	if (c == CODING_NONE)
		return 0;
	return c == CODING_DEFLATE_ALWAYS || len >= CODING_LEAST;
}

const char *
coding_name(enum coding c)
{
	return c == CODING_GZIP ? "gzip" : "deflate";
}

size_t
coding_bound(size_t len)
{
	/* zlib's own worst case for any parameters, and a gzip header. */
	return len + (len >> 3) + (len >> 6) + 64;
}

static int
stream_init(z_stream *z, enum coding c)
{
	memset(z, 0, sizeof(*z));
	return deflateInit2(z, LEVEL, Z_DEFLATED,
	    c == CODING_GZIP ? WINDOW_GZIP : WINDOW_RAW, 8,
	    Z_DEFAULT_STRATEGY) == Z_OK;
}

/* The stream for short values of this coding, ready to start; NULL failed. */
static z_stream *
stream_shared(enum coding c)
{
	static z_stream	 raw, gzip;
	z_stream	*z = c == CODING_GZIP ? &gzip : &raw;

	if (z->state == NULL)
		return stream_init(z, c) ? z : NULL;
	return deflateReset(z) == Z_OK ? z : NULL;
}

enum err
coding_once(enum coding c, const uint8_t *in, size_t len, uint8_t *out,
    size_t *outlen)
{
	z_stream	*z = stream_shared(c);

	if (z == NULL)
		return E_PARAM;
	z->next_in = (uint8_t *)(uintptr_t)in;	/* zlib only reads it */
	z->avail_in = (uInt)len;
	z->next_out = out;
	z->avail_out = (uInt)coding_bound(len);
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return E_PARAM;
	*outlen = coding_bound(len) - z->avail_out;
	if (c != CODING_DEFLATE_ALWAYS && *outlen >= len)
		*outlen = 0;
	return E_OK;
}

struct coder *
coder_new(enum coding c, const uint8_t *in, size_t len)
{
	struct coder	*k = malloc(sizeof(*k));

	if (k == NULL || !stream_init(&k->z, c)) {
		free(k);
		return NULL;
	}
	k->in = in;
	k->left = len;
	k->done = 0;
	return k;
}

void
coder_free(struct coder *k)
{
	if (k == NULL)
		return;
	(void)deflateEnd(&k->z);
	free(k);
}

static void
coder_feed(struct coder *k)
{
	size_t	n = k->left < CODING_PIECE ? k->left : CODING_PIECE;

	k->z.next_in = (uint8_t *)(uintptr_t)k->in;
	k->z.avail_in = (uInt)n;
	k->in += n;
	k->left -= n;
}

long
coder_read(struct coder *k, uint8_t *out, size_t max)
{
	int	rv;

	if (k->done)
		return 0;
	k->z.next_out = out;
	k->z.avail_out = max > CODING_PIECE ? CODING_PIECE : (uInt)max;
	max = k->z.avail_out;
	if (k->z.avail_in == 0)
		coder_feed(k);
	/*
	 * The flush after each piece makes sure that something comes out: a
	 * reader that returns nothing would be called again at once, for ever.
	 */
	rv = deflate(&k->z, k->left == 0 ? Z_FINISH : Z_SYNC_FLUSH);
	if (rv != Z_OK && rv != Z_STREAM_END && rv != Z_BUF_ERROR)
		return -1;
	k->done = rv == Z_STREAM_END;
	if (k->z.avail_out == max && !k->done)
		return -1;
	return (long)(max - k->z.avail_out);
}
