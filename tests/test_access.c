/*
 * test_access.c: the list of clients: what it takes, what it refuses, and
 * that the sorted ranges say what looking through every entry would say.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "supervisor/access.h"
#include "tests/unit.h"

static int
allows(const struct access *a, const char *text)
{
	struct sockaddr_in	in = { .sin_family = AF_INET };
	struct sockaddr_in6	in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return access_allows(a, (void *)&in);
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
		return access_allows(a, (void *)&in6);
	return -1;
}

/* Whether the list lets the address in; -1: the list is refused. */
static int
lets(const char *list, const char *addr)
{
	char		 err[256];
	struct access	*a = access_new(list, err, sizeof(err));
	int		 rv = a == NULL ? -1 : allows(a, addr);

	access_free(a);
	return rv;
}

static void
test_forms(void)
{
	CU_ASSERT_EQUAL(lets("", "203.0.113.9"), 1);
	CU_ASSERT_EQUAL(lets("", "2001:db8::1"), 1);
	CU_ASSERT_EQUAL(lets("127.0.0.1", "127.0.0.1"), 1);
	CU_ASSERT_EQUAL(lets("127.0.0.1", "127.0.0.2"), 0);
	CU_ASSERT_EQUAL(lets("10.0.0.0/8", "10.255.255.255"), 1);
	CU_ASSERT_EQUAL(lets("10.0.0.0/8", "11.0.0.0"), 0);
	CU_ASSERT_EQUAL(lets("10.0.0.0/8", "9.255.255.255"), 0);
	CU_ASSERT_EQUAL(lets("10.1.2.4/30", "10.1.2.7"), 1);
	CU_ASSERT_EQUAL(lets("10.1.2.4/30", "10.1.2.8"), 0);
	CU_ASSERT_EQUAL(lets("10.1.2.3/32", "10.1.2.3"), 1);
	CU_ASSERT_EQUAL(lets("0.0.0.0/0", "255.255.255.255"), 1);
	CU_ASSERT_EQUAL(lets("0.0.0.0/0", "::1"), 0);
	CU_ASSERT_EQUAL(lets("10.0.0.3-10.0.1.4", "10.0.0.255"), 1);
	CU_ASSERT_EQUAL(lets("10.0.0.3-10.0.1.4", "10.0.1.5"), 0);
	CU_ASSERT_EQUAL(lets("10.0.0.3-10.0.1.4", "10.0.0.2"), 0);
	CU_ASSERT_EQUAL(lets("::1", "::1"), 1);
	CU_ASSERT_EQUAL(lets("2001:db8::/33", "2001:db8:7fff::1"), 1);
	CU_ASSERT_EQUAL(lets("2001:db8::/33", "2001:db8:8000::"), 0);
	CU_ASSERT_EQUAL(lets("fe80::1-fe80::ff", "fe80::80"), 1);
	CU_ASSERT_EQUAL(lets("fe80::1-fe80::ff", "fe80::100"), 0);
	CU_ASSERT_EQUAL(lets(" 10.0.0.1 ,\t10.0.0.3 ", "10.0.0.3"), 1);
}

/* IPv4 clients of a socket that takes both, and entries written that way. */
static void
test_mapped(void)
{
	CU_ASSERT_EQUAL(lets("10.0.0.0/8", "::ffff:10.1.1.1"), 1);
	CU_ASSERT_EQUAL(lets("10.0.0.0/8", "::ffff:11.1.1.1"), 0);
	CU_ASSERT_EQUAL(lets("::ffff:10.0.0.0/104", "10.9.9.9"), 1);
	CU_ASSERT_EQUAL(lets("::ffff:10.0.0.0/104", "11.0.0.0"), 0);
	CU_ASSERT_EQUAL(lets("::ffff:10.0.0.1", "10.0.0.1"), 1);
	CU_ASSERT_EQUAL(lets("::/0", "2001:db8::1"), 1);
	CU_ASSERT_EQUAL(lets("::/0", "10.0.0.1"), 0);
	CU_ASSERT_EQUAL(lets("::/0", "::ffff:10.0.0.1"), 0);
}

/* Every one of these closes the whole list. */
static void
test_errors(void)
{
	static const char *const	bad[] = {
		" ", ",", "10.0.0.1,", ",10.0.0.1", "10.0.0.1,,10.0.0.2",
		"10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1.", "localhost",
		"10.0.0.1 10.0.0.2", "10.0.0.1:80", "[::1]", "*", "-",
		"10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08",
		"10.0.0.0/8x", "10.0.0.1/8", "10.0.0.0/8/8", "/8",
		"10.0.0.2-10.0.0.1", "10.0.0.1-", "-10.0.0.1",
		"10.0.0.1-10.0.0.2-10.0.0.3", "10.0.0.0/8-10.0.0.9",
		"10.0.0.1-::1", "::1-10.0.0.1", "::-::ffff:1.2.3.4",
		"2001:db8::/129", "2001:db8::1/64", "::ffff:10.0.0.0/95",
		"fe80::1%lo", ":::1", "10.0.0.1;10.0.0.2", "10.0.0.1\n",
	};
	size_t				i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(lets(bad[i], "10.0.0.1"), -1);
		if (lets(bad[i], "10.0.0.1") != -1)
			printf("taken: \"%s\"\n", bad[i]);
	}
}

