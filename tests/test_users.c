/*
 * test_users.c: the lines of auth.file, the rights of the file itself, the
 * table of known logins, and passwords by libsodium.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "supervisor/known.h"
#include "supervisor/password.h"
#include "supervisor/users.h"
#include "tests/unit.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define HASH	"$argon2id$v=19$m=16384,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OTHER	"$argon2id$v=19$m=8,t=1,p=1$BBBBBBBBBBBBBBBBBBBBBB$" \
	"BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static char	dir[] = "/tmp/test_users.XXXXXX", path[64];

static struct users *
parse(const char *text)
{
	char	err[256];

	return users_parse(text, strlen(text), err, sizeof(err));
}

static void
test_parse(void)
{
	struct users		*us = parse("# people\n\nzoe:admin:" HASH "\n"
	    "a.b_c-d@e:read:" OTHER "\n#end\nbob:write:" HASH);
	const struct user	*u;

	CU_ASSERT_PTR_NOT_NULL_FATAL(us);
	CU_ASSERT_EQUAL(users_count(us), 3);
	u = users_find(us, "bob:", 3);
	CU_ASSERT_PTR_NOT_NULL_FATAL(u);
	CU_ASSERT(u->role == ROLE_WRITE && strcmp(u->hash, HASH) == 0);
	u = users_find(us, "a.b_c-d@e", 9);
	CU_ASSERT_PTR_NOT_NULL_FATAL(u);
	CU_ASSERT(u->role == ROLE_READ && strcmp(u->hash, OTHER) == 0);
	CU_ASSERT(users_find(us, "zoe", 3)->role == ROLE_ADMIN);
	CU_ASSERT_PTR_NULL(users_find(us, "zo", 2));
	CU_ASSERT_PTR_NULL(users_find(us, "zoe\0x", 5));
	CU_ASSERT_PTR_NULL(users_find(us, "", 0));
	CU_ASSERT_PTR_NULL(users_find(us, HASH HASH, 2 * strlen(HASH)));
	users_free(us);
	us = parse("");
	CU_ASSERT_PTR_NOT_NULL_FATAL(us);
	CU_ASSERT_EQUAL(users_count(us), 0);
	CU_ASSERT_PTR_NULL(users_find(us, "bob", 3));
	users_free(us);
}

/* Any of these refuses the whole file. */
static void
test_errors(void)
{
	static const char *const	bad[] = {
		"bob", "bob:read", ":read:" HASH, "bob::" HASH,
		"bob:Read:" HASH, "bob:reader:" HASH, "bob:root:" HASH,
		" bob:read:" HASH, "bob :read:" HASH, "b\xc3\xb6:read:" HASH,
		"bob:read: " HASH, "bob:read:" HASH " ", "bob:read:" HASH "\r",
		"bob:read:", "bob:read:secret", "bob:read:" HASH ":x",
		"bob:read:" HASH "A", "bob:read:$argon2id$v=19$m=16384,t=3,p=1",
		"bob:read:$argon2i$v=19$m=16384,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA"
		    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"bob:read:$argon2id$v=19$m=16385,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA"
		    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"bob:read:$argon2id$v=19$m=16384,t=11,p=1$AAAAAAAAAAAAAAAAAAAAAA"
		    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"bob:read:$argon2id$v=19$m=16384,t=3,p=2$AAAAAAAAAAAAAAAAAAAAAA"
		    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"bob:read:$argon2id$v=19$m=07,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA"
		    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"ann:read:" HASH "\nbob:read:" HASH "\nann:admin:" OTHER,
	};
	struct users	*us;
	size_t		 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		us = parse(bad[i]);
		CU_ASSERT_PTR_NULL(us);
		if (us != NULL)
			printf("taken: %s\n", bad[i]);
		users_free(us);
	}
}

static void
test_message(void)
{
	char	err[256] = "";

	CU_ASSERT_PTR_NULL(users_parse("#\n\nx", 4, err, sizeof(err)));
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "line 3: "));
}

static void
test_limits(void)
{
	char		 name[USER_NAME + 2], line[512], *all, *p;
	struct users	*us;
	unsigned	 i;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	snprintf(line, sizeof(line), "%s:read:" HASH, name);
	CU_ASSERT_PTR_NULL(parse(line));
	us = parse(line + 1);
	CU_ASSERT_PTR_NOT_NULL(us);
	users_free(us);
	p = all = malloc((USERS_MOST + 1) * 128);
	for (i = 0; i < USERS_MOST; i++)
		p += sprintf(p, "u%u:read:" OTHER "\n", i);
	us = parse(all);
	CU_ASSERT_PTR_NOT_NULL_FATAL(us);
	CU_ASSERT_EQUAL(users_count(us), USERS_MOST);
	CU_ASSERT_PTR_NOT_NULL(users_find(us, "u4095", 5));
	users_free(us);
	strcpy(p, "last:read:" OTHER);
	CU_ASSERT_PTR_NULL(parse(all));
	free(all);
}

