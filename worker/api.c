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
"A request is checked in this order: path (404), a store is there (503), user\n"
"(401 with `WWW-Authenticate`, 403), method (405), required parameters (404), their form (400 and, for `ver` over 4194303,\n"
"401), their length (413), a storage limit (403), table and record. A body over\n"
"`limits.body` is refused with 413 as soon as that is known; a value over\n"
"`limits.value` is 413 as well. While the node is over `limits.disk`,\n"
"`limits.process_memory` or `limits.system_memory`, `put`, `hset`, `hincrby`, `sadd`,\n"
"`zadd` and the puts of an `mput` are 403 with `E_LIMIT_DISK`, `E_LIMIT_PROCESS` or\n"
"`E_LIMIT_SYSTEM`; all else goes on.\n"
"Content-Length together with Transfer-Encoding, Content-Lengths that differ and\n"
"transfer codings other than `chunked` are 400 and end the connection.\n"
"\n"
"With `auth.file` a request needs a user (`Authorization: Basic`) whose role is at\n"
"least that of the path: `read`, `write` or `admin`; a path without a role is open\n"
"to everybody. Missing, wrong and malformed logins are 401 `E_AUTH` with\n"
"`WWW-Authenticate: Basic realm=\"wharf\"` and without `Version` and `VerError`, too\n"
"small a role is 403 `E_ROLE`, and 503 `E_AUTHBUSY` says that too many passwords\n"
"wait to be looked at.\n"
"\n"
"A refusal has no body. `Wharf-Error: NAME text` says what was wrong, and behind\n"
"`E_DAMAGED` where: `store.N/FILE slot S`, and `in quarantine` if records of the\n"
"slot may have been lost. A listing of which entries may have been lost has the\n"
"header `Wharf-Lost: store.N`. 503 comes with `Retry-After`, 405 with `Allow`. 503:\n"
"surely not done. 504: it may have been done. The request line and the headers\n"
"together fit 32 KiB; longer ones are refused by the HTTP library, with 414 or 431\n"
"and, as a Content-Length that is no number (400, 413), with a page of its own and\n"
"without `Wharf-Error`.\n"
"\n"
"Reads answer `Version: n` with 200, and `Version: 0` with 404 and 412. Writes\n"
"always answer `Version` and `VerError`: after 200 the record's version, after a\n"
"version conflict the current one (`VerError: true`), after any other refusal the\n"
"`ver` of the request.\n"
"\n"
"A path's body column says what a non-empty body takes the place of, whatever the\n"
"method: `val`, or `key` (then it is 1 to 65536 bytes long, else 400). A POST with\n"
"an empty body is 404 even if the query has that parameter, unless `db.get_writes`\n"
"is off.\n"
"\n"
"A table (`tb`) is a hash, a set or a sorted set, and is so from its first record\n"
"to its last: a write that would make it another, or a read or delete in a table\n"
"that is none or another, is 412. 404 is a record that is not in its table. A\n"
"`val` of `hincrby` may begin with blanks and a sign, and must end, or have a blank,\n"
"behind its digits; what is no number of 64 bits, and a sum that is none, is 403.\n"
"\n"
"Values are compressed on request: `Accept-Encoding: deflate`, exactly, always\n"
"gives *raw* deflate (no zlib header), as huststore did. In a list `gzip`, else\n"
"`deflate`, is used for values of 1024 bytes and more where it makes them smaller.\n";

