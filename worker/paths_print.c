/*
 * paths_print.c: the path table for machines (wharf-worker --print-paths): one
 * line of JSON a row.  tests/system/test_path_table.py walks it, so that a row
 * is tested because it is there.  What has no name here is printed as "?",
 * which that test refuses.
 */
#include "proto/msg.h"
#include "worker/paths.h"

struct word {
	unsigned	 bit;
	const char	*text;
};

static const struct word	on_words[] = {
	{ ON_DB, "db" }, { ON_MQ, "mq" }, { 0, NULL }
};
static const struct word	method_words[] = {
	{ M_GET, "GET" }, { M_WRITE_GET, "GET*" }, { M_HEAD, "HEAD" },
	{ M_POST, "POST" }, { M_PUT, "PUT" }, { M_DELETE, "DELETE" },
	{ M_OTHER, "OTHER" }, { 0, NULL }
};
static const struct word	flag_words[] = {
	{ PF_WRITE, "write" }, { PF_READ, "read" }, { PF_BODY, "body" },
	{ PF_CODED, "coded" }, { PF_PLAIN, "plain" },
	{ PF_KEYBODY, "keybody" }, { PF_NUMBER, "number" },
	{ PF_TTL, "ttl" }, { PF_ITEMS, "items" }, { PF_REVERSE, "reverse" },
	{ PF_ITEM, "item" }, { PF_WAIT, "wait" },
	{ PF_OPEN, "open" }, { PF_ADMIN, "admin" },
	{ 0, NULL }
};
static const char *const	act_words[ACT_MAX_] = {
	[ACT_STORE] = "store", [ACT_CACHE] = "cache",
	[ACT_STATUS] = "status", [ACT_TEXT] = "text",
	[ACT_TABLE] = "table", [ACT_METRICS] = "metrics", [ACT_LIST] = "list",
	[ACT_MANY] = "many", [ACT_STAT] = "stat", [ACT_EXPORT] = "export",
	[ACT_TASK] = "task", [ACT_QUEUE] = "queue"
};
static const char *const	type_words[] = {
	[PT_KEY] = "KEY", [PT_RAW] = "RAW", [PT_NAME] = "NAME",
	[PT_U32] = "U32", [PT_VER] = "VER", [PT_LONG] = "LONG",
	[PT_BOOL] = "BOOL", [PT_INT] = "INT", [PT_FLAG] = "FLAG"
};

static void
string_print(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < ' ') {
			fprintf(f, "\\u%04x", (unsigned)*s);
			continue;
		}
		if (*s == '"' || *s == '\\')
			putc('\\', f);
		putc(*s, f);
	}
	putc('"', f);
}

/* The names of the bits, as a list. */
static void
words_print(FILE *f, const char *name, const struct word *w, unsigned bits)
{
	const char	*comma = "";

	fprintf(f, ",\"%s\":[", name);
	for (; w->bit != 0; w++) {
		if ((bits & w->bit) == 0)
			continue;
		fprintf(f, "%s\"%s\"", comma, w->text);
		comma = ",";
		bits &= ~w->bit;
	}
	if (bits != 0)
		fprintf(f, "%s\"?\"", comma);
	fprintf(f, "]");
}

static void
params_print(FILE *f, const char *name, uint64_t ids)
{
	const struct param	*row;
	const char		*comma = "";

	fprintf(f, ",\"%s\":[", name);
	for (; ids != 0; ids &= ids - 1, comma = ",") {
		row = &param_table[__builtin_ctzll(ids)];
		fprintf(f, "%s{\"name\":\"%s\",\"type\":\"%s\","
		    "\"default\":%lld,\"min\":%lld,\"max\":%lld}", comma,
		    row->name, type_words[row->type] != NULL ?
		    type_words[row->type] : "?", (long long)row->def,
		    (long long)row->min, (long long)row->max);
	}
	fprintf(f, "]");
}

static void
row_print(FILE *f, const struct path *row)
{
	unsigned	methods = row->methods;

	if (methods == M_ANY)
		methods = M_GET | M_HEAD | M_POST | M_PUT | M_DELETE | M_OTHER;
	fprintf(f, "{\"path\":\"%s\"", row->path);
	words_print(f, "listeners", on_words, row->on);
	words_print(f, "methods", method_words, methods);
	fprintf(f, ",\"action\":\"%s\",\"message\":\"%s\",\"type\":\"%.1s\"",
	    act_words[row->act] != NULL ? act_words[row->act] : "?",
	    row->msg != 0 ? msg_name(row->msg) : "", (const char *)&row->type);
	words_print(f, "flags", flag_words, row->flags);
	params_print(f, "required", row->required);
	params_print(f, "optional", row->optional);
	fprintf(f, ",\"role\":\"%s\"", role_name(path_role(row)));
	fprintf(f, ",\"text\":");
	string_print(f, row->text);
	fprintf(f, "}\n");
}

void
paths_print(FILE *f)
{
	size_t	i;

	for (i = 0; i < PATH_MAX_; i++)
		row_print(f, &path_table[i]);
}
