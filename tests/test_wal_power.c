/*
 * test_wal_power.c: the log on a disk that loses power.  Every call that
 * changes something is noted; a power cut keeps what was synced, and of the
 * rest any sectors of any writes, and any first part of the changes to the
 * directory.  The log must open on what is left and hold every record that
 * was acknowledged; the next round goes on from there.  Before that the process
 * may be killed and started again, when all writes are seen but not on the disk.
 *
 * Invariants of the model
 * 1 A write is durable after O_DSYNC or after a sync of its file that began
 *   later; a name is after a sync of the directory that began later.
 *   Writes go on during a sync.
 * 2 Changes to the directory reach the disk in their order (as journalling
 *   file systems do), writes in any order, 512 bytes at a time.
 */
#include "tests/wal_rig.h"

#define FILES	4096
#define SECTOR	512

#define ROUNDS	(rig_size() == 2 ? 1000 : rig_size() == 1 ? 60 : 20)

enum what { OP_WRITE, OP_SIZE, OP_CREATE, OP_RENAME, OP_UNLINK };

struct op {
	enum what	 what;
	int		 file;		/* model number */
	int		 durable;
	off_t		 off;
	size_t		 n;
	uint8_t		*data;
	char		 from[64], to[64];
};

struct disk {
	struct io	 io;
	pthread_mutex_t	 lock;
	struct op	*op;
	size_t		 nop, maxop;
	ino_t		 ino[FILES];	/* model number -> live inode */
	int		 nfile;
	long		 cut_at;	/* the power goes when so many are noted */
	atomic_int	 cut;		/* the image stands in g.copy */
	atomic_int	 dead;		/* the process is: no call has effect */
	uint64_t	 acked, freed, bound;	/* as of now */
	uint64_t	 cut_acked, cut_freed, cut_bound;
	char		*dir, *image;
	unsigned	 seed, cut_seed;	/* the loop's; under the lock */
};

/* What the disk holds after a power cut. */
struct image {
	struct { uint8_t *p; size_t n; } file[FILES];
	struct { char name[64]; int file; } name[FILES];
	int	nname;
};

static unsigned
dice(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % n;
}

static const char *
leaf(const char *path)
{
	const char	*s = strrchr(path, '/');

	return s == NULL ? path : s + 1;
}

static void
image_write(struct image *m, struct disk *d, const struct op *o)
{
	size_t	end = (size_t)o->off + o->n, i, k;

	if (end > m->file[o->file].n) {
		m->file[o->file].p = realloc(m->file[o->file].p, end);
		memset(m->file[o->file].p + m->file[o->file].n, 0,
		    end - m->file[o->file].n);
		m->file[o->file].n = end;
	}
	for (i = 0; o->data != NULL && i < o->n; i += k) {
		k = o->n - i < SECTOR ? o->n - i : SECTOR;
		if (o->durable || dice(&d->cut_seed, 2) == 0)
			memcpy(m->file[o->file].p + o->off + i, o->data + i, k);
	}
}

static int
image_find(const struct image *m, const char *name)
{
	int	i;

	for (i = 0; i < m->nname; i++)
		if (strcmp(m->name[i].name, name) == 0)
			return i;
	return -1;
}

static void
image_name(struct image *m, const struct op *o)
{
	int	i = image_find(m, o->from), j;

	if (o->what == OP_CREATE) {
		if (i == -1)
			i = m->nname++;
		strcpy(m->name[i].name, o->from);
		m->name[i].file = o->file;
		return;
	}
	if (i == -1)
		return;
	if (o->what == OP_RENAME) {
		if ((j = image_find(m, o->to)) != -1)
			m->name[j].name[0] = '\0';
		strcpy(m->name[i].name, o->to);
	} else {
		m->name[i].name[0] = '\0';
	}
}

