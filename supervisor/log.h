/*
 * log.h: one log format for every process:
 *
 *	2026-11-22T12:00:00.123Z warn store.0[4711]: text
 *
 * to stderr, to a file (O_APPEND, one write a line) or, with journal
 * priorities "<4>" in front instead of the time, to journald's stderr.
 * The *x forms do not append errno; all preserve it.  Lines are cut at 1 KiB;
 * control characters are written as \xNN.
 */
#ifndef SUPERVISOR_LOG_H
#define SUPERVISOR_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define PRINTF_(f, a) __attribute__((format(printf, f, a)))

/*
 * target: "stderr", "journal" or the path of a file.  Returns 0, or -1 with
 * errno when the file cannot be opened (the old target stays).
 */
int	 log_open(const char *ident, const char *target, enum log_level);
void	 log_set_level(enum log_level);
enum log_level log_get_level(void);
/* The level's name, and back (-1 when unknown). */
const char *log_level_name(enum log_level);
int	 log_level_parse(const char *name);
/* For log rotation: opens the file anew. */
void	 log_reopen(void);

void	 log_error(const char *, ...) PRINTF_(1, 2);
void	 log_errorx(const char *, ...) PRINTF_(1, 2);
void	 log_warn(const char *, ...) PRINTF_(1, 2);
void	 log_warnx(const char *, ...) PRINTF_(1, 2);
void	 log_info(const char *, ...) PRINTF_(1, 2);
void	 log_debug(const char *, ...) PRINTF_(1, 2);
/* Environment failures: logs and exits 1. */
void	 fatal(const char *, ...) PRINTF_(1, 2) __attribute__((noreturn));
void	 fatalx(const char *, ...) PRINTF_(1, 2) __attribute__((noreturn));

/*
 * At most one line a second per state; says how many were left out.
 *	static struct log_limit lim;  log_limited(&lim, "bad frame: %s", ...);
 */
struct log_limit {
	int64_t		last_us;
	unsigned	dropped;
};
void	 log_limited(struct log_limit *, const char *, ...) PRINTF_(2, 3);

#endif