static const char	api_many[] =
"\n## Many records at once\n"
"\n"
"The body of `mget` and `mput` is a row of netstrings: the length in decimal digits\n"
"without leading zeros, `:`, that many bytes, `,`. For `mget` each is a key:\n"
"\n"
"    5:apple,4:pear,\n"
"\n"
"For `mput` a key and its value, and so on:\n"
"\n"
"    5:apple,3:red,4:pear,6:yellow,\n"
"\n"
"At most 4096 items; keys of 1 to 65536 bytes, values of at least 1. Else, and when\n"
"the body is no row of netstrings, the request is 400 and nothing is done. With `tb`\n"
"the items are fields of that hash. `ttl` and `If-None-Match: *` hold for every item.\n"
"\n"
"The answer is 200. Its body has for every item, in their order, what the single\n"
"command would answer: one line with HTTP status, version and length, that many\n"
"bytes of value, and a newline:\n"
"\n"
"    200 3 3\n"
"    red\n"
"    404 0 0\n"
"\n"
"Items are independent: each is done or not as its status says, also 503 when its\n"
"store is away and 504 when that cannot be known. Values beyond `limits.body` bytes\n"
"of answer are left out, with 413. Items with the same key are done in their order.\n"
"Of a damaged one (500) the bytes are not its value, but say where it lies.\n";

static const char	api_cache[] =
"\n"
"## The cache\n"
"\n"
"`/hustcache/*`, and `/cache/*` as huststore's HA had it, speak to a cache in memory of\n"
"`cache.memory` bytes. Its names are apart from keys and tables; one is a string, or a\n"
"hash of fields, and goes as a whole: when it expires, is deleted or makes room for\n"
"others, or its store starts anew. There are no versions and none of their headers.\n"
"\n"
"Names, fields and hashes (`tb`) are 1 to 65536 bytes of any kind (else 400), values 1\n"
"to 8388608 (else 401), numbers at most 65536 (else 401). Everything else that cannot be\n"
"is 404, and `Wharf-Error` says which: nothing there, a hash where a string is meant or\n"
"the reverse, not a number, a `ttl` that is no integer above 0 (also of `expire`, which\n"
"deletes nothing then), a sum that overflows, a result too long or too large. `ttl` has\n"
"no other limit. Numbers are what Redis takes: no blanks; sums of `hincrbyfloat` have no\n"
"exponent. Without a cache (`cache.memory=0`) all of it is 500, whatever is asked.\n"
"Answers wait for no disk.\n";

static const char	api_queue[] =
"\n"
"## Queues, topics, tasks\n"
"\n"
"`/hustmq/*` works on both listeners, the bare paths are those of the mq listener. A name\n"
"is a queue or a topic from its first `put`, `set` or `pub`; a command of the other kind,\n"
"and one for a name that is neither, is 412. Queues and topics are durable, tasks end\n"
"with the process that keeps them. A message longer than 64 MiB less 256 bytes is 413.\n"
"\n"
"`get` with `ack=true`: the message is gone when its bytes were handed to the client's\n"
"socket; when that fails it comes again, so it is delivered at least once. With\n"
"`ack=false` it stays until its `Ack-Token` is acknowledged, and is delivered again,\n"
"before all others, when the queue's timeout is over, each time with a token of its own;\n"
"an earlier one still acknowledges it. Every delivery of which a client may have seen\n"
"something counts (`Deliveries`); after `maxdeliver` of them the message goes to the\n"
"queue `dead`, which then must be set. A token of another queue, of a message that is\n"
"gone, or made up is 412.\n"
"\n"
"With `count` above 1 the answer has a line for each message, with token, deliveries and\n"
"length, that many bytes and a newline:\n"
"\n"
"    0:1a2062ff42f0000.1.354b7bff.1dc0319619ba18e7 1 5\n"
"    hello\n"
"\n"
"`wait` lets `get` and `sub` wait; `evget` and `evsub` wait by themselves. Who came first\n"
"is served first; who hangs up is forgotten, and what was on its way to him goes to the\n"
"next. After the wait it is 404. When the router dies or the node stops it is 503 for\n"
"all of them; for `do_get` 504 when its router died.\n"
"\n"
"`set` takes a JSON object and changes what is in it; `settings` shows all: `max`,\n"
"messages that may be ready (0: any number); `lock`; `timeout`, seconds; `maxdeliver`\n"
"(0: no end); `dead`, a queue; `ttl` and `delay`, seconds, of puts that say none. `timeout`,\n"
"`max` and `lock` change one of them; in `stat` timeout is in minutes, rounded up. `purge`\n"
"takes delayed messages along, but none that is out; a queue stays as long as it has\n"
"messages or settings of its own.\n"
"\n"
"What the other queue does not take stays where it was: then the status of `move` says why,\n"
"and `Moved`, when it is not 0, how many have gone. With `routers.count` above 1\n"
"the other queue, and `dead`, may be another router's. Then `Moved` counts what is durable\n"
"there and gone here; 503: it cannot be reached, what has not gone is still here; 504:\n"
"nobody knows of some, which then come again here or there, at worst in both. Of large\n"
"messages some MiB go at a time. A dead letter waits here until the other router is back.\n"
"\n"
"A topic keeps the items sp+1 to ep of `Index: sp-ep`; numbers go from 0 to 10999999 and\n"
"begin anew. An item that has expired is 404 and goes at the next `pub`. The bare paths\n"
"answer as one huststore backend does (`Ack-Peer: 0`), with the direct command's own\n"
"status; `stat` and `stat_all` differ in the order of their members. Answers without a\n"
"token have an empty `Ack-Token` when `ack` is false.\n"
"\n"
"`do_get` waits for a worker's result, `do_post` for a task: the oldest, of `queue` or of\n"
"any. The result goes to the client that asked and to nobody else; 404: he is gone.\n"
"When nobody comes within `mq.long_poll` seconds it is 408.\n";

