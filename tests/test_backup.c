/*
 * test_backup.c: a shard is copied while it is written to; the copy is opened
 * and must be the shard as of E, record by record.  Increments, compaction
 * meanwhile, a log that cannot be held for so long, damage, a stop.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "proto/slot.h"
#include "store/backup_file.h"
#include "store/shard_backup.h"
#include "tests/shard_rig.h"
#include "tests/unit.h"

#define FILES	3u
#define NODE	0x77686172660002ull
#define KEYS	200u
#define HISTORY	20000u
#define NAME0	"20261122T000000-full"

struct written {
	uint64_t	lsn;
	unsigned	key, turn;
};

static char		 base[64], dir[128];
static unsigned		 dirs;
static struct io	 io;
static atomic_int	 stall;		/* reads of the log wait */
static atomic_int	 stalled;	/* and one does */
static atomic_int	 ill;		/* reads of data files fail */
static struct shard	*s;
static struct written	 history[HISTORY];
static unsigned		 nhistory;
static size_t		 pad;		/* bytes behind each value */

static int
is_named(int fd, const char *part)
{
	char	link[64], path[300];
	ssize_t	n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	return strstr(path, part) != NULL;
}

static ssize_t
io_pread(const struct io *x, int fd, void *p, size_t n, off_t off)
{
	(void)x;
	while (atomic_load(&stall) && is_named(fd, ".seg")) {
		atomic_store(&stalled, 1);
		usleep(1000);
	}
	if (atomic_load(&ill) && is_named(fd, ".tkh")) {
		errno = EIO;
		return -1;
	}
	return io_posix.pread(&io_posix, fd, p, n, off);
}

static struct shard *
open_at(const char *where)
{
	struct shard_conf	 c = {
		.dir = where, .ops = &engine_tkrzw, .io = &io, .node = NODE,
		.stores = 1, .files = FILES, .segment = 1 << 20,
		.sync = WAL_ALWAYS, .compact_bytes = 65536,
		.notify = shard_quiet
	};
	struct shard_opened	 o;
	struct shard		*x = NULL;
	enum err		 e = shard_open(&x, &c, &o);

	if (e != E_OK)
		printf("open %s: %s: %s\n", where, err_name(e), o.error);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	return x;
}

static void
begin(void)
{
	snprintf(base, sizeof(base), "/tmp/test_backup.XXXXXX");
	shard_base(base);
	dirs = 0;
	nhistory = 0;
	pad = 300;
	io = io_posix;
	io.pread = io_pread;
	shard_dir(dir, sizeof(dir), base, dirs++);
	s = open_at(dir);
}

static void
end(void)
{
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	shard_drop(base);
}

static void
turn(void)
{
	shard_kick(s);
	shard_work(s);
	shard_poll(s);
}

static struct shard_key
key_of(unsigned i, char name[16])
{
	snprintf(name, 16, "key%u", i);
	return (struct shard_key){ .type = TYPE_KV,
	    .slot = slot_of(name, strlen(name)),
	    .key = (uint8_t *)name, .keylen = strlen(name) };
}

static size_t
value_of(unsigned key, unsigned n, char val[4096])
{
	size_t	len = (size_t)snprintf(val, 4096, "%u.%u.", key, n);

	memset(val + len, 'x', pad);
	return len + pad;
}

/* One more write; every 7th key is deleted at times. */
static void
write_one(unsigned n)
{
	char			 name[16], val[4096];
	unsigned		 i = n * 7919 % KEYS;
	struct shard_key	 k = key_of(i, name);
	struct shard_write	 w = { .val = (uint8_t *)val };
	struct shard_result	 r;
	enum err		 e;

	w.vallen = value_of(i, n, val);
	do {
		shard_turn(s);
		e = n % 21 == 0 ? shard_del(s, &k, &w, &r) :
		    shard_put(s, &k, &w, &r);
		turn();
	} while (e == E_AGAIN);
	if (e == E_NOTFOUND)
		return;
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	CU_ASSERT_FATAL(nhistory < HISTORY);
	history[nhistory++] = (struct written){ r.lsn, i,
	    n % 21 == 0 ? 0 : n };
}

static void
write_some(unsigned from, unsigned n)
{
	unsigned	i;

	for (i = from; i < from + n; i++)
		write_one(i);
}

/* --- a backup --- */

