/*
 * test_actor_child.c: an actor that serves nothing and misbehaves on demand;
 * test_tree puts it in the place of wharf-store and wharf-worker.
 *
 * What it does stands in <node.data>/behave.<role>.<seat>, one word, read at
 * birth: "refuse" and "recover" exit with these codes, "early" exits 1 before
 * READY, "deaf" never stops by itself, "wedged" has a mailbox whose sockets
 * nng does not close, once.  A line for each event is appended to
 * <node.data>/events: "store.0 ready", "worker.1 listen db lent", ...
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/link.h"
#include "supervisor/actor.h"
#include "supervisor/log.h"

static void	event(struct actor *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static void
event(struct actor *a, const char *fmt, ...)
{
	char	path[512], text[256], line[512];
	va_list	ap;
	int	fd, n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line), "%s.%u %s\n", a->name, a->seat, text);
	snprintf(path, sizeof(path), "%s/events",
	    conf_str(a->conf, CONF_NODE_DATA));
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, line, (size_t)n) != n)
		fatal("%s", path);
	close(fd);
}

static void
behaviour(struct actor *a, char word[32])
{
	char	 path[512];
	FILE	*fp;

	snprintf(path, sizeof(path), "%s/behave.%s.%u",
	    conf_str(a->conf, CONF_NODE_DATA), a->name, a->seat);
	word[0] = '\0';
	if ((fp = fopen(path, "re")) == NULL)
		return;
	if (fscanf(fp, "%31s", word) != 1)
		word[0] = '\0';
	fclose(fp);
}

static void
on_stop(struct actor *a, int hurry)
{
	char	word[32];

	event(a, "stop%s", hurry ? " hurry" : "");
	behaviour(a, word);
	if (strcmp(word, "deaf") != 0)
		actor_exit(a, ACTOR_EXIT_OK);
}

static void
on_reload(struct actor *a)
{
	event(a, "reload %s", conf_str(a->conf, CONF_LOG_LEVEL));
}

static void
on_up(struct actor *a, struct link *l)
{
	event(a, "up %u", link_seat(l));
}

static void
on_down(struct actor *a, struct link *l)
{
	event(a, "down %u", link_seat(l));
}

static void
on_listen(struct actor *a, uint64_t id, int mq, int lent, int fd)
{
	event(a, "listen %llu %s%s", (unsigned long long)id, mq ? "mq" : "db",
	    lent ? " lent" : "");
	close(fd);
}

static void
on_unlisten(struct actor *a, uint64_t id)
{
	event(a, "unlisten %llu", (unsigned long long)id);
}

/* As if nng had hung in so many closes for longer than is borne. */
static void
wedge(struct actor *a)
{
	char	path[512];

	snprintf(path, sizeof(path), "%s/behave.%s.%u",
	    conf_str(a->conf, CONF_NODE_DATA), a->name, a->seat);
	unlink(path);
	a->mailbox->closing = LINK_WEDGED;
	a->mailbox->closing_since = mono_add(mono_now(), -2 * LINK_WEDGED_US);
}

int
main(int argc, char **argv)
{
	static const struct handler	table[MSG_MAX];
	static const struct actor_hooks	hooks = {
		.stop = on_stop, .reload = on_reload, .link_up = on_up,
		.link_down = on_down, .listen = on_listen,
		.unlisten = on_unlisten,
	};
	struct actor			a;
	const char			*name = strchr(argv[0], '-') + 1;
	unsigned			 from = *name == 's' ? FROM_STORE :
					    *name == 'r' ? FROM_ROUTER :
					    FROM_WORKER;
	int				code;
	char				word[32];

	actor_init(&a, argc, argv, name, from, table, &hooks, NULL);
	behaviour(&a, word);
	event(&a, "born %d", (int)getpid());
	if (strcmp(word, "refuse") == 0)
		_exit(ACTOR_EXIT_REFUSED);
	if (strcmp(word, "recover") == 0)
		_exit(ACTOR_EXIT_RECOVER);
	if (strcmp(word, "early") == 0)
		_exit(ACTOR_EXIT_ENV);
	actor_ready(&a);
	event(&a, "ready");
	if (strcmp(word, "wedged") == 0)
		wedge(&a);
	code = actor_run(&a);
	actor_free(&a);
	return code;
}
