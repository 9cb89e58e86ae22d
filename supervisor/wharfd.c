/*
 * wharfd.c: the supervisor's main: options, configuration, directories,
 * sockets, children, loop.
 *
 * Runs in the foreground.  It owns the configuration, the listening sockets
 * and the lives of its children, and knows nothing of what they serve; never
 * calls nng, never opens a data file.  Exit: 0 stopped in order; 1 something
 * in the configuration, the data or the environment; 2 usage.
 */
#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/control.h"
#include "supervisor/log.h"
#include "supervisor/restore.h"
#include "supervisor/user.h"
#include "supervisor/users.h"
#include "supervisor/wharfd.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define ERR_LONG	1024

struct signals {
	ev_signal	term, intr, hup, usr1;
};

/* Configuration */

static struct conf *
conf_load(const struct wharfd *w, char *err, size_t errlen)
{
	struct conf	*c = conf_new();
	char		 why[ERR_LONG];
	int		 i, bad = c == NULL;

	snprintf(err, errlen, "out of memory");
	if (!bad && w->conf_path != NULL)
		bad = conf_read(c, w->conf_path, err, errlen) == -1;
	for (i = 0; !bad && i < w->noptions; i++) {
		if ((bad = conf_option(c, w->options[i], why,
		    sizeof(why)) == -1))
			snprintf(err, errlen, "option -o %s: %s",
			    w->options[i], why);
	}
	if (!bad && (bad = conf_check(c, why, sizeof(why)) == -1))
		snprintf(err, errlen, "%s%s%s",
		    w->conf_path != NULL ? w->conf_path : "",
		    w->conf_path != NULL ? ": " : "", why);
	if (bad) {
		conf_free(c);
		return NULL;
	}
	return c;
}

/* The checked text of auth.file, "" without one; NULL with a message. */
static char *
users_load(const struct conf *c, char *err, size_t errlen)
{
	const char		*path = conf_str(c, CONF_AUTH_FILE);
	const char		*user = conf_str(c, CONF_NODE_USER);
	const struct passwd	*pw = *user != '\0' ? getpwnam(user) : NULL;
	char			*text, why[ERR_LONG];

	if (*path == '\0')
		text = strdup("");
	else
		text = users_read(path, pw != NULL ? pw->pw_uid : geteuid(),
		    why, sizeof(why));
	if (text == NULL)
		snprintf(err, errlen, "auth.file: %s",
		    *path == '\0' ? "out of memory" : why);
	return text;
}

/* The same for the actors; -1 with a message. */
static int
users_open(const struct conf *c, char *err, size_t errlen)
{
	char	*text = users_load(c, err, errlen);
	int	 fd;

	if (text == NULL)
		return -1;
	if ((fd = users_to_memfd(text)) == -1)
		snprintf(err, errlen, "auth.file: %s", strerror(errno));
	free(text);
	return fd;
}

/* The TLS pair for the workers; -1 with a message. */
static int
tls_open(struct wharfd *w, const struct conf *c, char *err, size_t errlen)
{
	if (conf_str(c, CONF_TLS_CERTIFICATE)[0] != '\0' ||
	    !listen_has_tls(&w->listen))
		return certificate_open(&w->certificate, c, err, errlen);
	snprintf(err, errlen, "tls.certificate: listeners that speak TLS are "
	    "open and need one until a restart");
	return -1;
}

static int
log_as_configured(const struct conf *c)
{
	return log_open("wharfd", conf_str(c, CONF_LOG_TARGET),
	    (enum log_level)conf_int(c, CONF_LOG_LEVEL));
}

static int
reload(struct wharfd *w, char *why, size_t whylen)
{
	struct conf	*fresh = conf_load(w, why, whylen);
	int		 users = -1, tls = -1;

	if (fresh == NULL ||
	    (users = users_open(w->tree.conf, why, whylen)) == -1 ||
	    (tls = tls_open(w, fresh, why, whylen)) == -1) {
		if (users != -1)
			close(users);
		conf_free(fresh);
		log_errorx("reload: %s; nothing was changed", why);
		return -1;
	}
	node_resolve(&w->node, fresh);
	conf_reload(w->tree.conf, fresh, why, whylen);
	conf_free(fresh);
	if (log_as_configured(w->tree.conf) == -1)
		log_warn("log: open %s",
		    conf_str(w->tree.conf, CONF_LOG_TARGET));
	tree_set_users(&w->tree, users);
	tree_set_tls(&w->tree, tls);
	certificate_tell(&w->certificate);
	tree_pass_conf(&w->tree);
	log_info("configuration reloaded");
	if (why[0] != '\0')
		log_warnx("reload: a restart is needed for %s", why);
	return 0;
}

