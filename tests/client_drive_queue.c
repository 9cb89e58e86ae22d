/*
 * client_drive_queue.c: client_drive's commands for queues, topics and tasks
 * (client_drive.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client_drive.h"

#define SLOTS_MAX	64
#define ITEMS_MAX	256

/* What a line says, and what has to be freed. */
struct asked {
	struct wharf_queue_op	op;
	struct wharf_settings	set;
	struct wharf_bytes	items[ITEMS_MAX];
	uint8_t			*bytes;
};

static struct {
	uint64_t	handle;
	char		said[4096];
	int		done;
} slots[SLOTS_MAX];

static void
take_items(struct asked *a, char *list)
{
	char	*rest = list, *one;
	size_t	 n;

	a->op.items = a->items;
	while ((one = strsep(&rest, ",")) != NULL && a->op.count < ITEMS_MAX) {
		a->items[a->op.count].p = unhex(one, &n);
		a->items[a->op.count++].n = n;
	}
}

static int
take_setting(struct wharf_settings *s, const char *name, const char *value)
{
	static const char *const names[] = { "max", "lock", "timeout",
	    "maxdeliver", "dead", "sttl", "sdelay" };
	uint32_t	n = (uint32_t)strtoul(value, NULL, 10);
	unsigned	i;

	for (i = 0; i < 7 && strcmp(name, names[i]) != 0; i++)
		;
	if (i == 7)
		return 0;
	s->mask |= 1u << i;
	switch (i) {
	case 0:	s->max = n; break;
	case 1:	s->lock = (int)n; break;
	case 2:	s->timeout = n; break;
	case 3:	s->maxdeliver = n; break;
	case 4:	snprintf(s->dead, sizeof(s->dead), "%s", value); break;
	case 5:	s->ttl = n; break;
	case 6:	s->delay = n; break;
	}
	return 1;
}

static void
take_field(struct asked *a, char *word)
{
	char		*value = strchr(word, '=');
	long long	 n;

	if (value == NULL)
		return;
	*value++ = '\0';
	n = strtoll(value, NULL, 10);
	if (strcmp(word, "other") == 0)
		a->op.other = value;
	else if (strcmp(word, "token") == 0)
		a->op.token = value;
	else if (strcmp(word, "value") == 0)
		a->op.value = a->bytes = unhex(value, &a->op.length);
	else if (strcmp(word, "items") == 0)
		take_items(a, value);
	else if (strcmp(word, "count") == 0)
		a->op.count = (unsigned)n;
	else if (strcmp(word, "priority") == 0)
		a->op.priority = (int)n;
	else if (strcmp(word, "ttl") == 0)
		a->op.ttl = n;
	else if (strcmp(word, "delay") == 0)
		a->op.delay = n;
	else if (strcmp(word, "wait") == 0)
		a->op.wait = n;
	else if (strcmp(word, "index") == 0)
		a->op.index = n;
	else if (strcmp(word, "flags") == 0)
		a->op.flags = (unsigned)n;
	else if (strcmp(word, "router") == 0)
		a->op.router = (unsigned)n;
	else if (take_setting(&a->set, word, value))
		a->op.settings = &a->set;
}

static void
asked_init(struct asked *a, char **word)
{
	struct wharf_queue_op	op = WHARF_QUEUE_OP_INIT(0, NULL);
	struct wharf_settings	set = WHARF_SETTINGS_INIT;

	memset(a, 0, sizeof(*a));
	a->op = op;
	a->set = set;
	a->op.command = (enum wharf_queue_command)atoi(word[1]);
	a->op.name = strcmp(word[2], "-") == 0 ? NULL : word[2];
	for (word += 3; *word != NULL; word++)
		take_field(a, *word);
}

static void
asked_free(struct asked *a)
{
	unsigned	i;

	for (i = 0; a->op.items != NULL && i < a->op.count; i++)
		free((void *)(uintptr_t)a->items[i].p);
	free(a->bytes);
}

