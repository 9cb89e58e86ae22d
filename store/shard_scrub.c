/*
 * shard_scrub.c: the scrub of a shard, and compaction by order.
 *
 * A round goes over each generation of each data file, as far as it has block
 * checksums, then over each segment of the log.  One of these is one job of a
 * thread of our own; the loop chooses the next one when it looks by, and takes
 * findings only of what is still in use.
 *
 * A bad block is told.  When the file's links and keys are then still found to
 * be whole, the damage is in a value or in what nobody reads any more: the
 * records' own checksums guard that.  Else the shard is hurt (shard_hurt).
 *
 * The file SCRUB in the shard's directory has the time of the last whole round
 * as its mtime, so that a restart does not begin another one.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/scrub.h"
#include "store/shard_impl.h"
#include "supervisor/log.h"

enum place { AT_REST, AT_FILES, AT_LOG };

struct mark {
	unsigned	 k, older;	/* AT_FILES: the next one */
	uint64_t	 segment;	/* AT_LOG: the last one read */
};

struct scrub {
	struct shard	*s;
	struct helper	*helper;
	struct pace	 pace;
	int64_t		 interval;	/* ms */
	int64_t		 begun;		/* wall ms, the round at hand */
	int64_t		 next;		/* no round before */
	enum place	 place;
	struct mark	 at, was;	/* was: before the job at hand */
	int		 failed;	/* to read something, this round */
	int		 hurt;
	struct scrub_stat stat;

	/* The job; the thread's while it is busy. */
	int		 busy;
	struct job	 job;
	int		 log;		/* which one of these it reads */
	struct data_part part;
	struct wal_part	 seg;
	struct finds	 finds;
	uint64_t	 blocks;
	int		 broken;	/* links or keys of the file */
};

/* --- findings --- */

void
finds_add(void *arg, const char *path, uint64_t off, const char *what)
{
	struct finds	*f = arg;
	struct find	*new = &f->find[f->n];

	f->all++;
	if (f->n == FINDS_MAX)
		return;
	new->off = off;
	new->path = strdup(path);
	new->what = strdup(what);
	if (new->path != NULL && new->what != NULL)
		f->n++;
	else {
		free(new->path);
		free(new->what);
	}
}

void
finds_clear(struct finds *f)
{
	while (f->n > 0) {
		f->n--;
		free(f->find[f->n].path);
		free(f->find[f->n].what);
	}
	f->all = 0;
}

void
finds_take(struct finds *f, check_found *found, void *arg, uint64_t *all)
{
	unsigned	i;

	for (i = 0; i < f->n; i++)
		found(arg, f->find[i].path, f->find[i].off, f->find[i].what);
	*all += f->all;
	finds_clear(f);
}

/* --- on the thread --- */

void
scrub_be_nice(void)
{
	/* Of this thread alone, on Linux. */
	(void)setpriority(PRIO_PROCESS, 0, SCRUB_NICE);
}

enum err
scrub_segment(const struct pace *pace, const struct wal_part *seg,
    uint64_t node, uint16_t store, struct finds *finds)
{
	int		fd = pace_open(pace, seg->path);
	uint64_t	bad;
	enum err	e;

	if (fd == -1 && errno != ENOENT)
		return E_INTERNAL;
	if (fd == -1) {			/* recycled, or it has been removed */
		finds_add(finds, seg->path, CHECK_NOWHERE, "is missing");
		return E_OK;
	}
	e = wal_part_check(seg, &pace->io, fd, node, store, &bad);
	close(fd);
	if (e != E_DAMAGED)
		return e;
	finds_add(finds, seg->path, bad, "header or batch is damaged");
	return E_OK;
}

static enum err
scrub_seg_work(struct job *job)
{
	struct scrub		*c = job->arg;
	const struct shard_conf	*conf = &c->s->conf;

	scrub_be_nice();
	return scrub_segment(&c->pace, &c->seg, conf->node,
	    (uint16_t)conf->store, &c->finds);
}

