/*
 * listen.c: opens the listening sockets, in wharfd and before it gives up its
 * privileges.  They outlive every worker, so that a restart refuses nobody.
 *
 * A port is probed without SO_REUSEPORT first: with it, a second wharfd of the
 * same user would quietly take half of the connections.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/listen.h"

#define BACKLOG		4096

static const enum conf_id	conf_of[LISTEN_KINDS] = {
	[0] = CONF_DB_LISTEN, [LISTEN_MQ] = CONF_MQ_LISTEN,
	[LISTEN_TLS] = CONF_TLS_DB_LISTEN,
	[LISTEN_TLS | LISTEN_MQ] = CONF_TLS_MQ_LISTEN,
};

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
listen_add(struct listen_set *l, int fd, unsigned kind, int seat)
{
	struct listen_socket	*more;

	more = reallocarray(l->s, l->n + 1, sizeof(*more));
	if (more == NULL) {
		close(fd);
		return -1;
	}
	l->s = more;
	more[l->n] = (struct listen_socket){ .id = l->n + 1, .fd = fd,
	    .kind = kind, .seat = seat };
	l->n++;
	return 0;
}

static void
listen_note(struct listen_set *l, const struct addr *a, unsigned kind)
{
	if (l->naddr == sizeof(l->addr) / sizeof(l->addr[0]))
		return;
	l->addr[l->naddr].kind = kind;
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
listen_addr(struct listen_set *l, struct addr *a, unsigned kind,
    unsigned seats)
{
	socklen_t	len;
	unsigned	seat;
	int		fd;

	addr_without_v6(a);
	if (probe(a) == -1)
		return -1;
	for (seat = 0; seat < seats; seat++) {
		if ((fd = bound_socket(a, 1)) == -1 ||
		    listen_add(l, fd, kind, (int)seat) == -1 ||
		    listen(fd, BACKLOG) == -1)
			return -1;
		len = a->len;
		if (seat == 0 &&
		    getsockname(fd, (struct sockaddr *)&a->sa, &len) == -1)
			return -1;
	}
	listen_note(l, a, kind);
	return 0;
}

static int
listen_conf(struct listen_set *l, const struct conf *c, unsigned kind,
    unsigned seats, char *err, size_t errlen)
{
	enum conf_id	 id = conf_of[kind];
	struct addr	 a[ADDR_LIST];
	char		 text[ADDR_TEXT];
	int		 i, n;

	if (conf_str(c, id)[0] == '\0')
		return 0;
	if ((n = addr_list(conf_str(c, id), a, err, errlen)) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		if (listen_addr(l, &a[i], kind, seats) == 0)
			continue;
		snprintf(err, errlen, "%s: cannot listen on %s: %s",
		    conf_key(id), addr_text(&a[i], text), strerror(errno));
		return -1;
	}
	return 0;
}

/*
 * Socket activation.  A passed socket belongs to no seat: every worker has it,
 * and what waits in its queue waits for whoever lives.
 */

static int
conf_has_port(const struct conf *c, enum conf_id id, unsigned port)
{
	struct addr	a[ADDR_LIST];
	char		err[64];
	int		i, n = addr_list(conf_str(c, id), a, err, sizeof(err));

	for (i = 0; i < n; i++)
		if (addr_port(&a[i]) == port)
			return 1;
	return 0;
}

/* By its name, else by its port, else by its place.  -1: nobody's. */
static int
passed_kind(const struct systemd *sd, unsigned i, const struct addr *a,
    const struct conf *c)
{
	unsigned	k, n = 0;
	int		by_port = -1;

	for (k = 0; k < LISTEN_KINDS; k++) {
		if (systemd_fd_is(sd, i, listen_name(k)))
			return (int)k;
		if (conf_has_port(c, conf_of[k], addr_port(a))) {
			by_port = (int)k;
			n++;
		}
	}
	if (n == 1)
		return by_port;
	return i < 2 ? (int)i : -1;
}

