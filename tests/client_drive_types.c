/*
 * client_drive_types.c: client_drive's commands on records of all types
 * (client_drive.h).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client_drive.h"

/* An op whose bytes are ours. */
struct given {
	struct wharf_op		op;
	struct wharf_write	how;
	long			stop;
	int			async;
	uint8_t			*bytes[3];	/* key, value, cursor */
};

/* sscanf and strtoul on the text itself would each look for its end. */
static uint8_t *
unhex(const char *text, size_t *n)
{
	size_t	 i, len = strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
	uint8_t	*p = malloc(len + 1);
	char	 pair[3] = "";

	for (i = 0; p != NULL && i < len; i++) {
		memcpy(pair, text + 2 * i, 2);
		p[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	*n = len;
	return p;
}

static void
print_hex(const void *bytes, size_t n)
{
	const uint8_t	*p = bytes;
	size_t		 i;

	if (n == 0)
		printf("-");
	for (i = 0; i < n; i++)
		printf("%02x", p[i]);
}

static const char *
none(const char *word)
{
	return strcmp(word, "-") == 0 ? NULL : word;
}

static void
field(struct given *g, const char *name, const char *text)
{
	struct wharf_op	*op = &g->op;
	long long	 n = strtoll(text, NULL, 10);
	const struct {
		const char	*name;
		unsigned	*to;
	} plain[] = {
		{ "limit", &op->limit }, { "flags", &op->flags },
		{ "file", &op->file }, { "start", &op->start },
		{ "end", &op->end }, { "wflags", &g->how.flags },
		{ "version", &g->how.version }
	};
	unsigned	 i;

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(name, plain[i].name) == 0)
			*plain[i].to = (unsigned)n;
	if (strcmp(name, "score") == 0)
		op->score = n;
	else if (strcmp(name, "min") == 0)
		op->min = n;
	else if (strcmp(name, "max") == 0)
		op->max = n;
	else if (strcmp(name, "offset") == 0)
		op->offset = (uint64_t)n;
	else if (strcmp(name, "ttl") == 0)
		g->how.ttl = n;
	else if (strcmp(name, "stop") == 0)
		g->stop = (long)n;
	else if (strcmp(name, "async") == 0)
		g->async = (int)n;
	else if (strcmp(name, "value") == 0)
		op->value = g->bytes[1] = unhex(text, &op->length);
	else if (strcmp(name, "cursor") == 0)
		op->cursor = g->bytes[2] = unhex(text, &op->cursorlen);
}

/* FIELD=VALUE words; a write is there when one of its fields is. */
static void
fields(struct given *g, char **word)
{
	char	*text;

	for (; *word != NULL; word++) {
		if ((text = strchr(*word, '=')) == NULL)
			continue;
		*text++ = '\0';
		field(g, *word, text);
		if (strcmp(*word, "version") == 0 ||
		    strcmp(*word, "wflags") == 0 || strcmp(*word, "ttl") == 0)
			g->op.write = &g->how;
	}
}

static void
given_begin(struct given *g, int command, const char *type, const char *table)
{
	struct wharf_op		op = WHARF_OP_INIT(
				    (enum wharf_command)command, WHARF_ANY);
	struct wharf_write	how = WHARF_WRITE_INIT;

	memset(g, 0, sizeof(*g));
	g->stop = -1;
	g->how = how;
	g->op = op;
	if (none(type) != NULL)
		g->op.type = (enum wharf_type)type[0];
	g->op.table = none(table);
}

static void
given_end(struct given *g)
{
	unsigned	i;

	for (i = 0; i < 3; i++)
		free(g->bytes[i]);
}

static void
print_item(const struct wharf_item *i)
{
	printf(" %c,%s,", (char)i->type, i->table);
	print_hex(i->key, i->keylen);
	printf(",%u,%lld,%lld,", i->version, (long long)i->ttl,
	    (long long)i->score);
	print_hex(i->value, i->length);
}

static void
print_answer(const struct given *g, const struct wharf_answer *a)
{
	struct wharf_item	item;
	struct wharf_table	t;
	size_t			place = 0;
	int			list = g->op.command == WHARF_OP_LIST,
				stat = g->op.command == WHARF_OP_STAT ||
				    g->op.command == WHARF_OP_STAT_ALL;

	printf("%s %u %lld %lld %u ", wharf_status_name(a->status),
	    a->version, (long long)a->ttl, (long long)a->number, a->flags);
	print_hex(a->value, list || stat ? 0 : a->length);
	printf(" ");
	print_hex(a->cursor, a->cursorlen);
	while (list && wharf_next_item(a, &place, &item))
		print_item(&item);
	while (stat && wharf_next_table(a, &place, &t))
		printf(" %c,%s,%lld,%lld,%lld", (char)t.type, t.name,
		    (long long)t.count, (long long)t.size,
		    (long long)t.capacity);
	printf("\n");
}

static void
op_answered(struct wharf *w, const struct wharf_answer *a, void *arg)
{
	struct given	*g = arg;

	(void)w;
	print_answer(g, a);
	g->async = 0;
}

void
drive_op(char **word)
{
	struct wharf_answer	a;
	struct given		g;

	given_begin(&g, atoi(word[1]), word[2], word[3]);
	g.op.key = g.bytes[0] = unhex(word[4], &g.op.keylen);
	fields(&g, word + 5);
	if (!g.async) {
		wharf_do(drive_w, &g.op, &a);
		print_answer(&g, &a);
	} else {
		memset(&a, 0, sizeof(a));
		a.status = wharf_submit(drive_w, &g.op, op_answered, &g);
		if (a.status != WHARF_OK)
			print_answer(&g, &a);
		while (a.status == WHARF_OK && g.async)
			wharf_wait(drive_w, -1);
	}
	given_end(&g);
}

void
drive_walk(char **word)
{
	struct wharf_list	*l = NULL;
	struct wharf_item	 item;
	struct given		 g;
	enum wharf_status	 e;
	const void		*cursor = NULL;
	size_t			 n = 0;
	long			 i;

	given_begin(&g, WHARF_OP_LIST, word[1], word[2]);
	fields(&g, word + 3);
	e = wharf_list_open(drive_w, &l, &g.op);
	for (i = 0; l != NULL && i != g.stop && wharf_list_next(l, &item); i++)
		print_item(&item);
	if (l != NULL) {
		e = wharf_list_status(l);
		cursor = wharf_list_cursor(l, &n);
	}
	printf(" %s ", wharf_status_name(e));
	print_hex(cursor, n);
	printf("\n");
	wharf_list_close(l);
	given_end(&g);
}

static void
record_of(struct wharf_record *r, char *text)
{
	char	*part[7] = { NULL };
	int	 i;

	memset(r, 0, sizeof(*r));
	for (i = 0; i < 7 && text != NULL; i++)
		part[i] = strsep(&text, ",");
	r->type = (enum wharf_type)part[0][0];
	r->table = none(part[1]);
	r->key = unhex(part[2], &r->keylen);
	if (part[6] == NULL)
		return;
	r->value = unhex(part[3], &r->length);
	r->version = (uint32_t)strtoul(part[4], NULL, 10);
	r->flags = (unsigned)atoi(part[5]);
	r->ttl = atoll(part[6]);
}

static void
drive_many(char **word, int put)
{
	static struct wharf_record	records[WORDS];
	static struct wharf_answer	a[WORDS];
	enum wharf_status		e;
	size_t				n, i;

	for (n = 0; word[n + 1] != NULL; n++)
		record_of(&records[n], word[n + 1]);
	e = put ? wharf_mput(drive_w, records, n, a) :
	    wharf_mget(drive_w, records, n, a);
	printf("%s", wharf_status_name(e));
	for (i = 0; e == WHARF_OK && i < n; i++) {
		printf(" %s,%u,%u,%lld,", wharf_status_name(a[i].status),
		    a[i].version, a[i].flags, (long long)a[i].number);
		print_hex(a[i].value, a[i].length);
	}
	printf("\n");
	for (i = 0; i < n; i++) {
		free((void *)(uintptr_t)records[i].key);
		free((void *)(uintptr_t)records[i].value);
	}
}

void
drive_mget(char **word)
{
	drive_many(word, 0);
}

void
drive_mput(char **word)
{
	drive_many(word, 1);
}

void
drive_export(char **word)
{
	struct given		g;
	uint64_t		token = 0;
	enum wharf_status	e;

	given_begin(&g, WHARF_OP_LIST, word[1], word[2]);
	fields(&g, word + 3);
	e = wharf_export(drive_w, &g.op, &token);
	printf("%s %llu\n", wharf_status_name(e), (unsigned long long)token);
	given_end(&g);
}

void
drive_task(char **word)
{
	enum wharf_task_state	state;
	enum wharf_status	e = wharf_task(drive_w,
				    strtoull(word[1], NULL, 10), &state);

	printf("%s %d\n", wharf_status_name(e), (int)state);
}

void
drive_tasks(char **word)
{
	unsigned		n[WHARF_TASK_UNKNOWN];
	enum wharf_status	e = wharf_tasks(drive_w, n);

	(void)word;
	printf("%s %u %u %u\n", wharf_status_name(e), n[0], n[1], n[2]);
}
