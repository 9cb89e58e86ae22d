/*
 * control.c: the server of the control socket in wharfd's loop; see control.h.
 *
 * Limits: CLIENTS at once, one request of REQUEST_MAX bytes each, CLIENT_S
 * seconds for it; whoever is late, garbled or of another user is refused.
 * Nothing a client does is fatal, and nothing blocks.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/backup.h"
#include "supervisor/control.h"
#include "supervisor/orders.h"
#include "supervisor/slow_json.h"
#include "supervisor/tables_json.h"
#include "supervisor/status.h"
#include "supervisor/wharfd.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define CLIENTS		16
#define REQUEST_MAX	4096
#define CLIENT_S	5.0
#define SLOW_SHOW	20		/* entries, when not said */
#define SLOW_MOST	1000
#define TABLES_SHOW	20
#define TABLES_MOST	10000		/* 2 MiB of answer */

struct client {
	struct control	*control;
	int		 fd;			/* -1: free */
	char		 in[REQUEST_MAX];
	size_t		 n;
	char		*reply;
	size_t		 len, off;
	int		 stays;			/* until wharfd ends */
	ev_io		 io;
	ev_timer	 timeout;
};

struct control {
	struct wharfd		*w;
	struct ev_loop		*loop;
	char			 path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int			 fd;
	ev_io			 io;
	ev_timer		 again;		/* no descriptor for a client */
	struct client		 client[CLIENTS];
	struct log_limit	 refused;
};

/* Commands: a new reference each; what is missing or wrong is an error. */

static json_t *
reply_error(const char *why)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

static json_t *
cmd_status(struct client *cl, const json_t *req)
{
	json_t	*o = status_json(cl->control->w);

	(void)req;
	if (o != NULL)
		json_object_set_new(o, "ok", json_true());
	return o;
}

static json_t *
cmd_version(struct client *cl, const json_t *req)
{
	(void)cl, (void)req;
	return json_pack("{s:b, s:s}", "ok", 1, "version", PACKAGE_VERSION);
}

static json_t *
cmd_stop(struct client *cl, const json_t *req)
{
	(void)req;
	cl->stays = 1;
	tree_stop(&cl->control->w->tree, 0);
	return json_pack("{s:b}", "ok", 1);
}

static json_t *
cmd_restart(struct client *cl, const json_t *req)
{
	struct tree	*t = &cl->control->w->tree;
	const json_t	*seat = json_object_get(req, "seat");
	const char	*role;
	json_int_t	 n = -1;
	int		 done;

	role = json_string_value(json_object_get(req, "role"));
	if (seat != NULL) {
		n = json_integer_value(seat);
		if (!json_is_integer(seat) || n < 0 || n > 4096)
			return reply_error("seat: no such number");
	}
	if (role == NULL)
		return reply_error("role: missing");
	if (t->stopping)
		return reply_error("wharfd is stopping");
	if ((done = tree_restart(t, role, (int)n)) == -1)
		return reply_error(seat == NULL ?
		    "no such role: it is worker or store" :
		    "no such worker or store: the first is number 0");
	return json_pack("{s:b, s:i}", "ok", 1, "restarted", done);
}

/* Of "store" or "router": -1 it is not there; -2 it is no such number. */
static int
damage_seat(const json_t *req, const char *key)
{
	const json_t	*v = json_object_get(req, key);
	json_int_t	 n = json_integer_value(v);

	if (v == NULL)
		return -1;
	return json_is_integer(v) && n >= 0 && n <= 4096 ? (int)n : -2;
}

static json_t *
cmd_damage(struct client *cl, const json_t *req)
{
	const char	*what;
	int		 told;

	what = json_string_value(json_object_get(req, "what"));
	if (what == NULL || strcmp(what, "accept") != 0)
		return reply_error("what: it is accept");
	told = tree_accept(&cl->control->w->tree, damage_seat(req, "store"),
	    damage_seat(req, "router"));
	if (told == -1)
		return reply_error("no such store or router: the first is "
		    "number 0");
	if (told == 0)
		return reply_error("no store or router is running");
	return json_pack("{s:b, s:i}", "ok", 1, "told", told);
}

