/*
 * base64.h: RFC 4648, both alphabets.  Pure.
 */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include <stddef.h>
#include <stdint.h>

enum base64_form {
	BASE64_STD,		/* section 4: + and /, padded with = */
	BASE64_URL		/* section 5: - and _, not padded */
};

/* Characters that n bytes become. */
static inline size_t
base64_size(size_t n, enum base64_form form)
{
	return form == BASE64_STD ? (n + 2) / 3 * 4 :
	    n / 3 * 4 + (n % 3 != 0 ? n % 3 + 1 : 0);
}

/* Writes base64_size characters, no NUL; returns how many. */
size_t	 base64_put(uint8_t *out, const void *in, size_t n,
	    enum base64_form form);
/*
 * Reads n characters; out has room for n / 4 * 3 + 2 bytes, and may be in.
 * Returns how many bytes came out, or -1 when the text is not what base64_put
 * would have written.
 */
long	 base64_get(uint8_t *out, const uint8_t *in, size_t n,
	    enum base64_form form);

#endif
