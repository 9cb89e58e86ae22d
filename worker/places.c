/*
 * places.c: see places.h.  The table is small enough to be looked through.
 */
#include <string.h>

#include "worker/places.h"

struct place *
places_find(struct places *ps, const uint8_t tag[KNOWN_TAG])
{
	struct place	*p;

	for (p = ps->place; p < ps->place + PLACES; p++)
		if (p->state != PLACE_FREE &&
		    memcmp(p->tag, tag, KNOWN_TAG) == 0)
			return p;
	return NULL;
}

static unsigned
held_from(const struct places *ps, uint64_t from)
{
	const struct place	*p;
	unsigned		 n = 0;

	for (p = ps->place; p < ps->place + PLACES; p++)
		n += p->state != PLACE_FREE && p->from == from;
	return n;
}

static unsigned
held_by(const struct places *ps, uint64_t pair)
{
	const struct place	*p;
	unsigned		 n = 0;

	for (p = ps->place; p < ps->place + PLACES; p++)
		n += p->state != PLACE_FREE && p->pair == pair;
	return n;
}

struct place *
places_take(struct places *ps, const uint8_t tag[KNOWN_TAG], uint64_t pair,
    uint64_t from, mono_t now)
{
	struct place	*p, *free = NULL;

	for (p = ps->place; p < ps->place + PLACES; p++)
		if (p->state == PLACE_FREE)
			free = p;
	if (free == NULL || held_by(ps, pair) >= PLACES_EACH)
		return NULL;
	memcpy(free->tag, tag, KNOWN_TAG);
	free->state = PLACE_WAITS;
	free->pair = pair;
	free->from = from;
	free->turn = ++ps->turn;
	free->since = now;
	return free;
}

struct place *
places_yield(struct places *ps, uint64_t pair, uint64_t from)
{
	struct place	*p, *last = NULL;
	unsigned	 most = held_from(ps, from) + 2, n;

	if (held_by(ps, pair) >= PLACES_EACH)
		return NULL;
	for (p = ps->place; p < ps->place + PLACES; p++) {
		if (p->state == PLACE_FREE)
			return NULL;
		n = held_from(ps, p->from);
		if (p->state != PLACE_WAITS || n < most || (n == most &&
		    last != NULL && p->turn < last->turn))
			continue;
		most = n;
		last = p;
	}
	return last;
}

struct place *
places_next(struct places *ps)
{
	struct place	*p, *first = NULL;

	for (p = ps->place; p < ps->place + PLACES; p++)
		if (p->state == PLACE_WAITS &&
		    (first == NULL || p->turn < first->turn))
			first = p;
	return first;
}

struct place *
places_late(struct places *ps, mono_t now, int64_t usec)
{
	struct place	*p;

	for (p = ps->place; p < ps->place + PLACES; p++)
		if (p->state != PLACE_FREE && p->waiters != NULL &&
		    mono_diff(p->since, now) >= usec)
			return p;
	return NULL;
}

void
places_leave(struct place *p)
{
	explicit_bzero(p, sizeof(*p));
}

unsigned
places_failed(struct places *ps, uint64_t pair)
{
	unsigned	i = (unsigned)(pair % FAILURES);

	if (ps->failed[i].pair != pair)
		ps->failed[i].n = 0;
	ps->failed[i].pair = pair;
	return ++ps->failed[i].n;
}