static json_t *
cmd_reload(struct client *cl, const json_t *req)
{
	char	why[1024];

	(void)req;
	if (wharfd_reload(cl->control->w, why, sizeof(why)) == -1)
		return reply_error(why);
	return json_pack("{s:b, s:s}", "ok", 1, "needs_restart", why);
}

static json_t *
cmd_log_level(struct client *cl, const json_t *req)
{
	const char	*word;
	int		 level;

	word = json_string_value(json_object_get(req, "level"));
	if (word == NULL || (level = log_level_parse(word)) == -1)
		return reply_error("level: error, warn, info or debug");
	wharfd_log_level(cl->control->w, level);
	return json_pack("{s:b, s:s}", "ok", 1, "level", word);
}

static json_t *
cmd_slow(struct client *cl, const json_t *req)
{
	struct board	*b = cl->control->w->tree.board;
	const json_t	*count = json_object_get(req, "count");
	json_int_t	 n = count == NULL ? SLOW_SHOW :
			    json_integer_value(count);

	if (json_is_true(json_object_get(req, "clear"))) {
		slow_json_clear(b);
		return json_pack("{s:b, s:b}", "ok", 1, "cleared", 1);
	}
	if ((count != NULL && !json_is_integer(count)) || n < 1 ||
	    n > SLOW_MOST)
		return reply_error("count: 1 to 1000");
	return json_pack("{s:b, s:o}", "ok", 1, "entries",
	    slow_json(b, (size_t)n));
}

static json_t *
cmd_tables(struct client *cl, const json_t *req)
{
	const json_t	*count = json_object_get(req, "count");
	json_int_t	 n = count == NULL ? TABLES_SHOW :
			    json_integer_value(count);

	if ((count != NULL && !json_is_integer(count)) || n < 1 ||
	    n > TABLES_MOST)
		return reply_error("count: 1 to 10000");
	return tables_json(cl->control->w->tree.catalogue, (size_t)n);
}

static json_t *
cmd_backup(struct client *cl, const json_t *req)
{
	struct backup_maker	*m = cl->control->w->tree.backup;
	const char		*dir;
	char			 why[256];

	dir = json_string_value(json_object_get(req, "dir"));
	if (dir == NULL)
		return reply_error("dir: missing");
	if (backup_start(m, dir, json_is_true(json_object_get(req, "full")),
	    why, sizeof(why)) == -1)
		return reply_error(why);
	return json_pack("{s:b, s:o}", "ok", 1, "backup", backup_json(m));
}

static json_t *
cmd_backup_state(struct client *cl, const json_t *req)
{
	(void)req;
	return json_pack("{s:b, s:o}", "ok", 1, "backup",
	    backup_json(cl->control->w->tree.backup));
}

static json_t *
cmd_backup_stop(struct client *cl, const json_t *req)
{
	(void)req;
	if (backup_stop(cl->control->w->tree.backup) == -1)
		return reply_error("no backup is being made");
	return cmd_backup_state(cl, req);
}

/* A whole number from 0 to most; none: what it is then; -2: no such one. */
static json_int_t
order_number(const json_t *req, const char *key, json_int_t none,
    json_int_t most)
{
	const json_t	*v = json_object_get(req, key);
	json_int_t	 n = json_integer_value(v);

	if (v == NULL)
		return none;
	return json_is_integer(v) && n >= 0 && n <= most ? n : -2;
}

static json_t *
order_start(struct client *cl, const json_t *req, enum order_kind kind)
{
	struct orders	*o = cl->control->w->tree.orders;
	json_int_t	 rate = order_number(req, "rate", 0, 1048576);
	const char	*why;
	struct order_what what = {
		.store = (int)order_number(req, "store", -1, 4096),
		.router = (int)order_number(req, "router", -1, 4096),
		.file = (int)order_number(req, "file", -1, 4096),
		.rate = rate * 1048576
	};

	if (rate == -2)
		return reply_error("rate: 0 to 1048576 MiB a second");
	if (orders_start(o, kind, &what, &why) == -1)
		return reply_error(why);
	return orders_json(o, kind);
}

static json_t *
cmd_check(struct client *cl, const json_t *req)
{
	return order_start(cl, req, ORDER_CHECK);
}