int
wharfd_reload(struct wharfd *w, char *why, size_t whylen)
{
	int	rv;

	notify_reloading(w->notify);
	rv = reload(w, why, whylen);
	notify_reloaded(w->notify);
	return rv;
}

void
wharfd_log_level(struct wharfd *w, int level)
{
	char	err[ERR_LONG], option[64];

	snprintf(option, sizeof(option), "log.level=%s",
	    log_level_name((enum log_level)level));
	if (conf_option(w->tree.conf, option, err, sizeof(err)) == -1)
		log_warnx("%s", err);
	log_set_level((enum log_level)level);
	tree_pass_conf(&w->tree);
}

/* Signals */

static void
on_stop_signal(struct ev_loop *loop, ev_signal *s, int revents)
{
	struct wharfd	*w = s->data;

	(void)loop, (void)revents;
	tree_stop(&w->tree, 0);
}

static void
on_hup(struct ev_loop *loop, ev_signal *s, int revents)
{
	char	why[ERR_LONG];

	(void)loop, (void)revents;
	wharfd_reload(s->data, why, sizeof(why));
}

static void
on_usr1(struct ev_loop *loop, ev_signal *s, int revents)
{
	struct wharfd	*w = s->data;

	(void)loop, (void)revents;
	log_reopen();
	tree_pass_conf(&w->tree);
}

static void
signal_watch(struct ev_loop *loop, ev_signal *s,
    void (*fn)(struct ev_loop *, ev_signal *, int), int number, void *data)
{
	ev_signal_init(s, fn, number);
	s->data = data;
	ev_signal_start(loop, s);
}

static void
signals_start(struct signals *s, struct wharfd *w)
{
	struct ev_loop	*loop = w->tree.loop;

	signal(SIGPIPE, SIG_IGN);
	signal_watch(loop, &s->term, on_stop_signal, SIGTERM, w);
	signal_watch(loop, &s->intr, on_stop_signal, SIGINT, w);
	signal_watch(loop, &s->hup, on_hup, SIGHUP, w);
	signal_watch(loop, &s->usr1, on_usr1, SIGUSR1, w);
}

/* Environment */

/* Sockets must not land on 0..2, where something might print into them. */
static void
fds_fill(void)
{
	int	fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
}

static void
fds_limit(void)
{
	struct rlimit	rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static int
has_actors(const char *dir)
{
	static const char *const	names[] = {
		"wharf-store", "wharf-worker"
	};
	char				path[PATH_MAX + 32];
	size_t				i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (access(path, X_OK) == -1)
			return 0;
	}
	return 1;
}

/* Beside our own binary (the build tree), else where they were installed. */
static const char *
actor_dir(void)
{
	static char	 dir[PATH_MAX];
	ssize_t		 n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char		*slash;

	if (n > 0) {
		dir[n] = '\0';
		if ((slash = strrchr(dir, '/')) != NULL)
			*slash = '\0';
		if (has_actors(dir))
			return dir;
	}
	if (!has_actors(WHARF_ACTOR_DIR))
		fatalx("no wharf-store and wharf-worker in %s", WHARF_ACTOR_DIR);
	return WHARF_ACTOR_DIR;
}

/* Main */

static void
usage(void)
{
	fprintf(stderr, "usage: wharfd [-c FILE] [-o section.key=value]... "
	    "[-t] [-V]\n       wharfd [-c FILE] [-o section.key=value]... "
	    "--restore DIR[/NAME] [--same-node]\n");
	exit(2);
}

