/*
 * test_conf.c: values and their limits, files and the line numbers of their
 * errors, checks over several keys, the way through a memfd, reload, addresses.
 */
#include <string.h>
#include <unistd.h>

#include "supervisor/addr.h"
#include "supervisor/conf_row.h"
#include "tests/unit.h"

static char		 err[1024];
static struct conf	*conf;

static void
set_up(void)
{
	conf = conf_new();
	err[0] = '\0';
}

static void
tear_down(void)
{
	conf_free(conf);
}

/* Reads text as a file; the message begins with "FILE:LINE: ". */
static int
read_text(const char *text, size_t len)
{
	char	path[] = "/tmp/test_conf.XXXXXX", *p;
	int	fd = mkstemp(path), rv;

	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_EQUAL(write(fd, text, len), (ssize_t)len);
	close(fd);
	rv = conf_read(conf, path, err, sizeof(err));
	unlink(path);
	if (rv == -1 && strncmp(err, path, strlen(path)) == 0) {
		p = err + strlen(path);
		memmove(err, p, strlen(p) + 1);
	}
	return rv;
}

static int
says(const char *text, const char *want)
{
	int	rv;

	set_up();
	rv = read_text(text, strlen(text)) == -1 &&
	    strncmp(err, want, strlen(want)) == 0;
	if (!rv)
		printf("\n\"%s\" gives \"%s\", not \"%s\"\n", text, err, want);
	tear_down();
	return rv;
}

static int
option(const char *text)
{
	return conf_option(conf, text, err, sizeof(err));
}

static void
test_defaults(void)
{
	set_up();
	CU_ASSERT_STRING_EQUAL(conf_str(conf, CONF_DB_LISTEN),
	    "127.0.0.1:8085");
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LIMITS_BODY), 64 << 20);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_STORES_SYNC), 0);
	CU_ASSERT_STRING_EQUAL(conf_str(conf, CONF_STORES_SYNC), "always");
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LANES_ENABLED), 1);
	CU_ASSERT_STRING_EQUAL(conf_key(CONF_LOG_LEVEL), "log.level");
	CU_ASSERT_EQUAL(conf_check(conf, err, sizeof(err)), 0);
	tear_down();
}

static void
test_options(void)
{
	set_up();
	CU_ASSERT_EQUAL(option("limits.body=1M"), 0);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LIMITS_BODY), 1 << 20);
	CU_ASSERT_EQUAL(option("limits.body=2k"), 0);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LIMITS_BODY), 2048);
	CU_ASSERT_EQUAL(option("workers.memory=1G"), 0);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_WORKERS_MEMORY), 1 << 30);
	CU_ASSERT_EQUAL(option("lanes.enabled=no"), 0);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LANES_ENABLED), 0);
	CU_ASSERT_EQUAL(option("stores.sync=os"), 0);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_STORES_SYNC), 2);
	CU_ASSERT_STRING_EQUAL(conf_str(conf, CONF_STORES_SYNC), "os");
	CU_ASSERT_EQUAL(option("node.data=/a=b"), 0);
	CU_ASSERT_STRING_EQUAL(conf_str(conf, CONF_NODE_DATA), "/a=b");
	CU_ASSERT_EQUAL(option("node.user="), 0);
	tear_down();
}

static void
test_bad_options(void)
{
	static const char *const	bad[] = {
		"limits.body", "limits.body=", "limits.body=x",
		"limits.body=-1", "limits.body=+1", "limits.body= 1",
		"limits.body=1T", "limits.body=1KK", "limits.body=1K ",
		"limits.body=0", "limits.body=1G", "limits.body=0x10",
		"limits.body=99999999999999999999",
		"limits.body=9223372036854775807G",
		"lanes.enabled=maybe", "lanes.enabled=", "lanes.enabled=2",
		"stores.sync=", "stores.sync=alw", "stores.sync=always|1s",
		"stores.sync=|", "nosuch.key=1", "limits.=1", "=1", "",
		"limits.bodyy=1", "node.data=a\nb", "node.data=\x7f",
	};
	size_t				i;

	set_up();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err[0] = '\0';
		CU_ASSERT_EQUAL(option(bad[i]), -1);
		CU_ASSERT(err[0] != '\0');
	}
	/* What was refused has changed nothing. */
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LIMITS_BODY), 64 << 20);
	CU_ASSERT_STRING_EQUAL(conf_str(conf, CONF_STORES_SYNC), "always");
	tear_down();
}