/* Is only a value bad, or what leads to one? */
static enum err
scrub_judge(struct scrub *c, struct check_gen *g)
{
	struct finds	none = { .n = 0 };
	enum err	e;

	g->found = finds_add;
	g->arg = &none;
	e = check_gen_structure(g);
	c->broken = e == E_OK && g->broken;
	finds_clear(&none);
	return e;
}

static enum err
scrub_part_work(struct job *job)
{
	struct scrub		*c = job->arg;
	const struct shard_conf	*conf = &c->s->conf;
	const struct data_part	*p = &c->part;
	struct check_gen	 g = { .io = &c->pace.io, .path = p->path,
	    .fd = p->raw, .k = p->k, .store = conf->store,
	    .stores = conf->stores, .files = conf->files, .size = p->size,
	    .count = p->count, .sums = &p->sums, .pace = &c->pace,
	    .found = finds_add, .arg = &c->finds };
	enum err		 e;

	scrub_be_nice();
	c->broken = 0;
	if ((e = check_gen_blocks(&g)) != E_OK)
		return e;
	c->blocks += p->sums.n;
	g.fd = p->fd;
	return c->finds.all == 0 || p->size == 0 ? E_OK : scrub_judge(c, &g);
}

/* --- on the loop --- */

static void
scrub_tell(void *arg, const char *path, uint64_t off, const char *what)
{
	(void)arg;
	if (off == CHECK_NOWHERE)
		log_errorx("scrub: %s: %s", path, what);
	else
		log_errorx("scrub: %s offset %" PRIu64 ": %s", path, off,
		    what);
}

static void
scrub_done(struct job *job, enum err e)
{
	struct scrub	*c = job->arg;
	int		 mine = c->log ? wal_has(c->s->wal, c->seg.number) :
	    data_part_is(c->s->data, &c->part);

	c->busy = 0;
	if (e != E_OK && atomic_load(&c->pace.stop))
		c->at = c->was;		/* put off: it is read again */
	else
		c->failed |= e != E_OK;
	c->stat.segments += c->log && e == E_OK;
	c->stat.blocks += c->blocks;
	c->blocks = 0;
	if (mine && c->finds.all != 0) {
		finds_take(&c->finds, scrub_tell, NULL, &c->stat.bad);
		if (c->broken && !c->log) {
			log_errorx("scrub: %s: links or keys are damaged, "
			    "records may be hidden", c->part.path);
			c->hurt = 1;
		}
	}
	finds_clear(&c->finds);
	if (!c->log)
		data_part_free(&c->part);
}

static void
scrub_run(struct scrub *c, enum err (*work)(struct job *))
{
	c->log = work == scrub_seg_work;
	c->job.work = work;
	c->job.done = scrub_done;
	c->job.arg = c;
	c->busy = 1;
	helper_run(c->helper, &c->job);
}

static void
scrub_next_part(struct scrub *c)
{
	enum err	e;

	while (c->at.k < c->s->conf.files) {
		c->was = c->at;
		e = data_part_get(c->s->data, c->at.k, (int)c->at.older,
		    &c->pace, &c->part);
		if (e == E_AGAIN)
			return;
		c->at.k += c->at.older;
		c->at.older = !c->at.older;
		if (e == E_OK) {
			scrub_run(c, scrub_part_work);
			return;
		}
		c->failed |= e != E_NOTFOUND;
	}
	c->place = AT_LOG;
	c->at.segment = 0;
}

static void
scrub_path(const struct scrub *c, char *out, size_t n)
{
	snprintf(out, n, "%s/SCRUB", c->s->conf.dir);
}

