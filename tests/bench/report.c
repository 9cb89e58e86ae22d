/*
 * report.c: the result as one JSON object.
 *
 * latency_us.KIND and .all: "uncorrected", from the moment of sending, and
 * "corrected" for coordinated omission.  Open loop: from the moment the op was
 * due.  Closed loop: HdrHistogram's correction by the expected interval, which
 * is the mean time from one op of a place in a pipeline to its next.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "tests/bench/bench.h"

static void
report_hist(const char *name, const struct hist *h)
{
	static const struct { const char *name; double q; } points[] = {
		{ "p50", .5 }, { "p90", .9 }, { "p99", .99 }, { "p99.9", .999 }
	};
	unsigned	i;

	printf("\"%s\":{\"count\":%llu", name, (unsigned long long)h->n);
	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		printf(",\"%s\":%.2f", points[i].name,
		    (double)hist_quantile(h, points[i].q) / 1e3);
	printf(",\"max\":%.2f}", (double)h->max / 1e3);
}

static double
report_seconds(const struct bench *b)
{
	int64_t	end = b->last < b->end ? b->last : b->end;

	return end > b->counted ? (double)(end - b->counted) / 1e9 : 0;
}

static void
report_kind(const struct bench *b, const char *name, const struct hist *raw,
    const struct hist *late)
{
	static struct hist	fixed;
	double			places = (double)b->o.conns * b->o.depth;

	fixed = (struct hist){ 0 };
	if (b->o.rate > 0)
		fixed = *late;
	else if (raw->n > 0)
		hist_correct(&fixed, raw, (int64_t)(report_seconds(b) * 1e9 *
		    places / (double)b->t.done));
	printf("\"%s\":{", name);
	report_hist("uncorrected", raw);
	printf(",");
	report_hist("corrected", &fixed);
	printf("}");
}

static void
report_latency(const struct bench *b)
{
	static struct hist	raw, late;
	unsigned		k;

	printf("\"latency_us\":{");
	for (k = 0; k < OP_KINDS; k++) {
		if (b->o.mix[k] == 0)
			continue;
		report_kind(b, kind_names[k], &b->raw[k], &b->late[k]);
		printf(",");
		hist_merge(&raw, &b->raw[k]);
		hist_merge(&late, &b->late[k]);
	}
	report_kind(b, "all", &raw, &late);
	printf("}");
}

static void
report_errors(const struct bench *b)
{
	const struct tally	*t = &b->t;
	uint64_t		 sum;
	unsigned		 i, n = 0;

	sum = t->size + t->content + t->closed + t->unanswered;
	for (i = 0; i < STATUS_MAX; i++)
		sum += t->status[i];
	printf("\"missed\":%llu,\"errors\":{\"total\":%llu,\"size\":%llu,"
	    "\"content\":%llu,\"closed\":%llu,\"unanswered\":%llu,"
	    "\"status\":{", (unsigned long long)t->missed,
	    (unsigned long long)sum, (unsigned long long)t->size,
	    (unsigned long long)t->content, (unsigned long long)t->closed,
	    (unsigned long long)t->unanswered);
	for (i = 0; i < STATUS_MAX; i++)
		if (t->status[i] != 0)
			printf("%s\"%u\":%llu", n++ > 0 ? "," : "", i,
			    (unsigned long long)t->status[i]);
	printf("}}");
}

void
report_json(const struct bench *b)
{
	struct rusage	r;
	double		seconds = report_seconds(b);

	(void)getrusage(RUSAGE_SELF, &r);
	printf("{\"protocol\":\"%s\",\"connections\":%u,\"depth\":%u,"
	    "\"size\":%zu,\"keys\":%llu,\"loop\":\"%s\",\"seconds\":%.4f,"
	    "\"issued\":%llu,\"count\":%llu,\"rate\":%.1f,"
	    "\"generator_cpu\":%.3f,", b->o.protocol, b->o.conns, b->o.depth,
	    b->o.size, (unsigned long long)b->o.keys,
	    b->o.rate > 0 ? "open" : "closed", seconds,
	    (unsigned long long)b->issued, (unsigned long long)b->t.done,
	    seconds > 0 ? (double)b->t.done / seconds : 0,
	    (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6);
	report_errors(b);
	printf(",");
	report_latency(b);
	printf("}\n");
}
