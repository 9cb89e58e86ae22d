/*
 * seen.c: workers of a queue by name (seen.h).
 *
 * Part of libqueue.  Pure.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/seen.h"

static int
compare(const struct seen_worker *w, const uint8_t *name, size_t len)
{
	size_t	n = w->len < len ? w->len : len;
	int	c = memcmp(w->name, name, n);

	return c != 0 ? c : (w->len > len) - (w->len < len);
}

static uint32_t
lower(const struct seen *s, const uint8_t *name, size_t len)
{
	uint32_t	lo = 0, hi = s->n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (compare(&s->w[mid], name, len) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
take_out(struct seen *s, uint32_t i, struct seen_worker *out)
{
	if (out != NULL)
		*out = s->w[i];
	s->n--;
	memmove(&s->w[i], &s->w[i + 1], (s->n - i) * sizeof(*s->w));
}

static uint32_t
oldest(const struct seen *s)
{
	uint32_t	i, old = 0;

	for (i = 1; i < s->n; i++)
		if (s->w[i].ms < s->w[old].ms)
			old = i;
	return old;
}

static int
grow(struct seen *s)
{
	uint32_t		 cap = s->cap + s->cap / 2 + 4;
	struct seen_worker	*w;

	if (s->n < s->cap)
		return 0;
	if ((w = realloc(s->w, cap * sizeof(*w))) == NULL)
		return -1;
	s->w = w;
	s->cap = cap;
	return 0;
}

struct seen_worker *
seen_note(struct seen *s, const uint8_t *name, size_t len, int64_t ms,
    uint64_t room, struct seen_worker *out)
{
	uint32_t		 i;
	struct seen_worker	*w;

	if (out != NULL)
		out->len = 0;
	if (len > SEEN_NAME)
		len = SEEN_NAME;
	i = lower(s, name, len);
	if (i < s->n && compare(&s->w[i], name, len) == 0) {
		s->w[i].ms = ms;
		return &s->w[i];
	}
	if (s->n >= SEEN_NAMES || (room == 0 && s->n > 0)) {
		take_out(s, oldest(s), out);
		i = lower(s, name, len);
	} else if (room == 0 || grow(s) != 0)
		return NULL;
	w = &s->w[i];
	memmove(w + 1, w, (s->n - i) * sizeof(*w));
	s->n++;
	memset(w, 0, sizeof(*w));
	w->ms = ms;
	w->len = (uint8_t)len;
	memcpy(w->name, name, len);
	return w;
}

int
seen_old(struct seen *s, int64_t before, struct seen_worker *out)
{
	uint32_t	i;

	if (s->n == 0 || s->w[i = oldest(s)].ms >= before)
		return 0;
	take_out(s, i, out);
	if (s->n == 0)
		seen_free(s);
	return 1;
}

size_t
seen_bytes(const struct seen *s)
{
	return s->cap * sizeof(*s->w);
}

void
seen_free(struct seen *s)
{
	free(s->w);
	*s = (struct seen){ NULL, 0, 0 };
}
