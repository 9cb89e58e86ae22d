/*
 * metrics.c: the text of /metrics; see metrics.h.  Runs in the worker that is
 * asked; a few hundred microseconds for a node of four actors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/metrics.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/* Upper bounds of the buckets: 2^FIRST .. 2^LAST microseconds. */
#define FIRST	4u
#define LAST	24u

struct place {
	struct board_actor	*a;
	char			 label[64];	/* actor="store",seat="0" */
	int			 self;		/* wharfd: SEAT, NODE */
};

struct report {
	FILE		*f;
	struct place	*place;
	unsigned	 n;
};

static void
family(FILE *f, const char *name, const char *suffix, const char *type,
    const char *help)
{
	fprintf(f, "# HELP wharf_%s%s %s\n# TYPE wharf_%s%s %s\n", name,
	    suffix, help, name, suffix, type);
}

static void
value_row(const struct report *r, enum board_id id)
{
	static const char *const	 suffix[] = {
		[BOARD_COUNTER] = "_total", [BOARD_GAUGE] = "",
		[BOARD_INSTANT] = "_seconds",
	};
	enum board_kind			 kind = board_kind(id);
	long long			 v;
	unsigned			 i;

	family(r->f, board_name(id), suffix[kind], kind == BOARD_COUNTER ?
	    "counter" : "gauge", board_help(id));
	for (i = 0; i < r->n; i++) {
		if (r->place[i].self ? !board_is_seat(id) : board_is_node(id))
			continue;
		v = (long long)board_get(r->place[i].a, id);
		fprintf(r->f, "wharf_%s%s{%s} ", board_name(id), suffix[kind],
		    r->place[i].label);
		if (kind == BOARD_INSTANT)
			fprintf(r->f, "%lld.%06lld\n", v / 1000000,
			    v % 1000000);
		else
			fprintf(r->f, "%lld\n", v);
	}
}

/*
 * The board's buckets never straddle a power of two, and whole microseconds
 * are cut off, not rounded: what lies in a bucket that ends at 2^k - 1 took
 * less than 2^k.
 */
static void
hist_buckets(FILE *f, const struct place *p, enum board_hist h)
{
	uint64_t	n = 0;
	unsigned	b = 0, k;

	for (k = FIRST; k <= LAST; k++) {
		while (b < BOARD_BUCKETS &&
		    board_bucket_top(b) < (int64_t)1 << k)
			n += board_bucket(p->a, h, b++);
		fprintf(f, "wharf_%s_seconds_bucket{%s,le=\"%u.%06u\"} %llu\n",
		    board_hist_name(h), p->label, (1u << k) / 1000000,
		    (1u << k) % 1000000, (unsigned long long)n);
	}
	while (b < BOARD_BUCKETS)
		n += board_bucket(p->a, h, b++);
	fprintf(f, "wharf_%s_seconds_bucket{%s,le=\"+Inf\"} %llu\n",
	    board_hist_name(h), p->label, (unsigned long long)n);
	/* Not counted anew: it must be what +Inf says. */
	fprintf(f, "wharf_%s_seconds_count{%s} %llu\n", board_hist_name(h),
	    p->label, (unsigned long long)n);
}

static void
hist_row(const struct report *r, enum board_hist h)
{
	long long	sum;
	unsigned	i;

	family(r->f, board_hist_name(h), "_seconds", "histogram",
	    board_hist_help(h));
	for (i = 0; i < r->n; i++) {
		if (r->place[i].self)
			continue;
		hist_buckets(r->f, &r->place[i], h);
		sum = (long long)board_hist_sum(r->place[i].a, h);
		fprintf(r->f, "wharf_%s_seconds_sum{%s} %lld.%06lld\n",
		    board_hist_name(h), r->place[i].label, sum / 1000000,
		    sum % 1000000);
	}
}

static void
http_place(const struct report *r, const struct place *p)
{
	static const char *const	 kinds[] = {
		[BOARD_HTTP_READ] = "read", [BOARD_HTTP_WRITE] = "write",
		[BOARD_HTTP_OTHER] = "other",
	};
	int				 k, class;

	for (k = 0; k < BOARD_HTTP_MAX_; k++)
		for (class = 2; class < 2 + BOARD_CLASSES; class++)
			fprintf(r->f, "wharf_http_requests_total{%s,"
			    "kind=\"%s\",code=\"%dxx\"} %lld\n", p->label,
			    kinds[k], class, (long long)board_http_count(p->a,
			    (enum board_http)k, class));
}

/* Only workers speak HTTP. */
static void
http_rows(const struct report *r)
{
	char		role[BOARD_ROLE];
	unsigned	i;

	family(r->f, "http_requests", "_total", "counter",
	    "HTTP answers by kind of command and class of status");
	for (i = 0; i < r->n; i++)
		if (strcmp(board_role(r->place[i].a, role), "worker") == 0)
			http_place(r, &r->place[i]);
}

static void
report_write(const struct report *r)
{
	int	i;

	family(r->f, "build_info", "", "gauge", "1, labelled with the version");
	fprintf(r->f, "wharf_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
	for (i = 0; i < BC_MAX_; i++)
		value_row(r, (enum board_id)i);
	http_rows(r);
	for (i = 0; i < BH_MAX_; i++)
		hist_row(r, (enum board_hist)i);
}

/* The places that somebody has. */
static void
report_places(struct report *r, struct board *b)
{
	struct board_actor	*a;
	struct place		*p;
	char			 role[BOARD_ROLE];
	unsigned		 i;

	for (i = 0; i < board_places(b); i++) {
		a = board_place(b, i);
		if (board_role(a, role)[0] == '\0')
			continue;
		p = &r->place[r->n++];
		p->a = a;
		p->self = i == 0;
		(void)snprintf(p->label, sizeof(p->label),
		    "actor=\"%s\",seat=\"%u\"", role, board_seat(a));
	}
}

char *
metrics_text(struct board *b, size_t *len)
{
	struct report	 r = { 0 };
	char		*text = NULL;
	int		 bad;

	r.place = calloc(board_places(b), sizeof(*r.place));
	if (r.place == NULL)
		return NULL;
	if ((r.f = open_memstream(&text, len)) != NULL) {
		report_places(&r, b);
		report_write(&r);
		bad = ferror(r.f);
		if (fclose(r.f) != 0 || bad) {
			free(text);
			text = NULL;
		}
	}
	free(r.place);
	return text;
}
