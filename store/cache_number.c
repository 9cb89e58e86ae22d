/*
 * cache_number.c: numbers as text, as Redis 3.2 reads and writes them in
 * HINCRBY and HINCRBYFLOAT.
 *
 * Runs in wharf-store.  Needs the "C" locale, which no actor leaves.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/cache_impl.h"

#define PLACES	17	/* behind the point */

/* Digits without a zero before them, at most 19; 0: not that. */
static int
digits(struct cache_str s, uint64_t *u)
{
	size_t	k;

	if (s.n < 1 || s.n > 19 || (s.p[0] == '0' && s.n > 1))
		return 0;
	*u = 0;
	for (k = 0; k < s.n; k++) {
		if (s.p[k] < '0' || s.p[k] > '9')
			return 0;
		*u = *u * 10 + (s.p[k] - '0');
	}
	return 1;
}

enum err
cache_number(struct cache_str s, int64_t *n)
{
	int		minus = s.n > 1 && s.p[0] == '-';
	uint64_t	u;

	if (minus) {
		s.p++;
		s.n--;
	}
	if (!digits(s, &u) || (minus && u == 0) ||
	    u > (uint64_t)INT64_MAX + (unsigned)minus)
		return E_CACHE_NUMBER;
	*n = (int64_t)(minus ? -u : u);
	return E_OK;
}

size_t
cache_number_text(char out[CACHE_NUMBER], int64_t n)
{
	return (size_t)snprintf(out, CACHE_NUMBER, "%" PRId64, n);
}

enum err
cache_real(struct cache_str s, long double *x)
{
	char	text[CACHE_REAL], *end;

	if (s.n < 1 || s.n >= sizeof(text) || strchr(" \t\n\v\f\r", s.p[0]))
		return E_CACHE_NUMBER;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	errno = 0;
	*x = strtold(text, &end);
	if (end != text + s.n || isnan(*x) || (errno == ERANGE &&
	    (*x == 0 || isinf(*x))))
		return E_CACHE_NUMBER;
	return E_OK;
}

/* Takes the zeros behind the point away, and a point with nothing behind it. */
static size_t
strip(const char *out, size_t n)
{
	while (out[n - 1] == '0')
		n--;
	return out[n - 1] == '.' ? n - 1 : n;
}

size_t
cache_real_text(char out[CACHE_REAL], long double x)
{
	size_t	n;

	if (isnan(x) || isinf(x))
		return 0;
	n = strip(out, (size_t)snprintf(out, CACHE_REAL, "%.*Lf", PLACES, x));
	if (n == 2 && out[0] == '-' && out[1] == '0') {
		out[0] = '0';
		n = 1;
	}
	return n;
}
