/*
 * query.c: request targets and query strings.  Everything here is fed with
 * bytes from strangers; tests/fuzz_request.c hammers it.
 */
#include <string.h>
#include <strings.h>

#include "worker/query.h"

#define PATH_LONGEST	128u	/* no row is longer, even encoded */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

long
percent_decode(uint8_t *out, const char *in, size_t n)
{
	size_t	i, len = 0;
	int	hi, lo;

	for (i = 0; i < n; i++) {
		if (in[i] != '%') {
			out[len++] = (uint8_t)in[i];
			continue;
		}
		if (n - i < 3 || (hi = hex_digit(in[i + 1])) < 0 ||
		    (lo = hex_digit(in[i + 2])) < 0)
			return -1;
		out[len++] = (uint8_t)(hi << 4 | lo);
		i += 2;
	}
	return (long)len;
}

void
target_split(struct target *t, const char *uri, size_t len)
{
	const char	*q, *slash;

	if (len > 7 && strncasecmp(uri, "http://", 7) == 0) {
		slash = memchr(uri + 7, '/', len - 7);
		len = slash == NULL ? 0 : len - (size_t)(slash - uri);
		uri = slash == NULL ? "" : slash;
	}
	q = memchr(uri, '?', len);
	t->path = uri;
	t->pathlen = q == NULL ? len : (size_t)(q - uri);
	t->query = q == NULL ? "" : q + 1;
	t->querylen = q == NULL ? 0 : len - t->pathlen - 1;
}

const struct path *
target_path(const struct target *t, unsigned on)
{
	uint8_t	buf[PATH_LONGEST];
	long	n;

	if (t->pathlen > sizeof(buf))
		return NULL;
	if (memchr(t->path, '%', t->pathlen) == NULL)
		return path_find(t->path, t->pathlen, on);
	if ((n = percent_decode(buf, t->path, t->pathlen)) < 0)
		return NULL;
	return path_find((const char *)buf, (size_t)n, on);
}

/* Reads digits; returns how many; *num saturates above UINT32_MAX. */
static size_t
digits_read(const uint8_t *p, size_t len, int64_t *num)
{
	size_t	i;

	*num = 0;
	for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++)
		if (*num <= UINT32_MAX)
			*num = *num * 10 + (p[i] - '0');
	return i;
}

static int
is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Passes over blanks and a sign; returns 1 for a minus. */
static int
sign_read(const uint8_t **p, size_t *len)
{
	int	minus = 0;

	while (*len > 0 && is_blank(**p))
		(*p)++, (*len)--;
	if (*len > 0 && (**p == '-' || **p == '+')) {
		minus = **p == '-';
		(*p)++, (*len)--;
	}
	return minus;
}

/*
 * What "stream >> uint32" of huststore makes of a text; big is what a number
 * beyond 32 bits becomes.
 */
static int64_t
lenient_u32(const uint8_t *p, size_t len, int64_t big)
{
	int64_t	num;
	int	minus = sign_read(&p, &len);

	if (digits_read(p, len, &num) == 0)
		return 0;
	if (num > UINT32_MAX)
		return big;
	return minus ? (int64_t)(uint32_t)-num : num;
}

/*
 * Reads digits as an int64; returns how many, 0 also when there are none or
 * it is out of range.
 */
static size_t
int64_read(const uint8_t *p, size_t len, int minus, int64_t *num)
{
	uint64_t	v = 0, top = (uint64_t)INT64_MAX + (uint64_t)minus;
	size_t		i;

	for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
		if (v > (top - (uint64_t)(p[i] - '0')) / 10)
			return 0;
		v = v * 10 + (uint64_t)(p[i] - '0');
	}
	*num = minus ? (int64_t)(0 - v) : (int64_t)v;
	return i;
}

int
text_integer(const uint8_t *p, size_t len, int64_t *num)
{
	size_t	minus = len > 1 && *p == '-';

	return len > 0 && int64_read(p + minus, len - minus, (int)minus,
	    num) == len - minus;
}

/* What "stream >> int64" of huststore makes of a text. */
static int64_t
lenient_long(const uint8_t *p, size_t len)
{
	int64_t	num;
	int	minus = sign_read(&p, &len);

	return int64_read(p, len, minus, &num) == 0 ? 0 : num;
}