static void
test_file(void)
{
	static const char	text[] =
	    "# a comment with \"quotes\n"
	    "db {\n"
	    "\tlisten = \"127.0.0.1:0, [::1]:8085\"\t# two\n"
	    "\tget_writes = off\n"
	    "}\n"
	    "/* over\n two lines */\n"
	    "stores { sync = 1s } // the end\n"
	    "limits { body = 1M deadline = 200 }\n"
	    "log { target = '/var/log/a#b' }\n"
	    "limits { body = 2M }\n";

	set_up();
	CU_ASSERT_EQUAL(read_text(text, strlen(text)), 0);
	CU_ASSERT_STRING_EQUAL(err, "");
	CU_ASSERT_STRING_EQUAL(conf_str(conf, CONF_DB_LISTEN),
	    "127.0.0.1:0, [::1]:8085");
	CU_ASSERT_EQUAL(conf_int(conf, CONF_DB_GET_WRITES), 0);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_STORES_SYNC), 1);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LIMITS_DEADLINE), 200);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LIMITS_BODY), 2 << 20);
	CU_ASSERT_STRING_EQUAL(conf_str(conf, CONF_LOG_TARGET),
	    "/var/log/a#b");
	tear_down();
}

static void
test_line_numbers(void)
{
	CU_ASSERT(says("bad = 1\n", ":1: no such option 'bad'"));
	CU_ASSERT(says("#\n# c\n\nbad {\n}\n", ":4: no such option 'bad'"));
	CU_ASSERT(says("/* a\n b */ // c\nlog {\n# d\nbad = 1\n}\n",
	    ":5: no such option 'bad'"));
	CU_ASSERT(says("log {\n level = loud\n}\n",
	    ":2: log.level: \"loud\" is none of"));
	CU_ASSERT(says("log { level = warn }\n\nlimits {\n # x\n body = 1X\n}\n",
	    ":5: limits.body: \"1X\" is no number"));
	CU_ASSERT(says("limits { body = 99G }", ":1: limits.body: 99G is not"));
	CU_ASSERT(says("\nlimits {\n body = 1M\n",
	    ":2: this section is not closed"));
	CU_ASSERT(says("log { target = \"abc }\n", ":"));
	CU_ASSERT(says("limits = 7\n", ":1: missing opening brace"));
	CU_ASSERT(says("limits { body = {1, 2} }", ":1: "));
	CU_ASSERT(says("limits { body += 1 }", ":1: "));
}

static void
test_no_file(void)
{
	set_up();
	CU_ASSERT_EQUAL(conf_read(conf, "/nonexistent/x", err, sizeof(err)),
	    -1);
	CU_ASSERT_STRING_EQUAL(err, "/nonexistent/x: No such file or directory");
	CU_ASSERT_EQUAL(conf_read(conf, "/tmp", err, sizeof(err)), -1);
	CU_ASSERT_STRING_EQUAL(err, "/tmp: Is a directory");
	CU_ASSERT_EQUAL(read_text("a\0b", 3), -1);
	CU_ASSERT_STRING_EQUAL(err, ": not a text file");
	CU_ASSERT_EQUAL(read_text("", 0), 0);
	tear_down();
}

static int
refused(const char *a, const char *want)
{
	int	rv;

	set_up();
	CU_ASSERT_EQUAL(option(a), 0);
	rv = conf_check(conf, err, sizeof(err)) == -1 &&
	    strstr(err, want) != NULL;
	tear_down();
	return rv;
}

