/*
 * mhd_bare.c: libmicrohttpd alone, the ceiling for GET.
 *
 *	mhd-bare PORT [BYTES]
 *
 * Driven as worker/listener.c drives it (its epoll descriptor in a libev loop,
 * the same pool and flags), but nothing is asked: every request gets the same
 * prepared answer, with the headers of Wharf's GET.  Prints its port, port 0
 * for any.
 */
#include <arpa/inet.h>
#include <ev.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "worker/listener.h"

#define ROUNDS	4
#define CONNS	20000u

static struct MHD_Daemon	*self;
static struct MHD_Response	*answer;
static struct ev_io		 io;
static struct ev_timer		 timer;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **context)
{
	static int	seen;

	(void)cls;
	(void)url;
	(void)method;
	(void)version;
	(void)data;
	/* The first call is for the head alone. */
	if (*context == NULL) {
		*context = &seen;
		return MHD_YES;
	}
	if (*size != 0) {
		*size = 0;
		return MHD_YES;
	}
	return MHD_queue_response(c, MHD_HTTP_OK, answer);
}

/* listener_run's rounds. */
static void
run(struct ev_loop *loop)
{
	unsigned long long	ms = 0;
	int			n;

	ev_timer_stop(loop, &timer);
	for (n = 0; n < ROUNDS; n++) {
		(void)MHD_run(self);
		if (MHD_get_timeout(self, &ms) != MHD_YES)
			return;
		if (ms != 0)
			break;
	}
	ev_timer_set(&timer, (double)ms / 1e3, 0.);
	ev_timer_start(loop, &timer);
}

static void
on_io(struct ev_loop *loop, struct ev_io *w, int revents)
{
	(void)w;
	(void)revents;
	run(loop);
}

static void
on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	run(loop);
}

static int
listen_on(int port)
{
	struct sockaddr_in	sa = { .sin_family = AF_INET };
	socklen_t		len = sizeof(sa);
	int			fd, one = 1;

	sa.sin_port = htons((uint16_t)port);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, len) != 0 ||
	    listen(fd, SOMAXCONN) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		die("listen");
	printf("%u\n", ntohs(sa.sin_port));
	(void)fflush(stdout);
	return fd;
}

static void
make_answer(size_t n)
{
	char	*body = malloc(n + 1);

	if (body == NULL)
		die("answer");
	memset(body, 'x', n);
	answer = MHD_create_response_from_buffer(n, body,
	    MHD_RESPMEM_MUST_FREE);
	if (answer == NULL)
		die("answer");
	(void)MHD_add_response_header(answer, "Content-Type", "text/plain");
	(void)MHD_add_response_header(answer, "Version", "1");
}

int
main(int argc, char **argv)
{
	struct ev_loop	*loop = ev_default_loop(EVBACKEND_EPOLL);
	int		 fd = listen_on(argc > 1 ? atoi(argv[1]) : 0);

	make_answer(argc > 2 ? (size_t)atol(argv[2]) : 256);
	self = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG |
	    MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, NULL, NULL,
	    on_request, NULL,
	    MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, CONNS,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LISTENER_POOL,
	    MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)4096,
	    MHD_OPTION_CONNECTION_TIMEOUT, 60u,
	    MHD_OPTION_END);
	if (self == NULL || loop == NULL)
		die("libmicrohttpd");
	ev_io_init(&io, on_io, MHD_get_daemon_info(self,
	    MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EV_READ);
	ev_io_start(loop, &io);
	ev_init(&timer, on_timer);
	run(loop);
	ev_run(loop, 0);
	return 0;
}
