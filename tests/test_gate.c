/*
 * test_gate.c: what the processes of this host may ask by nng.
 */
#include <string.h>
#include <unistd.h>

#include "proto/msg.h"
#include "supervisor/conf.h"
#include "supervisor/gate.h"
#include "tests/unit.h"

#define SOMEONE	4242
#define ANOTHER	4243

/* The role of a user id under these; -1: the list is refused. */
static int
role(const char *roles, const char *file, uid_t uid)
{
	struct conf	*c = conf_new();
	char		 err[256], option[512];
	struct gate	*g;
	int		 rv;

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	snprintf(option, sizeof(option), "nng.roles=%s", roles);
	CU_ASSERT_EQUAL(conf_option(c, option, err, sizeof(err)), 0);
	snprintf(option, sizeof(option), "auth.file=%s", file);
	CU_ASSERT_EQUAL(conf_option(c, option, err, sizeof(err)), 0);
	g = gate_new(c, err, sizeof(err));
	CU_ASSERT_EQUAL(conf_check(c, err, sizeof(err)), g == NULL ? -1 : 0);
	rv = g == NULL ? -1 : (int)gate_role(g, uid);
	gate_free(g);
	conf_free(c);
	return rv;
}

static void
test_roles(void)
{
	CU_ASSERT_EQUAL(role("", "", SOMEONE), ROLE_ADMIN);
	CU_ASSERT_EQUAL(role("", "/f", SOMEONE), ROLE_NONE);
	CU_ASSERT_EQUAL(role("", "/f", 0), ROLE_ADMIN);
	CU_ASSERT_EQUAL(role("", "/f", geteuid()), ROLE_ADMIN);
	CU_ASSERT_EQUAL(role("4242:read", "", SOMEONE), ROLE_READ);
	CU_ASSERT_EQUAL(role("4242:read", "", ANOTHER), ROLE_NONE);
	CU_ASSERT_EQUAL(role("4242:read, *:write", "/f", SOMEONE), ROLE_READ);
	CU_ASSERT_EQUAL(role("4242:read, *:write", "/f", ANOTHER), ROLE_WRITE);
	CU_ASSERT_EQUAL(role("*:write,4242:admin", "/f", SOMEONE), ROLE_ADMIN);
	CU_ASSERT_EQUAL(role("daemon:write,4242:admin", "/f", 1), ROLE_WRITE);
	CU_ASSERT_EQUAL(role("*:read", "/f", 0), ROLE_ADMIN);
}

static void
test_errors(void)
{
	static const char *const	bad[] = {
		",", "4242", "4242:", ":read", "4242:root", "4242:read,",
		"4242:read,4242:write", "*:read,*:read", "4242:read,oops",
		"no-such-user-here:read", "-1:read", "4294967295:read",
		"99999999999999999999:read", "4242:read:write", "4242 :read",
	};
	size_t				i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(role(bad[i], "/f", SOMEONE), -1);
		if (role(bad[i], "/f", SOMEONE) != -1)
			printf("taken: \"%s\"\n", bad[i]);
	}
}

/* Whoever adds a message for clients says what it needs. */
static void
test_messages(void)
{
	static const struct {
		uint16_t	msg;
		unsigned	from;
	} rows[] = {
#define MSG_STORE(name, num, from, ...) { num, from },
#include "proto/msg.def"
	};
	size_t	i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((rows[i].from & FROM_CLIENT) == 0)
			continue;
		CU_ASSERT(gate_knows(rows[i].msg));
		if (!gate_knows(rows[i].msg))
			printf("not in gate.c: %s\n", msg_name(rows[i].msg));
	}
	CU_ASSERT_EQUAL(gate_need(MSG_STORE_GET), ROLE_READ);
	CU_ASSERT_EQUAL(gate_need(MSG_STORE_MPUT), ROLE_WRITE);
	CU_ASSERT_EQUAL(gate_need(MSG_STORE_EXPORT), ROLE_ADMIN);
	CU_ASSERT_EQUAL(gate_need(MSG_MAX), ROLE_ADMIN);
}

static const CU_TestInfo tests[] = {
	{ "roles", test_roles },
	{ "errors", test_errors },
	{ "messages", test_messages },
	CU_TEST_INFO_NULL,
};

UNIT_MAIN("test_gate", UNIT_SUITE("gate", tests))
