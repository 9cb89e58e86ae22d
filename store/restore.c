/*
 * restore.c: makes the data of a node from a backup: options, order of the
 * steps, what is said meanwhile.  Offline: nobody else uses the directory.
 *
 * NODE comes last.  Before it the directory is none of a node, and a restore
 * that is cut short, at whatever instant, begins anew.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "store/restore.h"
#include "store/restore_impl.h"
#include "supervisor/log.h"

#define TELL_US		2000000

int
restore_bad(const char *path, const char *fmt, ...)
{
	va_list	ap;

	fflush(stdout);
	fprintf(stderr, "wharf-store: %s: ", path);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return -1;
}

int
restore_errno(const char *path, const char *what)
{
	return restore_bad(path, "%s: %s", what, strerror(errno));
}

/* What is too long is a name that is not there. */
void
restore_path(char out[PATH_MAX], const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	if (vsnprintf(out, PATH_MAX, fmt, ap) >= PATH_MAX)
		out[0] = '\0';
	va_end(ap);
}

/* --- what is shown --- */

void
restore_begin(struct restore *r, const char *doing, uint64_t whole)
{
	r->doing = doing;
	r->done = 0;
	r->whole = whole;
	r->told = mono_now();
}

static void
tell(const struct restore *r)
{
	printf("%s: %" PRIu64 " of %" PRIu64 ", %" PRIu64 " %%\n", r->doing,
	    r->done, r->whole, r->whole == 0 || r->done >= r->whole ? 100 :
	    (uint64_t)((double)r->done * 100 / (double)r->whole));
	fflush(stdout);
}

void
restore_tell(struct restore *r, uint64_t more)
{
	mono_t	now;

	r->done += more;
	now = mono_now();
	if (mono_diff(r->told, now) < TELL_US)
		return;
	r->told = now;
	tell(r);
}

void
restore_end(struct restore *r)
{
	tell(r);
}

