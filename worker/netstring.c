/*
 * netstring.c: see netstring.h.
 */
#include "worker/netstring.h"

int
netstring_next(const uint8_t **p, size_t *left, const uint8_t **text,
    uint32_t *len)
{
	const uint8_t	*s = *p;
	size_t		 i = 0, n = 0;

	while (i < *left && i < NETSTRING_DIGITS && s[i] >= '0' && s[i] <= '9')
		n = n * 10 + (size_t)(s[i++] - '0');
	if (i == 0 || (s[0] == '0' && i > 1))
		return 0;
	/* The colon, the text and the comma must be there. */
	if (*left - i < n + 2 || s[i] != ':' || s[i + 1 + n] != ',')
		return 0;
	*text = s + i + 1;
	*len = (uint32_t)n;
	*p = *text + n + 1;
	*left -= i + n + 2;
	return 1;
}
