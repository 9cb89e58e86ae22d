/*
 * log.c: log lines of every process: formatted into one buffer on the stack
 * and written with one write(2), so that lines of several threads, and of
 * several processes that append to one file, never mix.
 *
 * Nothing here is fatal: a line that cannot be written is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/clock.h"
#include "supervisor/log.h"

#define LINE_MAX_	1024		/* bytes, newline included */
#define LIMIT_US	1000000

static const struct {
	const char	*name;
	int		 prio;		/* of syslog, which journald reads */
} levels[] = {
	[LOG_LEVEL_ERROR]	= { "error", 3 },
	[LOG_LEVEL_WARN]	= { "warn", 4 },
	[LOG_LEVEL_INFO]	= { "info", 6 },
	[LOG_LEVEL_DEBUG]	= { "debug", 7 },
};

static struct {
	char		 ident[32];
	char		*path;		/* NULL: stderr */
	int		 journal;
	_Atomic int	 fd;
	_Atomic int	 level;
} out = { .ident = "wharf", .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO };

static int
log_open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

/*
 * The number of the descriptor stays the same over a change of target, so
 * that a thread that is just writing never meets a closed one.
 */
static void
log_set_fd(int fd)
{
	int	old = out.fd;

	if (old == fd)
		return;
	if (old != STDERR_FILENO && fd != STDERR_FILENO) {
		dup3(fd, old, O_CLOEXEC);
		close(fd);
		return;
	}
	out.fd = fd;
	if (old != STDERR_FILENO)
		close(old);
}

int
log_open(const char *ident, const char *target, enum log_level level)
{
	int	 journal = strcmp(target, "journal") == 0;
	int	 file = !journal && strcmp(target, "stderr") != 0;
	char	*path = NULL;
	int	 fd = STDERR_FILENO;

	if (file) {
		if ((path = strdup(target)) == NULL)
			return -1;
		if ((fd = log_open_file(path)) == -1) {
			free(path);
			return -1;
		}
	}
	if (ident != out.ident)
		snprintf(out.ident, sizeof(out.ident), "%s", ident);
	free(out.path);
	out.path = path;
	out.journal = journal;
	out.level = (int)level;
	log_set_fd(fd);
	return 0;
}

void
log_reopen(void)
{
	int	fd;

	if (out.path == NULL)
		return;
	if ((fd = log_open_file(out.path)) == -1)
		log_warn("log: open %s again", out.path);
	else
		log_set_fd(fd);
}

void
log_set_level(enum log_level level)
{
	out.level = (int)level;
}

enum log_level
log_get_level(void)
{
	return (enum log_level)out.level;
}

const char *
log_level_name(enum log_level level)
{
	return level <= LOG_LEVEL_DEBUG ? levels[level].name : "?";
}

int
log_level_parse(const char *name)
{
	int	i;

	for (i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(levels[i].name, name) == 0)
			return i;
	return -1;
}

static size_t
log_head(char *line, size_t max, enum log_level level)
{
	struct timespec	 t;
	struct tm	 tm;
	size_t		 n;

	if (out.journal)
		return (size_t)snprintf(line, max, "<%d>%s %s[%d]: ",
		    levels[level].prio, levels[level].name, out.ident,
		    (int)getpid());
	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	n = strftime(line, max, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(line + n, max - n, ".%03ldZ %s %s[%d]: ",
	    t.tv_nsec / 1000000, levels[level].name, out.ident, (int)getpid());
}

/* Copies text up to the line's end; control characters become \xNN. */
static size_t
log_text(char *line, size_t n, const char *text)
{
	static const char	hex[] = "0123456789abcdef";
	unsigned char		c;

	for (; (c = (unsigned char)*text) != '\0'; text++) {
		if (n + 5 > LINE_MAX_)
			break;
		if (c >= 0x20 && c != 0x7f) {
			line[n++] = (char)c;
			continue;
		}
		line[n++] = '\\';
		line[n++] = 'x';
		line[n++] = hex[c >> 4];
		line[n++] = hex[c & 15];
	}
	return n;
}

static void PRINTF_(4, 0)
log_line(enum log_level level, int with_errno, int err, const char *fmt,
    va_list ap)
{
	char	text[LINE_MAX_], line[LINE_MAX_], why[96] = "";
	size_t	n;

	if ((int)level > out.level)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	n = log_head(line, sizeof(line), level);
	n = log_text(line, n, text);
	if (with_errno) {
		n = log_text(line, n, ": ");
		n = log_text(line, n, strerror_r(err, why, sizeof(why)));
	}
	line[n++] = '\n';
	while (write(out.fd, line, n) == -1 && errno == EINTR)
		continue;
}

#define LOG_FUNCTION(name, level, with_errno)				\
	void								\
	name(const char *fmt, ...)					\
	{								\
		int	saved = errno;					\
		va_list	ap;						\
									\
		va_start(ap, fmt);					\
		log_line(level, with_errno, saved, fmt, ap);		\
		va_end(ap);						\
		errno = saved;						\
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, 1)
LOG_FUNCTION(log_errorx, LOG_LEVEL_ERROR, 0)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN, 1)
LOG_FUNCTION(log_warnx, LOG_LEVEL_WARN, 0)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, 0)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, 0)

void
fatal(const char *fmt, ...)
{
	int	saved = errno;
	va_list	ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_ERROR, 1, saved, fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_ERROR, 0, 0, fmt, ap);
	va_end(ap);
	exit(1);
}

void
log_limited(struct log_limit *lim, const char *fmt, ...)
{
	char	text[LINE_MAX_];
	int64_t	now = mono_now().us;
	int	saved = errno;
	va_list	ap;

	if (lim->last_us != 0 && now - lim->last_us < LIMIT_US) {
		lim->dropped++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (lim->dropped != 0)
		log_warnx("%s (and %u more such lines left out)", text,
		    lim->dropped);
	else
		log_warnx("%s", text);
	lim->last_us = now;
	lim->dropped = 0;
	errno = saved;
}
