/*
 * wharfctl.c: talks to wharfd's control socket: one JSON line there, one back;
 * prints a table for people, or the object itself with --json.
 *
 * Exit: 0 done; 1 wharfd refused or the answer made no sense; 2 usage; 3 no
 * wharfd at the socket.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/conf.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define ANSWER_MAX	(4u << 20)	/* bytes */
#define ANSWER_S	10
#define EXIT_REFUSED	1
#define EXIT_USAGE	2
#define EXIT_ABSENT	3

static void die(int, const char *, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

static void
die(int code, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	fputs("wharfctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(code);
}

static void
usage(void)
{
	fputs("usage: wharfctl [-c FILE] [-s SOCKET] [--json] COMMAND\n"
	    "  status\n"
	    "  stop\n"
	    "  restart worker|store [N]\n"
	    "  reload\n"
	    "  log-level error|warn|info|debug\n"
	    "  version\n", stderr);
	exit(EXIT_USAGE);
}

/* The socket */

static void
socket_path(const char *conf_path, char *out, size_t max)
{
	struct conf	*c = conf_new();
	char		 err[512];

	if (c == NULL)
		die(EXIT_REFUSED, "out of memory");
	if (conf_path == NULL && access(WHARF_CONF, R_OK) == 0)
		conf_path = WHARF_CONF;
	if (conf_path != NULL &&
	    conf_read(c, conf_path, err, sizeof(err)) == -1)
		die(EXIT_USAGE, "%s", err);
	snprintf(out, max, "%s/control", conf_str(c, CONF_NODE_RUN));
	conf_free(c);
}

static int
dial(const char *path)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	struct timeval		tv = { .tv_sec = ANSWER_S };
	int			fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		die(EXIT_USAGE, "%s: longer than a socket's path may be", path);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		die(EXIT_REFUSED, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		die(EXIT_ABSENT, "no wharfd answers at %s\n"
		    "wharfctl: is it running, and with this node.run? "
		    "Try -s SOCKET or -c FILE.", path);
	if (errno == EACCES)
		die(EXIT_ABSENT, "%s: %s; only root and the user of wharfd "
		    "may use it", path, strerror(errno));
	die(EXIT_ABSENT, "%s: %s", path, strerror(errno));
}

static void
send_request(int fd, const json_t *req)
{
	char	*text = json_dumps(req, JSON_COMPACT);
	size_t	 n, off = 0;
	ssize_t	 w;

	if (text == NULL)
		die(EXIT_REFUSED, "out of memory");
	n = strlen(text);
	text[n++] = '\n';
	while (off < n) {
		w = send(fd, text + off, n - off, MSG_NOSIGNAL);
		if (w == -1)
			die(EXIT_REFUSED, "send: %s", strerror(errno));
		off += (size_t)w;
	}
	free(text);
}

static json_t *
read_reply(int fd)
{
	char		*buf = malloc(ANSWER_MAX);
	json_error_t	 e;
	json_t		*reply;
	size_t		 n = 0;
	ssize_t		 r;

	if (buf == NULL)
		die(EXIT_REFUSED, "out of memory");
	while (n < ANSWER_MAX && memchr(buf, '\n', n) == NULL) {
		if ((r = read(fd, buf + n, ANSWER_MAX - n)) == -1)
			die(EXIT_REFUSED, "no answer: %s", strerror(errno));
		if (r == 0)
			break;
		n += (size_t)r;
	}
	reply = json_loadb(buf, n, 0, &e);
	free(buf);
	if (!json_is_object(reply))
		die(EXIT_REFUSED, "wharfd closed the connection without a "
		    "proper answer");
	return reply;
}

/* wharfd keeps a client that said stop until it ends. */
static void
wait_end(int fd)
{
	struct timeval	tv = { 0 };
	char		c;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	while (read(fd, &c, 1) > 0)
		continue;
}

/* Tables for people */

static json_int_t
number(const json_t *o, const char *a, const char *b)
{
	o = json_object_get(o, a);
	return json_integer_value(b == NULL ? o : json_object_get(o, b));
}

static const char *
text(const json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "?";
}

static const char *
span(double s, char buf[24])
{
	long	t = (long)s;

	if (t < 60)
		snprintf(buf, 24, "%.1fs", s);
	else if (t < 3600)
		snprintf(buf, 24, "%ldm%02lds", t / 60, t % 60);
	else if (t < 86400)
		snprintf(buf, 24, "%ldh%02ldm", t / 3600, t / 60 % 60);
	else
		snprintf(buf, 24, "%ldd%02ldh", t / 86400, t / 3600 % 24);
	return buf;
}

static const char *
bytes(json_int_t n, char buf[24])
{
	static const char	units[] = "BKMGTPE";
	double			v = (double)n;
	int			u = 0;

	for (; v >= 1000 && u < 6; u++)
		v /= 1024;
	snprintf(buf, 24, u == 0 ? "%.0f%c" : "%.1f%c", v, units[u]);
	return buf;
}

/* "p50/p99/p99.9" in microseconds. */
static const char *
quantiles(const json_t *actor, const char *hist, char buf[48])
{
	const json_t	*h;

	h = json_object_get(json_object_get(actor, "latency_us"), hist);
	if (number(h, "count", NULL) == 0)
		return "-";
	snprintf(buf, 48, "%lld/%lld/%lld", (long long)number(h, "p50", NULL),
	    (long long)number(h, "p99", NULL),
	    (long long)number(h, "p999", NULL));
	return buf;
}

static void
print_addresses(const json_t *o, const char *key)
{
	const json_t	*a = json_object_get(o, key);
	size_t		 i;

	for (i = 0; i < json_array_size(a); i++)
		printf("%s %s  ", key, json_string_value(json_array_get(a, i)));
}

static void
print_head(const json_t *o)
{
	char	up[24];

	printf("wharfd %s  node %s  pid %lld  up %s  %s\n", text(o, "version"),
	    text(o, "node"), (long long)number(o, "pid", NULL),
	    span(json_real_value(json_object_get(o, "uptime")), up),
	    text(o, "state"));
	print_addresses(o, "db");
	print_addresses(o, "mq");
	printf("\n%lld stores of %lld files  engine %s  sync %s  lanes %s\n\n",
	    (long long)number(o, "stores", NULL),
	    (long long)number(o, "files", NULL), text(o, "engine"),
	    text(o, "sync"), json_is_true(json_object_get(o, "lanes")) ?
	    "on" : "off");
}

static void
print_actor(const json_t *a)
{
	const json_t	*v = json_object_get(a, "values");
	double		 braked;
	char		 name[32], state[32], up[24], m[4][24], q[3][48];

	braked = json_real_value(json_object_get(a, "braked"));
	snprintf(name, sizeof(name), "%s.%lld", text(a, "role"),
	    (long long)number(a, "seat", NULL));
	snprintf(state, sizeof(state), "%s", text(a, "state"));
	if (braked > 0)
		snprintf(state, sizeof(state), "braked %.0fs", braked);
	printf("%-10s %7lld %-10s %8s %5lld %11lld %7lld %7lld %6lld %6lld "
	    "%7s %7s %7s %7s  %-16s %-16s %s\n", name,
	    (long long)number(a, "pid", NULL), state,
	    span(json_real_value(json_object_get(a, "uptime")), up),
	    (long long)number(a, "restarts", NULL),
	    (long long)number(v, "requests", NULL),
	    (long long)number(v, "errors", NULL),
	    (long long)number(v, "refused", NULL),
	    (long long)number(v, "depth", NULL),
	    (long long)number(v, "connections", NULL),
	    bytes(number(v, "memory", NULL), m[0]),
	    bytes(number(a, "rss", "anon"), m[1]),
	    bytes(number(a, "rss", "shmem"), m[2]),
	    bytes(number(a, "rss", "file"), m[3]),
	    quantiles(a, "read", q[0]), quantiles(a, "write", q[1]),
	    quantiles(a, "log", q[2]));
}

static void
print_store(const json_t *a)
{
	const json_t	*v = json_object_get(a, "values");
	char		 name[32], m[2][24];

	snprintf(name, sizeof(name), "%s.%lld", text(a, "role"),
	    (long long)number(a, "seat", NULL));
	printf("%-10s %-10s %12lld %12lld %8lld %10lld %8s %8s %11lld "
	    "%11lld %8lld\n", name, text(a, "store_state"),
	    (long long)number(v, "lsn", NULL),
	    (long long)number(v, "lsn_durable", NULL),
	    (long long)number(v, "log_segments", NULL),
	    (long long)number(v, "records", NULL),
	    bytes(number(v, "data_bytes", NULL), m[0]),
	    bytes(number(v, "live_bytes", NULL), m[1]),
	    (long long)number(v, "checkpoints", NULL),
	    (long long)number(v, "compactions", NULL),
	    (long long)number(v, "damaged", NULL));
}

static void
print_status(const json_t *o)
{
	const json_t	*actors = json_object_get(o, "actors"), *a;
	size_t		 i;

	print_head(o);
	printf("%-10s %7s %-10s %8s %5s %11s %7s %7s %6s %6s %7s %7s %7s %7s"
	    "  %-16s %-16s %s\n", "ACTOR", "PID", "STATE", "UP", "RSTRT",
	    "REQUESTS", "ERRORS", "REFUSED", "DEPTH", "CONNS", "BODIES",
	    "ANON", "SHMEM", "FILE", "READ us", "WRITE us", "LOG us");
	json_array_foreach(actors, i, a)
		print_actor(a);
	printf("\n%-10s %-10s %12s %12s %8s %10s %8s %8s %11s %11s %8s\n",
	    "STORE", "STATE", "LSN", "DURABLE", "SEGMENTS", "RECORDS", "DATA",
	    "LIVE", "CHECKPOINTS", "COMPACTIONS", "DAMAGED");
	json_array_foreach(actors, i, a)
		if (json_object_get(a, "store_state") != NULL)
			print_store(a);
	printf("\nLatencies: p50/p99/p99.9.\n");
}

static void
print_restart(const json_t *o)
{
	printf("restarting %lld\n", (long long)number(o, "restarted", NULL));
}

static void
print_reload(const json_t *o)
{
	const char	*keys = text(o, "needs_restart");

	if (keys[0] != '\0')
		printf("reloaded; these keys need a restart: %s\n", keys);
	else
		printf("reloaded\n");
}

static void
print_version(const json_t *o)
{
	printf("wharfctl %s, wharfd %s\n", PACKAGE_VERSION, text(o, "version"));
}

static void
print_stop(const json_t *o)
{
	(void)o;
	printf("stopped\n");
}

static void
print_log_level(const json_t *o)
{
	printf("log level %s\n", text(o, "level"));
}

/* Commands */

static const struct command {
	const char	*name;
	int		 least, most;		/* arguments */
	void		(*print)(const json_t *);
} commands[] = {
	{ "status", 0, 0, print_status },
	{ "stop", 0, 0, print_stop },
	{ "restart", 1, 2, print_restart },
	{ "reload", 0, 0, print_reload },
	{ "log-level", 1, 1, print_log_level },
	{ "version", 0, 0, print_version },
};

static const struct command *
command_find(const char *name, int args)
{
	size_t	i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0 &&
		    args >= commands[i].least && args <= commands[i].most)
			return &commands[i];
	usage();
	return NULL;
}

static json_t *
command_request(const struct command *cmd, char **args, int nargs)
{
	json_t	*req = json_object();
	char	*end;
	long	 seat;

	json_object_set_new(req, "cmd", json_string(cmd->name));
	if (strcmp(cmd->name, "log-level") == 0)
		json_object_set_new(req, "level", json_string(args[0]));
	if (strcmp(cmd->name, "restart") == 0)
		json_object_set_new(req, "role", json_string(args[0]));
	if (nargs == 2) {
		seat = strtol(args[1], &end, 10);
		if (end == args[1] || *end != '\0')
			usage();
		json_object_set_new(req, "seat", json_integer(seat));
	}
	return req;
}

static int
command_run(const struct command *cmd, json_t *req, const char *path, int json)
{
	int	 fd = dial(path), ok;
	json_t	*reply;

	send_request(fd, req);
	json_decref(req);
	reply = read_reply(fd);
	ok = json_is_true(json_object_get(reply, "ok"));
	if (ok && cmd->print == print_stop)
		wait_end(fd);
	if (json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (ok) {
		cmd->print(reply);
	} else {
		fprintf(stderr, "wharfctl: %s\n", text(reply, "error"));
	}
	json_decref(reply);
	close(fd);
	return ok ? 0 : EXIT_REFUSED;
}

int
main(int argc, char **argv)
{
	static const struct option	 longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char			*conf_path = NULL;
	char				 path[PATH_MAX] = "";
	const struct command		*cmd;
	int				 ch, json = 0;

	while ((ch = getopt_long(argc, argv, "c:s:V", longs, NULL)) != -1) {
		if (ch == 'c')
			conf_path = optarg;
		else if (ch == 's')
			snprintf(path, sizeof(path), "%s", optarg);
		else if (ch == 'j')
			json = 1;
		else if (ch == 'V') {
			printf("wharfctl %s\n", PACKAGE_VERSION);
			return 0;
		} else
			usage();
	}
	if (optind == argc)
		usage();
	argc -= optind + 1;
	argv += optind + 1;
	cmd = command_find(argv[-1], argc);
	if (path[0] == '\0')
		socket_path(conf_path, path, sizeof(path));
	return command_run(cmd, command_request(cmd, argv, argc), path, json);
}
