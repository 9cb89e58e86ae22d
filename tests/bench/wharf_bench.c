/*
 * wharf_bench.c: the load generator of `make bench`.
 *
 * One thread drives Wharf and what it is compared with in the same way: HTTP
 * (also nginx and bare libmicrohttpd), RESP (Redis), beanstalkd's, libwharf.
 * See bench.h for the parts, report.c for the output.  Exit 1 when the server
 * cannot be reached; wrong answers are counted, not fatal.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

void
die(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	(void)fputs("wharf-bench: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* By its name; NULL: it goes without. */
static const struct wire *
wire_of(const struct options *o)
{
	static const struct wire *const	wires[] = {
		&wire_http, &wire_resp, &wire_beans
	};
	unsigned			i;

	if (strcmp(o->protocol, "wharf") == 0)
		return NULL;
	for (i = 0; i < sizeof(wires) / sizeof(wires[0]); i++)
		if (strcmp(o->protocol, wires[i]->name) == 0 &&
		    (wires[i] != &wire_beans || o->depth == 1))
			return wires[i];
	die("%s: no such protocol, or not with a depth", o->protocol);
}

int
main(int argc, char **argv)
{
	static struct bench	 b;
	const struct wire	*wire;

	options_parse(&b.o, argc, argv);
	bench_init(&b);
	if (b.o.hold)
		bench_held();
	if ((wire = wire_of(&b.o)) == NULL)
		wharf_run(&b);
	else if (b.o.mix[OP_SUB] != 0)
		topic_run(&b, wire);
	else
		loop_run(&b, wire);
	report_json(&b);
	return 0;
}