static void
image_save(const struct image *m, char *dir)
{
	char	path[256];
	int	i, fd;

	rig_rmdir(dir);
	mkdir(dir, 0700);
	for (i = 0; i < m->nname; i++) {
		if (m->name[i].name[0] == '\0')
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, m->name[i].name);
		fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
		if (write(fd, m->file[m->name[i].file].p,
		    m->file[m->name[i].file].n) == -1)
			perror(path);
		close(fd);
	}
}

/* The power goes now: makes the image. Called with the lock held. */
static void
disk_cut(struct disk *d)
{
	struct image	*m = calloc(1, sizeof *m);
	size_t		 i, names = 0, keep, n = 0;

	for (i = 0; i < d->nop; i++)
		names += d->op[i].what >= OP_CREATE && !d->op[i].durable;
	keep = dice(&d->cut_seed, (unsigned)names + 1);
	for (i = 0; i < d->nop; i++)
		if (d->op[i].what < OP_CREATE)
			image_write(m, d, &d->op[i]);
		else if (d->op[i].durable || n++ < keep)
			image_name(m, &d->op[i]);
	image_save(m, d->image);
	for (i = 0; i < FILES; i++)
		free(m->file[i].p);
	free(m);
	d->cut = 1;
	d->cut_acked = d->acked;
	d->cut_freed = d->freed;
	d->cut_bound = d->bound;
}

static void
disk_note(struct disk *d, const struct op *o)
{
	if (d->cut)
		return;
	if (d->nop == d->maxop) {
		d->maxop = d->maxop * 2 + 64;
		d->op = realloc(d->op, d->maxop * sizeof *d->op);
	}
	d->op[d->nop++] = *o;
	if ((long)d->nop == d->cut_at)
		disk_cut(d);
}

static int
disk_file(const struct disk *d, int fd)
{
	struct stat	st;
	int		i;

	fstat(fd, &st);
	for (i = d->nfile; i-- > 0; )
		if (d->ino[i] == st.st_ino)
			return i;
	abort();
}

static int
disk_new_file(struct disk *d, const char *name, int fd, int durable)
{
	struct op	o = { .what = OP_CREATE, .durable = durable };
	struct stat	st;

	fstat(fd, &st);
	if (d->nfile == FILES)
		abort();
	o.file = d->nfile++;
	d->ino[o.file] = st.st_ino;
	strcpy(o.from, name);
	disk_note(d, &o);
	return o.file;
}

static int
disk_dead(struct disk *d)
{
	errno = EIO;
	return atomic_load(&d->dead);
}

static int
disk_open(const struct io *io, const char *path, int flags, mode_t mode)
{
	struct disk	*d = io->arg;
	int		 fd, fresh = access(path, F_OK) == -1;

	if (disk_dead(d))
		return -1;
	pthread_mutex_lock(&d->lock);
	fd = open(path, flags, mode);
	if (fd != -1 && fresh)
		disk_new_file(d, leaf(path), fd, 0);
	pthread_mutex_unlock(&d->lock);
	return fd;
}

static ssize_t
disk_pwrite(const struct io *io, int fd, const void *p, size_t n, off_t off)
{
	struct disk	*d = io->arg;
	struct op	 o = { .what = OP_WRITE, .off = off, .n = n };

	if (disk_dead(d) || pwrite(fd, p, n, off) != (ssize_t)n)
		return -1;
	pthread_mutex_lock(&d->lock);
	o.file = disk_file(d, fd);
	o.data = malloc(n);
	memcpy(o.data, p, n);
	/* In flight when the power goes, or there. */
	disk_note(d, &o);
	if (d->cut)
		free(d->nop > 0 && d->op[d->nop - 1].data == o.data ? NULL : o.data);
	else if ((fcntl(fd, F_GETFL) & O_DSYNC) != 0)
		d->op[d->nop - 1].durable = 1;
	pthread_mutex_unlock(&d->lock);
	return (ssize_t)n;
}

