/*
 * wharfctl.c: talks to wharfd's control socket: one JSON line there, one back;
 * prints a table for people, or the object itself with --json.
 *
 * Exit: 0 done; 1 wharfd refused or the answer made no sense; 2 usage; 3 no
 * wharfd at the socket.
 */
#include <sys/socket.h>
#include <sys/stat.h>
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
#include "supervisor/wharfctl_backup.h"
#include "supervisor/wharfctl_import.h"
#include "supervisor/wharfctl_order.h"
#include "supervisor/wharfctl_passwd.h"
#include "supervisor/wharfctl_show.h"

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

/* The socket */

static struct conf *
conf_open(const char *path)
{
	struct conf	*c = conf_new();
	char		 err[512];

	if (c == NULL)
		die(EXIT_REFUSED, "out of memory");
	if (path == NULL && access(WHARF_CONF, R_OK) == 0)
		path = WHARF_CONF;
	if (path != NULL && conf_read(c, path, err, sizeof(err)) == -1)
		die(EXIT_USAGE, "%s", err);
	return c;
}

static void
socket_path(const char *conf_path, char *out, size_t max)
{
	struct conf	*c = conf_open(conf_path);

	snprintf(out, max, "%s/control", conf_str(c, CONF_NODE_RUN));
	conf_free(c);
}

/* node.run will do as well as the socket in it. */
static void
socket_in(char *path, size_t max)
{
	struct stat	st;
	size_t		n = strlen(path);

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		snprintf(path + n, max - n, "/control");
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
		r = read(fd, buf + n, ANSWER_MAX - n);
		if (r == -1 && errno == EAGAIN)
			die(EXIT_REFUSED, "no answer in %d seconds: wharfd is "
			    "stopped or hangs, or this is not its control "
			    "socket", ANSWER_S);
		if (r == -1)
			die(EXIT_REFUSED, "no answer: %s", strerror(errno));
		if (r == 0)
			break;
		n += (size_t)r;
	}
	reply = json_loadb(buf, n, 0, &e);
	free(buf);
	if (!json_is_object(reply))
		die(EXIT_REFUSED, "no proper answer: is this the control "
		    "socket of wharfd?");
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

/* Commands: what each adds to its request; 0, or -1 for wrong usage. */

static int
ask_plain(json_t *req, char **args, int nargs)
{
	(void)req, (void)args, (void)nargs;
	return 0;
}

static int
ask_number(json_t *req, const char *name, const char *text)
{
	char	*end;
	long	 n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0')
		return -1;
	json_object_set_new(req, name, json_integer(n));
	return 0;
}

static int
ask_restart(json_t *req, char **args, int nargs)
{
	json_object_set_new(req, "role", json_string(args[0]));
	return nargs == 2 ? ask_number(req, "seat", args[1]) : 0;
}

static int
ask_damage(json_t *req, char **args, int nargs)
{
	json_object_set_new(req, "what", json_string(args[0]));
	return nargs == 2 ? order_set_shard(req, args[1]) : 0;
}

static int
ask_log_level(json_t *req, char **args, int nargs)
{
	(void)nargs;
	json_object_set_new(req, "level", json_string(args[0]));
	return 0;
}

static int
ask_count(json_t *req, char **args, int nargs)
{
	return nargs == 1 ? ask_number(req, "count", args[0]) : 0;
}

