/*
 * listen.c: opens the listening sockets, in wharfd and before it gives up its
 * privileges.  They outlive every worker, so that a restart refuses nobody.
 *
 * A port is probed without SO_REUSEPORT first: with it, a second wharfd of the
 * same user would quietly take half of the connections.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/listen.h"

#define BACKLOG		4096
#define SD_FIRST	3		/* systemd's first descriptor */

static int
set_opt(int fd, int level, int name, int on)
{
	return setsockopt(fd, level, name, &on, sizeof(on));
}

/* A bound socket; with reuseport it can be one of several. */
static int
bound_socket(const struct addr *a, int reuseport)
{
	int	fd, saved;

	fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd == -1)
		return -1;
	/* REUSEADDR: connections of an earlier run may be in TIME_WAIT. */
	if (set_opt(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
	    (!reuseport || set_opt(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0) &&
	    (a->sa.ss_family != AF_INET6 ||
	    set_opt(fd, IPPROTO_IPV6, IPV6_V6ONLY, !a->any) == 0) &&
	    bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
listen_add(struct listen_set *l, int fd, int mq, int seat)
{
	struct listen_socket	*more;

	more = reallocarray(l->s, l->n + 1, sizeof(*more));
	if (more == NULL || listen(fd, BACKLOG) == -1) {
		if (more != NULL)
			l->s = more;
		close(fd);
		return -1;
	}
	l->s = more;
	more[l->n] = (struct listen_socket){ .id = l->n + 1, .fd = fd,
	    .mq = mq, .seat = seat };
	l->n++;
	return 0;
}

static void
listen_note(struct listen_set *l, const struct addr *a, int mq)
{
	if (l->naddr == sizeof(l->addr) / sizeof(l->addr[0]))
		return;
	l->addr[l->naddr].mq = mq;
	addr_text(a, l->addr[l->naddr++].text);
}

/* Where IPv6 is switched off "*" means every IPv4 address. */
static void
addr_without_v6(struct addr *a)
{
	unsigned	 port = addr_port(a);
	int		 fd;

	if (!a->any)
		return;
	if ((fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) != -1) {
		close(fd);
		return;
	}
	memset(&a->sa, 0, sizeof(a->sa));
	a->sa.ss_family = AF_INET;
	a->len = sizeof(struct sockaddr_in);
	addr_set_port(a, port);
}

static int
probe(const struct addr *a)
{
	int	fd;

	if (addr_port(a) == 0)
		return 0;
	if ((fd = bound_socket(a, 0)) == -1)
		return -1;
	close(fd);
	return 0;
}

/* One address for all seats; the first seat chooses a port for the others. */
static int
listen_addr(struct listen_set *l, struct addr *a, int mq, unsigned seats)
{
	socklen_t	len;
	unsigned	seat;
	int		fd;

	addr_without_v6(a);
	if (probe(a) == -1)
		return -1;
	for (seat = 0; seat < seats; seat++) {
		if ((fd = bound_socket(a, 1)) == -1 ||
		    listen_add(l, fd, mq, (int)seat) == -1)
			return -1;
		len = a->len;
		if (seat == 0 &&
		    getsockname(fd, (struct sockaddr *)&a->sa, &len) == -1)
			return -1;
	}
	listen_note(l, a, mq);
	return 0;
}

static int
listen_conf(struct listen_set *l, const struct conf *c, int mq, unsigned seats,
    char *err, size_t errlen)
{
	enum conf_id	 id = mq ? CONF_MQ_LISTEN : CONF_DB_LISTEN;
	struct addr	 a[ADDR_LIST];
	char		 text[ADDR_TEXT];
	int		 i, n;

	if ((n = addr_list(conf_str(c, id), a, err, errlen)) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		if (listen_addr(l, &a[i], mq, seats) == 0)
			continue;
		snprintf(err, errlen, "%s: cannot listen on %s: %s",
		    conf_key(id), addr_text(&a[i], text), strerror(errno));
		return -1;
	}
	return 0;
}

/* Socket activation */

static unsigned
sd_count(void)
{
	const char	*pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");

	if (pid == NULL || n == NULL || atol(pid) != (long)getpid())
		return 0;
	return (unsigned)strtoul(n, NULL, 10);
}

/* The i-th of "db:mq"; by place where there are no such names. */
static int
sd_is_mq(const char *names, unsigned i)
{
	unsigned	k;

	for (k = 0; names != NULL && k < i; k++)
		if ((names = strchr(names, ':')) != NULL)
			names++;
	if (names != NULL && strcspn(names, ":") == 2) {
		if (strncmp(names, "mq", 2) == 0)
			return 1;
		if (strncmp(names, "db", 2) == 0)
			return 0;
	}
	return i == 1;
}

static int
sd_take(struct listen_set *l, unsigned i, const struct conf *c, char *err,
    size_t errlen)
{
	int		 fd = SD_FIRST + (int)i;
	int		 mq = sd_is_mq(getenv("LISTEN_FDNAMES"), i);
	struct addr	 a = { .len = sizeof(a.sa) };
	char		 text[ADDR_TEXT];

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (getsockname(fd, (struct sockaddr *)&a.sa, &a.len) == -1 ||
	    (a.sa.ss_family != AF_INET && a.sa.ss_family != AF_INET6)) {
		snprintf(err, errlen, "descriptor %d was passed as a socket "
		    "but is no TCP socket", fd);
		return -1;
	}
	if (!addr_is_loopback(&a) && !conf_int(c, CONF_ACCESS_OPEN)) {
		snprintf(err, errlen, "the passed socket %s can be reached "
		    "from other machines and access.open is off",
		    addr_text(&a, text));
		return -1;
	}
	if (listen_add(l, fd, mq, -1) == -1) {
		snprintf(err, errlen, "descriptor %d: %s", fd, strerror(errno));
		return -1;
	}
	listen_note(l, &a, mq);
	return 0;
}

int
listen_open(struct listen_set *l, const struct conf *c, unsigned seats,
    char *err, size_t errlen)
{
	unsigned	i, n = sd_count();
	int		rv = 0;

	memset(l, 0, sizeof(*l));
	for (i = 0; i < n && rv == 0; i++)
		rv = sd_take(l, i, c, err, errlen);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (n == 0 &&
	    (listen_conf(l, c, 0, seats, err, errlen) == -1 ||
	    listen_conf(l, c, 1, seats, err, errlen) == -1))
		rv = -1;
	if (rv == -1)
		listen_close(l);
	return rv;
}

void
listen_close(struct listen_set *l)
{
	unsigned	i;

	for (i = 0; i < l->n; i++)
		close(l->s[i].fd);
	free(l->s);
	memset(l, 0, sizeof(*l));
}

int
listen_write_ports(const struct listen_set *l, const char *path)
{
	char		 tmp[4096];
	FILE		*fp;
	unsigned	 i;

	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	if ((fp = fopen(tmp, "we")) == NULL)
		return -1;
	for (i = 0; i < l->naddr; i++)
		fprintf(fp, "%s %s\n", l->addr[i].mq ? "mq" : "db",
		    l->addr[i].text);
	if (fclose(fp) != 0)
		return -1;
	return rename(tmp, path);
}