static const char	api_old[] =
"\n## What is not as in huststore\n"
"\n"
"- The bare paths answer the direct command's own status and headers, where\n"
"  huststore's HA answered 404 to every refusal.\n"
"- `get2` and the like compare replicas. A node alone agrees with itself: 200 with\n"
"  `Version` and the value, or what the plain command refuses with. `peer_count` is\n"
"  1, `get_table` names this node twice, by the address of the connection.\n"
"- `/hustdb/binlog` is not there (404): replication takes its place. `host` of\n"
"  `hincrby` is ignored.\n"
"- `key` and `tb` of every command are percent-decoded, also with POST, and a `?`\n"
"  does not end a key. Scores that overflow, and sums, are 403.\n"
"- `hincrby` on a field that has expired begins at 0.\n"
"- `ttl`, `expire`, `persist`, `mget`, `mput` and the listings from above are new;\n"
"  `expire` and `persist` are writes: they raise the version.\n";

static const char	api_lists[] =
"\n"
"## Listings\n"
"\n"
"A page is a JSON array of objects, `[]` when it is empty, with the headers `Keys`\n"
"(how many objects) and `TotalCount` (0; of a snapshot its length). An object has\n"
"these members in this order, and only those that say something:\n"
"\n"
"| member | |\n"
"|---|---|\n"
"| `key` | key, field or member: base64, padded |\n"
"| `val` | with `noval=false`: the value in base64; of a sorted set's member its score, decimal, in quotes |\n"
"| `ver` | version |\n"
"| `ttl` | seconds left to live, rounded up |\n"
"| `tb`, `ty` | only in `keys`: the table, and `\"H\"`, `\"S\"` or `\"Z\"` |\n"
"| `damaged` | `true`: the value cannot be read, and is left out |\n"
"\n"
"`start` and `end` choose the slots of keys, fields and members; of a sorted set\n"
"that of its name, which must lie in the range (412). `offset` and `size` count the\n"
"entries that are so chosen. `async=true` lists what `export` has written, with\n"
"500 when there is no such snapshot or it ends before `offset`.\n"
"\n"
"Entries come in the order of data files, in each by (type, table, key); sorted\n"
"sets by (score, member), bytes compared unsigned. No order is promised\n"
"across data files. Whatever exists from the first page to the last is there\n"
"exactly once if pages are asked for by cursor: `cursor=0` begins, the header\n"
"`Cursor` of a page goes on behind it, `Cursor: 0` says that there is no more. An\n"
"`offset` counts anew for each page, so entries that come and go in between move the\n"
"others. Pages by offset have a `Cursor` too, to go on from there. A cursor is for the\n"
"table or file that it was given for, and costs the same at every place. One that is\n"
"seen to be of another type, file or sorted set is 400.\n"
"\n"
"A page may have fewer objects than `size` before the end: with values, one that\n"
"would take more than a quarter of `workers.memory` ends early. Only `Cursor: 0`, or an\n"
"empty page, is the end. Of keys longer than 4096 bytes a cursor holds the\n"
"beginning and a count, exact as long as no key with that beginning is\n"
"deleted between two pages.\n"
"\n"
"## Counts, snapshots\n"
"\n"
"`stat`, `stat_all`, `hlen`, `scard` and `zcard` count what is durable, expired entries no\n"
"more than 10 s longer than they live; all of them answer as long as one store does.\n"
"`stat` answers\n"
"\n"
"    {\"TOTALIZE\":{\"KVPAIR\":{\"count\":N,\"size\":N,\"capacity\":N},\"HASHTABLE\":{...}}}\n"
"    {\"table\":\"T\",\"type\":\"H\",\"count\":N,\"size\":N,\"capacity\":N}\n"
"    {\"table\":\"T\",\"type\":\"S\",\"count\":N}\n"
"\n"
"for everything, a hash, and a set or sorted set (`\"Z\"`); `stat_all` an array of the\n"
"first and one for each table, by name. `size` is the bytes of keys and values,\n"
"`capacity` the same with each record rounded up to 1024.\n"
"\n"
"`export` writes a snapshot in the background, each store its part, into\n"
"`<node.data>/store.N/export`. One runs and one waits; 412: there is no room for\n"
"another. 404: there is such a snapshot, and `cover` is not true. 400: no such table.\n"
"When one store refuses, those that had begun are told to give up. `task_status` is 3\n"
"also when a part has failed or its store was restarted.\n"
"`task_info` answers `{\"undo\":\"N\",\"doning\":N,\"done\":N}`: tasks that wait, that run, and\n"
"that were done since the start. `info` has the members of huststore's, with the\n"
"closest numbers there are: `md5db` the keys, the fields of hashes, and what the\n"
"stores have answered; `leveldb` records and bytes of the data files. Keys cannot\n"
"collide here, so the others are 0 or empty.\n";