static void
print_rows(unsigned command, const struct wharf_answer *a)
{
	struct wharf_message	m;
	struct wharf_worker	wo;
	struct wharf_queue_row	q;
	size_t			at = 0;

	if (command == WHARF_Q_GET)
		while (wharf_next_message(a, &at, &m)) {
			printf(" %s,%u,", m.token, m.deliveries);
			print_hex(m.value, m.length);
		}
	if (command == WHARF_Q_WORKERS)
		while (wharf_next_worker(a, &at, &wo))
			printf(" %s,%lld", wo.name, (long long)wo.seen);
	if (command == WHARF_Q_STAT || command == WHARF_Q_STAT_ALL)
		while (wharf_next_queue(a, &at, &q))
			printf(" %s,%d,%u,%d,%u,%u,%s,%llu,%llu,%llu,%llu,%llu",
			    q.name, q.topic, q.settings.max, q.settings.lock,
			    q.settings.timeout, q.settings.maxdeliver,
			    q.settings.dead, (unsigned long long)(q.ready[0] +
			    q.ready[1] + q.ready[2]),
			    (unsigned long long)q.delayed,
			    (unsigned long long)q.unacked,
			    (unsigned long long)q.first,
			    (unsigned long long)q.last);
}

/* STATUS version count number ttl token name value [row]... */
void
drive_q(char **word)
{
	struct wharf_answer	a;
	struct asked		q;
	enum wharf_status	e;

	asked_init(&q, word);
	e = wharf_queue_do(drive_w, &q.op, &a);
	printf("%s %u %u %lld %lld %s %s ", wharf_status_name(e), a.version,
	    a.count, (long long)a.number, (long long)a.ttl,
	    a.token == NULL ? "-" : a.token, a.name == NULL ? "-" : a.name);
	print_hex(a.value, a.length);
	if (e == WHARF_OK)
		print_rows(q.op.command, &a);
	printf("\n");
	asked_free(&q);
}

/* --- asked now, answered later --- */

static void
on_said(struct wharf *from, const struct wharf_answer *a, void *arg)
{
	size_t	i = (size_t)(uintptr_t)arg, n;

	(void)from;
	n = (size_t)snprintf(slots[i].said, sizeof(slots[i].said), "%s %s ",
	    wharf_status_name(a->status), a->token == NULL ? "-" : a->token);
	if (n + a->length < sizeof(slots[i].said) && a->length != 0)
		memcpy(slots[i].said + n, a->value, a->length);
	slots[i].done++;
}

void
drive_qsend(char **word)
{
	struct asked		q;
	size_t			i = (size_t)atoi(word[1]) % SLOTS_MAX;
	enum wharf_status	e;

	memset(&slots[i], 0, sizeof(slots[i]));
	asked_init(&q, word + 1);
	e = wharf_queue_submit(drive_w, &q.op, on_said, (void *)i,
	    &slots[i].handle);
	wharf_flush(drive_w);
	printf("%s\n", wharf_status_name(e));
	asked_free(&q);
}

void
drive_qcancel(char **word)
{
	size_t	i = (size_t)atoi(word[1]) % SLOTS_MAX;

	printf("%d\n", wharf_cancel(drive_w, slots[i].handle));
}

/* For how long at most a slot is waited for; 0: looks at nothing new. */
void
drive_qwait(char **word)
{
	size_t	i = (size_t)atoi(word[1]) % SLOTS_MAX;
	int	ms = atoi(word[2]);

	while (slots[i].done == 0 && ms > 0) {
		wharf_wait(drive_w, 10);
		ms -= 10;
	}
	printf("%d %s\n", slots[i].done,
	    slots[i].done != 0 ? slots[i].said : "- -");
}

/* How many requests wait at a queue. */
void
drive_qwaiting(char **word)
{
	struct wharf_queue_row	row = { .waiting = 0 };

	if (wharf_queue_stat(drive_w, word[1], &row) != WHARF_OK)
		row.waiting = 0;
	printf("%llu\n", (unsigned long long)row.waiting);
}

/* --- the short forms, one after the other; OK or the one that failed --- */

#define TRY(want, call) do {						\
	enum wharf_status e_ = (call);					\
	if (e_ != (want)) {						\
		printf("%s: %s\n", #call, wharf_status_name(e_));	\
		return;							\
	}								\
} while (0)
#define MUST(cond) do {							\
	if (!(cond)) {							\
		printf("%s\n", #cond);					\
		return;							\
	}								\
} while (0)

static int
see_row(void *arg, const struct wharf_queue_row *row)
{
	*(unsigned *)arg += row->name[0] != '\0';
	return 1;
}

