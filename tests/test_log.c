/*
 * test_log.c: the format of lines, levels, limits, and opening anew.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "supervisor/log.h"
#include "tests/unit.h"

static char	dir[] = "/tmp/test_log.XXXXXX";
static char	path[64];

static int
set_up(void)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	return log_open("unit.7", path, LOG_LEVEL_INFO);
}

static int
clean_up(void)
{
	log_open("unit.7", "stderr", LOG_LEVEL_INFO);
	unlink(path);
	return rmdir(dir);
}

/* The whole file, which is emptied. */
static char *
taken(void)
{
	static char	 buf[16384];
	FILE		*fp = fopen(path, "r");
	size_t		 n = 0;

	if (fp != NULL) {
		n = fread(buf, 1, sizeof(buf) - 1, fp);
		fclose(fp);
	}
	buf[n] = '\0';
	CU_ASSERT_EQUAL(truncate(path, 0), 0);
	return buf;
}

static void
test_format(void)
{
	char	want[64], *s;

	log_warnx("text %d", 5);
	s = taken();
	snprintf(want, sizeof(want), "Z warn unit.7[%d]: text 5\n",
	    (int)getpid());
	/* 2026-11-22T12:00:00.123Z */
	CU_ASSERT_EQUAL(strlen(s), 23 + strlen(want));
	CU_ASSERT(s[4] == '-' && s[10] == 'T' && s[19] == '.');
	CU_ASSERT_STRING_EQUAL(s + 23, want);
}

static void
test_errno(void)
{
	char	*s;

	errno = ENOENT;
	log_error("open");
	CU_ASSERT_EQUAL(errno, ENOENT);
	s = taken();
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "error unit.7["));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "]: open: No such file or directory\n"));
	errno = ENOENT;
	log_errorx("open");
	CU_ASSERT_EQUAL(errno, ENOENT);
	CU_ASSERT_PTR_NULL(strstr(taken(), "No such"));
}

static void
test_levels(void)
{
	int	i;

	log_debug("hidden");
	CU_ASSERT_STRING_EQUAL(taken(), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("shown");
	CU_ASSERT_PTR_NOT_NULL(strstr(taken(), "debug unit.7"));
	log_set_level(LOG_LEVEL_ERROR);
	log_warnx("hidden");
	CU_ASSERT_STRING_EQUAL(taken(), "");
	log_set_level(LOG_LEVEL_INFO);
	for (i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
		CU_ASSERT_EQUAL(log_level_parse(log_level_name(
		    (enum log_level)i)), i);
	CU_ASSERT_EQUAL(log_level_parse("loud"), -1);
}

/* One line whatever the text holds, and never longer than 1 KiB. */
static void
test_control_characters(void)
{
	char	big[3000], *s;

	log_info("a\nb\033[1m\x7f \xc3\xa4");
	s = taken();
	CU_ASSERT_PTR_NOT_NULL(strstr(s,
	    ": a\\x0ab\\x1b[1m\\x7f \xc3\xa4\n"));
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
	s = taken();
	CU_ASSERT(strlen(s) > 1000 && strlen(s) <= 1024);
	CU_ASSERT_EQUAL(s[strlen(s) - 1], '\n');
	memset(big, '\n', sizeof(big) - 1);
	log_info("%s", big);
	s = taken();
	CU_ASSERT(strlen(s) > 1000 && strlen(s) <= 1024);
	CU_ASSERT_PTR_EQUAL(strchr(s, '\n'), s + strlen(s) - 1);
}

static void
test_limited(void)
{
	struct log_limit	 lim = { 0, 0 };
	char			*s;
	int			 i;

	for (i = 0; i < 10; i++)
		log_limited(&lim, "bad frame %d", i);
	s = taken();
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "bad frame 0\n"));
	CU_ASSERT_PTR_NULL(strstr(s, "bad frame 1"));
	lim.last_us -= 1100000;
	log_limited(&lim, "again");
	CU_ASSERT_PTR_NOT_NULL(strstr(taken(),
	    "again (and 9 more such lines left out)\n"));
}

static void
test_reopen(void)
{
	char	moved[80];
	struct stat	st;

	snprintf(moved, sizeof(moved), "%s.1", path);
	CU_ASSERT_EQUAL(rename(path, moved), 0);
	log_info("into the moved one");
	CU_ASSERT_EQUAL(stat(path, &st), -1);
	log_reopen();
	log_info("into the new one");
	CU_ASSERT_PTR_NOT_NULL(strstr(taken(), "into the new one"));
	CU_ASSERT_EQUAL(stat(moved, &st), 0);
	CU_ASSERT(st.st_size > 0);
	unlink(moved);
}

static void
test_bad_target(void)
{
	CU_ASSERT_EQUAL(log_open("x", "/nonexistent/dir/log", LOG_LEVEL_INFO),
	    -1);
	CU_ASSERT_EQUAL(errno, ENOENT);
	log_info("still here");
	CU_ASSERT_PTR_NOT_NULL(strstr(taken(), "unit.7"));
}

/* journald's stderr: a priority instead of the time. */
static void
test_journal(void)
{
	char	want[64], got[256];
	int	p[2], saved = dup(STDERR_FILENO);
	ssize_t	n;

	CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	CU_ASSERT_EQUAL(log_open("unit.7", "journal", LOG_LEVEL_INFO), 0);
	log_warnx("text");
	dup2(saved, STDERR_FILENO);
	n = read(p[0], got, sizeof(got) - 1);
	CU_ASSERT_FATAL(n > 0);
	got[n] = '\0';
	snprintf(want, sizeof(want), "<4>warn unit.7[%d]: text\n",
	    (int)getpid());
	CU_ASSERT_STRING_EQUAL(got, want);
	close(p[0]);
	close(p[1]);
	close(saved);
	CU_ASSERT_EQUAL(log_open("unit.7", path, LOG_LEVEL_INFO), 0);
}

static const CU_TestInfo tests[] = {
	{ "format", test_format },
	{ "errno", test_errno },
	{ "levels", test_levels },
	{ "control characters", test_control_characters },
	{ "limited", test_limited },
	{ "reopen", test_reopen },
	{ "bad target", test_bad_target },
	{ "journal", test_journal },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_log", { (char *)"log", set_up, clean_up, NULL, NULL,
    (CU_TestInfo *)tests })
