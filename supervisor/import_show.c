/*
 * import_show.c: progress; see import_show.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/import_show.h"

#define BAR		30u	/* columns */
#define DRAW_MS		200
#define LINE_MS		10000

static int64_t
now_ms(void)
{
	struct timespec	ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint64_t
records(const struct plan *p)
{
	const struct tally	*t = &p->tally;

	return t->written + t->newer + t->refused + t->left_out;
}

/* A second, of what this process has done. */
static uint64_t
rate(const struct show *s, const struct plan *p, uint64_t *ms)
{
	*ms = (uint64_t)(now_ms() - s->began);
	return (records(p) - s->first) * 1000 / (*ms != 0 ? *ms : 1);
}

void
show_begin(struct show *s, const struct plan *p)
{
	s->began = s->last = now_ms();
	s->first = records(p);
	s->terminal = isatty(STDERR_FILENO);
}

static void
draw(const struct show *s, const struct plan *p)
{
	char		bar[BAR + 1];
	uint64_t	done = records(p), all = p->total, ms, r, left;
	unsigned	full;

	if (all < done)			/* more has come since the start */
		all = done;
	full = (unsigned)(all != 0 ? done * BAR / all : BAR);
	memset(bar, '.', BAR);
	memset(bar, '#', full);
	bar[BAR] = '\0';
	r = rate(s, p, &ms);
	left = r != 0 ? (all - done) / r : 0;
	fprintf(stderr, "%s[%s] %3" PRIu64 " %%  %" PRIu64 " of %" PRIu64
	    "  %" PRIu64 "/s  %" PRIu64 ":%02" PRIu64 " left%s",
	    s->terminal ? "\r" : "", bar, all != 0 ? done * 100 / all : 100,
	    done, all, r, left / 60, left % 60, s->terminal ? "\033[K" : "\n");
}

void
show_progress(struct show *s, const struct plan *p)
{
	int64_t	now = now_ms();

	if (now - s->last < (s->terminal ? DRAW_MS : LINE_MS))
		return;
	s->last = now;
	draw(s, p);
}

void
show_done(struct show *s, const struct plan *p, int done, int json)
{
	const struct tally	*t = &p->tally;
	uint64_t		 ms, r = rate(s, p, &ms);

	if (s->terminal) {
		draw(s, p);
		fputc('\n', stderr);
	}
	if (json) {
		printf("{\"ok\":%s,\"written\":%" PRIu64 ",\"newer\":%" PRIu64
		    ",\"refused\":%" PRIu64 ",\"messages\":%" PRIu64
		    ",\"bytes\":%" PRIu64 ",\"per_second\":%" PRIu64 "}\n",
		    done && t->refused == 0 ? "true" : "false", t->written,
		    t->newer, t->refused, t->left_out, t->bytes, r);
		return;
	}
	printf("%s: %" PRIu64 " records written, %" PRIu64 " bytes, %" PRIu64
	    " records a second\n", done ? "done" : "stopped", t->written,
	    t->bytes, r);
	if (t->newer != 0)
		printf("%" PRIu64 " had a later version here and stay\n",
		    t->newer);
	if (t->left_out != 0)
		printf("%" PRIu64 " messages of queues left out\n",
		    t->left_out);
	if (t->refused != 0)
		printf("%" PRIu64 " records not taken over, see above\n",
		    t->refused);
}