static const char *const	type_text[] = {
	[PT_KEY] = "bytes", [PT_RAW] = "bytes as written",
	[PT_NAME] = "name of `0-9A-Za-z_:.`",
	[PT_U32] = "number, lenient", [PT_VER] = "number, lenient",
	[PT_LONG] = "number, lenient",
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
	    "is 0, as is what does not fit; -1 is 4294967295 where the range\n"
	    "ends there. Of a boolean `true` and `1` are true and all else is\n"
	    "false.\n\n"
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

static const char *
body_text(const struct path *row)
{
	if ((row->flags & PF_BODY) != 0)
		return "`val`";
	if ((row->flags & PF_KEYBODY) != 0)
		return "`key`";
	if ((row->flags & PF_ITEM) != 0)
		return "`item`";
	return (row->flags & PF_ITEMS) != 0 ? "items" : "";
}

static void
path_print(FILE *f, const struct path *row)
{
	fprintf(f, "| `%s` | %s | ", row->path,
	    row->on == ON_DB ? "db" : row->on == ON_MQ ? "mq" : "both");
	methods_print(f, row->methods);
	fprintf(f, " | %s | %s | ", role_name(path_role(row)), body_text(row));
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
	    "| path | listener | methods | role | body | required | optional | |\n"
	    "|---|---|---|---|---|---|---|---|\n");
	for (i = 0; i < PATH_MAX_; i++)
		path_print(f, &path_table[i]);
	fputs(api_many, f);
	fputs(api_lists, f);
	fputs(api_cache, f);
	fputs(api_queue, f);
	fputs(api_old, f);
	errors_print(f);
}