static void
test_check(void)
{
	CU_ASSERT(refused("lanes.size=3M", "power of two"));
	CU_ASSERT(refused("node.run=", "node.run"));
	CU_ASSERT(refused("node.run=/0123456789012345678901234567890123456789"
	    "01234567890123456789", "node.run"));
	CU_ASSERT(refused("node.data=", "node.data"));
	CU_ASSERT(refused("log.target=", "log.target"));
	CU_ASSERT(refused("nng.mode=0668", "nng.mode"));
	CU_ASSERT(refused("nng.mode=", "nng.mode"));
	CU_ASSERT(refused("db.listen=", "db.listen"));
	CU_ASSERT(refused("mq.listen=localhost:80", "mq.listen"));
	CU_ASSERT(refused("mq.listen=0.0.0.0:80", "access.open"));
	CU_ASSERT(refused("db.listen=127.0.0.1:1,*:80", "access.open"));
	set_up();
	CU_ASSERT_EQUAL(option("db.listen=*:80"), 0);
	CU_ASSERT_EQUAL(option("access.open=on"), 0);
	CU_ASSERT_EQUAL(conf_check(conf, err, sizeof(err)), 0);
	tear_down();
}

static void
test_memfd(void)
{
	struct conf	*c;
	int		 fd;

	set_up();
	CU_ASSERT_EQUAL(option("node.data=/with spaces/\"and\" quotes = # x"),
	    0);
	CU_ASSERT_EQUAL(option("stores.sync=1s"), 0);
	CU_ASSERT_EQUAL(option("access.open=on"), 0);
	conf_set_int(conf, CONF_STORES_COUNT, 3);
	fd = conf_to_memfd(conf);
	CU_ASSERT_FATAL(fd != -1);
	CU_ASSERT_EQUAL(write(fd, "x", 1), -1);
	/* Twice: the descriptor's offset is shared with other children. */
	conf_free(conf_from_fd(fd, err, sizeof(err)));
	c = conf_from_fd(fd, err, sizeof(err));
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_STRING_EQUAL(conf_str(c, CONF_NODE_DATA),
	    "/with spaces/\"and\" quotes = # x");
	CU_ASSERT_EQUAL(conf_int(c, CONF_STORES_SYNC), 1);
	CU_ASSERT_EQUAL(conf_int(c, CONF_STORES_COUNT), 3);
	CU_ASSERT_EQUAL(conf_int(c, CONF_ACCESS_OPEN), 1);
	CU_ASSERT_STRING_EQUAL(conf_str(c, CONF_NODE_USER), "");
	conf_free(c);
	close(fd);
	CU_ASSERT_PTR_NULL(conf_from_fd(-1, err, sizeof(err)));
	tear_down();
}

static void
test_reload(void)
{
	struct conf	*fresh;
	char		 small[8];

	set_up();
	fresh = conf_copy(conf);
	CU_ASSERT_PTR_NOT_NULL_FATAL(fresh);
	conf_reload(conf, fresh, err, sizeof(err));
	CU_ASSERT_STRING_EQUAL(err, "");
	conf_option(fresh, "log.level=debug", err, sizeof(err));
	conf_option(fresh, "limits.deadline=100", err, sizeof(err));
	conf_option(fresh, "stores.count=5", err, sizeof(err));
	conf_option(fresh, "db.listen=127.0.0.1:1", err, sizeof(err));
	conf_reload(conf, fresh, err, sizeof(err));
	CU_ASSERT_STRING_EQUAL(err, "db.listen stores.count");
	CU_ASSERT_STRING_EQUAL(conf_str(conf, CONF_LOG_LEVEL), "debug");
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LOG_LEVEL), 3);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_LIMITS_DEADLINE), 100);
	CU_ASSERT_EQUAL(conf_int(conf, CONF_STORES_COUNT), 0);
	conf_reload(conf, fresh, small, sizeof(small));
	CU_ASSERT(strlen(small) < sizeof(small));
	conf_free(fresh);
	tear_down();
}

