/*
 * data_expiry.c: how many bytes of a data file have expired by now, without
 * looking at the records: a sparse table of bytes by the minute in which they
 * expire (ttls of up to 30 days need at most 43,200 of them), rounded up, so
 * that nothing counts as expired that is not.
 */
#include <stdlib.h>

#include "store/data_impl.h"

#define MINUTE_MS	60000
#define LEAST		64		/* places; a power of two */

static uint64_t
minute_of(int64_t ms)
{
	return (uint64_t)ms / MINUTE_MS + 1;
}

static size_t
place(const struct expiry *x, uint64_t minute)
{
	size_t	i = (size_t)(minute * 0x9e3779b97f4a7c15ull >> 20);

	for (i &= x->cap - 1; x->minute[i] != 0 && x->minute[i] != minute;)
		i = (i + 1) & (x->cap - 1);
	return i;
}

/* Places for four times the entries that have not come to nothing. */
static size_t
places(const struct expiry *x)
{
	size_t	i, n = 0, cap = LEAST;

	for (i = 0; i < x->cap; i++)
		n += x->bytes[i] != 0;
	while (cap < n * 4)
		cap *= 2;
	return cap;
}

/* Entries that came to nothing go when the table is laid out anew. */
static int
lay_out(struct expiry *x)
{
	struct expiry	n = *x;
	size_t		i, j;

	n.cap = places(x);
	n.used = 0;
	n.minute = calloc(n.cap, sizeof(*n.minute));
	n.bytes = calloc(n.cap, sizeof(*n.bytes));
	if (n.minute == NULL || n.bytes == NULL) {
		free(n.minute);
		free(n.bytes);
		return 0;
	}
	for (i = 0; i < x->cap; i++) {
		if (x->minute[i] == 0 || x->bytes[i] == 0)
			continue;
		j = place(&n, x->minute[i]);
		n.minute[j] = x->minute[i];
		n.bytes[j] = x->bytes[i];
		n.used++;
	}
	free(x->minute);
	free(x->bytes);
	*x = n;
	return 1;
}

void
expiry_load(struct expiry *x, uint64_t minute, uint64_t bytes)
{
	size_t	i;

	if (minute <= x->upto) {
		x->past += bytes;
		return;
	}
	/* Without memory an expiry is not foreseen: compaction comes later. */
	if (x->used * 2 >= x->cap && !lay_out(x))
		return;
	i = place(x, minute);
	if (x->minute[i] == 0) {
		x->minute[i] = minute;
		x->used++;
	}
	x->bytes[i] += bytes;
}

void
expiry_add(struct expiry *x, int64_t ms, uint64_t bytes)
{
	if (ms > 0)
		expiry_load(x, minute_of(ms), bytes);
}

void
expiry_sub(struct expiry *x, int64_t ms, uint64_t bytes)
{
	uint64_t	minute;
	size_t		i;

	if (ms <= 0)
		return;
	minute = minute_of(ms);
	if (minute <= x->upto) {
		x->past -= bytes < x->past ? bytes : x->past;
		return;
	}
	if (x->cap == 0)
		return;
	i = place(x, minute);
	x->bytes[i] -= bytes < x->bytes[i] ? bytes : x->bytes[i];
}

uint64_t
expiry_past(struct expiry *x, int64_t now)
{
	uint64_t	minute = now > 0 ? (uint64_t)now / MINUTE_MS : 0;
	size_t		i;

	if (minute <= x->upto)
		return x->past;
	x->upto = minute;
	for (i = 0; i < x->cap; i++)
		if (x->minute[i] != 0 && x->minute[i] <= x->upto) {
			x->past += x->bytes[i];
			x->bytes[i] = 0;
		}
	return x->past;
}

void
expiry_free(struct expiry *x)
{
	free(x->minute);
	free(x->bytes);
	*x = (struct expiry){ 0 };
}
