/*
 * coding.h: content codings of answers (contract 0, Accept-Encoding).
 *
 * "deflate" means RAW deflate here, as huststore's clients expect it.  No call
 * works on more than CODING_PIECE bytes of input, so that the loop is never
 * held up for long.
 */
#ifndef WORKER_CODING_H
#define WORKER_CODING_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

enum coding {
	CODING_NONE,
	CODING_DEFLATE_ALWAYS,	/* the header was exactly "deflate" */
	CODING_GZIP,		/* where it makes the answer smaller */
	CODING_DEFLATE
};

#define CODING_LEAST	1024u	/* bytes; shorter values stay plain in a list */
#define CODING_PIECE	65536u	/* bytes of input in one call */

/* What an Accept-Encoding header asks for. */
enum coding	 coding_accept(const char *header, size_t len);
/* Whether a value of len bytes is to be coded at all. */
int		 coding_wanted(enum coding, size_t len);
const char	*coding_name(enum coding);

/*
 * Codes in one go (len <= CODING_PIECE).  Returns E_OK and the length written
 * to out; *outlen 0 when the coding says "where smaller" and it is not.
 * E_PARAM when zlib fails.  out has coding_bound(len) bytes.
 */
enum err	 coding_once(enum coding, const uint8_t *in, size_t len,
		    uint8_t *out, size_t *outlen);
size_t		 coding_bound(size_t len);

/* Piecewise, for longer values. */
struct coder;
struct coder	*coder_new(enum coding, const uint8_t *in, size_t len);
void		 coder_free(struct coder *);
/* Next bytes (max > 0): 1..max, 0 at the end, -1 zlib failed. */
long		 coder_read(struct coder *, uint8_t *out, size_t max);

#endif
