/*
 * systemd.c: what the service manager says in the environment, and the socket
 * on which it is answered; see systemd.h.  Runs in wharfd.
 *
 * Sources: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3) of
 * systemd 252.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/log.h"
#include "supervisor/systemd.h"

/* A decimal number up to most; -1: it is none. */
static int64_t
env_number(const char *name, int64_t most)
{
	const char	*s = getenv(name);
	char		*end;
	long long	 n;

	if (s == NULL || *s < '0' || *s > '9')
		return -1;
	errno = 0;
	n = strtoll(s, &end, 10);
	return errno != 0 || *end != '\0' || n > most ? -1 : n;
}

static int
is_mine(const char *name)
{
	return env_number(name, INT32_MAX) == (int64_t)getpid();
}

static int
take_fds(struct systemd *sd, char *err, size_t errlen)
{
	const char	*names = getenv("LISTEN_FDNAMES");
	int64_t		 n;
	int		 fd;

	if (!is_mine("LISTEN_PID"))
		return 0;
	if ((n = env_number("LISTEN_FDS", SYSTEMD_FDS)) == -1) {
		snprintf(err, errlen, "LISTEN_FDS: no number up to %d",
		    SYSTEMD_FDS);
		return -1;
	}
	for (fd = SYSTEMD_FIRST_FD; fd < SYSTEMD_FIRST_FD + (int)n; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
			snprintf(err, errlen, "LISTEN_FDS says %d, but "
			    "descriptor %d: %s", (int)n, fd, strerror(errno));
			return -1;
		}
	}
	sd->nfds = (unsigned)n;
	if (names != NULL && (sd->names = strdup(names)) == NULL) {
		snprintf(err, errlen, "out of memory");
		return -1;
	}
	return 0;
}

/* "/path", or "@name" of an abstract socket, whose first byte is 0. */
static void
take_notify(struct systemd *sd)
{
	const char	*path = getenv("NOTIFY_SOCKET");
	size_t		 n;

	if (path == NULL)
		return;
	n = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || n < 2 ||
	    n >= sizeof(sd->to.sun_path)) {
		log_warnx("NOTIFY_SOCKET: \"%s\" is of no known kind", path);
		return;
	}
	sd->to.sun_family = AF_UNIX;
	memcpy(sd->to.sun_path, path, n);
	sd->tolen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (path[0] == '@')
		sd->to.sun_path[0] = '\0';
	else
		sd->tolen++;
	sd->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (sd->sock == -1)
		log_warn("socket for the service manager");
}

static void
take_watchdog(struct systemd *sd)
{
	int64_t	us = env_number("WATCHDOG_USEC", INT64_MAX);

	if (us > 0 && (getenv("WATCHDOG_PID") == NULL ||
	    is_mine("WATCHDOG_PID")))
		sd->watchdog = us;
}

int
systemd_take(struct systemd *sd, char *err, size_t errlen)
{
	static const char *const	names[] = {
		"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET",
		"WATCHDOG_PID", "WATCHDOG_USEC",
	};
	size_t				i;
	int				rv;

	memset(sd, 0, sizeof(*sd));
	sd->sock = -1;
	if ((rv = take_fds(sd, err, errlen)) == 0) {
		take_notify(sd);
		take_watchdog(sd);
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	return rv;
}

void
systemd_close(struct systemd *sd)
{
	if (sd->sock != -1)
		close(sd->sock);
	sd->sock = -1;
	free(sd->names);
	sd->names = NULL;
}

int
systemd_notify(const struct systemd *sd, const char *lines)
{
	if (sd->sock == -1)
		return 0;
	return sendto(sd->sock, lines, strlen(lines), MSG_NOSIGNAL,
	    (const struct sockaddr *)&sd->to, sd->tolen) == -1 ? -1 : 0;
}

int
systemd_fd_is(const struct systemd *sd, unsigned i, const char *name)
{
	const char	*s = sd->names;

	while (s != NULL && i-- > 0)
		if ((s = strchr(s, ':')) != NULL)
			s++;
	return s != NULL && strcspn(s, ":") == strlen(name) &&
	    strncmp(s, name, strlen(name)) == 0;
}