static int
sock_int(int fd, int name)
{
	int		v = -1;
	socklen_t	len = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, name, &v, &len) == -1 ? -1 : v;
}

/* Reads its address; why it cannot be served, or NULL. */
static const char *
passed_fault(int fd, struct addr *a, const struct conf *c)
{
	static char	why[160];
	const char	*path;
	char		text[ADDR_TEXT];
	struct addr	from = { .len = sizeof(from.sa) };

	if (getsockname(fd, (struct sockaddr *)&from.sa, &from.len) == -1)
		return errno == ENOTSOCK ? "is no socket" : strerror(errno);
	if (from.sa.ss_family == AF_UNIX) {
		path = ((struct sockaddr_un *)&from.sa)->sun_path;
		snprintf(why, sizeof(why), "is the Unix socket \"%s%.107s\", "
		    "and only TCP is served", *path == '\0' ? "@" : "",
		    *path == '\0' ? path + 1 : path);
		return why;
	}
	if ((from.sa.ss_family != AF_INET && from.sa.ss_family != AF_INET6) ||
	    sock_int(fd, SO_TYPE) != SOCK_STREAM)
		return "is no TCP socket";
	*a = from;
	addr_text(a, text);
	if (sock_int(fd, SO_ACCEPTCONN) != 1)
		snprintf(why, sizeof(why), "(%s) does not listen "
		    "(a socket unit needs Accept=no)", text);
	else if (!addr_is_loopback(a) && !conf_may_be_reached(c))
		snprintf(why, sizeof(why), "(%s) can be reached from other "
		    "machines, there is no auth.file and access.open is off",
		    text);
	else
		return NULL;
	return why;
}

static int
passed_take(struct listen_set *l, const struct systemd *sd, unsigned i,
    const struct conf *c, char *err, size_t errlen)
{
	int		 fd = SYSTEMD_FIRST_FD + (int)i, kind = -1;
	struct addr	 a = { 0 };
	const char	*why = passed_fault(fd, &a, c);

	if (why == NULL && (kind = passed_kind(sd, i, &a, c)) == -1)
		why = "is neither named db or mq nor has a port of db.listen "
		    "or mq.listen";
	else if (why == NULL && ((unsigned)kind & LISTEN_TLS) != 0 &&
	    conf_str(c, CONF_TLS_CERTIFICATE)[0] == '\0')
		why = "is for TLS, and there is no tls.certificate";
	if (why == NULL && listen_add(l, fd, (unsigned)kind, -1) == -1)
		why = strerror(errno);
	if (why != NULL) {
		snprintf(err, errlen, "socket activation: descriptor %d %s",
		    fd, why);
		return -1;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	listen_note(l, &a, (unsigned)kind);
	return 0;
}

static int
listen_has(const struct listen_set *l, unsigned kind)
{
	unsigned	i;

	for (i = 0; i < l->n; i++)
		if (l->s[i].kind == kind)
			return 1;
	return 0;
}

int
listen_has_tls(const struct listen_set *l)
{
	return listen_has(l, LISTEN_TLS) || listen_has(l, LISTEN_TLS | LISTEN_MQ);
}

int
listen_open(struct listen_set *l, const struct systemd *sd,
    const struct conf *c, unsigned seats, char *err, size_t errlen)
{
	unsigned	i, k;
	int		rv = 0;

	memset(l, 0, sizeof(*l));
	for (i = 0; i < sd->nfds && rv == 0; i++)
		rv = passed_take(l, sd, i, c, err, errlen);
	for (k = 0; k < LISTEN_KINDS && rv == 0; k++)
		if (!listen_has(l, k))
			rv = listen_conf(l, c, k, seats, err, errlen);
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
		fprintf(fp, "%s %s\n", listen_name(l->addr[i].kind),
		    l->addr[i].text);
	if (fclose(fp) != 0)
		return -1;
	return rename(tmp, path);
}