static void
test_addresses(void)
{
	static const char *const	bad[] = {
		"", ",", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.1:-1", "127.0.0.1:1x", "127.0.0.1:000080",
		"::1:80", "[::1]", "[]:80", "[::1:80", "1.2.3:80",
		"127.0.0.1:80,", "a:80", "[127.0.0.1]:80", "**:80",
	};
	struct addr			a[ADDR_LIST];
	char				text[ADDR_TEXT];
	size_t				i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(addr_list(bad[i], a, err, sizeof(err)), -1);
	CU_ASSERT_EQUAL(addr_list(" 127.0.0.1:0 ,[::1]:65535,*:80,"
	    "10.0.0.1:5,[::ffff:127.0.0.1]:1,[fe80::1]:1", a, err,
	    sizeof(err)), 6);
	CU_ASSERT_STRING_EQUAL(addr_text(&a[0], text), "127.0.0.1:0");
	CU_ASSERT_STRING_EQUAL(addr_text(&a[1], text), "[::1]:65535");
	CU_ASSERT_STRING_EQUAL(addr_text(&a[2], text), "*:80");
	CU_ASSERT(addr_is_loopback(&a[0]) && addr_is_loopback(&a[1]));
	CU_ASSERT(!addr_is_loopback(&a[2]) && !addr_is_loopback(&a[3]));
	CU_ASSERT(addr_is_loopback(&a[4]) && !addr_is_loopback(&a[5]));
	addr_set_port(&a[0], 99);
	CU_ASSERT_EQUAL(addr_port(&a[0]), 99);
	CU_ASSERT_EQUAL(addr_list("1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,"
	    "1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,"
	    "1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,1.1.1.1:1,"
	    "1.1.1.1:1", a, err, sizeof(err)), -1);
}

/* What stands in a backup can be put in the place of a file that is lost. */
static void
test_as_file(void)
{
	static const char *const	odd[] = {
		"node.data=/tmp/a b'c\\d\"${HOME}#//x/*y*/;{}", "db.listen=",
		"stores.sync=1s", "stores.count=3", "lanes.enabled=off",
		"log.target=\\", "access.allow=10.0.0.0/8,::1",
	};
	struct conf			*again = conf_new();
	char				 path[64];
	size_t				 i;
	int				 fd, id;

	set_up();
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		CU_ASSERT_EQUAL(conf_option(conf, odd[i], err, sizeof(err)),
		    0);
	fd = conf_file(conf);
	CU_ASSERT_NOT_EQUAL_FATAL(fd, -1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CU_ASSERT_EQUAL(conf_read(again, path, err, sizeof(err)), 0);
	for (id = 0; id < CONF_MAX_; id++)
		if (conf_rows[id].type == T_STR)
			CU_ASSERT_STRING_EQUAL(conf_str(again,
			    (enum conf_id)id), conf_str(conf,
			    (enum conf_id)id));
	for (id = 0; id < CONF_MAX_; id++)
		if (conf_rows[id].type != T_STR)
			CU_ASSERT_EQUAL(conf_int(again, (enum conf_id)id),
			    conf_int(conf, (enum conf_id)id));
	close(fd);
	conf_free(again);
	tear_down();
}

static const CU_TestInfo tests[] = {
	{ "defaults", test_defaults },
	{ "options", test_options },
	{ "bad options", test_bad_options },
	{ "file", test_file },
	{ "line numbers", test_line_numbers },
	{ "no file", test_no_file },
	{ "check", test_check },
	{ "memfd", test_memfd },
	{ "as a file", test_as_file },
	{ "reload", test_reload },
	{ "addresses", test_addresses },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_conf", UNIT_SUITE("conf", tests))
