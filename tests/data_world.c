/*
 * data_world.c: see data_world.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/data_world.h"

#define PAGE	4096

static void
must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

/* --- the disk --- */

static void
instant(struct world *w)
{
	if (w->arm != 0 && --w->arm == 0)
		w->snapshot(w);
}

static uint8_t *
slurp(const char *path, size_t *n)
{
	struct stat	 st;
	uint8_t		*p;
	int		 fd = open(path, O_RDONLY);

	if (fd == -1)
		return NULL;
	must(fstat(fd, &st) == 0, path);
	*n = (size_t)st.st_size;
	must((p = malloc(*n + 1)) != NULL, "malloc");
	must(read(fd, p, *n) == (ssize_t)*n, path);
	close(fd);
	return p;
}

static void
spill(const char *path, const uint8_t *p, size_t n)
{
	int	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd != -1, path);
	must(write(fd, p, n) == (ssize_t)n, path);
	close(fd);
}

static const char *
base_name(const char *path)
{
	const char	*s = strrchr(path, '/');

	return s == NULL ? path : s + 1;
}

static struct synced *
synced_of(struct world *w, const char *name)
{
	unsigned	i;

	for (i = 0; i < w->ndisk; i++)
		if (strcmp(w->disk[i].name, name) == 0)
			return &w->disk[i];
	return NULL;
}

static void
synced_forget(struct world *w, struct synced *s)
{
	free(s->p);
	free(s->old);
	*s = w->disk[--w->ndisk];
}

static struct synced *
synced_new(struct world *w, const char *name)
{
	struct synced	*s = &w->disk[w->ndisk++];

	must(w->ndisk <= 64, "too many files");
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%.60s", name);
	return s;
}

/* What was synced now stays, whatever happens later. */
static void
remember(struct world *w, int fd)
{
	char		 link[64], path[256];
	struct stat	 st;
	struct synced	*s;
	ssize_t		 n, i;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	must((n = readlink(link, path, sizeof(path) - 1)) > 0, link);
	path[n] = '\0';
	must(fstat(fd, &st) == 0, path);
	if (S_ISDIR(st.st_mode)) {
		for (i = 0; i < (ssize_t)w->ndisk; i++)
			w->disk[i].renamed = 0;
		return;
	}
	if ((s = synced_of(w, base_name(path))) == NULL)
		s = synced_new(w, base_name(path));
	free(s->p);
	must((s->p = slurp(path, &s->n)) != NULL, path);
}

