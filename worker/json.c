/*
 * json.c: the text behind json.h.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "worker/json.h"

#define FIRST	512u		/* bytes */

void
json_init(struct json *j, struct budget *budget)
{
	memset(j, 0, sizeof(*j));
	j->budget = budget;
}

void
json_free(struct json *j)
{
	budget_give(j->budget, j->cap);
	free(j->p);
	json_init(j, j->budget);
}

uint8_t *
json_take(struct json *j, size_t *n)
{
	uint8_t	*p;

	if (j->bad || j->n == 0)
		return NULL;
	*n = j->n;
	p = realloc(j->p, j->n);	/* it doubled while it grew */
	if (p == NULL)
		p = j->p;
	j->p = NULL;
	json_free(j);
	return p;
}

void
json_cut(struct json *j, size_t n)
{
	j->n = n;
	j->bad = 0;
}

static int
json_grow(struct json *j, size_t cap)
{
	uint8_t	*p;

	if (!budget_try(j->budget, cap - j->cap))
		return 0;
	if ((p = realloc(j->p, cap)) == NULL) {
		budget_give(j->budget, cap - j->cap);
		return 0;
	}
	j->p = p;
	j->cap = cap;
	return 1;
}

/* n bytes at the end; NULL: no room for them. */
static uint8_t *
json_room(struct json *j, size_t n)
{
	size_t	need = j->n + n, cap = j->cap * 2;

	if (j->bad)
		return NULL;
	if (cap < FIRST)
		cap = FIRST;
	if (need > j->cap && !(cap > need && json_grow(j, cap)) &&
	    !json_grow(j, need)) {
		j->bad = 1;
		return NULL;
	}
	j->n = need;
	return j->p + need - n;
}

void
json_expect(struct json *j, size_t n)
{
	if (!j->bad && n > j->cap - j->n)
		(void)json_grow(j, j->n + n);
}

void
json_bytes(struct json *j, const void *data, size_t n)
{
	uint8_t	*p;

	if (n > 0 && (p = json_room(j, n)) != NULL)
		memcpy(p, data, n);
}

void
json_int(struct json *j, int64_t v)
{
	char		text[20];
	size_t		at = sizeof(text);
	uint64_t	u = v < 0 ? -(uint64_t)v : (uint64_t)v;

	do {
		text[--at] = (char)('0' + u % 10);
		u /= 10;
	} while (u != 0);
	if (v < 0)
		text[--at] = '-';
	json_bytes(j, text + at, sizeof(text) - at);
}

void
json_name(struct json *j, const void *name, size_t n)
{
	json_raw(j, "\"");
	json_bytes(j, name, n);
	json_raw(j, "\"");
}

void
json_base64(struct json *j, const void *data, size_t n)
{
	uint8_t	*p = json_room(j, base64_size(n, BASE64_STD) + 2);

	if (p == NULL)
		return;
	*p++ = '"';
	p += base64_put(p, data, n, BASE64_STD);
	*p = '"';
}