/* Comments, order and other users stay; the result can be read again. */
static void
test_edit(void)
{
	static const char	text[] = "# mine\nbob:read:" HASH "\n"
	    "bobby:admin:" HASH "\n# end";
	char			*s;

	s = users_edit(text, "bob", ROLE_WRITE, OTHER);
	CU_ASSERT_STRING_EQUAL(s, "# mine\nbob:write:" OTHER "\n"
	    "bobby:admin:" HASH "\n# end\n");
	free(s);
	s = users_edit(text, "bo", ROLE_READ, OTHER);
	CU_ASSERT_STRING_EQUAL(s, "# mine\nbob:read:" HASH "\n"
	    "bobby:admin:" HASH "\n# end\nbo:read:" OTHER "\n");
	free(s);
	s = users_edit(text, "bob", ROLE_NONE, NULL);
	CU_ASSERT_STRING_EQUAL(s, "# mine\nbobby:admin:" HASH "\n# end\n");
	free(s);
	s = users_edit("", "bob", ROLE_READ, OTHER);
	CU_ASSERT_STRING_EQUAL(s, "bob:read:" OTHER "\n");
	free(s);
}

static void
put_file(const char *text, size_t len, mode_t mode)
{
	int	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_EQUAL(write(fd, text, len), (ssize_t)len);
	fchmod(fd, mode);
	close(fd);
}

/* 1: it was read. */
static int
reads(uid_t owner)
{
	char	err[256], *text = users_read(path, owner, err, sizeof(err));

	free(text);
	return text != NULL;
}

static void
test_file(void)
{
	static const char	text[] = "bob:read:" HASH "\n";
	uid_t			me = geteuid();

	snprintf(path, sizeof(path), "%s/users", dir);
	CU_ASSERT_EQUAL(reads(me), 0);
	put_file(text, strlen(text), 0600);
	CU_ASSERT_EQUAL(reads(me), 1);
	put_file(text, strlen(text), 0640);
	CU_ASSERT_EQUAL(reads(me), 1);
	put_file(text, strlen(text), 0644);
	CU_ASSERT_EQUAL(reads(me), 0);
	put_file(text, strlen(text), 0602);
	CU_ASSERT_EQUAL(reads(me), 0);
	put_file(text, strlen(text), 0660);
	CU_ASSERT_EQUAL(reads(me), 0);
	put_file(text, sizeof(text), 0600);	/* with a NUL */
	CU_ASSERT_EQUAL(reads(me), 0);
	put_file("bob", 3, 0600);
	CU_ASSERT_EQUAL(reads(me), 0);
	put_file(text, strlen(text), 0600);
	if (me == 0 && chown(path, 12345, 12345) == 0) {
		CU_ASSERT_EQUAL(reads(me), 0);
		CU_ASSERT_EQUAL(reads(12345), 1);
	}
	unlink(path);
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	CU_ASSERT_EQUAL(reads(me), 0);
	rmdir(path);
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	CU_ASSERT_EQUAL(reads(me), 0);
	unlink(path);
}

static void
test_memfd(void)
{
	char		 err[256];
	int		 fd = users_to_memfd("bob:admin:" HASH "\n");
	struct users	*us = users_from_fd(fd, err, sizeof(err));

	CU_ASSERT_PTR_NOT_NULL_FATAL(us);
	CU_ASSERT_PTR_NOT_NULL(users_find(us, "bob", 3));
	users_free(us);
	CU_ASSERT_EQUAL(write(fd, "x", 1), -1);
	close(fd);
}

static void
tag_of(uint8_t tag[KNOWN_TAG], unsigned row, unsigned n)
{
	memset(tag, 0, KNOWN_TAG);
	tag[0] = (uint8_t)row;
	tag[1] = (uint8_t)(row >> 8);
	tag[12] = (uint8_t)(n + 1);
}

static int
has(const struct known *k, unsigned row, unsigned n)
{
	uint8_t	tag[KNOWN_TAG];

	tag_of(tag, row, n);
	return known_has(k, tag);
}

