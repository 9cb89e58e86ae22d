/*
 * wharf_bench.c: the load generator of `make bench`.
 *
 * One thread drives Wharf and what it is compared with in the same way: HTTP
 * (also nginx and bare libmicrohttpd), RESP (Redis), beanstalkd's, libwharf.  See bench.h for the
 * parts, report.c for the output.  Exit 1 when the server cannot be reached;
 * wrong answers are counted, not fatal.
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

int
main(int argc, char **argv)
{
	static struct bench	b;

	options_parse(&b.o, argc, argv);
	bench_init(&b);
	if (strcmp(b.o.protocol, "http") == 0)
		loop_run(&b, &wire_http);
	else if (strcmp(b.o.protocol, "resp") == 0)
		loop_run(&b, &wire_resp);
	else if (strcmp(b.o.protocol, "beans") == 0 && b.o.depth == 1)
		loop_run(&b, &wire_beans);
	else if (strcmp(b.o.protocol, "wharf") == 0)
		wharf_run(&b);
	else
		die("%s: no such protocol, or not with a depth",
		    b.o.protocol);
	report_json(&b);
	return 0;
}
