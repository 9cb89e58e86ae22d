/*
 * wharfctl_backup.c: see wharfctl_backup.h.  wharfd makes the backup; that
 * wharfctl ends, or is killed, changes nothing of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/backup_dir.h"
#include "supervisor/wharfctl_backup.h"
#include "supervisor/wharfctl_show.h"

#define BAR		30		/* columns */
#define LOOK_MS		200
#define LINE_LOOKS	50		/* between lines, without a terminal */

static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static int
refused(json_t *reply, int json)
{
	if (json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		putchar('\n');
	} else
		fprintf(stderr, "wharfctl: %s\n", show_text(reply, "error"));
	json_decref(reply);
	return 1;
}

static int
is_ok(const json_t *o)
{
	return json_is_true(json_object_get(o, "ok"));
}

/* --- following one --- */

static void
draw(const json_t *b, int terminal)
{
	json_int_t	bytes = number(b, "bytes"), total = number(b, "total");
	double		s = json_number_value(json_object_get(b, "seconds"));
	char		bar[BAR + 1];
	int		full;

	full = total > 0 ? (int)(bytes >= total ? BAR : bytes * BAR / total) :
	    0;
	memset(bar, '.', BAR);
	memset(bar, '#', (size_t)full);
	bar[BAR] = '\0';
	fprintf(stderr, "%s[%s] %s  %.1f of %.1f MiB  %.1f MiB/s%s",
	    terminal ? "\r" : "", bar, show_text(b, "phase"),
	    (double)bytes / 1048576, (double)total / 1048576,
	    s > 0 ? (double)bytes / 1048576 / s : 0, terminal ? "\033[K" : "\n");
}

/* Returns the answer in which this one is over. */
static json_t *
follow(backup_ask *ask, const char *socket, json_int_t id, int quiet)
{
	struct timespec	 t = { 0, LOOK_MS * 1000000L };
	int		 terminal = isatty(STDERR_FILENO);
	unsigned	 looks;
	json_t		*reply, *b;

	for (looks = 0;; looks++) {
		reply = ask(socket, json_pack("{s:s}", "cmd", "backup-state"));
		b = json_object_get(reply, "backup");
		if (!json_is_true(json_object_get(b, "running")) ||
		    number(b, "id") != id)
			break;
		if (!quiet && (terminal || looks % LINE_LOOKS == 0))
			draw(b, terminal);
		json_decref(reply);
		nanosleep(&t, NULL);
	}
	if (terminal && !quiet)
		fputs("\r\033[K", stderr);
	return reply;
}

static void
show_end(const json_t *last)
{
	if (!is_ok(last))
		fprintf(stderr, "wharfctl: no backup: %s\n",
		    show_text(last, "error"));
	else
		printf("%s/%s: done, %s, %.1f MiB in %.1f s\n",
		    show_text(last, "dir"), show_text(last, "name"),
		    json_is_true(json_object_get(last, "full")) ? "full" :
		    "what came since the one before",
		    (double)number(last, "bytes") / 1048576,
		    json_number_value(json_object_get(last, "seconds")));
}

int
backup_make(backup_ask *ask, const char *socket, const char *dir, int full,
    int json)
{
	char		 path[PATH_MAX * 2], cwd[PATH_MAX];
	json_t		*reply, *last;
	json_int_t	 id;
	int		 ok;

	if (dir[0] == '\0') {		/* a variable that is not set */
		fputs("wharfctl: backup: the directory has no name\n",
		    stderr);
		return 2;
	}
	if (dir[0] == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
		snprintf(path, sizeof(path), "%s", dir);
	else
		snprintf(path, sizeof(path), "%s/%s", cwd, dir);
	reply = ask(socket, json_pack("{s:s, s:s, s:b}", "cmd", "backup",
	    "dir", path, "full", full));
	if (!is_ok(reply))
		return refused(reply, json);
	id = number(json_object_get(reply, "backup"), "id");
	json_decref(reply);
	reply = follow(ask, socket, id, json);
	last = json_object_get(json_object_get(reply, "backup"), "last");
	ok = is_ok(last);
	if (json) {
		json_dumpf(last, stdout, JSON_INDENT(2));
		putchar('\n');
	} else
		show_end(last);
	json_decref(reply);
	return ok ? 0 : 1;
}

int
backup_end(backup_ask *ask, const char *socket, int json)
{
	json_t	*reply = ask(socket, json_pack("{s:s}", "cmd", "backup-stop"));

	if (!is_ok(reply))
		return refused(reply, json);
	if (json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		putchar('\n');
	} else
		puts("the backup ends");
	json_decref(reply);
	return 0;
}

/* --- which there are --- */

static json_t *
entry_json(const struct backup_entry *e)
{
	char	node[17];

	snprintf(node, sizeof(node), "%016" PRIx64, e->node);
	return json_pack("{s:s, s:b, s:s, s:s, s:s, s:I, s:I}", "name",
	    e->name, "full", e->full, "error", e->why, "node", node,
	    "parent", e->parent, "made", (json_int_t)e->made, "bytes",
	    (json_int_t)e->bytes);
}

static void
list_json(const char *dir, const struct backup_list *l, int ok)
{
	json_t	*a = json_array(), *o;
	size_t	 i;

	for (i = 0; i < l->n; i++)
		json_array_append_new(a, entry_json(&l->e[i]));
	o = json_pack("{s:b, s:s, s:o}", "ok", ok, "dir", dir, "backups", a);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

/* An increment stands deeper than what it rests on. */
static unsigned
depth(const struct backup_list *l, const struct backup_entry *e)
{
	unsigned	n = 0;

	while (e != NULL && e->parent[0] != '\0' && n < l->n) {
		e = backup_list_find(l, e->parent);
		n++;
	}
	return n;
}

static void
list_text(const struct backup_list *l)
{
	const struct backup_entry	*e;
	size_t				 i;

	if (l->n > 0)
		printf("%-33s %-17s %5s %11s\n", "name", "node", "rests",
		    "MiB");
	for (i = 0; i < l->n; i++) {
		e = &l->e[i];
		printf("%-33s %016" PRIx64 "  %5u %11.1f%s%s\n", e->name,
		    e->node, depth(l, e), (double)e->bytes / 1048576,
		    e->why[0] != '\0' ? "  cannot be used: " : "", e->why);
	}
}

int
backup_show_list(const char *dir, int json)
{
	struct backup_list	l = { NULL, 0 };
	int			fd, ok = 1;
	size_t			i;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || backup_dir_list(fd, &l) == -1) {
		fprintf(stderr, "wharfctl: %s: %s\n", dir, strerror(errno));
		if (fd != -1)
			close(fd);
		return 1;
	}
	close(fd);
	for (i = 0; i < l.n; i++)
		ok &= l.e[i].why[0] == '\0';
	if (json)
		list_json(dir, &l, ok);
	else
		list_text(&l);
	backup_list_free(&l);
	return ok ? 0 : 1;
}