static json_t *
cmd_check_state(struct client *cl, const json_t *req)
{
	(void)req;
	return orders_json(cl->control->w->tree.orders, ORDER_CHECK);
}

static json_t *
cmd_compact(struct client *cl, const json_t *req)
{
	return order_start(cl, req, ORDER_COMPACT);
}

static json_t *
cmd_compact_state(struct client *cl, const json_t *req)
{
	(void)req;
	return orders_json(cl->control->w->tree.orders, ORDER_COMPACT);
}

static const struct {
	const char	*name;
	json_t		*(*fn)(struct client *, const json_t *);
	int		 changes;	/* something: that is on record */
} commands[] = {
	{ "status", cmd_status, 0 },
	{ "version", cmd_version, 0 },
	{ "stop", cmd_stop, 1 },
	{ "restart", cmd_restart, 1 },
	{ "damage", cmd_damage, 1 },
	{ "reload", cmd_reload, 1 },
	{ "log-level", cmd_log_level, 1 },
	{ "slow", cmd_slow, 0 },
	{ "tables", cmd_tables, 0 },
	{ "backup", cmd_backup, 1 },
	{ "backup-state", cmd_backup_state, 0 },
	{ "check", cmd_check, 1 },
	{ "check-state", cmd_check_state, 0 },
	{ "compact", cmd_compact, 1 },
	{ "compact-state", cmd_compact_state, 0 },
	{ "backup-stop", cmd_backup_stop, 1 },
};

/* The request as it came, by the user that the kernel vouches for. */
static void
control_audit(const struct client *cl, const json_t *req)
{
	struct ucred	 u = { 0 };
	socklen_t	 len = sizeof(u);
	char		*text = json_dumps(req, JSON_COMPACT);

	(void)getsockopt(cl->fd, SOL_SOCKET, SO_PEERCRED, &u, &len);
	log_info("audit: %s by user %u, process %d",
	    text != NULL ? text : "a command", (unsigned)u.uid, (int)u.pid);
	free(text);
}

static json_t *
control_command(struct client *cl, const json_t *req)
{
	const char	*cmd;
	size_t		 i;

	if (!json_is_object(req))
		return reply_error("the request is no JSON object");
	cmd = json_string_value(json_object_get(req, "cmd"));
	if (cmd == NULL)
		return reply_error("cmd: missing");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, cmd) == 0)
			break;
	if (i == sizeof(commands) / sizeof(commands[0]))
		return reply_error("cmd: unknown");
	if (commands[i].changes || json_object_get(req, "clear") != NULL)
		control_audit(cl, req);
	return commands[i].fn(cl, req);
}

/* Clients */

static void
client_close(struct client *cl)
{
	ev_io_stop(cl->control->loop, &cl->io);
	ev_timer_stop(cl->control->loop, &cl->timeout);
	if (cl->fd != -1)
		close(cl->fd);
	free(cl->reply);
	cl->reply = NULL;
	cl->fd = -1;
}

static void
client_write(struct client *cl)
{
	ssize_t	n;

	while (cl->off < cl->len) {
		n = send(cl->fd, cl->reply + cl->off, cl->len - cl->off,
		    MSG_NOSIGNAL);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n == -1 && errno != EINTR) {
			client_close(cl);
			return;
		}
		if (n > 0)
			cl->off += (size_t)n;
	}
	if (!cl->stays) {
		client_close(cl);
		return;
	}
	ev_io_stop(cl->control->loop, &cl->io);
	ev_timer_stop(cl->control->loop, &cl->timeout);
}

static void
client_answer(struct client *cl, json_t *reply)
{
	char	*text = NULL;

	if (reply != NULL)
		text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (text == NULL) {
		client_close(cl);
		return;
	}
	cl->reply = text;
	cl->len = strlen(text);
	cl->off = 0;
	text[cl->len++] = '\n';		/* in place of the NUL */
	ev_io_stop(cl->control->loop, &cl->io);
	ev_io_set(&cl->io, cl->fd, EV_WRITE);
	ev_io_start(cl->control->loop, &cl->io);
	client_write(cl);
}

