/*
 * token.c: receipts for deliveries (token.h).
 *
 * Part of libqueue.  Pure.
 */
#include <sodium.h>
#include <string.h>

#include "queue/token.h"

#define NAME_MOST	64u

_Static_assert(TOKEN_KEY == crypto_shorthash_KEYBYTES, "key of SipHash");

uint64_t
token_hash(const uint8_t key[TOKEN_KEY], const void *p, size_t n)
{
	uint8_t		out[crypto_shorthash_BYTES];
	uint64_t	h;

	crypto_shorthash(out, p, n, key);
	memcpy(&h, out, sizeof(h));
	return h;
}

/* The text without the mac, a NUL, the queue's name: what is hashed. */
static uint64_t
mac(const uint8_t key[TOKEN_KEY], const char *text, size_t len,
    const uint8_t *name, size_t namelen)
{
	uint8_t	all[TOKEN_MAX + 1 + NAME_MOST];

	if (namelen > NAME_MOST)
		namelen = NAME_MOST;
	memcpy(all, text, len);
	all[len] = 0;
	memcpy(all + len + 1, name, namelen);
	return token_hash(key, all, len + 1 + namelen);
}

/* At least so many digits; without the NUL. */
static size_t
hex(char *out, uint64_t v, unsigned least)
{
	unsigned	n = 1, i;

	while (n < 16 && (v >> (4 * n) != 0 || n < least))
		n++;
	for (i = 0; i < n; i++)
		out[i] = "0123456789abcdef"[v >> (4 * (n - 1 - i)) & 15];
	return n;
}

/* At most 2 + 16 + 1 + 8 + 1 + 8, and 1 + 16 of the mac. */
size_t
token_put(const struct token *t, const uint8_t key[TOKEN_KEY],
    const uint8_t *name, size_t namelen, char out[TOKEN_MAX + 1])
{
	size_t	n = 2;

	out[0] = (char)('0' + t->priority);
	out[1] = ':';
	n += hex(out + n, t->id, 1);
	out[n++] = '.';
	n += hex(out + n, t->attempt, 1);
	out[n++] = '.';
	n += hex(out + n, t->salt, 1);
	n += 1 + hex(out + n + 1, mac(key, out, n, name, namelen), 16);
	out[n - 17] = '.';
	out[n] = '\0';
	return n;
}

static int
is_form(const uint8_t *p, size_t n)
{
	size_t	i;

	if (n == 0 || n > TOKEN_MAX)
		return 0;
	for (i = 0; i < n; i++)
		if (!((p[i] >= '0' && p[i] <= '9') ||
		    (p[i] >= 'A' && p[i] <= 'Z') ||
		    (p[i] >= 'a' && p[i] <= 'z') ||
		    p[i] == ':' || p[i] == '.' || p[i] == '-'))
			return 0;
	return 1;
}

/* Digits up to another character, which *p then stands on. */
static uint64_t
number(const char **p)
{
	uint64_t	v = 0;

	for (; (**p >= '0' && **p <= '9') || (**p >= 'a' && **p <= 'f'); ++*p)
		v = v << 4 | (unsigned)(**p <= '9' ? **p - '0' :
		    **p - 'a' + 10);
	return v;
}

/* Whatever it reads: what is not as we would write it is refused later. */
static void
fields(struct token *t, const char *p)
{
	t->priority = (unsigned)(*p++ - '0') & 3;
	if (*p != '\0')
		p++;
	t->id = number(&p);
	if (*p != '\0')
		p++;
	t->attempt = (uint32_t)number(&p);
	if (*p != '\0')
		p++;
	t->salt = (uint32_t)number(&p);
}

/*
 * Reads the fields, writes the token anew and compares: what has the right
 * fields but was not written by us is not a token.
 */
enum err
token_get(struct token *t, const uint8_t key[TOKEN_KEY], const uint8_t *name,
    size_t namelen, const uint8_t *text, size_t len)
{
	char	copy[TOKEN_MAX + 1], ours[TOKEN_MAX + 1];

	if (!is_form(text, len))
		return E_PARAM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	fields(t, copy);
	if (t->priority > 2 ||
	    token_put(t, key, name, namelen, ours) != len ||
	    sodium_memcmp(ours, copy, len) != 0)
		return E_TOKEN;
	return E_OK;
}