static void
options(struct wharfd *w, int *check, int argc, char **argv)
{
	static const struct option	longs[] = {
		{ "print-conf-manual", no_argument, NULL, 'm' },
		{ "restore", required_argument, NULL, 'r' },
		{ "same-node", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	int				ch;

	while ((ch = getopt_long(argc, argv, "c:o:tV", longs, NULL)) != -1) {
		switch (ch) {
		case 'c':
			w->conf_path = optarg;
			break;
		case 'o':
			w->options[w->noptions++] = optarg;
			break;
		case 't':
			*check = 1;
			break;
		case 'V':
			printf("wharfd %s\n", PACKAGE_VERSION);
			exit(0);
		case 'm':
			conf_print_mdoc(stdout);
			exit(0);
		case 'r':
			w->restore = optarg;
			break;
		case 's':
			w->same_node = 1;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	if (w->conf_path == NULL && access(WHARF_CONF, F_OK) == 0)
		w->conf_path = WHARF_CONF;
}

static void
open_all(struct wharfd *w)
{
	char	err[ERR_LONG], path[PATH_MAX];

	w->tree.dir = actor_dir();
	fds_limit();
	if (node_open(&w->node, w->tree.conf, err, sizeof(err)) == -1)
		fatalx("%s", err);
	node_resolve(&w->node, w->tree.conf);
	if (listen_open(&w->listen, &w->systemd, w->tree.conf,
	    (unsigned)conf_int(w->tree.conf, CONF_WORKERS_COUNT), err,
	    sizeof(err)) == -1)
		fatalx("%s", err);
	snprintf(path, sizeof(path), "%s/ports",
	    conf_str(w->tree.conf, CONF_NODE_RUN));
	if (listen_write_ports(&w->listen, path) == -1)
		fatal("write %s", path);
	if (node_drop(&w->node, w->tree.conf, err, sizeof(err)) == -1)
		fatalx("%s", err);
	/* As the user who will have to read it again. */
	tree_set_users(&w->tree, users_open(w->tree.conf, err, sizeof(err)));
	if (w->tree.env.users_fd == -1)
		fatalx("%s", err);
	tree_set_tls(&w->tree, tls_open(w, w->tree.conf, err, sizeof(err)));
	if (w->tree.env.tls_fd == -1)
		fatalx("%s", err);
}

/* What root can read tells nothing of who will have to read it. */
static void
check_files(struct wharfd *w)
{
	const struct passwd	*pw = NULL;
	char			 err[ERR_LONG], *users;

	if (geteuid() == 0 && (pw = user_of(w->tree.conf)) != NULL)
		user_become(pw);
	if ((users = users_load(w->tree.conf, err, sizeof(err))) == NULL)
		fatalx("%s", err);
	free(users);
	if (tls_open(w, w->tree.conf, err, sizeof(err)) == -1)
		fatalx("%s", err);
}

static void
open_log(struct wharfd *w, int check)
{
	char	err[ERR_LONG];

	if ((w->tree.conf = conf_load(w, err, sizeof(err))) == NULL)
		fatalx("%s", err);
	if (check) {
		check_files(w);
		printf("configuration is good\n");
		exit(0);
	}
	if (log_as_configured(w->tree.conf) == -1)
		fatal("log: open %s", conf_str(w->tree.conf, CONF_LOG_TARGET));
}

static void
greet(const struct wharfd *w)
{
	unsigned	i;

	log_info("wharfd %s, node %016llx, %lld stores, %lld routers, "
	    "%lld workers",
	    PACKAGE_VERSION, (unsigned long long)w->node.id,
	    (long long)conf_int(w->tree.conf, CONF_STORES_COUNT),
	    (long long)conf_int(w->tree.conf, CONF_ROUTERS_COUNT),
	    (long long)conf_int(w->tree.conf, CONF_WORKERS_COUNT));
	for (i = 0; i < w->listen.naddr; i++)
		log_info("%s listens on %s",
		    listen_name(w->listen.addr[i].kind),
		    w->listen.addr[i].text);
}

static int
run(struct wharfd *w)
{
	struct signals	 s;
	int		 code;

	signals_start(&s, w);
	tree_start(&w->tree);
	ev_run(w->tree.loop, 0);
	code = w->tree.code;
	certificate_stop(&w->certificate);
	control_free(w->control);
	notify_free(w->notify);
	tree_free(&w->tree);
	listen_close(&w->listen);
	node_close(&w->node);
	systemd_close(&w->systemd);
	ev_loop_destroy(w->tree.loop);
	log_info("stopped");
	return code;
}

int
main(int argc, char **argv)
{
	static struct wharfd	w;
	char			err[ERR_LONG];
	int			check = 0, code;

	fds_fill();
	log_open("wharfd", "stderr", LOG_LEVEL_INFO);
	if (systemd_take(&w.systemd, err, sizeof(err)) == -1)
		fatalx("%s", err);
	if ((w.options = calloc((size_t)argc, sizeof(char *))) == NULL)
		fatal("options");
	options(&w, &check, argc, argv);
	open_log(&w, check);
	if (w.restore != NULL)
		restore_exec(w.tree.conf, actor_dir(), w.restore, w.same_node);
	open_all(&w);
	w.tree.loop = ev_default_loop(EVFLAG_NOSIGMASK | EVFLAG_NOENV);
	if (w.tree.loop == NULL)
		fatalx("no event loop");
	w.tree.node = &w.node;
	w.tree.listen = &w.listen;
	tree_open(&w.tree);
	certificate_watch(&w.certificate, w.tree.loop,
	    board_place(w.tree.board, 0));
	w.control = control_new(&w);
	w.notify = notify_new(&w.systemd, &w.tree);
	greet(&w);
	code = run(&w);
	free(w.options);
	return code;
}
