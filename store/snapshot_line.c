/*
 * snapshot_line.c: one exported entry as a line of JSON, and back.  Pure.
 *
 * The members, their order and when they are absent are those of contract 1.7.
 * What is read back is only what was written here: no other order, no blanks,
 * no escapes (names of tables need none, the rest is base64 or decimal).
 */
#include <stdio.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/msg.h"
#include "store/record.h"
#include "store/snapshot.h"

/* Members, their quotes and numbers take less than this. */
#define LINE_FIXED	160u

size_t
snapshot_line_max(const struct list_item *i)
{
	return LINE_FIXED + base64_size(i->keylen, BASE64_STD) +
	    base64_size(i->vallen, BASE64_STD) + i->tablen;
}

static size_t
text_put(uint8_t *out, const char *text)
{
	size_t	n = strlen(text);

	memcpy(out, text, n);
	return n;
}

static size_t
number_text(uint8_t *out, const char *before, int64_t v, const char *after)
{
	char	text[64];

	snprintf(text, sizeof(text), "%s%lld%s", before, (long long)v, after);
	return text_put(out, text);
}

static size_t
value_put(uint8_t *out, const struct list_item *i)
{
	size_t	n;

	if (i->type == TYPE_ZSET)
		return number_text(out, ",\"val\":\"", i->score, "\"");
	if (i->vallen == 0)
		return 0;
	n = text_put(out, ",\"val\":\"");
	n += base64_put(out + n, i->val, i->vallen, BASE64_STD);
	return n + text_put(out + n, "\"");
}

static size_t
names_put(uint8_t *out, const struct list_item *i)
{
	char	text[16];
	size_t	n = 0;

	if (i->type == TYPE_KV)
		return 0;
	n += text_put(out, ",\"tb\":\"");
	memcpy(out + n, i->tab, i->tablen);
	n += i->tablen;
	snprintf(text, sizeof(text), "\",\"ty\":\"%c\"", i->type);
	return n + text_put(out + n, text);
}

size_t
snapshot_line_put(uint8_t *out, const struct list_item *i, int named,
    int values)
{
	size_t	n = text_put(out, "{\"key\":\"");

	n += base64_put(out + n, i->key, i->keylen, BASE64_STD);
	n += text_put(out + n, "\"");
	if (values && !i->damaged)
		n += value_put(out + n, i);
	n += number_text(out + n, ",\"ver\":", i->version, "");
	if (i->ttl > 0)
		n += number_text(out + n, ",\"ttl\":", (i->ttl + 999) / 1000,
		    "");
	if (i->damaged)
		n += text_put(out + n, ",\"damaged\":true");
	if (named)
		n += names_put(out + n, i);
	return n + text_put(out + n, "}\n");
}

/* What is left of a line; bad stays. */
struct line {
	uint8_t	*p, *end;
	int	 bad;
};

/* 1 and past it when the text comes next. */
static int
line_has(struct line *l, const char *text)
{
	size_t	n = strlen(text);

	if (l->bad || (size_t)(l->end - l->p) < n ||
	    memcmp(l->p, text, n) != 0)
		return 0;
	l->p += n;
	return 1;
}

static void
line_must(struct line *l, const char *text)
{
	if (!line_has(l, text))
		l->bad = 1;
}

/* Up to the closing quote, and past it. */
static uint8_t *
line_string(struct line *l, size_t *n)
{
	uint8_t	*from = l->p, *quote;

	*n = 0;
	quote = l->bad ? NULL : memchr(from, '"', (size_t)(l->end - from));
	if (quote == NULL) {
		l->bad = 1;
		return from;
	}
	*n = (size_t)(quote - from);
	l->p = quote + 1;
	return from;
}

static const uint8_t *
line_base64(struct line *l, size_t most, uint32_t *len)
{
	size_t		 n;
	uint8_t		*p = line_string(l, &n);
	long		 got = l->bad ? -1 : base64_get(p, p, n, BASE64_STD);

	if (got < 0 || (size_t)got > most)
		l->bad = 1;
	*len = l->bad ? 0 : (uint32_t)got;
	return p;
}

/* Decimal, min..max. */
static int64_t
line_number(struct line *l, int64_t min, int64_t max)
{
	int		minus = line_has(l, "-");
	uint64_t	v = 0, most = minus ? (uint64_t)0 - (uint64_t)min :
			    (uint64_t)max;
	uint8_t		*from = l->p;
	unsigned	digit;

	if (minus && min >= 0)
		l->bad = 1;
	for (; !l->bad && l->p < l->end && *l->p >= '0' && *l->p <= '9';
	    l->p++) {
		digit = *l->p - (unsigned)'0';
		if (v > (most - digit) / 10)
			l->bad = 1;
		v = v * 10 + digit;
	}
	if (l->p == from)
		l->bad = 1;
	return l->bad ? 0 : minus ? (int64_t)((uint64_t)0 - v) : (int64_t)v;
}

/* ,"tb":"name","ty":"H" when it is named. */
static void
line_names(struct line *l, struct list_item *i)
{
	size_t	n;

	if (!line_has(l, ",\"tb\":\""))
		return;
	i->tab = line_string(l, &n);
	if (n > TABLE_MAX)
		l->bad = 1;
	i->tablen = l->bad ? 0 : (uint8_t)n;
	line_must(l, ",\"ty\":\"");
	if (!l->bad && l->p < l->end)
		i->type = *l->p++;
	line_must(l, "\"");
	if (i->type != TYPE_HASH && i->type != TYPE_SET &&
	    i->type != TYPE_ZSET)
		l->bad = 1;
}

/* A sorted set's is a number, but its type comes later in the line. */
static void
line_value(struct line *l, struct list_item *i, const uint8_t *text, size_t n)
{
	struct line	 v = { (uint8_t *)(uintptr_t)text, NULL, 0 };
	long		 got;

	v.end = v.p + n;
	if (i->type == TYPE_ZSET) {
		i->score = line_number(&v, INT64_MIN, INT64_MAX);
		l->bad |= v.bad || v.p != v.end;
		return;
	}
	got = base64_get(v.p, v.p, n, BASE64_STD);
	if (got <= 0 || (size_t)got > VALUE_MAX || i->type == TYPE_SET)
		l->bad = 1;
	i->val = text;
	i->vallen = l->bad ? 0 : (uint32_t)got;
}

enum err
snapshot_line_get(struct list_item *i, uint8_t *line, size_t n,
    const struct snapshot_id *id)
{
	struct line	 l = { line, line + n, 0 };
	const uint8_t	*val = NULL;
	size_t		 vallen = 0;

	*i = (struct list_item){ .type = id->type != 0 ? id->type : TYPE_KV,
	    .tab = id->tab, .tablen = (uint8_t)id->tablen };
	line_must(&l, "{\"key\":\"");
	i->key = line_base64(&l, KEY_MAX, &i->keylen);
	if (line_has(&l, ",\"val\":\""))
		val = line_string(&l, &vallen);
	line_must(&l, ",\"ver\":");
	i->version = (uint32_t)line_number(&l, 0, UINT32_MAX);
	if (line_has(&l, ",\"ttl\":"))
		i->ttl = line_number(&l, 1, INT64_MAX / 1000) * 1000;
	i->damaged = (uint8_t)line_has(&l, ",\"damaged\":true");
	if (id->type == 0)
		line_names(&l, i);
	line_must(&l, "}\n");
	if (!l.bad && val != NULL)
		line_value(&l, i, val, vallen);
	return l.bad || l.p != l.end ? E_SNAPSHOT : E_OK;
}
