/*
 * fuzz_login.c: texts that say who may do what: the first byte chooses an
 * Authorization header, access.allow, or the lines of auth.file.
 */
#include <netinet/in.h>

#define FUZZ_NAME "login"
#include "tests/fuzz.h"
#include "supervisor/access.h"
#include "supervisor/users.h"
#include "worker/login.h"

static int
fuzz_header(const char *text, size_t size)
{
	struct login	*l;
	int		 ok;

	MUST((l = malloc(sizeof(*l))) != NULL);
	ok = login_parse(l, text, size) == 0;
	if (ok) {
		MUST(l->namelen >= 1 && l->namelen <= USER_NAME);
		MUST(l->passlen <= PASSWORD_MOST);
		MUST(l->name == l->room && l->password[-1] == ':');
		MUST(memchr(l->name, ':', l->namelen) == NULL);
		MUST(l->namelen + 1 + l->passlen <= LOGIN_MOST);
	}
	free(l);
	return ok;
}

static int
fuzz_access(const char *list)
{
	struct sockaddr_in6	 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in	 v4 = { .sin_family = AF_INET };
	char			 err[128];
	struct access		*a = access_new(list, err, sizeof(err));

	if (a == NULL)
		return 0;
	MUST(access_count(a) <= ACCESS_ENTRIES);
	MUST((access_count(a) == 0) == (*list == '\0'));
	v4.sin_addr.s_addr = htonl(0x7f000001);
	v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
	v6.sin6_addr.s6_addr[12] = 127;
	v6.sin6_addr.s6_addr[15] = 1;
	MUST(access_allows(a, (struct sockaddr *)&v4) ==
	    access_allows(a, (struct sockaddr *)&v6));
	access_free(a);
	return 1;
}

/* What was taken can be edited, and is taken then. */
static int
fuzz_users(const char *text, size_t size)
{
	static const char	hash[] = "$argon2id$v=19$m=8,t=1,p=1$"
	    "BBBBBBBBBBBBBBBBBBBBBB$"
	    "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
	char			err[128], *more;
	struct users		*us = users_parse(text, size, err, sizeof(err));
	size_t			n;

	if (us == NULL || strlen(text) != size) {
		users_free(us);
		return 0;
	}
	n = users_count(us) + (users_find(us, "bob", 3) == NULL);
	users_free(us);
	if (n > USERS_MOST)
		return 1;
	MUST((more = users_edit(text, "bob", ROLE_WRITE, hash)) != NULL);
	us = users_parse(more, strlen(more), err, sizeof(err));
	MUST(us != NULL && users_count(us) == n);
	MUST(users_find(us, "bob", 3)->role == ROLE_WRITE);
	users_free(us);
	free(more);
	return 1;
}

static int
fuzz_one(const uint8_t *data, size_t size)
{
	char	*text;
	int	 ok;

	if (size < 1)
		return 0;
	MUST((text = malloc(size)) != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] % 3 == 0)
		ok = fuzz_header(text, size - 1);
	else
		ok = data[0] % 3 == 1 ? fuzz_access(text) :
		    fuzz_users(text, size - 1);
	free(text);
	return ok;
}