/* A round that missed something is none, and is tried again soon. */
static void
scrub_round_over(struct scrub *c)
{
	char	path[PATH_MAX];
	int	fd;

	c->place = AT_REST;
	c->next = c->begun + c->interval;
	if (c->failed) {
		c->next = c->s->wall + (c->interval < 3600000 ? c->interval :
		    3600000);
		return;
	}
	c->stat.rounds++;
	c->stat.last = c->s->wall;
	log_debug("scrub: a whole round: %" PRIu64 " blocks and %" PRIu64
	    " segments since the start, %" PRIu64 " bad", c->stat.blocks,
	    c->stat.segments, c->stat.bad);
	scrub_path(c, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd != -1 && futimens(fd, NULL) == -1)
		log_warn("%s", path);
	if (fd != -1)
		close(fd);
}

static void
scrub_next_segment(struct scrub *c)
{
	struct shard	*s = c->s;

	if (!wal_part_next(s->wal, c->at.segment, &c->seg) ||
	    !wal_part_next(s->wal, c->seg.number, &(struct wal_part){ 0 })) {
		/* The last one is being written: it has its turn later. */
		scrub_round_over(c);
		return;
	}
	c->was = c->at;
	c->at.segment = c->seg.number;
	scrub_run(c, scrub_seg_work);
}

void
scrub_look(struct scrub *c)
{
	struct shard	*s = c->s;

	if (c->busy || atomic_load(&c->pace.rate) == 0 || s->failed != E_OK ||
	    s->check != NULL)
		return;
	if (c->place == AT_REST && s->wall >= c->next) {
		c->begun = s->wall;
		c->place = AT_FILES;
		c->at = (struct mark){ 0 };
		c->failed = 0;
	}
	if (c->place == AT_FILES)
		scrub_next_part(c);
	else if (c->place == AT_LOG)
		scrub_next_segment(c);
}

void
scrub_poll(struct scrub *c)
{
	helper_poll(c->helper);
}

struct scrub *
scrub_new(struct shard *s)
{
	struct scrub	*c = calloc(1, sizeof(*c));
	char		 path[PATH_MAX];
	struct stat	 st;

	if (c == NULL)
		return NULL;
	c->s = s;
	c->part.fd = c->part.raw = -1;
	if (pace_init(&c->pace, s->conf.io, 0) == -1 ||
	    (c->helper = helper_new(s->conf.notify, s->conf.arg)) == NULL) {
		pace_free(&c->pace);
		free(c);
		return NULL;
	}
	scrub_path(c, path, sizeof(path));
	if (stat(path, &st) == 0)
		c->stat.last = (int64_t)st.st_mtim.tv_sec * 1000 +
		    st.st_mtim.tv_nsec / 1000000;
	return c;
}

void
scrub_free(struct scrub *c)
{
	if (c == NULL)
		return;
	atomic_store(&c->pace.stop, 1);
	helper_free(c->helper);
	pace_free(&c->pace);
	free(c);
}

/* --- for others --- */

void
shard_set_scrub(struct shard *s, uint64_t rate, int64_t interval)
{
	struct scrub	*c = s->scrub;

	c->interval = interval * 1000;
	atomic_store(&c->pace.rate, rate);
	if (c->place == AT_REST && !c->failed && c->stat.last != 0)
		c->next = c->stat.last + c->interval;
	/* What would be read without a bound is not read at all. */
	atomic_store(&c->pace.stop, rate == 0);
}

void
shard_scrub_stat(const struct shard *s, struct scrub_stat *st)
{
	*st = s->scrub->stat;
	st->bytes = atomic_load(&s->scrub->pace.bytes);
}

int
shard_hurt(const struct shard *s)
{
	return s->scrub->hurt || s->broken;
}

static uint64_t
compact_bits(const struct shard *s, int file)
{
	return file == -1 ? UINT64_MAX >> (64 - s->conf.files) :
	    UINT64_C(1) << file;
}

void
shard_compact(struct shard *s, int file)
{
	data_compact_order(s->data, compact_bits(s, file));
}

uint64_t
shard_compact_left(const struct shard *s, int file, enum err *why)
{
	return data_compact_left(s->data, compact_bits(s, file), why);
}

uint64_t
shard_compact_bytes(const struct shard *s, int file)
{
	return data_compact_bytes(s->data, compact_bits(s, file));
}