/* Makes the next directory and begins a backup into it; -1: no parent. */
static unsigned
ask(int parent, uint64_t rate)
{
	struct shard_backup_conf	c = { .rate = rate, .parent = -1 };
	char				to[128], from[128];

	shard_dir(to, sizeof(to), base, dirs);
	c.dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent != -1) {
		snprintf(from, sizeof(from), "%s/%d", base, parent);
		c.parent = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	c.parent_name = parent == -1 ? "" : NAME0;
	CU_ASSERT_EQUAL_FATAL(shard_backup(s, &c), E_OK);
	return dirs++;
}

/* Waits for its end; writes meanwhile from *n on, unless that is NULL. */
static enum err
wait_over(unsigned *n, char why[256])
{
	enum err	e = E_OK;
	unsigned	i;

	for (i = 0; !shard_backup_over(s, &e, why, 256); i++) {
		if (n != NULL && i % 4 == 0)
			write_one((*n)++);
		else
			usleep(200);
		turn();
	}
	return e;
}

static void
load_part(unsigned at, struct backup *b)
{
	char	path[160], why[256];

	snprintf(path, sizeof(path), "%s/%u/" BACKUP_PART, base, at);
	CU_ASSERT_EQUAL_FATAL(backup_load(b, AT_FDCWD, path, 1, why,
	    sizeof(why)), E_OK);
}

static void
run(const char *cmd)
{
	CU_ASSERT_EQUAL_FATAL(system(cmd), 0);
}

/* What f says of a file comes into to, from backup at or its parents. */
static void
put_together(unsigned at, const struct backup_file *f, const char *to)
{
	char				 cmd[700], path[BACKUP_PATH_MAX + 24];
	const struct backup_file	*p;
	struct backup			 b;

	if (f->from != 0) {
		CU_ASSERT_FATAL(at > 1);
		load_part(at - 1, &b);
		p = backup_find(&b, f->name);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT_EQUAL(p->to, f->from);
		put_together(at - 1, p, to);
		backup_clear(&b);
	}
	if (f->from != 0 && f->from == f->to)
		return;
	backup_path(f, path);
	snprintf(cmd, sizeof(cmd), "cat %s/%u/%s >>%s/%s", base, at, path + 8,
	    to, f->name + 8);
	run(cmd);
}

/* Directory n as it would be restored from backup at; returns E. */
static uint64_t
restored(unsigned at, char *out, size_t size)
{
	struct backup	b;
	uint64_t	lsn;
	size_t		i;

	shard_dir(out, size, base, dirs++);
	load_part(at, &b);
	for (i = 0; i < b.nfile; i++)
		put_together(at, &b.file[i], out);
	lsn = b.store[0].lsn;
	CU_ASSERT((b.store[0].bound != 0) == (lsn != 0));
	backup_clear(&b);
	return lsn;
}

static char	expected[4096];

static void
see_same(void *arg, const struct record *r)
{
	size_t	n = *(size_t *)arg;

	CU_ASSERT(r->vallen == n && memcmp(r->val, expected, n) == 0);
}

/* The copy is the shard as of lsn: each key has its last write up to it. */
static void
compare(const char *where, uint64_t lsn)
{
	struct shard		*now = s, *x = open_at(where);
	struct shard_result	 r;
	struct shard_key	 k;
	char			 name[16];
	unsigned		 last[KEYS] = { 0 }, i, there = 0;
	size_t			 n;
	enum err		 e;

	for (i = 0; i < nhistory; i++)
		if (history[i].lsn <= lsn)
			last[history[i].key] = history[i].turn;
	for (i = 0; i < KEYS; i++) {
		k = key_of(i, name);
		shard_turn(x);
		n = value_of(i, last[i], expected);
		e = shard_get(x, &k, see_same, &n, &r);
		CU_ASSERT_EQUAL(e, last[i] == 0 ? E_NOTFOUND : E_OK);
		there += e == E_OK;
	}
	CU_ASSERT(there > KEYS / 2);
	CU_ASSERT_EQUAL(shard_close(x, 1), E_OK);
	s = now;
}

static void
test_under_writes(void)
{
	char		why[256], copy[128];
	unsigned	n = 1, at, round;
	uint64_t	acked, lsn;

	begin();
	for (round = 0; round < 4; round++) {
		write_some(n, 300);
		n += 300;
		acked = history[nhistory - 1].lsn;
		at = ask(-1, round < 2 ? 0 : 2 << 20);
		CU_ASSERT_EQUAL_FATAL(wait_over(round == 0 ? NULL : &n, why),
		    E_OK);
		lsn = restored(at, copy, sizeof(copy));
		CU_ASSERT(lsn >= acked);
		CU_ASSERT(lsn <= history[nhistory - 1].lsn);
		compare(copy, lsn);
	}
	end();
}

