/*
 * systemd.h: the two protocols of the service manager, without its library
 * (which would be one more dependency for one sendto): sd_notify(3), a
 * datagram of "NAME=value" lines to $NOTIFY_SOCKET, and sd_listen_fds(3),
 * sockets that were opened for us, from descriptor 3 on.
 */
#ifndef SUPERVISOR_SYSTEMD_H
#define SUPERVISOR_SYSTEMD_H

#include <sys/socket.h>
#include <sys/un.h>

#include <stddef.h>
#include <stdint.h>

#define SYSTEMD_FDS		32	/* most sockets that are taken */
#define SYSTEMD_FIRST_FD	3

struct systemd {
	int			sock;		/* -1: nobody is to be told */
	struct sockaddr_un	to;
	socklen_t		tolen;
	int64_t			watchdog;	/* usec, 0: none */
	unsigned		nfds;
	char			*names;		/* "db:mq", or NULL */
};

/*
 * Takes what the environment says to this process and clears it, so that no
 * child takes it for its own.  Before any descriptor is opened that shall
 * stay.  0, or -1 with a message.
 */
int	 systemd_take(struct systemd *, char *err, size_t errlen);
void	 systemd_close(struct systemd *);
/*
 * Sends lines, joined by '\n'.  0: sent, or nobody is to be told; -1: nobody
 * takes it just now (errno).  Never blocks.
 */
int	 systemd_notify(const struct systemd *, const char *lines);
/* Whether the i-th passed descriptor bears this name. */
int	 systemd_fd_is(const struct systemd *, unsigned i, const char *name);

#endif
