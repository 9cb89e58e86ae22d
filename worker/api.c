/*
 * api.c: doc/api.md, written from the tables of paths and errors, so that the
 * page cannot say anything else than the code does.
 */
#include <string.h>

#include "proto/err.h"
#include "worker/paths.h"

static const char	api_intro[] =
"# The HTTP interface\n"
"\n"
"This page is made from the table of paths: `wharf-worker --print-api`.\n"
"\n"
"Names of parameters are exact. Of a parameter given twice the last counts; an\n"
"empty one counts as absent; unknown ones are ignored. All but `val` is\n"
"percent-decoded, also in the path; `+` stays `+`. Bodies are taken as they are.\n"
"\n"
"A request is checked in this order: path (404), a store is there (503), method\n"
"(405), required parameters (404), their form (400 and, for `ver` over 4194303,\n"
"401). A body over `limits.body` is refused with 413 as soon as that is known.\n"
"Content-Length together with Transfer-Encoding, Content-Lengths that differ and\n"
"transfer codings other than `chunked` are 400 and end the connection.\n"
"\n"
"A refusal has no body. `Wharf-Error: NAME text` says what was wrong; 503 comes\n"
"with `Retry-After`, 405 with `Allow`. 503: surely not done. 504: it may have been\n"
"done. The request line and the headers together fit 32 KiB; longer ones are\n"
"refused by the HTTP library, with 414 or 431 and, as a Content-Length that is\n"
"no number (400, 413), with a page of its own and without `Wharf-Error`.\n"
"\n"
"Reads answer `Version: n` with 200, and `Version: 0` with 404. Writes always\n"
"answer `Version` and `VerError`: after 200 the record's version, after a version\n"
"conflict the current one (`VerError: true`), after any other refusal the `ver` of\n"
"the request.\n"
"\n"
"A non-empty body takes the place of `val`. A POST with an empty body is 404 even\n"
"if the query has `val`, unless `db.get_writes` is off.\n"
"\n"
"Values are compressed on request: `Accept-Encoding: deflate`, exactly, always\n"
"gives *raw* deflate (no zlib header), as huststore did. In a list `gzip`, else\n"
"`deflate`, is used for values of 1024 bytes and more where it makes them smaller.\n";

static const char *const	type_text[] = {
	[PT_KEY] = "bytes", [PT_RAW] = "bytes as written",
	[PT_NAME] = "name of `0-9A-Za-z_:.`",
	[PT_U32] = "number, lenient", [PT_VER] = "number, lenient",
	[PT_BOOL] = "boolean, lenient", [PT_INT] = "integer",
	[PT_FLAG] = "boolean"
};

static int
is_text(const struct param *row)
{
	return row->type == PT_KEY || row->type == PT_RAW ||
	    row->type == PT_NAME;
}

static void
param_print(FILE *f, const struct param *row)
{
	fprintf(f, "| `%s` | %s | %lld..%lld%s | ", row->name,
	    type_text[row->type], (long long)row->min, (long long)row->max,
	    is_text(row) ? " bytes" : "");
	if (is_text(row))
		fprintf(f, "| %s |\n", row->help);
	else
		fprintf(f, "%lld | %s |\n", (long long)row->def, row->help);
}

static void
params_print(FILE *f)
{
	size_t	i;

	fprintf(f, "\n## Parameters\n\n"
	    "Lenient: of a number the leading digits count and anything else\n"
	    "is 0, as is what does not fit 32 bits; -1 is 4294967295. Of a\n"
	    "boolean `true` and `1` are true and all else is false.\n\n"
	    "| name | type | range | default | |\n|---|---|---|---|---|\n");
	for (i = 0; i < PARAM_MAX_; i++)
		param_print(f, &param_table[i]);
}

static void
methods_print(FILE *f, unsigned methods)
{
	static const struct {
		unsigned	 bit;
		const char	*name;
	} names[] = { { M_GET, "GET" }, { M_WRITE_GET, "GET*" },
	    { M_HEAD, "HEAD" }, { M_POST, "POST" }, { M_PUT, "PUT" },
	    { M_DELETE, "DELETE" } };
	size_t	i;
	int	n = 0;

	if (methods == M_ANY) {
		fprintf(f, "any");
		return;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((methods & names[i].bit) != 0)
			fprintf(f, "%s%s", n++ > 0 ? " " : "", names[i].name);
}

static void
list_print(FILE *f, uint64_t ids)
{
	int	n = 0;

	for (; ids != 0; ids &= ids - 1)
		fprintf(f, "%s`%s`", n++ > 0 ? " " : "",
		    param_table[__builtin_ctzll(ids)].name);
}

static void
path_print(FILE *f, const struct path *row)
{
	fprintf(f, "| `%s` | %s | ", row->path,
	    row->on == ON_DB ? "db" : row->on == ON_MQ ? "mq" : "both");
	methods_print(f, row->methods);
	fprintf(f, " | ");
	list_print(f, row->required);
	fprintf(f, " | ");
	list_print(f, row->optional);
	fprintf(f, " | %s", row->help);
	if (row->act == ACT_TEXT)
		fprintf(f, " Answers `%.*s`.", (int)strcspn(row->text, "\n"),
		    row->text);
	fprintf(f, " |\n");
}

static void
errors_print(FILE *f)
{
	int	e;

	fprintf(f, "\n## Statuses\n\n| status | Wharf-Error |\n|---|---|\n");
	for (e = E_OK; e < E_MAX_; e++)
		if (e != E_PENDING && strcmp(err_name(e), "E_?") != 0)
			fprintf(f, "| %d | %s %s |\n", err_http(e),
			    e == E_OK ? "(none)" : err_name(e),
			    e == E_OK ? "" : err_text(e));
}

void
api_print(FILE *f)
{
	size_t	i;

	fputs(api_intro, f);
	params_print(f);
	fprintf(f, "\n## Paths\n\n"
	    "GET*: only while `db.get_writes` is on.\n\n"
	    "| path | listener | methods | required | optional | |\n"
	    "|---|---|---|---|---|---|\n");
	for (i = 0; i < PATH_MAX_; i++)
		path_print(f, &path_table[i]);
	errors_print(f);
}