static void
test_empty(void)
{
	char		why[256], copy[128];
	struct shard	*x;
	unsigned	at;

	begin();
	at = ask(-1, 0);
	CU_ASSERT_EQUAL_FATAL(wait_over(NULL, why), E_OK);
	CU_ASSERT_EQUAL(restored(at, copy, sizeof(copy)), 0);
	x = open_at(copy);
	CU_ASSERT_EQUAL(shard_close(x, 1), E_OK);
	end();
}

/* Bytes of data files that a backup has in itself. */
static uint64_t
data_bytes_of(unsigned at)
{
	struct backup_id	id;
	struct backup		b;
	uint64_t		n = 0;
	size_t			i;

	load_part(at, &b);
	for (i = 0; i < b.nfile; i++)
		if (backup_kind(b.file[i].name, &id) == BACKUP_DATA)
			n += b.file[i].to - b.file[i].from;
	backup_clear(&b);
	return n;
}

static void
test_increments(void)
{
	char		why[256], copy[128];
	unsigned	n = 1, at, i;
	uint64_t	lsn;

	begin();
	write_some(n, 400);
	n += 400;
	for (i = 0; i < 5; i++) {
		at = ask(i == 0 ? -1 : (int)i, 0);
		CU_ASSERT_EQUAL_FATAL(at, i + 1);
		CU_ASSERT_EQUAL_FATAL(wait_over(&n, why), E_OK);
		if (i != 2)
			write_some(n, 60);
		n += 60;
	}
	for (i = 1; i <= 5; i++) {
		lsn = restored(i, copy, sizeof(copy));
		compare(copy, lsn);
	}
	end();
}

/* An increment has what was written to a data file, and no byte more. */
static void
test_little_new(void)
{
	char		why[256], copy[128];
	uint64_t	lsn;

	begin();
	write_some(1, 400);
	ask(-1, 0);
	CU_ASSERT_EQUAL_FATAL(wait_over(NULL, why), E_OK);
	ask(1, 0);
	CU_ASSERT_EQUAL_FATAL(wait_over(NULL, why), E_OK);
	CU_ASSERT_EQUAL(data_bytes_of(2), 0);
	lsn = restored(2, copy, sizeof(copy));
	CU_ASSERT_EQUAL(lsn, history[nhistory - 1].lsn);
	compare(copy, lsn);
	write_some(401, 10);
	ask(2, 0);
	CU_ASSERT_EQUAL_FATAL(wait_over(NULL, why), E_OK);
	CU_ASSERT(data_bytes_of(dirs - 1) > 10 * pad);
	CU_ASSERT(data_bytes_of(dirs - 1) < 10 * (pad + 200));
	end();
}

/* Files are compacted away while they are copied, and before an increment. */
static void
test_compaction(void)
{
	struct shard_stat	before, after;
	char			why[256], copy[128];
	unsigned		n = 1, at, i;
	uint64_t		lsn;

	begin();
	pad = 2000;
	write_some(n, 400);
	n += 400;
	for (i = 0; i < 3; i++) {
		shard_stat(s, &before);
		at = ask(i == 0 ? -1 : (int)i, 3 << 20);
		CU_ASSERT_EQUAL_FATAL(wait_over(&n, why), E_OK);
		do {
			write_one(n++);
			shard_stat(s, &after);
		} while (after.data.compactions <= before.data.compactions);
		CU_ASSERT_EQUAL_FATAL(at, i + 1);
	}
	for (i = 1; i <= 3; i++) {
		lsn = restored(i, copy, sizeof(copy));
		compare(copy, lsn);
	}
	end();
}

static unsigned
segments(void)
{
	struct wal_stat	ws;

	shard_log_stat(s, &ws);
	return ws.segments;
}

