/*
 * import.c: wharf-import, which "wharfctl import" becomes: takes over all data
 * of a huststore, or of another Wharf, by its HTTP API, and writes them into
 * the node of this host by libwharf.  A program of its own, so that wharfctl
 * needs neither libcurl nor nng.
 *
 * While a page is fetched the one before is being written.  A listing's place
 * is remembered only when all before it is durable; pages that were written
 * but not remembered are written again, with the same versions, which changes
 * nothing.
 *
 * Exit: 0 all is here; 1 it was stopped, or something could not be taken over;
 * 2 usage; 3 no wharfd.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/import_list.h"
#include "supervisor/import_show.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define EXIT_FAILED	1
#define EXIT_USAGE	2
#define EXIT_ABSENT	3
#define SAVE_S		1	/* between two states */

struct import {
	struct lister	 lister;
	struct plan	 plan;
	struct put	*put;
	struct show	 show;
	char		 state[PATH_MAX];
	time_t		 saved;
	int		 json;
};

static volatile sig_atomic_t	stop;

static void die(int, const char *, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

static void
die(int code, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	fputs("wharfctl import: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(code);
}

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void
signals(void)
{
	struct sigaction	sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

/* The state */

static void
save(struct import *im, int now)
{
	struct timespec	ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (!now && ts.tv_sec - im->saved < SAVE_S)
		return;
	im->saved = ts.tv_sec;
	if (plan_save(&im->plan, im->state) == -1)
		die(EXIT_FAILED, "%s: %s", im->state, strerror(errno));
}

/* A file in node.run for each source. */
static void
state_name(struct import *im, const char *run)
{
	const char	*source = source_name(im->lister.src);
	char		*p;
	size_t		 n;

	snprintf(im->state, sizeof(im->state), "%s/import.", run);
	n = strlen(im->state);
	snprintf(im->state + n, sizeof(im->state) - n, "%s",
	    strstr(source, "://") + 3);
	for (p = im->state + n; *p != '\0'; p++)
		if (*p == '/')
			*p = '_';
}

/* The walk */

/* What was sent is durable: its listing has come as far as *at. */
static int
settle(struct import *im, struct listing *l, const struct where *at)
{
	if (put_end(im->put, &im->plan.tally) == -1) {
		snprintf(im->lister.error, sizeof(im->lister.error),
		    "the node: %s", wharf_status_text(put_status(im->put)));
		return -1;
	}
	if (where_copy(&l->where, at) == -1) {
		snprintf(im->lister.error, sizeof(im->lister.error),
		    "out of memory");
		return -1;
	}
	save(im, 0);
	show_progress(&im->show, &im->plan);
	return 0;
}

static int
walks(enum phase p)
{
	return p != PHASE_REST && p != PHASE_DONE;
}

/* 0: done, resting or told to stop, and remembered; -1: see lister.error. */
static int
walk(struct import *im, struct listing *l)
{
	struct page	pages[2] = { { 0 }, { 0 } };
	struct where	at = { 0 }, sent = { 0 };
	unsigned	i = 0;
	int		rv = -1;

	if (where_copy(&at, &l->where) == -1 ||
	    where_copy(&sent, &l->where) == -1)
		goto out;
	while (!stop && walks(at.phase)) {
		if (list_page(&im->lister, l, &at, &pages[i]) == -1) {
			settle(im, l, &sent);
			goto out;
		}
		if (settle(im, l, &sent) == -1)
			goto out;
		page_free(&pages[1 - i]);
		put_begin(im->put, &pages[i]);
		i = 1 - i;
		if (where_copy(&sent, &at) == -1)
			goto out;
	}
	rv = settle(im, l, &sent);
out:
	page_free(&pages[0]);
	page_free(&pages[1]);
	free(at.cursor);
	free(sent.cursor);
	return rv;
}

/* 1: all is here; 0: it ended before. */
static int
run(struct import *im)
{
	size_t	i;

	do {
		for (i = 0; i < im->plan.n && !stop; i++)
			if (walk(im, &im->plan.listings[i]) == -1 && !stop) {
				fprintf(stderr, "\nwharfctl import: %s\n",
				    im->lister.error);
				return 0;
			}
	} while (!stop && list_deeper(&im->lister));
	return !stop;
}

/* Main */

static void
usage(void)
{
	fputs("usage: wharf-import [-j] [-S FILE] -r RUN [SOURCE]\n"
	    "SOURCE: http://[USER:PASSWORD@]HOST[:PORT], or in the "
	    "environment, WHARF_IMPORT_SOURCE\n", stderr);
	exit(EXIT_USAGE);
}

struct options {
	const char	*run, *state, *source;
};

static void
options(struct options *o, int *json, int argc, char **argv)
{
	int	ch;

	while ((ch = getopt(argc, argv, "jr:S:V")) != -1) {
		if (ch == 'j')
			*json = 1;
		else if (ch == 'r')
			o->run = optarg;
		else if (ch == 'S')
			o->state = optarg;
		else if (ch == 'V') {
			printf("wharf-import %s\n", PACKAGE_VERSION);
			exit(0);
		} else
			usage();
	}
	o->source = optind < argc ? argv[optind] :
	    getenv("WHARF_IMPORT_SOURCE");
	if (o->run == NULL || o->source == NULL || argc - optind > 1)
		usage();
}

static void
connect_both(struct import *im, const struct options *o)
{
	enum wharf_status	e;
	char			err[256];

	im->lister.src = source_open(o->source, &stop, err, sizeof(err));
	if (im->lister.src == NULL)
		die(EXIT_USAGE, "%s", err);
	if ((im->put = put_open(o->run, &stop, &e)) == NULL)
		die(EXIT_ABSENT, "no wharfd to import into at %s: %s", o->run,
		    wharf_status_text(e));
}

/* A plan, loaded or new. */
static void
prepare(struct import *im, const struct options *o)
{
	char	err[PATH_MAX + 256];
	int	there;

	if (o->state != NULL)
		snprintf(im->state, sizeof(im->state), "%s", o->state);
	else
		state_name(im, o->run);
	im->lister.plan = &im->plan;
	there = plan_load(&im->plan, im->state, source_name(im->lister.src),
	    err, sizeof(err));
	if (there == -1)
		die(EXIT_FAILED, "%s", err);
	if ((!there && list_plan(&im->lister) == -1) ||
	    list_open(&im->lister) == -1)
		die(EXIT_FAILED, "%s", im->lister.error);
	if (there)
		fprintf(stderr, "wharfctl import: goes on from %s\n",
		    im->state);
	save(im, 1);
}

int
main(int argc, char **argv)
{
	struct import	im = { 0 };
	struct options	o = { 0 };
	int		done, refused;

	options(&o, &im.json, argc, argv);
	signals();
	connect_both(&im, &o);
	prepare(&im, &o);
	show_begin(&im.show, &im.plan);
	if ((done = run(&im)))
		unlink(im.state);
	else
		save(&im, 1);
	show_done(&im.show, &im.plan, done, im.json);
	if (!done)
		fprintf(stderr, "wharfctl import: the same command goes on; "
		    "it has remembered where, in %s\n", im.state);
	refused = im.plan.tally.refused != 0;
	put_close(im.put);
	source_close(im.lister.src);
	list_close(&im.lister);
	plan_free(&im.plan);
	return done && !refused ? 0 : EXIT_FAILED;
}