static void
tell_backup(const struct restore *r)
{
	const struct backup	*b = &r->link[0].b;
	time_t			 t = (time_t)(b->made / 1000);
	struct tm		 tm;
	char			 when[32] = "?";

	if (gmtime_r(&t, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%s: of %s, node %016" PRIx64 ", %u stores of %u files, %u "
	    "routers%s, %zu backups in its chain\n", r->link[0].dir, when,
	    b->node, b->stores, b->files, b->routers, b->format == 1 ?
	    " (without their data)" : "", r->links);
	fflush(stdout);
}

/* --- the steps --- */

static void
dir_of(const struct restore *r, unsigned shard, char dir[PATH_MAX])
{
	char	name[BACKUP_SHARD_NAME];

	backup_shard_name(&r->link[0].b, shard, name);
	restore_path(dir, "%s/%s", r->data, name);
}

static int
open_and_close(struct restore *r, unsigned from, unsigned to)
{
	struct manifest	 m;
	struct shard	*s;
	char		 dir[PATH_MAX];
	unsigned	 i;

	restore_begin(r, "shards opened and checked", to - from);
	for (i = from; i < to; i++) {
		dir_of(r, i, dir);
		if (restore_open(r, i, dir, &s) == -1 ||
		    restore_close(r, dir, &s, &m) == -1)
			return -1;
		manifest_clear(&m);
		restore_tell(r, 1);
	}
	restore_end(r);
	return 0;
}

/* The same numbers: each of these shards as it is. */
static int
restore_as_is(struct restore *r, unsigned from, unsigned to)
{
	uint64_t	bytes = 0;
	char		dir[PATH_MAX];
	unsigned	i;

	for (i = from; i < to; i++)
		bytes += restore_bytes(r, (int)i);
	restore_begin(r, "bytes copied", bytes);
	for (i = from; i < to; i++) {
		dir_of(r, i, dir);
		if (restore_shard(r, i, dir) == -1)
			return -1;
	}
	restore_end(r);
	return open_and_close(r, from, to);
}

/* What is not asked for is as in the backup. */
static int
settle_numbers(struct restore *r)
{
	const struct backup	*b = &r->link[0].b;
	unsigned		 i;

	if (r->stores == 0)
		r->stores = b->stores;
	if (r->files == 0)
		r->files = b->files;
	if (b->files > FILES_MAX || b->stores > CATALOGUE_STORES)
		return restore_bad(r->link[0].dir, "%u stores of %u files are "
		    "more than this program knows", b->stores, b->files);
	r->node = b->node;
	if (!r->same_node && getrandom(&r->node, sizeof(r->node), 0) !=
	    (ssize_t)sizeof(r->node))
		return restore_errno("getrandom", "a new node id");
	if (b->format != 1 && r->routers != 0 && r->routers != b->routers)
		return restore_bad(r->link[0].dir, "it has %u routers, and how "
		    "many there are (routers.count) cannot be changed",
		    b->routers);
	r->routers = backup_shards(b) - b->stores;
	for (i = 0; i < backup_shards(b); i++)
		if (b->store[i].bound > r->bound)
			r->bound = b->store[i].bound;
	return 0;
}

/* How many routers there are cannot be changed yet. */
static int
restore_shards(struct restore *r)
{
	const struct backup	*b = &r->link[0].b;
	int			 files = r->files == b->files;
	int			 stores = files && r->stores == b->stores;

	if (restore_has_room(r, stores ? restore_bytes(r, -1) :
	    restore_spread_room(r)) == -1)
		return -1;
	if (stores)
		return restore_as_is(r, 0, backup_shards(b));
	if (restore_spread(r, 0) == -1)
		return -1;
	return files ? restore_as_is(r, b->stores, backup_shards(b)) :
	    restore_spread(r, 1);
}

static int
restore(struct restore *r)
{
	if (restore_find(r) == -1 || settle_numbers(r) == -1)
		return -1;
	tell_backup(r);
	if (restore_target(r) == -1 || restore_check_rest(r) == -1)
		return -1;
	if (restore_shards(r) == -1 || restore_commit(r) == -1)
		return -1;
	printf("%s: restored as node %016" PRIx64 ", %u stores of %u files\n",
	    r->data, r->node, r->stores, r->files);
	return 0;
}

/* --- the program --- */

static int
number(const char *text, unsigned most, unsigned *v)
{
	char		*end;
	unsigned long	 n = strtoul(text, &end, 10);

	*v = (unsigned)n;
	return *text >= '0' && *text <= '9' && *end == '\0' && n <= most;
}

static int
options(struct restore *r, int argc, char **argv)
{
	int	ch, good = 1;

	optind = 1;
	while (good && (ch = getopt(argc, argv, "nd:s:f:r:")) != -1) {
		if (ch == 'n')
			r->same_node = 1;
		else if (ch == 'd')
			r->data = optarg;
		else if (ch == 's')
			good = number(optarg, CATALOGUE_STORES, &r->stores);
		else if (ch == 'f')
			good = number(optarg, FILES_MAX, &r->files);
		else if (ch == 'r')
			good = number(optarg, BACKUP_STORES, &r->routers);
		else
			good = 0;
	}
	if (!good || r->data == NULL || optind != argc - 1)
		return 0;
	r->from = argv[optind];
	return 1;
}

int
restore_main(int argc, char **argv)
{
	struct restore	r = { .lock = -1, .actors_lock = -1 };
	int		bad;

	log_open("wharf-store", "stderr", LOG_LEVEL_INFO);
	if (!options(&r, argc, argv)) {
		fprintf(stderr, "usage: wharf-store --restore [-n] "
		    "[-s STORES] [-f FILES] [-r ROUTERS] -d DATA "
		    "DIR[/NAME]\n");
		return 2;
	}
	bad = restore(&r) == -1;
	restore_let_go(&r);
	return bad;
}