static const struct command {
	const char	*name, *args, *help;
	int		 least, most;		/* arguments */
	int		(*ask)(json_t *, char **, int);
	void		(*show)(const json_t *);
} commands[] = {
	{ "status", "", "the node and its processes", 0, 0, ask_plain,
	    show_status },
	{ "slow", " [N] [--clear]", "the newest slow requests; forget them",
	    0, 1, ask_count, show_slow },
	{ "tables", " [N]", "the largest tables and what is in them", 0, 1,
	    ask_count, show_tables },
	{ "restart", " worker|store|router [N]",
	    "one, or all, one after the other", 1, 2, ask_restart, show_restart },
	{ "damage", " accept [store.N|router.N]",
	    "what may have been lost is gone", 1, 2, ask_damage, show_damage },
	{ "reload", "", "read the configuration again", 0, 0, ask_plain,
	    show_reload },
	{ "passwd", " [-d] [-f FILE] NAME [ROLE]",
	    "set a user's password and role, or remove the user", 1, 2, NULL,
	    NULL },
	{ "backup", " [--full] DIR | --list DIR | --stop",
	    "copy all data while they are in use; what there is", 0, 1, NULL,
	    NULL },
	{ "check", " [--rate MIB] [store.N|router.N]",
	    "read all data and log, say what is damaged", 0, 1, NULL, NULL },
	{ "compact", " [--wait] [store.N|router.N [FILE]]",
	    "rid data files of what is not used any more", 0, 2, NULL, NULL },
	{ "import", " [-f FILE] http://[USER:PASSWORD@]HOST[:PORT]",
	    "take over the data of a huststore or a Wharf", 1, 1, NULL, NULL },
	{ "log-level", " error|warn|info|debug", "change it everywhere", 1, 1,
	    ask_log_level, show_log_level },
	{ "stop", "", "stop the node in order", 0, 0, ask_plain, show_stop },
	{ "version", "", "of wharfctl and of wharfd", 0, 0, ask_plain,
	    show_version },
};
#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static void
usage_print(FILE *f)
{
	char	text[64];
	size_t	i;

	fputs("usage: wharfctl [-c FILE] [-s SOCKET] [--json] COMMAND\n", f);
	for (i = 0; i < COMMANDS; i++) {
		snprintf(text, sizeof(text), "%s%s", commands[i].name,
		    commands[i].args);
		fprintf(f, "  %-34s %s\n", text, commands[i].help);
	}
}

static void
usage(void)
{
	usage_print(stderr);
	exit(EXIT_USAGE);
}

static void
usage_of(const struct command *c)
{
	die(EXIT_USAGE, "usage: wharfctl %s%s", c->name, c->args);
}