static void
short_messages(const char *q, const char *other)
{
	static const struct wharf_bytes	two[] = { { "b", 1 }, { "c", 1 } };
	struct wharf_settings	set = WHARF_SETTINGS_INIT;
	struct wharf_queue_row	row;
	struct wharf_answer	a;
	unsigned		n = 0;
	int64_t			left = 0;

	TRY(WHARF_OK, wharf_queue_put(drive_w, q, "a", 1, 1, 0, 0));
	TRY(WHARF_OK, wharf_queue_mput(drive_w, q, two, 2, 0, 60000, 0, &n));
	MUST(n == 2);
	TRY(WHARF_OK, wharf_queue_peek(drive_w, q, -1, 1, &a));
	MUST(a.length == 1 && *(const char *)a.value == 'b');
	TRY(WHARF_OK, wharf_queue_get(drive_w, q, "worker", 0, 0, &a));
	MUST(a.length == 1 && *(const char *)a.value == 'a' && a.version == 1);
	TRY(WHARF_OK, wharf_queue_touch(drive_w, q, a.token, 30000, &left));
	MUST(left == 30000);
	TRY(WHARF_OK, wharf_queue_get(drive_w, q, NULL, 100, 0, &a));
	TRY(WHARF_OK, wharf_queue_nack(drive_w, q, a.token, 0));
	TRY(WHARF_OK, wharf_queue_get(drive_w, q, NULL, 0, 0, &a));
	MUST(*(const char *)a.value == 'b' && a.version == 2);
	TRY(WHARF_OK, wharf_queue_ack(drive_w, q, a.token));
	TRY(WHARF_OK, wharf_queue_move(drive_w, q, other, 10, &n));
	MUST(n == 1);
	set.mask = WHARF_SET_MAX | WHARF_SET_DEAD;
	set.max = 5;
	snprintf(set.dead, sizeof(set.dead), "%s", other);
	TRY(WHARF_OK, wharf_queue_set(drive_w, q, &set, 0));
	TRY(WHARF_OK, wharf_queue_settings(drive_w, q, &set));
	MUST(set.max == 5 && strcmp(set.dead, other) == 0);
	for (n = 0; n < 6; n++)
		TRY(WHARF_OK, wharf_queue_put(drive_w, other, "d", 1, 0, 0, 0));
	TRY(WHARF_QFULL, wharf_queue_move(drive_w, other, q, 10, &n));
	MUST(n == 5);			/* how many have gone, all the same */
	TRY(WHARF_OK, wharf_queue_purge(drive_w, q, 0));
	TRY(WHARF_OK, wharf_queue_stat(drive_w, q, &row));
	MUST(row.unacked == 1 && row.ready[0] == 0 && !row.topic);
	TRY(WHARF_OK, wharf_queue_purge(drive_w, other, 0));
	n = 0;
	TRY(WHARF_OK, wharf_queue_stat_all(drive_w, see_row, &n));
	MUST(n >= 1);
	printf("OK\n");
}

void
drive_qshort(char **word)
{
	short_messages(word[1], word[2]);
}

void
drive_tshort(char **word)
{
	struct wharf_task_numbers	n;
	struct wharf_answer		a;
	int64_t				at = 0;

	TRY(WHARF_OK, wharf_pub(drive_w, word[1], "x", 1, -1, 0, &at));
	MUST(at == 1);
	TRY(WHARF_OK, wharf_sub(drive_w, word[1], 1, 0, &a));
	MUST(a.length == 1 && *(const char *)a.value == 'x');
	TRY(WHARF_WINDOW, wharf_sub(drive_w, word[1], 2, 0, &a));
	MUST(a.ttl == 1);
	TRY(WHARF_WAITED, wharf_task_ask(drive_w, "jobs", "t", 1, 50, &a));
	TRY(WHARF_WAITED, wharf_task_claim(drive_w, NULL, 50, &a));
	TRY(WHARF_NOTFOUND, wharf_task_done(drive_w, "0123456789abcdef", "r",
	    1));
	TRY(WHARF_NOTFOUND, wharf_task_back(drive_w, "0123456789abcdef"));
	TRY(WHARF_OK, wharf_task_counts(drive_w, &n));
	MUST(n.waiting == 0 && n.running == 0 && n.most > 0);
	printf("OK\n");
}