int
text_number(const uint8_t *p, size_t len, int64_t *num)
{
	int	minus = sign_read(&p, &len);
	size_t	n = int64_read(p, len, minus, num);

	return n != 0 && (n == len || is_blank(p[n]));
}

static int
text_is(const uint8_t *p, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(p, word, len) == 0;
}

static int
name_ok(const uint8_t *p, size_t len)
{
	size_t	i;

	for (i = 0; i < len; i++)
		if (!((p[i] >= '0' && p[i] <= '9') ||
		    (p[i] >= 'A' && p[i] <= 'Z') ||
		    (p[i] >= 'a' && p[i] <= 'z') ||
		    p[i] == '_' || p[i] == ':' || p[i] == '.'))
			return 0;
	return 1;
}

enum err
param_convert(const struct param *row, const uint8_t *p, size_t len,
    int64_t *num)
{
	int	ok, one;

	switch ((enum param_type)row->type) {
	case PT_U32:
		*num = lenient_u32(p, len, 0);
		break;
	case PT_VER:
		*num = lenient_u32(p, len, UINT32_MAX);
		break;
	case PT_LONG:
		*num = lenient_long(p, len);
		if (*num < row->min || *num > row->max)
			*num = 0;
		break;
	case PT_BOOL:
		*num = text_is(p, len, "true") || text_is(p, len, "1");
		break;
	case PT_INT:
		if (!text_integer(p, len, num))
			return E_PARAM;
		break;
	case PT_FLAG:
		one = text_is(p, len, "true") || text_is(p, len, "1");
		ok = one || text_is(p, len, "false") || text_is(p, len, "0");
		*num = one;
		return ok ? E_OK : E_PARAM;
	case PT_NAME:
		if (!name_ok(p, len))
			return E_PARAM;
		/* FALLTHROUGH */
	case PT_KEY:
	case PT_RAW:
		return (int64_t)len < row->min || (int64_t)len > row->max ?
		    E_PARAM : E_OK;
	}
	return *num < row->min || *num > row->max ? E_PARAM : E_OK;
}

/* Which of the wanted parameters has this name; -1 none. */
static int
param_find(uint64_t wanted, const char *name, size_t len)
{
	const struct param	*row;
	int			 id;

	for (; wanted != 0; wanted &= wanted - 1) {
		id = __builtin_ctzll(wanted);
		row = &param_table[id];
		if (row->namelen == len && memcmp(row->name, name, len) == 0)
			return id;
	}
	return -1;
}

/* One value; returns the bytes of buf it took. */
static size_t
param_take(struct params *ps, int id, const char *val, size_t len,
    uint8_t *buf)
{
	const struct param	*row = &param_table[id];
	int64_t			 num = 0;
	long			 n = (long)len;

	ps->given &= ~B(id);
	ps->bad &= ~B(id);
	ps->escape &= ~B(id);
	if (len == 0)
		return 0;
	ps->given |= B(id);
	if (row->type == PT_RAW)
		memcpy(buf, val, len);
	else if ((n = percent_decode(buf, val, len)) < 0) {
		/* Not what an earlier request had: answers and logs show it. */
		memset(&ps->v[id], 0, sizeof(ps->v[id]));
		ps->bad |= B(id);
		ps->escape |= B(id);
		return 0;
	}
	if (param_convert(row, buf, (size_t)n, &num) != E_OK)
		ps->bad |= B(id);
	if (row->type > PT_NAME) {
		ps->v[id].num = num;
		return 0;
	}
	ps->v[id].text.p = buf;
	ps->v[id].text.len = (uint32_t)n;
	return (size_t)n;
}

size_t
query_parse(struct params *ps, const struct path *row, const char *query,
    size_t len, uint8_t *buf)
{
	uint64_t	 wanted = row->required | row->optional;
	const char	*end = query + len, *amp, *eq;
	size_t		 used = 0;
	int		 id;

	ps->given = ps->bad = ps->escape = 0;
	for (; query < end; query = amp + 1) {
		amp = memchr(query, '&', (size_t)(end - query));
		if (amp == NULL)
			amp = end;
		eq = memchr(query, '=', (size_t)(amp - query));
		if (eq == NULL)
			continue;
		id = param_find(wanted, query, (size_t)(eq - query));
		if (id >= 0)
			used += param_take(ps, id, eq + 1,
			    (size_t)(amp - eq - 1), buf + used);
	}
	return used;
}