/* The thread stands still: the hold gives way before a write has to wait. */
static void
test_hold_gives_way(void)
{
	char		why[256] = "";
	unsigned	n = 1, most = 0, last;
	enum err	e;

	begin();
	pad = 3800;
	write_some(n, 100);
	n += 100;
	atomic_store(&stalled, 0);
	atomic_store(&stall, 1);
	ask(-1, 0);
	while (!atomic_load(&stalled))
		turn();
	/* 24 segments: more than can wait, so these would wait for ever. */
	for (last = n + 24 * 1048576 / 4096; n < last; n++) {
		write_one(n);
		if (segments() > most)
			most = segments();
	}
	atomic_store(&stall, 0);
	e = wait_over(NULL, why);
	CU_ASSERT_EQUAL(e, E_INTERNAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "copying the log took so long"));
	CU_ASSERT(most >= 8);
	for (; segments() > FILES + 5; usleep(200))
		turn();
	ask(-1, 0);
	CU_ASSERT_EQUAL(wait_over(NULL, why), E_OK);
	end();
}

static void
test_ill(void)
{
	char	why[256];

	begin();
	write_some(1, 400);
	ask(-1, 0);
	CU_ASSERT_EQUAL(wait_over(NULL, why), E_OK);
	/* The checkpoint is over, so only the backup reads. */
	atomic_store(&ill, 1);
	ask(-1, 0);
	CU_ASSERT_EQUAL(wait_over(NULL, why), E_DAMAGED);
	CU_ASSERT(strncmp(why, "store.0/data.", 13) == 0);
	atomic_store(&ill, 0);
	ask(-1, 0);
	CU_ASSERT_EQUAL(wait_over(NULL, why), E_OK);
	end();
}

/* A bit of a batch that is needed for E, in the log as it lies there. */
static void
test_damaged_log(void)
{
	char	why[256], path[160];
	uint8_t	c;
	int	fd;

	begin();
	write_some(1, 100);
	snprintf(path, sizeof(path), "%s/wal/1.seg", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(pread(fd, &c, 1, 8192 + 90), 1);
	c ^= 8;
	CU_ASSERT_EQUAL(pwrite(fd, &c, 1, 8192 + 90), 1);
	ask(-1, 0);
	CU_ASSERT_EQUAL(wait_over(NULL, why), E_DAMAGED);
	CU_ASSERT(strncmp(why, "log 1.seg offset ", 17) == 0);
	c ^= 8;
	CU_ASSERT_EQUAL(pwrite(fd, &c, 1, 8192 + 90), 1);
	close(fd);
	ask(-1, 0);
	CU_ASSERT_EQUAL(wait_over(NULL, why), E_OK);
	end();
}

static void
test_quarantine(void)
{
	char	why[256], cmd[300];

	begin();
	write_some(1, 100);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	snprintf(cmd, sizeof(cmd), "echo damaged >%s/DAMAGE", dir);
	run(cmd);
	s = open_at(dir);
	ask(-1, 0);
	CU_ASSERT_EQUAL(wait_over(NULL, why), E_DAMAGED);
	CU_ASSERT(strncmp(why, "store.0: in quarantine: data.0.1.tkh, "
	    "data.1", 44) == 0);
	end();
}

/* Cancelled, asked for twice, and in the way of a stop. */
static void
test_ends(void)
{
	struct shard_backup_conf	 c = { .parent = -1,
					    .parent_name = "" };
	struct shard_backup_stat	 st;
	char				 why[256];

	begin();
	write_some(1, 400);
	ask(-1, 100000);
	c.dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_EQUAL(shard_backup(s, &c), E_AGAIN);
	shard_backup_stat(s, &st);
	CU_ASSERT(st.running);
	shard_backup_cancel(s);
	CU_ASSERT_EQUAL(wait_over(NULL, why), E_AGAIN);
	CU_ASSERT_STRING_EQUAL(why, "stopped");
	shard_backup_stat(s, &st);
	CU_ASSERT(!st.running);
	ask(-1, 100000);
	do
		turn();
	while (shard_backup_stat(s, &st), st.total == 0);
	CU_ASSERT_EQUAL(shard_close(s, 1), E_OK);
	s = NULL;
	compare(dir, UINT64_MAX);
	shard_drop(base);
}

static const CU_TestInfo	tests[] = {
	{ "under writes", test_under_writes },
	{ "empty", test_empty },
	{ "increments", test_increments },
	{ "little new", test_little_new },
	{ "compaction meanwhile", test_compaction },
	{ "the hold gives way", test_hold_gives_way },
	{ "a data file cannot be read", test_ill },
	{ "damage in the log", test_damaged_log },
	{ "quarantine", test_quarantine },
	{ "cancelled and stopped", test_ends },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_backup", UNIT_SUITE("backup", tests))