static void
client_request(struct client *cl, size_t len)
{
	json_error_t	 e;
	json_t		*req = json_loadb(cl->in, len, JSON_REJECT_DUPLICATES, &e);
	json_t		*reply;

	reply = req == NULL ? reply_error("the request is not JSON") :
	    control_command(cl, req);
	json_decref(req);
	client_answer(cl, reply);
}

static void
client_read(struct client *cl)
{
	ssize_t	 n = read(cl->fd, cl->in + cl->n, REQUEST_MAX - cl->n);
	char	*end;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(cl);
		return;
	}
	cl->n += (size_t)n;
	if ((end = memchr(cl->in, '\n', cl->n)) != NULL)
		client_request(cl, (size_t)(end - cl->in));
	else if (cl->n == REQUEST_MAX)
		client_answer(cl, reply_error("the request is too long"));
}

static void
on_client(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client	*cl = w->data;

	(void)loop, (void)revents;
	if (cl->reply == NULL)
		client_read(cl);
	else
		client_write(cl);
}

static void
on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	client_close(w->data);
}

static int
is_allowed(int fd)
{
	struct ucred	u;
	socklen_t	len = sizeof(u);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) == 0 &&
	    (u.uid == 0 || u.uid == geteuid());
}

static struct client *
client_free_slot(struct control *c)
{
	int	i;

	for (i = 0; i < CLIENTS; i++)
		if (c->client[i].fd == -1)
			return &c->client[i];
	return NULL;
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct control	*c = w->data;

	(void)revents;
	ev_io_start(loop, &c->io);
}

static void
on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct control	*c = w->data;
	struct client	*cl;
	int		 fd;

	(void)revents;
	fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE) {
			/* It stays readable: look again in a while. */
			ev_io_stop(loop, &c->io);
			ev_timer_start(loop, &c->again);
		}
		return;
	}
	cl = client_free_slot(c);
	if (cl == NULL || !is_allowed(fd)) {
		log_limited(&c->refused, "control: client refused: %s",
		    cl == NULL ? "too many" : "another user");
		close(fd);
		return;
	}
	cl->fd = fd;
	cl->n = cl->len = cl->off = 0;
	cl->stays = 0;
	ev_io_set(&cl->io, fd, EV_READ);
	ev_io_start(loop, &cl->io);
	ev_timer_set(&cl->timeout, CLIENT_S, 0.);
	ev_timer_start(loop, &cl->timeout);
}

/* Beginning and end */

static int
control_listen(struct control *c, const char *run)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };

	snprintf(c->path, sizeof(c->path), "%s/control", run);
	memcpy(sun.sun_path, c->path, sizeof(c->path));
	unlink(c->path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		return -1;
	/* The mode before anybody can connect. */
	if (fchmod(c->fd, 0600) == -1 ||
	    bind(c->fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    chmod(c->path, 0600) == -1)
		return -1;
	return listen(c->fd, CLIENTS);
}

struct control *
control_new(struct wharfd *w)
{
	struct control	*c = calloc(1, sizeof(*c));
	int		 i;

	if (c == NULL)
		fatal("control");
	c->w = w;
	c->loop = w->tree.loop;
	if (control_listen(c, conf_str(w->tree.conf, CONF_NODE_RUN)) == -1)
		fatal("control socket %s", c->path);
	for (i = 0; i < CLIENTS; i++) {
		c->client[i].control = c;
		c->client[i].fd = -1;
		ev_io_init(&c->client[i].io, on_client, -1, EV_READ);
		ev_timer_init(&c->client[i].timeout, on_timeout, 0., 0.);
		c->client[i].io.data = &c->client[i];
		c->client[i].timeout.data = &c->client[i];
	}
	ev_timer_init(&c->again, on_again, 1., 0.);
	c->again.data = c;
	ev_io_init(&c->io, on_accept, c->fd, EV_READ);
	c->io.data = c;
	ev_io_start(c->loop, &c->io);
	return c;
}

void
control_free(struct control *c)
{
	int	i;

	if (c == NULL)
		return;
	for (i = 0; i < CLIENTS; i++)
		client_close(&c->client[i]);
	ev_io_stop(c->loop, &c->io);
	ev_timer_stop(c->loop, &c->again);
	close(c->fd);
	unlink(c->path);
	free(c);
}
