/*
 * access.c: the list of clients as sorted ranges; see access.h.
 *
 * Invariants
 * 1 An address is a key of 17 bytes, the family first, so that the order of
 *   keys is that of memcmp and a range lies in one family.
 * 2 The ranges are sorted, and each ends before the next begins: at most one
 *   can hold an address, the last one that begins at or before it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/access.h"

#define ENTRY_TEXT	96u	/* two IPv6 addresses and a dash */
#define V4_AT		13u	/* where the bytes of an IPv4 address begin */
#define MAPPED_AT	12	/* bytes of ::ffff: before an IPv4 address */

struct key {
	uint8_t	b[17];
};

struct range {
	struct key	lo, hi;
};

struct access {
	size_t		n;
	struct range	r[];
};

static int
key_cmp(const struct key *a, const struct key *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

static void
key_v4(struct key *k, const void *addr)
{
	memset(k, 0, sizeof(*k));
	k->b[0] = 4;
	memcpy(k->b + V4_AT, addr, 4);
}

static void
key_v6(struct key *k, const struct in6_addr *a)
{
	if (IN6_IS_ADDR_V4MAPPED(a)) {
		key_v4(k, a->s6_addr + MAPPED_AT);
		return;
	}
	k->b[0] = 6;
	memcpy(k->b + 1, a->s6_addr, 16);
}

static int
key_parse(struct key *k, const char *text)
{
	struct in_addr	v4;
	struct in6_addr	v6;

	if (inet_pton(AF_INET, text, &v4) == 1)
		key_v4(k, &v4);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		key_v6(k, &v6);
	else
		return -1;
	return 0;
}

/* 0..128 in decimal digits, no sign, no leading zero; -1 otherwise. */
static int
bits_parse(const char *s)
{
	int	n = 0;
	size_t	len = strlen(s);

	if (len == 0 || len > 3 || strspn(s, "0123456789") != len ||
	    (len > 1 && *s == '0'))
		return -1;
	for (; *s != '\0'; s++)
		n = n * 10 + (*s - '0');
	return n <= 128 ? n : -1;
}

/*
 * Fills the bits behind the prefix in hi; they must be 0 in lo, for somebody
 * who writes 10.1.2.3/8 may mean either.
 */
static const char *
range_network(struct range *r, int bits, int mapped)
{
	unsigned	at, first = r->lo.b[0] == 4 ? V4_AT : 1, i;

	if (mapped)
		bits -= 8 * MAPPED_AT;
	if (bits < 0 || (unsigned)bits > (sizeof(r->lo.b) - first) * 8)
		return "the length of the prefix is out of range";
	r->hi = r->lo;
	for (i = (unsigned)bits; i < (sizeof(r->lo.b) - first) * 8; i++) {
		at = first + i / 8;
		if ((r->lo.b[at] & 0x80u >> i % 8) != 0)
			return "the address has bits behind the prefix";
		r->hi.b[at] = (uint8_t)(r->hi.b[at] | 0x80u >> i % 8);
	}
	return NULL;
}

/* NULL, or what is wrong with the entry; text is taken apart in place. */
static const char *
range_parse(struct range *r, char *text)
{
	static const char	none[] = "no numeric address";
	char			*sep = strpbrk(text, "/-"), kind = '\0';
	int			 bits;

	if (sep != NULL) {
		kind = *sep;
		*sep++ = '\0';
	}
	if (key_parse(&r->lo, text) == -1)
		return none;
	r->hi = r->lo;
	if (kind == '/') {
		if ((bits = bits_parse(sep)) == -1)
			return "the length of the prefix is no number";
		return range_network(r, bits,
		    r->lo.b[0] == 4 && strchr(text, ':') != NULL);
	}
	if (kind != '-')
		return NULL;
	if (key_parse(&r->hi, sep) == -1)
		return none;
	if (r->lo.b[0] != r->hi.b[0])
		return "a range from one family to the other";
	return key_cmp(&r->lo, &r->hi) > 0 ? "a range that ends before it "
	    "begins" : NULL;
}

static int
range_order(const void *a, const void *b)
{
	return key_cmp(&((const struct range *)a)->lo,
	    &((const struct range *)b)->lo);
}

/* Those that overlap become one. */
static void
ranges_merge(struct access *a)
{
	size_t	i, n = 0;

	qsort(a->r, a->n, sizeof(a->r[0]), range_order);
	for (i = 0; i < a->n; i++) {
		if (n == 0 || key_cmp(&a->r[i].lo, &a->r[n - 1].hi) > 0)
			a->r[n++] = a->r[i];
		else if (key_cmp(&a->r[i].hi, &a->r[n - 1].hi) > 0)
			a->r[n - 1].hi = a->r[i].hi;
	}
	a->n = n;
}

/* One entry, len bytes long, without the blanks around it. */
static const char *
entry_parse(struct range *r, const char *text, size_t len)
{
	char	copy[ENTRY_TEXT];

	if (len == 0)
		return "an empty entry";
	if (len >= sizeof(copy))
		return "no numeric address";
	memcpy(copy, text, len);
	copy[len] = '\0';
	return range_parse(r, copy);
}

/* at and len say which entry it was about. */
static const char *
list_parse(struct access *a, const char *list, const char **at, size_t *len)
{
	const char	*end, *why;

	for (;; list = end + 1) {
		end = list + strcspn(list, ",");
		*at = list + strspn(list, " \t");
		*len = (size_t)(end - *at);
		while (*len > 0 && strchr(" \t", (*at)[*len - 1]) != NULL)
			--*len;
		if (a->n == ACCESS_ENTRIES)
			return "more than 1024 entries";
		if ((why = entry_parse(&a->r[a->n], *at, *len)) != NULL)
			return why;
		a->n++;
		if (*end == '\0')
			return NULL;
	}
}

struct access *
access_new(const char *list, char *err, size_t errlen)
{
	struct access	*a, *less;
	const char	*why = NULL, *at = list;
	size_t		 len = 0;

	a = calloc(1, sizeof(*a) + ACCESS_ENTRIES * sizeof(a->r[0]));
	if (a == NULL)
		why = "out of memory";
	else if (strlen(list) > ACCESS_CHARS)
		why = "longer than 8192 characters";
	else if (*list != '\0')
		why = list_parse(a, list, &at, &len);
	if (why != NULL) {
		snprintf(err, errlen, "%s%s%.*s%s", why, len > 0 ? ": \"" : "",
		    (int)(len < ENTRY_TEXT ? len : ENTRY_TEXT), at,
		    len > 0 ? "\"" : "");
		free(a);
		return NULL;
	}
	ranges_merge(a);
	less = realloc(a, sizeof(*a) + a->n * sizeof(a->r[0]));
	return less != NULL ? less : a;
}

void
access_free(struct access *a)
{
	free(a);
}

static int
key_of(struct key *k, const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		key_v4(k, &((const struct sockaddr_in *)(const void *)sa)
		    ->sin_addr);
	else if (sa->sa_family == AF_INET6)
		key_v6(k, &((const struct sockaddr_in6 *)(const void *)sa)
		    ->sin6_addr);
	else
		return -1;
	return 0;
}

int
access_allows(const struct access *a, const struct sockaddr *sa)
{
	size_t		lo = 0, hi = a->n, mid;
	struct key	k;

	if (a->n == 0)
		return 1;
	if (key_of(&k, sa) == -1)
		return 0;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (key_cmp(&a->r[mid].lo, &k) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && key_cmp(&k, &a->r[lo - 1].hi) <= 0;
}

size_t
access_count(const struct access *a)
{
	return a->n;
}