static const struct command *
command_find(const char *name, int args)
{
	size_t	i;

	if (strcmp(name, "help") == 0) {
		usage_print(stdout);
		exit(0);
	}
	for (i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			break;
	if (i == COMMANDS) {
		fprintf(stderr, "wharfctl: no command \"%s\"\n", name);
		usage();
	}
	if (args < commands[i].least || args > commands[i].most)
		usage_of(&commands[i]);
	return &commands[i];
}

static json_t *
command_request(const struct command *cmd, char **args, int nargs, int clear)
{
	json_t	*req = json_object();

	if (clear && cmd->show != show_slow)
		usage_of(cmd);
	json_object_set_new(req, "cmd", json_string(cmd->name));
	if (clear)
		json_object_set_new(req, "clear", json_true());
	if (cmd->ask(req, args, nargs) == -1)
		usage_of(cmd);
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
	if (ok && cmd->show == show_stop)
		wait_end(fd);
	if (json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (ok) {
		cmd->show(reply);
	} else {
		fprintf(stderr, "wharfctl: %s\n", show_text(reply, "error"));
	}
	json_decref(reply);
	close(fd);
	return ok ? 0 : EXIT_REFUSED;
}

struct options {
	const char	*conf;
	char		 path[PATH_MAX];
	int		 json, clear;
	int		 full, list, stop;	/* of backup */
	const char	*rate;		/* of check */
	int		 wait;		/* of compact */
	int		 remove;	/* passwd -d */
	const char	*file;		/* passwd -f, import -f */
};

/* Options may stand anywhere; the arguments are in argv from optind on. */
static void
options(struct options *o, int argc, char **argv)
{
	static const struct option	longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "clear", no_argument, NULL, 'C' },
		{ "full", no_argument, NULL, 'F' },
		{ "list", no_argument, NULL, 'L' },
		{ "stop", no_argument, NULL, 'S' },
		{ "rate", required_argument, NULL, 'R' },
		{ "wait", no_argument, NULL, 'W' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int				ch;

	while ((ch = getopt_long(argc, argv, "c:df:s:Vh", longs, NULL)) != -1) {
		if (ch == 'c')
			o->conf = optarg;
		else if (ch == 's')
			snprintf(o->path, sizeof(o->path), "%s", optarg);
		else if (ch == 'd')
			o->remove = 1;
		else if (ch == 'f')
			o->file = optarg;
		else if (ch == 'j')
			o->json = 1;
		else if (ch == 'C')
			o->clear = 1;
		else if (ch == 'F')
			o->full = 1;
		else if (ch == 'L')
			o->list = 1;
		else if (ch == 'S')
			o->stop = 1;
		else if (ch == 'R')
			o->rate = optarg;
		else if (ch == 'W')
			o->wait = 1;
		else if (ch == 'h') {
			usage_print(stdout);
			exit(0);
		} else if (ch == 'V') {
			printf("wharfctl %s\n", PACKAGE_VERSION);
			exit(0);
		} else
			usage();
	}
	if (optind == argc)
		usage();
}

/* The node is the one with -s, which may be node.run, or of -c. */
static int
command_import(const struct command *cmd, struct options *o, const char *source)
{
	char	*slash;

	if (o->clear || o->remove)
		usage_of(cmd);
	if (o->path[0] == '\0')
		socket_path(o->conf, o->path, sizeof(o->path));
	socket_in(o->path, sizeof(o->path));
	if ((slash = strrchr(o->path, '/')) == NULL)
		die(EXIT_USAGE, "%s: no directory", o->path);
	*slash = '\0';
	return import_exec(o->path, o->file, source, o->json);
}

static json_t *
ask_wharfd(const char *path, json_t *req)
{
	int	 fd = dial(path);
	json_t	*reply;

	send_request(fd, req);
	json_decref(req);
	reply = read_reply(fd);
	close(fd);
	return reply;
}

static int
command_order(const struct command *cmd, struct options *o, char **args,
    int nargs)
{
	int	check = strcmp(cmd->name, "check") == 0;

	if (o->clear || o->remove || o->file != NULL ||
	    (check ? o->wait : o->rate != NULL))
		usage_of(cmd);
	if (o->path[0] == '\0')
		socket_path(o->conf, o->path, sizeof(o->path));
	socket_in(o->path, sizeof(o->path));
	return check ? order_check(ask_wharfd, o->path, args, nargs, o->rate,
	    o->json) : order_compact(ask_wharfd, o->path, args, nargs,
	    o->wait, o->json);
}

static int
command_backup(const struct command *cmd, struct options *o, const char *dir)
{
	if (o->clear || o->remove || o->file != NULL ||
	    o->full + o->list + o->stop > 1 || (dir == NULL) != o->stop)
		usage_of(cmd);
	if (o->list)
		return backup_show_list(dir, o->json);
	if (o->path[0] == '\0')
		socket_path(o->conf, o->path, sizeof(o->path));
	socket_in(o->path, sizeof(o->path));
	if (o->stop)
		return backup_end(ask_wharfd, o->path, o->json);
	return backup_make(ask_wharfd, o->path, dir, o->full, o->json);
}

/* The one command that asks nobody. */
static int
command_passwd(const struct command *cmd, const struct options *o, char **args,
    int nargs)
{
	struct conf	*c;
	int		 rv;

	if (o->clear || o->json || (o->remove && nargs == 2))
		usage_of(cmd);
	c = conf_open(o->conf);
	rv = passwd_run(c, o->file, args[0], nargs == 2 ? args[1] : NULL,
	    o->remove);
	conf_free(c);
	return rv;
}

int
main(int argc, char **argv)
{
	struct options		 o = { 0 };
	const struct command	*cmd;
	json_t			*req;

	options(&o, argc, argv);
	argc -= optind + 1;
	argv += optind + 1;
	cmd = command_find(argv[-1], argc);
	if (strcmp(cmd->name, "import") == 0)
		return command_import(cmd, &o, argv[0]);
	if (strcmp(cmd->name, "backup") == 0)
		return command_backup(cmd, &o, argv[0]);
	if (o.full || o.list || o.stop)
		usage_of(cmd);
	if (strcmp(cmd->name, "check") == 0 ||
	    strcmp(cmd->name, "compact") == 0)
		return command_order(cmd, &o, argv, argc);
	if (o.rate != NULL || o.wait)
		usage_of(cmd);
	if (cmd->ask == NULL)
		return command_passwd(cmd, &o, argv, argc);
	if (o.remove || o.file != NULL)
		usage_of(cmd);
	req = command_request(cmd, argv, argc, o.clear);
	if (o.path[0] == '\0')
		socket_path(o.conf, o.path, sizeof(o.path));
	socket_in(o.path, sizeof(o.path));
	return command_run(cmd, req, o.path, o.json);
}