/* Two mappings, as two workers have them. */
static void
test_known(void)
{
	int		 fd = known_create();
	struct known	*a = known_map(fd), *b = known_map(fd);
	uint8_t		 tag[KNOWN_TAG];
	unsigned	 row, n;

	CU_ASSERT_FATAL(a != NULL && b != NULL);
	close(fd);
	CU_ASSERT_EQUAL(memcmp(known_secret(a), known_secret(b),
	    KNOWN_SECRET), 0);
	for (row = 0; row < KNOWN_ROWS; row++)
		for (n = 0; n < KNOWN_WAYS; n++) {
			CU_ASSERT_EQUAL(has(b, row, n), 0);
			tag_of(tag, row, n);
			known_add(a, tag);
			known_add(b, tag);	/* takes no second place */
		}
	for (row = 0; row < KNOWN_ROWS; row++)
		for (n = 0; n < KNOWN_WAYS; n++)
			CU_ASSERT_EQUAL(has(b, row, n), 1);
	tag_of(tag, 7, 100);
	known_add(b, tag);
	CU_ASSERT_EQUAL(has(a, 7, 100), 1);
	for (row = 0, n = 0; n < KNOWN_WAYS; n++)
		row += (unsigned)has(a, 7, n);
	CU_ASSERT_EQUAL(row, KNOWN_WAYS - 1);
	CU_ASSERT_EQUAL(has(a, 8, 0), 1);
	known_unmap(a);
	known_unmap(b);
	fd = open("/dev/null", O_RDONLY);
	CU_ASSERT_PTR_NULL(known_map(fd));
	close(fd);
}

static void
test_secrets_differ(void)
{
	int		 fa = known_create(), fb = known_create();
	struct known	*a = known_map(fa), *b = known_map(fb);

	CU_ASSERT_FATAL(a != NULL && b != NULL);
	CU_ASSERT_NOT_EQUAL(memcmp(known_secret(a), known_secret(b),
	    KNOWN_SECRET), 0);
	known_unmap(a);
	known_unmap(b);
	close(fa);
	close(fb);
}

/* What password_hash makes is a line that users_parse takes. */
static void
test_password(void)
{
	char		 hash[USER_HASH], line[256];
	struct users	*us;

	CU_ASSERT_EQUAL_FATAL(password_init(), 0);
	CU_ASSERT_EQUAL_FATAL(password_hash(hash, "s:e cret", 8), 0);
	CU_ASSERT_EQUAL(password_good(hash, "s:e cret", 8), 1);
	CU_ASSERT_EQUAL(password_good(hash, "s:e cret", 7), 0);
	CU_ASSERT_EQUAL(password_good(hash, "s:e creT", 8), 0);
	CU_ASSERT_EQUAL(password_good(password_nobody(), "", 0), 0);
	snprintf(line, sizeof(line), "bob:read:%s\nno:read:%s", hash,
	    password_nobody());
	us = parse(line);
	CU_ASSERT_PTR_NOT_NULL(us);
	users_free(us);
}

#ifndef WHARF_SANITIZED
/* Nobody is told that his password is wrong when it could not be looked at. */
static void
test_no_memory(void)
{
	struct rlimit	was, less;
	char		hash[USER_HASH];
	unsigned long	pages = 0;
	FILE		*f = fopen("/proc/self/statm", "r");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	CU_ASSERT_EQUAL_FATAL(password_init(), 0);
	CU_ASSERT_EQUAL_FATAL(password_hash(hash, "right", 5), 0);
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_AS, &was), 0);
	less = was;
	less.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (8 << 20);
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_AS, &less), 0);
	CU_ASSERT_EQUAL(password_good(hash, "right", 5), -1);
	CU_ASSERT_EQUAL(password_good(hash, "wrong", 5), -1);
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_AS, &was), 0);
	CU_ASSERT_EQUAL(password_good(hash, "right", 5), 1);
	CU_ASSERT_EQUAL(password_good(hash, "wrong", 5), 0);
}
#endif

static const CU_TestInfo tests[] = {
	{ "lines", test_parse },
	{ "errors", test_errors },
	{ "the message names the line", test_message },
	{ "limits", test_limits },
	{ "edits", test_edit },
	{ "rights of the file", test_file },
	{ "through a memfd", test_memfd },
	{ "known logins", test_known },
	{ "each start has a secret of its own", test_secrets_differ },
	{ "passwords", test_password },
#ifndef WHARF_SANITIZED
	{ "passwords without memory", test_no_memory },
#endif
	CU_TEST_INFO_NULL,
};

int
main(void)
{
	CU_SuiteInfo	suites[] = { UNIT_SUITE("users", tests),
	    CU_SUITE_INFO_NULL };
	int		bad;

	if (mkdtemp(dir) == NULL)
		return 99;
	bad = unit_run("test_users", suites);
	rmdir(dir);
	return bad;
}