static void
test_message(void)
{
	char	err[256] = "";

	CU_ASSERT_PTR_NULL(access_new("10.0.0.1,10.0.0.999", err, sizeof(err)));
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "\"10.0.0.999\""));
}

/* n entries, each two characters longer than it must be. */
static char *
long_list(unsigned n, size_t pad)
{
	char		*s = malloc(n * 20 + pad + 1), *p = s;
	unsigned	 i;

	for (i = 0; i < n; i++)
		p += snprintf(p, 20, "%s10.%u.%u.0", i > 0 ? "," : "",
		    i / 256, i % 256);
	memset(p, ' ', pad);
	p[pad] = '\0';
	return s;
}

static void
test_limits(void)
{
	char		 err[256] = "", *s = long_list(600, 0);
	size_t		 len = strlen(s);
	struct access	*a;

	free(s);
	s = long_list(600, ACCESS_CHARS - len);
	a = access_new(s, err, sizeof(err));
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_EQUAL(access_count(a), 600);
	CU_ASSERT_EQUAL(allows(a, "10.2.87.0"), 1);
	CU_ASSERT_EQUAL(allows(a, "10.2.88.0"), 0);
	access_free(a);
	free(s);
	s = long_list(600, ACCESS_CHARS - len + 1);
	CU_ASSERT_PTR_NULL(access_new(s, err, sizeof(err)));
	free(s);
}

/* As many as fit: of one digit each there are 1024 in 8192 characters. */
static void
test_entries(void)
{
	char		 err[256] = "", s[ACCESS_CHARS + 1], *p = s;
	struct access	*a;
	unsigned	 i;

	for (i = 0; i < ACCESS_ENTRIES; i++)
		p += sprintf(p, "%s::%x", i > 0 ? "," : "", i);
	a = access_new(s, err, sizeof(err));
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_EQUAL(access_count(a), ACCESS_ENTRIES);
	access_free(a);
	strcpy(p, ",::1");
	CU_ASSERT_PTR_NULL(access_new(s, err, sizeof(err)));
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "1024"));
}

/* Overlapping ranges in any order against a look at each of them. */
static void
test_against_all(void)
{
	unsigned	 lo[24], hi[24], round, i, n, at, seed = 7;
	char		 list[24 * 32], err[256], addr[32], *p;
	struct access	*a;
	int		 want;

	for (round = 0; round < 200; round++) {
		n = 1 + round % 24;
		for (i = 0, p = list; i < n; i++) {
			seed = seed * 1103515245u + 12345u;
			lo[i] = seed >> 16 & 0xff;
			hi[i] = lo[i] + (seed >> 24 & 0x1f);
			hi[i] = hi[i] > 255 ? 255 : hi[i];
			p += sprintf(p, "%s10.0.0.%u-10.0.0.%u",
			    i > 0 ? "," : "", lo[i], hi[i]);
		}
		a = access_new(list, err, sizeof(err));
		CU_ASSERT_PTR_NOT_NULL_FATAL(a);
		for (at = 0; at < 256; at++) {
			for (want = 0, i = 0; i < n; i++)
				want |= lo[i] <= at && at <= hi[i];
			sprintf(addr, "10.0.0.%u", at);
			CU_ASSERT_EQUAL(allows(a, addr), want);
		}
		access_free(a);
	}
}

static void
test_other_family(void)
{
	struct sockaddr	 un = { .sa_family = AF_UNIX };
	char		 err[256];
	struct access	*a = access_new("::/0,0.0.0.0/0", err, sizeof(err));

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_EQUAL(access_allows(a, &un), 0);
	access_free(a);
}

static const CU_TestInfo tests[] = {
	{ "forms of entries", test_forms },
	{ "IPv4 within IPv6", test_mapped },
	{ "errors close", test_errors },
	{ "the message names the entry", test_message },
	{ "8192 characters", test_limits },
	{ "1024 entries", test_entries },
	{ "as a look at every entry", test_against_all },
	{ "another family", test_other_family },
	CU_TEST_INFO_NULL,
};

UNIT_MAIN("test_access", UNIT_SUITE("access", tests))