static int
w_sync(const struct io *io, int fd)
{
	struct world	*w = io->arg;

	pthread_mutex_lock(&w->lock);
	instant(w);
	if (w->fail_sync) {
		pthread_mutex_unlock(&w->lock);
		errno = EIO;
		return -1;
	}
	remember(w, fd);
	instant(w);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static int
w_fallocate(const struct io *io, int fd, int mode, off_t off, off_t len)
{
	struct world	*w = io->arg;

	if (w->fail_fallocate) {
		errno = ENOSPC;
		return -1;
	}
	return fallocate(fd, mode, off, len);
}

/* In two parts, so that an instant may lie between them. */
static ssize_t
w_pwrite(const struct io *io, int fd, const void *p, size_t n, off_t off)
{
	struct world	*w = io->arg;
	ssize_t		 r;

	if (w->fail_pwrite) {
		errno = EIO;
		return -1;
	}
	pthread_mutex_lock(&w->lock);
	if (w->arm != 0) {
		instant(w);
		n = n / 2 + 1;
	}
	r = pwrite(fd, p, n, off);
	w->pwritten += r > 0 ? (uint64_t)r : 0;
	pthread_mutex_unlock(&w->lock);
	return r;
}

static int
w_ftruncate(const struct io *io, int fd, off_t len)
{
	struct world	*w = io->arg;
	int		 r;

	pthread_mutex_lock(&w->lock);
	instant(w);
	r = ftruncate(fd, len);
	pthread_mutex_unlock(&w->lock);
	return r;
}

/*
 * Until the next sync of names the file may be found as it was before: NULL,
 * it was not there.
 */
static void
renamed(struct world *w, const char *from, const char *to, uint8_t *old,
    size_t nold)
{
	struct synced	*s;

	if ((s = synced_of(w, base_name(to))) != NULL) {
		if (s->renamed) {	/* it is as it was before that */
			free(old);
			old = s->old;
			nold = s->nold;
			s->old = NULL;
		}
		synced_forget(w, s);
	}
	if ((s = synced_of(w, base_name(from))) == NULL)
		s = synced_new(w, base_name(from));
	snprintf(s->name, sizeof(s->name), "%.60s", base_name(to));
	s->renamed = 1;
	free(s->old);
	s->old = old;
	s->nold = nold;
}

static int
w_rename(const struct io *io, const char *from, const char *to)
{
	struct world	*w = io->arg;
	uint8_t		*old;
	size_t		 nold = 0;
	int		 r;

	pthread_mutex_lock(&w->lock);
	instant(w);
	if (w->fail_rename && strstr(to, "/MANIFEST") != NULL) {
		pthread_mutex_unlock(&w->lock);
		errno = ENOSPC;
		return -1;
	}
	old = slurp(to, &nold);
	if ((r = rename(from, to)) == 0)
		renamed(w, from, to, old, nold);
	else
		free(old);
	instant(w);
	pthread_mutex_unlock(&w->lock);
	return r;
}

static int
w_unlink(const struct io *io, const char *path)
{
	struct world	*w = io->arg;
	struct synced	*s;
	int		 r;

	pthread_mutex_lock(&w->lock);
	instant(w);
	if ((r = unlink(path)) == 0 && (s = synced_of(w, base_name(path))))
		synced_forget(w, s);
	instant(w);
	pthread_mutex_unlock(&w->lock);
	return r;
}

static int
w_open(const struct io *io, const char *path, int flags, mode_t mode)
{
	struct world	*w = io->arg;

	pthread_mutex_lock(&w->lock);
	instant(w);
	pthread_mutex_unlock(&w->lock);
	return open(path, flags, mode);
}

/* --- worlds --- */

void
world_init(struct world *w, const struct engine_ops *ops)
{
	memset(w, 0, sizeof(*w));
	w->ops = ops;
	w->io = io_posix;
	w->io.fdatasync = w_sync;
	w->io.fsync = w_sync;
	w->io.fallocate = w_fallocate;
	w->io.pwrite = w_pwrite;
	w->io.ftruncate = w_ftruncate;
	w->io.rename = w_rename;
	w->io.unlink = w_unlink;
	w->io.open = w_open;
	w->io.arg = w;
	pthread_mutex_init(&w->lock, NULL);
	w->helper = helper_new(NULL, NULL);
	snprintf(w->dir, sizeof(w->dir), "/tmp/wharf-data-XXXXXX");
	must(mkdtemp(w->dir) != NULL, w->dir);
	w->store = 1;
	w->stores = 2;
	w->files = 3;
	w->compact_bytes = 30000;
	w->now = 1700000000000;
}

static void
remove_dir(const char *dir)
{
	char		 path[512];
	struct dirent	*de;
	DIR		*dp = opendir(dir);

	must(dp != NULL, dir);
	while ((de = readdir(dp)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		unlink(path);
	}
	closedir(dp);
	must(rmdir(dir) == 0, dir);
}

void
world_free(struct world *w)
{
	uint64_t	i;

	w->arm = 0;
	data_close(w->d, 0, 0, 0);
	tables_free(w->tables);
	helper_free(w->helper);
	for (i = 0; i < w->last; i++)
		free(w->log[i].val);
	free(w->log);
	while (w->ndisk > 0)
		synced_forget(w, &w->disk[0]);
	pthread_mutex_destroy(&w->lock);
	remove_dir(w->dir);
}

static void
w_progress(void *arg)
{
	((struct world *)arg)->progress++;
}

static enum err
w_log_sync(void *arg, uint64_t lsn)
{
	struct world	*w = arg;

	instant(w);
	must(lsn <= w->last, "sync beyond the log");
	if (lsn > w->synced)
		w->synced = lsn;
	return E_OK;
}

static void
w_log_free(void *arg, uint64_t lsn)
{
	struct world	*w = arg;

	must(lsn >= w->freed && lsn <= w->synced, "log_free");
	w->freed = lsn;
}

enum err
world_open(struct world *w)
{
	struct data_conf	c = {
		.dir = w->dir, .ops = w->ops, .io = &w->io,
		.helper = w->helper, .tables = tables_new(NULL, 0, 1, w->now),
		.node = 0xabc, .store = w->store,
		.stores = w->stores, .files = w->files,
		.compact_bytes = w->compact_bytes, .progress = w_progress,
		.reading = w->reading, .suspects = w->suspects,
		.log_sync = w_log_sync, .log_free = w_log_free, .arg = w
	};

	tables_free(w->tables);
	must((w->tables = c.tables) != NULL, "tables");
	return data_open(&w->d, &c, &w->found);
}

enum err
world_close(struct world *w, int clean)
{
	struct data	*d = w->d;

	w->d = NULL;
	data_settle(d);
	if (clean)
		w->synced = w->last;
	return data_close(d, clean, w->last, 77);
}

/* --- records --- */

const char *const world_table[WORLD_TABLES] = { "K", "Hone", "K",
	"Sone.two", "Hother", "Z_", "K" };

size_t
world_key(unsigned key, uint8_t *out)
{
	const char	*tab = world_table[key % WORLD_TABLES];
	char		 name[32];

	snprintf(name, sizeof(name), "key-%u", key);
	record_key_put(out, (uint8_t)tab[0], tab + 1, strlen(tab + 1), name,
	    strlen(name));
	return record_key_len(strlen(tab + 1), strlen(name));
}

unsigned
world_slot(const struct world *w, unsigned key)
{
	return (key * w->stores + w->store) % 1024 / w->stores * w->stores +
	    w->store;
}

static void
apply(struct world *w, uint64_t lsn)
{
	struct entry	*e = &w->log[lsn - 1];
	uint8_t		 k[64];
	size_t		 n = world_key(e->key, k);
	unsigned	 slot = world_slot(w, e->key);

	must(data_reserve(w->d, slot, n + e->len) == E_OK, "reserve");
	must(data_set(w->d, slot, k, n, e->val, e->len, lsn) == E_OK, "set");
}

static void
append(struct world *w, unsigned key, enum record_kind kind, size_t len,
    int64_t ttl)
{
	struct record	 r = {
		.stamp = { .hlc = w->last + 1, .node = 1, .store = 1 },
		.version = 1, .slot = (uint16_t)world_slot(w, key),
		.kind = (uint8_t)kind, .vallen = len,
		.expiry = ttl == 0 ? 0 : w->now + ttl
	};
	struct entry	*e;
	uint8_t		 k[64];
	size_t		 i, n = world_key(key, k);

	if ((w->last & (w->last + 1)) == 0)
		must((w->log = realloc(w->log, (2 * w->last + 2) *
		    sizeof(*w->log))) != NULL, "realloc");
	e = &w->log[w->last++];
	e->key = key;
	e->len = RECORD_HEAD + len;
	must((e->val = malloc(e->len)) != NULL, "malloc");
	for (i = 0; i < len; i++)
		e->val[RECORD_HEAD + i] = (uint8_t)(w->last + i);
	record_seal(e->val, &r, k, n);
	w->newest[key] = w->last;
	apply(w, w->last);
}

void
world_put(struct world *w, unsigned key, size_t len, int64_t ttl)
{
	append(w, key, RECORD_VALUE, len, ttl);
}

void
world_del(struct world *w, unsigned key)
{
	append(w, key, RECORD_DEAD, 0, 0);
}

void
world_settle(struct world *w)
{
	unsigned	i, idle = 0;

	for (i = 0; idle < 3 * w->files; i++) {
		must(i < 1000000, "never settles");
		idle++;
		if (hand_step(w->helper))
			idle = 0;
		if (data_work(w->d, w->now, w->last, 1000))
			idle = 0;
		if (data_checkpoint(w->d, w->last))
			idle = 0;
		tables_expire(w->tables, w->now);
	}
}

void
world_fill(struct world *w)
{
	unsigned	i;

	world_init(w, &engine_tkrzw);
	must(world_open(w) == E_OK, "open");
	for (i = 0; i < 100; i++)
		world_put(w, i, 100, 0);
	world_settle(w);
}

/* --- checks --- */

struct same {
	const struct entry	*e;
	int			 same;
};

static void
same_see(void *arg, const struct record *r)
{
	struct same	*s = arg;

	s->same = s->e != NULL && s->e->len == RECORD_HEAD + r->vallen &&
	    memcmp(s->e->val, r->val - RECORD_HEAD, s->e->len) == 0;
}

enum err
world_get(struct world *w, unsigned key, int *same)
{
	struct same	s = { NULL, 0 };
	uint8_t		k[64];
	size_t		n = world_key(key, k);
	enum err	e;

	if (w->newest[key] != 0)
		s.e = &w->log[w->newest[key] - 1];
	e = data_get(w->d, world_slot(w, key), k, n, same_see, &s);
	*same = s.same;
	return e;
}

/* 1: must be found; 0: may also be gone, as dead or expired. */
static int
lives(const struct world *w, unsigned key)
{
	const struct entry	*e = &w->log[w->newest[key] - 1];
	struct record		 r;
	uint8_t			 k[64];
	size_t			 n = world_key(key, k);

	must(record_get(&r, k, n, e->val, e->len) == E_OK, "own record");
	return r.kind == RECORD_VALUE &&
	    (r.expiry == 0 || r.expiry > w->now);
}

unsigned
world_check(struct world *w)
{
	struct data_stat	st;
	unsigned		key, bad = 0, live = 0;
	int			same;
	enum err		e;

	for (key = 0; key < WORLD_KEYS; key++) {
		e = world_get(w, key, &same);
		if (w->newest[key] == 0 || !lives(w, key)) {
			bad += e != E_NOTFOUND && !(e == E_OK && same);
			continue;
		}
		live++;
		bad += e != E_OK || !same;
	}
	data_stat(w->d, w->now, &st);
	return bad + world_check_tables(w) + (st.live_records < live) +
	    (st.live_records > WORLD_KEYS) + (st.live_bytes > st.bytes);
}

/* --- damage --- */

void
world_files(const struct world *w, const char *prefix, char out[][256],
    unsigned *n)
{
	struct dirent	*de;
	DIR		*dp = opendir(w->dir);

	*n = 0;
	must(dp != NULL, w->dir);
	while ((de = readdir(dp)) != NULL)
		if (strncmp(de->d_name, prefix, strlen(prefix)) == 0 &&
		    strstr(de->d_name, ".sum") == NULL && *n < 16)
			snprintf(out[(*n)++], 256, "%s/%.100s", w->dir,
			    de->d_name);
	closedir(dp);
}

static void
patch(const char *path, const uint8_t *p, off_t at)
{
	int	fd = open(path, O_WRONLY);

	must(fd != -1 && pwrite(fd, p, 1, at) == 1, path);
	close(fd);
}

void
world_flip(struct world *w, unsigned key, size_t at)
{
	const struct entry	*e = &w->log[w->newest[key % WORLD_KEYS] - 1];
	char			 path[16][256];
	unsigned		 n, i, flipped = 0;
	struct synced		*s;
	uint8_t			*map, *hit;
	size_t			 len;

	world_files(w, "data.", path, &n);
	for (i = 0; i < n; i++) {
		must((map = slurp(path[i], &len)) != NULL, path[i]);
		if (key >= WORLD_KEYS)
			e->val[at] ^= 0x10;
		hit = memmem(map, len, e->val, e->len);
		if (key >= WORLD_KEYS)
			e->val[at] ^= 0x10;
		if (hit != NULL) {
			hit[at] ^= 0x10;
			patch(path[i], hit + at, hit - map + (off_t)at);
			flipped++;
			/* It is the disk's doing: no cut takes it back. */
			hit += at;
			s = synced_of(w, base_name(path[i]));
			if (s != NULL && (size_t)(hit - map) < s->n)
				s->p[hit - map] = *hit;
		}
		free(map);
	}
	must(flipped == 1, "a record to flip");
}

void
world_unclosed(const struct world *w)
{
	char		path[16][256];
	uint8_t		closed = 0;
	unsigned	n, i;
	int		fd;

	world_files(w, "data.", path, &n);
	for (i = 0; i < n; i++) {
		must((fd = open(path[i], O_RDWR)) != -1, path[i]);
		must(pwrite(fd, &closed, 1, 15) == 1, path[i]);
		close(fd);
	}
}

/* --- copies --- */

/* What a second crash may take away again. */
static void
synced_copy(struct world *to, const char *name, const uint8_t *p, size_t n)
{
	struct synced	*s = synced_new(to, name);

	must((s->p = malloc(n + 1)) != NULL, "malloc");
	memcpy(s->p, p, n);
	s->n = n;
}

/* After a kill: also a name that is not synced yet. */
static void
synced_again(struct world *to, const struct synced *s)
{
	struct synced	*t;

	synced_copy(to, s->name, s->p, s->n);
	t = synced_of(to, s->name);
	if (!(t->renamed = s->renamed) || s->old == NULL)
		return;
	must((t->old = malloc(s->nold + 1)) != NULL, "malloc");
	memcpy(t->old, s->old, s->nold);
	t->nold = s->nold;
}

static void
copy_file(struct world *to, struct world *from, const char *name, int power)
{
	char		 path[512];
	struct synced	*s = synced_of(from, name);
	uint8_t		*p;
	size_t		 n, i, len;

	snprintf(path, sizeof(path), "%s/%s", from->dir, name);
	if (power && s != NULL && s->renamed && (rand() & 1)) {
		snprintf(path, sizeof(path), "%s/%s", to->dir, name);
		if (s->old == NULL)
			return;
		spill(path, s->old, s->nold);
		synced_copy(to, name, s->old, s->nold);
		return;
	}
	if ((p = slurp(path, &n)) == NULL)
		return;
	for (i = 0; power && i < n; i += PAGE) {
		if (rand() & 1)
			continue;
		len = n - i < PAGE ? n - i : PAGE;
		memset(p + i, 0, len);
		if (s != NULL && i < s->n)
			memcpy(p + i, s->p + i, s->n - i < len ? s->n - i : len);
	}
	if (power && s == NULL && (rand() & 3) == 0)
		n = (size_t)rand() % (n + 1);
	snprintf(path, sizeof(path), "%s/%s", to->dir, name);
	spill(path, p, n);
	if (power)
		synced_copy(to, name, p, n);
	else if (s != NULL)
		synced_again(to, s);
	free(p);
}

static void
copy_dir(struct world *to, struct world *from, int power)
{
	struct dirent	*de;
	DIR		*dp = opendir(from->dir);

	must(dp != NULL, from->dir);
	while ((de = readdir(dp)) != NULL)
		if (de->d_name[0] != '.')
			copy_file(to, from, de->d_name, power);
	closedir(dp);
}

void
world_copy(struct world *to, struct world *from, int power)
{
	uint64_t	i;

	world_init(to, from->ops);
	to->compact_bytes = from->compact_bytes;
	to->now = from->now;
	copy_dir(to, from, power);
	to->last = from->synced + (uint64_t)rand() %
	    (from->last - from->synced + 1);
	to->synced = to->last;
	to->freed = from->freed;
	to->log = calloc(from->last + 1, sizeof(*to->log) * 2);
	must(to->log != NULL, "calloc");
	for (i = 0; i < to->last; i++) {
		to->log[i] = from->log[i];
		to->log[i].val = malloc(from->log[i].len);
		memcpy(to->log[i].val, from->log[i].val, from->log[i].len);
		to->newest[to->log[i].key] = i + 1;
	}
}

void
world_reboot(struct world *w)
{
	struct manifest	*m = malloc(sizeof(*m));
	char		*text, err[256];
	size_t		 n;

	must(m != NULL && manifest_load(m, &io_posix, w->dir, err,
	    sizeof(err)) == E_OK, "MANIFEST");
	snprintf(m->boot, sizeof(m->boot), "another");
	must((text = manifest_text(m, &n)) != NULL, "MANIFEST");
	must(manifest_write(&w->io, w->dir, text, n) == E_OK, "MANIFEST");
	manifest_clear(m);
	free(text);
	free(m);
}

enum err
world_recover(struct world *w)
{
	uint64_t	lsn;
	enum err	e;

	if ((e = world_open(w)) != E_OK)
		return e;
	must(w->found.after >= w->freed || !w->ops->files, "log is gone");
	for (lsn = w->found.after + 1; lsn <= w->last; lsn++)
		if (lsn > data_lsn(w->d,
		    world_slot(w, w->log[lsn - 1].key)))
			apply(w, lsn);
	tables_fill(w->tables);
	return E_OK;
}