static int
disk_sync(const struct io *io, int fd)
{
	struct disk	*d = io->arg;
	struct stat	 st;
	size_t		 i, began;
	int		 file, dir;

	if (disk_dead(d))
		return -1;
	fstat(fd, &st);
	dir = S_ISDIR(st.st_mode);
	pthread_mutex_lock(&d->lock);
	began = d->nop;
	pthread_mutex_unlock(&d->lock);
	/* Writes go on meanwhile, and the power may go. */
	usleep(began % 4 * 100);
	if (disk_dead(d))
		return -1;
	pthread_mutex_lock(&d->lock);
	file = dir ? -1 : disk_file(d, fd);
	for (i = 0; i < began; i++)
		if (dir ? d->op[i].what >= OP_CREATE :
		    d->op[i].what < OP_CREATE && d->op[i].file == file)
			d->op[i].durable = 1;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
disk_fallocate(const struct io *io, int fd, int mode, off_t off, off_t n)
{
	struct disk	*d = io->arg;
	struct op	 o = { .what = OP_SIZE, .off = off, .n = (size_t)n };

	if (disk_dead(d) || fallocate(fd, mode, off, n) == -1)
		return -1;
	pthread_mutex_lock(&d->lock);
	o.file = disk_file(d, fd);
	disk_note(d, &o);
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
disk_rename(const struct io *io, const char *from, const char *to)
{
	struct disk	*d = io->arg;
	struct op	 o = { .what = OP_RENAME };
	int		 r;

	if (disk_dead(d))
		return -1;
	pthread_mutex_lock(&d->lock);
	if ((r = rename(from, to)) == 0) {
		strcpy(o.from, leaf(from));
		strcpy(o.to, leaf(to));
		disk_note(d, &o);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static int
disk_unlink(const struct io *io, const char *path)
{
	struct disk	*d = io->arg;
	struct op	 o = { .what = OP_UNLINK };
	int		 r;

	if (disk_dead(d))
		return -1;
	pthread_mutex_lock(&d->lock);
	if ((r = unlink(path)) == 0) {
		strcpy(o.from, leaf(path));
		disk_note(d, &o);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

/* What the directory holds at the start of a round is on the disk. */
static void
disk_take(void *arg, const char *name)
{
	struct disk	*d = arg;
	struct op	 o = { .what = OP_WRITE, .durable = 1 };
	struct stat	 st;
	char		 path[512];
	int		 fd;

	snprintf(path, sizeof path, "%s/%s", d->dir, name);
	fd = open(path, O_RDONLY);
	fstat(fd, &st);
	o.file = disk_new_file(d, name, fd, 1);
	o.n = (size_t)st.st_size;
	o.data = malloc(o.n + 1);
	if (read(fd, o.data, o.n) != (ssize_t)o.n)
		perror(path);
	close(fd);
	disk_note(d, &o);
}

static void
disk_start(struct disk *d, struct rig *g)
{
	while (d->nop > 0)
		free(d->op[--d->nop].data);
	d->nfile = 0;
	d->cut = 0;
	d->cut_at = 0;
	rig_files(g->dir, disk_take, d);
	d->cut_at = (long)d->nop + 1 + dice(&d->seed, dice(&d->seed, 3) == 0 ? 12 : 150);
}

static void
disk_init(struct disk *d, struct rig *g, unsigned seed)
{
	memset(d, 0, sizeof *d);
	pthread_mutex_init(&d->lock, NULL);
	d->io = (struct io){ disk_open, io_posix.pread, disk_pwrite, disk_sync,
	    disk_sync, disk_fallocate, io_posix.ftruncate, disk_rename,
	    disk_unlink, d };
	d->dir = g->dir;
	d->image = g->copy;
	d->seed = d->cut_seed = seed;
	g->rio.io = d->io;
}

static void
acknowledge(struct disk *d, struct rig *g)
{
	pthread_mutex_lock(&d->lock);
	d->acked = wal_durable(g->w);
	if (g->sync != WAL_OS)
		d->bound = wal_bound(g->w);
	pthread_mutex_unlock(&d->lock);
}

static void
recycle(struct disk *d, struct rig *g)
{
	uint64_t	to = wal_durable(g->w);

	to = to > 30 ? to - 30 : 0;
	pthread_mutex_lock(&d->lock);
	d->freed = to > d->freed ? to : d->freed;
	pthread_mutex_unlock(&d->lock);
	wal_recycle(g->w, d->freed);
}

/* Opens the log: everything acknowledged must be there. */
static int
round_open(struct disk *d, struct rig *g)
{
	if (rig_open(g, d->freed) != E_OK || g->wrong ||
	    g->seen < d->acked || g->found.bound < d->bound) {
		fprintf(stderr, "bound %llu of %llu seen %llu acked %llu freed %llu wrong %d: %s\n",
		    (unsigned long long)g->found.bound,
		    (unsigned long long)d->bound,
		    (unsigned long long)g->seen, (unsigned long long)d->acked,
		    (unsigned long long)d->freed, g->wrong, g->found.error);
		return 0;
	}
	acknowledge(d, g);
	return 1;
}

/* kill -9: nothing more is written, but what was written can be read. */
static int
round_kill(struct disk *d, struct rig *g)
{
	atomic_store(&d->dead, 1);
	wal_close(g->w);
	helper_free(g->helper);
	g->helper = rig_helper(g);
	atomic_store(&d->dead, 0);
	return round_open(d, g);
}

/* Opens, writes until the power is gone, and moves on to what is left. */
static int
round_one(struct disk *d, struct rig *g)
{
	int	i;

	disk_start(d, g);
	if (!round_open(d, g))
		return 0;
	for (i = 0; i < 400 && !d->cut; i++) {
		/* Under 1s this begins a sync; the writes do not wait. */
		if (dice(&d->seed, 5) == 0)
			wal_set_bound(g->w, wal_bound(g->w) + 1 + d->seed % 9);
		if (rig_put(g, 1 + dice(&d->seed, 6), 1 + dice(&d->seed, 4)) != E_OK)
			return 0;
		if (dice(&d->seed, 12) == 0 && wal_sync_to(g->w, wal_last(g->w)) == E_OK)
			wal_poll(g->w);
		acknowledge(d, g);
		if (dice(&d->seed, 8) == 0)
			recycle(d, g);
		if (dice(&d->seed, 20) == 0 && !round_kill(d, g))
			return 0;
	}
	if (wal_close(g->w) != E_OK || !d->cut)
		return 0;
	helper_free(g->helper);
	g->helper = rig_helper(g);
	d->acked = d->cut_acked;
	d->freed = d->cut_freed;
	d->bound = d->cut_bound;
	rig_copy(g->copy, g->dir);
	return 1;
}

static void
power(enum wal_sync sync, unsigned seed)
{
	struct rig	 g;
	struct disk	*d = malloc(sizeof *d);
	int		 i, ok = 1;

	rig_init(&g, sync);
	g.segment = 32 << 10;
	g.size = 3000;
	disk_init(d, &g, seed);
	for (i = 0; i < ROUNDS && ok; i++) {
		ok = round_one(d, &g);
		CU_ASSERT(ok);
	}
	CU_ASSERT(d->acked > 100);
	while (d->nop > 0)
		free(d->op[--d->nop].data);
	free(d->op);
	free(d);
	rig_rmdir(g.copy);
	rig_done(&g);
}

static void
test_always(void)
{
	power(WAL_ALWAYS, 1);
	power(WAL_ALWAYS, 2);
}

static void
test_1s(void)
{
	power(WAL_1S, 3);
	if (rig_size() == 2)
		power(WAL_1S, 6);
}

static void
test_os(void)
{
	power(WAL_OS, 4);
	power(WAL_OS, 5);
}

static const CU_TestInfo tests[] = {
	{ "power cuts, always", test_always },
	{ "power cuts, 1s", test_1s },
	{ "power cuts, os", test_os },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_wal_power", UNIT_SUITE("wal_power", tests))
