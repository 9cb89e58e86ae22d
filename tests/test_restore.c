/*
 * test_restore.c: backups of shards, made while they are written to, become
 * the data of a node again: each of a chain is what was there when it was made,
 * also in another number of stores; what is damaged is named and refused; a
 * restore that was killed begins anew; what is not empty is left alone.
 *
 * WHARF_SEED makes it another run.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "store/restore.h"
#include "store/restore_impl.h"
#include "tests/restore_rig.h"

/* --- restoring --- */

struct target {
	char	dir[96], said[160];	/* what went to stderr */
};

static void
target_name(const struct world *w, struct target *t)
{
	snprintf(t->dir, sizeof(t->dir), "%s/target", w->base);
	snprintf(t->said, sizeof(t->said), "%s/stderr", w->base);
}

/* restore_main with its words kept; stores 0: as in the backup. */
static int
restore_run(const struct world *w, const char *from, unsigned stores,
    unsigned files, int same_node)
{
	struct target	 t;
	char		 ns[16], nf[16], word[16] = "--restore";
	char		*argv[] = { word, (char *)"-d", t.dir, (char *)"-s",
	    ns, (char *)"-f", nf, (char *)(uintptr_t)from,
	    same_node ? (char *)"-n" : NULL, NULL };
	int		 rv, saved = dup(2), out = dup(1), fd;

	target_name(w, &t);
	snprintf(ns, sizeof(ns), "%u", stores);
	snprintf(nf, sizeof(nf), "%u", files);
	fflush(stdout);
	fd = open(t.said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 2);
	dup2(fd, 1);
	rv = restore_main(8 + same_node, argv);
	fflush(stdout);
	dup2(saved, 2);
	dup2(out, 1);
	close(saved);
	close(out);
	close(fd);
	return rv;
}

static int
said(const struct world *w, const char *what)
{
	struct target	t;
	static char	text[16384];
	size_t		n;
	FILE		*f;

	target_name(w, &t);
	if ((f = fopen(t.said, "r")) == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	if (strstr(text, what) != NULL)
		return 1;
	printf("no \"%s\" in: %s\n", what, text);
	return 0;
}

static void
target_drop(const struct world *w)
{
	struct target	t;

	target_name(w, &t);
	shard_drop(t.dir);
}

/* What NODE says becomes the world of the target. */
static void
target_world(const struct world *w, struct world *to)
{
	struct target		 t;
	char			 path[128];
	unsigned		 routers;
	unsigned long long	 id;
	FILE			*f;

	target_name(w, &t);
	memset(to, 0, sizeof(*to));
	snprintf(to->data, sizeof(to->data), "%s", t.dir);
	snprintf(path, sizeof(path), "%s/NODE", t.dir);
	f = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fscanf(f, "wharf-node 1 id %llx stores %u files %u "
	    "routers %u", &id, &to->stores, &to->files, &routers), 4);
	fclose(f);
	CU_ASSERT_EQUAL(routers, 1);
	to->node = id;
}

struct seen {
	size_t		len;
	uint8_t		fill;
	int		ttl, mixed;
};

static void
see(void *arg, const struct record *r)
{
	struct seen	*x = arg;
	size_t		 i;

	x->len = r->vallen;
	x->fill = r->vallen == 0 ? 0 : r->val[0];
	x->ttl = r->expiry != 0;
	for (i = 0; i < r->vallen; i++)
		x->mixed |= r->val[i] != x->fill;
}

static unsigned
differences(struct world *w, const struct entry *model)
{
	struct shard_result	 res;
	struct shard_key	 k;
	struct shard		*s;
	struct seen		 x;
	unsigned		 i, bad = 0;
	enum err		 e;

	for (i = 0; i < KEYS; i++) {
		const struct entry *m = &model[i];

		memset(&x, 0, sizeof(x));
		s = key_of(w, i, &k);
		shard_turn(s);
		e = shard_get(s, &k, see, &x, &res);
		if (m->version == 0)
			bad += e != E_NOTFOUND;
		else
			bad += e != E_OK || res.version != m->version ||
			    x.len != m->len || x.mixed || x.ttl != m->ttl ||
			    (m->len != 0 && x.fill != m->fill);
	}
	return bad;
}

/* Opens what was restored, compares, writes, closes it, opens it again. */
static void
check_target(const struct world *w, const struct entry *model)
{
	struct world	to;
	unsigned	i, again;

	target_world(w, &to);
	memcpy(to.model, model, sizeof(to.model));
	for (again = 0; again < 2; again++) {
		for (i = 0; i < to.stores; i++)
			open_one(&to, i);
		CU_ASSERT_EQUAL(differences(&to, to.model), 0);
		write_some(&to, 100);
		close_all(&to);
	}
}

/* --- tests --- */

static void
chain(void)
{
	struct world	 w;
	struct entry	 model[8][KEYS];
	char		 from[8][160];
	unsigned	 i;

	world_init(&w, 2, 2);
	for (i = 0; i < 8; i++) {
		write_some(&w, i == 3 ? 0 : i == 5 ? 6000 : 600);
		memcpy(model[i], w.model, sizeof(model[i]));
		backup(&w, i % 6 == 0);
		snprintf(from[i], sizeof(from[i]), "%s/%s", w.backups, w.last);
	}
	for (i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL_FATAL(restore_run(&w, i == 7 ? w.backups :
		    from[i], 0, 0, 0), 0);
		check_target(&w, model[i]);
		target_drop(&w);
	}
	world_free(&w);
}

/* 2 -> 3 -> 1, files too; the backup of each is made of the last one. */
static void
numbers(void)
{
	static const unsigned	 to[][2] = { { 3, 5 }, { 1, 2 }, { 2, 1 } };
	struct world		 w, next;
	char			 from[160], cmd[400];
	unsigned		 i, j;

	world_init(&w, 2, 2);
	for (i = 0; i < 3; i++) {
		write_some(&w, 1500);
		backup(&w, 1);
		snprintf(from, sizeof(from), "%s/%s", w.backups, w.last);
		CU_ASSERT_EQUAL_FATAL(restore_run(&w, from, to[i][0],
		    to[i][1], i == 1), 0);
		close_all(&w);
		target_world(&w, &next);
		CU_ASSERT_EQUAL(next.stores, to[i][0]);
		CU_ASSERT_EQUAL(next.files, to[i][1]);
		CU_ASSERT_EQUAL(next.node == w.node, i == 1);
		snprintf(cmd, sizeof(cmd), "rm -rf '%s' && mv '%s' '%s'",
		    w.data, next.data, w.data);
		CU_ASSERT_EQUAL_FATAL(system(cmd), 0);
		w.stores = next.stores;
		w.files = next.files;
		w.node = next.node;
		for (j = 0; j < w.stores; j++)
			open_one(&w, j);
		CU_ASSERT_EQUAL(differences(&w, w.model), 0);
	}
	world_free(&w);
}

/* Paths of the files of the last two backups. */
struct paths {
	char		p[200][240];
	unsigned	n;
};

static struct paths	files;

static int
add_path(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)f;
	if (flag == FTW_F && st->st_size > 0 && files.n < 200)
		snprintf(files.p[files.n++], sizeof(files.p[0]), "%s", path);
	return 0;
}

static void
flip(const char *path, off_t at)
{
	uint8_t	c;
	int	fd = open(path, O_RDWR);

	CU_ASSERT_EQUAL(pread(fd, &c, 1, at), 1);
	c ^= 1;
	CU_ASSERT_EQUAL(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

/* Is it refused, and the file named? */
static void
expect_named(const struct world *w, const char *path)
{
	char	*dir = strdup(path), *end = strstr(dir, "/" BACKUP_NAME);

	CU_ASSERT_EQUAL(restore_run(w, w->backups, 0, 0, 0), 1);
	if (end != NULL)
		*end = '\0';	/* the checksum of a parent names that */
	CU_ASSERT(said(w, dir));
	free(dir);
	target_drop(w);
}

/* A file of a full backup is read only where an increment goes on with it. */
static int
needed(const struct world *w, const char *path)
{
	struct backup			 b;
	const struct backup_file	*f;
	char				 name[200], why[200];
	const char			*in = strstr(path, "-full/");

	if (in == NULL || strstr(in, BACKUP_NAME) != NULL)
		return 1;
	snprintf(name, sizeof(name), "%s/%s/" BACKUP_NAME, w->backups,
	    w->last);
	CU_ASSERT_EQUAL_FATAL(backup_load(&b, AT_FDCWD, name, 1, why,
	    sizeof(why)), E_OK);
	f = backup_find(&b, in + strlen("-full/"));
	in = f != NULL && f->from > 0 ? in : NULL;
	backup_clear(&b);
	return in != NULL;
}

static void
damage(void)
{
	struct world	 w;
	struct stat	 st;
	char		 away[260];
	unsigned	 i, n = 0;

	world_init(&w, 1, 2);
	for (i = 0; i < 2; i++) {
		write_some(&w, i == 0 ? 700 : 100);
		backup(&w, i == 0);
	}
	files.n = 0;
	nftw(w.backups, add_path, 16, FTW_PHYS);
	for (i = 0; i < files.n; i++) {
		off_t	at;

		stat(files.p[i], &st);
		if (!needed(&w, files.p[i]))
			continue;
		n++;
		at = (off_t)rnd((unsigned)st.st_size);
		flip(files.p[i], at);
		expect_named(&w, files.p[i]);
		flip(files.p[i], at);
		if (truncate(files.p[i], st.st_size + 1) == 0)
			expect_named(&w, files.p[i]);
		if (truncate(files.p[i], st.st_size) == -1)
			CU_FAIL("truncate");
		snprintf(away, sizeof(away), "%s.away", files.p[i]);
		rename(files.p[i], away);
		if (strstr(files.p[i], BACKUP_NAME) == NULL)
			expect_named(&w, files.p[i]);
		rename(away, files.p[i]);
	}
	CU_ASSERT(n >= 6);
	CU_ASSERT_EQUAL(restore_run(&w, w.backups, 0, 0, 0), 0);
	check_target(&w, w.model);
	world_free(&w);
}

/* Killed anywhere: it begins anew and comes to the same end. */
static void
killed(void)
{
	struct world	w;
	struct target	t;
	char		node[128], wal[128];
	unsigned	i, cut = 0, stores;
	int		status;
	pid_t		pid;

	world_init(&w, 2, 1);
	write_some(&w, 1500);
	backup(&w, 1);
	close_all(&w);
	target_name(&w, &t);
	snprintf(node, sizeof(node), "%s/NODE", t.dir);
	snprintf(wal, sizeof(wal), "%s/store.0", t.dir);
	for (i = 0; i < 12; i++) {
		stores = i % 2 == 0 ? 0 : 3;
		if ((pid = fork()) == 0)
			_exit(restore_run(&w, w.backups, stores, 0, 0));
		CU_ASSERT_FATAL(pid > 0);
		while (i > 0 && access(wal, F_OK) == -1 && access(node,
		    F_OK) == -1)
			usleep(100);
		usleep(rnd(i < 6 ? 3000 : 60000));
		kill(pid, SIGKILL);
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		if (access(node, F_OK) == -1) {
			cut += access(wal, F_OK) == 0;
			CU_ASSERT_EQUAL(restore_run(&w, w.backups, stores, 0,
			    0), 0);
		} else
			CU_ASSERT_EQUAL(restore_run(&w, w.backups, stores, 0,
			    0), 1);
		check_target(&w, w.model);
		target_drop(&w);
	}
	CU_ASSERT(cut > 0);
	world_free(&w);
}

static void
refused(void)
{
	struct world	w;
	struct target	t;
	char		path[128], none[128];
	int		fd;

	world_init(&w, 1, 1);
	write_some(&w, 50);
	target_name(&w, &t);
	CU_ASSERT_EQUAL(restore_run(&w, w.backups, 0, 0, 0), 1);
	CU_ASSERT(said(&w, "there is no backup"));
	backup(&w, 1);
	snprintf(none, sizeof(none), "%s/none", w.backups);
	CU_ASSERT_EQUAL(restore_run(&w, none, 0, 0, 0), 1);
	/* Of somebody, and in use. */
	snprintf(path, sizeof(path), "%s/mine", t.dir);
	mkdir(t.dir, 0700);
	mkdir(path, 0700);
	CU_ASSERT_EQUAL(restore_run(&w, w.backups, 0, 0, 0), 1);
	CU_ASSERT(said(&w, "is not empty (mine)"));
	CU_ASSERT_EQUAL(rmdir(path), 0);
	/* A file system of its own has this one. */
	snprintf(path, sizeof(path), "%s/lost+found", t.dir);
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/LOCK", t.dir);
	fd = open(path, O_RDWR);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	CU_ASSERT_EQUAL(restore_run(&w, w.backups, 0, 0, 0), 1);
	CU_ASSERT(said(&w, "is in use"));
	close(fd);
	CU_ASSERT_EQUAL(restore_run(&w, w.backups, 0, 0, 0), 0);
	check_target(&w, w.model);
	CU_ASSERT_EQUAL(restore_run(&w, w.backups, 0, 0, 0), 1);
	world_free(&w);
}

/* Writes BACKUP of the last backup anew, with other marks of store 0. */
static void
forge(const struct world *w, uint64_t lsn, uint64_t bound)
{
	struct backup	b;
	char		dir[200], why[200];
	int		fd;

	snprintf(dir, sizeof(dir), "%s/%s", w->backups, w->last);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	CU_ASSERT_EQUAL_FATAL(backup_load(&b, fd, BACKUP_NAME, 1, why,
	    sizeof(why)), E_OK);
	if (lsn != 0)
		b.store[0].lsn = lsn;
	if (bound != 0)
		b.store[0].bound = bound;
	CU_ASSERT_EQUAL(backup_write(&b, fd, BACKUP_NAME), E_OK);
	backup_clear(&b);
	close(fd);
}

static void
stamp_see(void *arg, const struct record *r)
{
	*(uint64_t *)arg = r->stamp.hlc;
}

/* All up to E must be in the log; the clock begins behind the bound. */
static void
marks(void)
{
	uint64_t		 bound, hlc = 0;
	struct shard_write	 wr = { .val = NULL };
	struct shard_result	 res;
	struct shard_key	 k;
	struct world		 w, to;
	enum err		 e;

	world_init(&w, 1, 1);
	write_some(&w, 300);
	backup(&w, 1);
	bound = (uint64_t)(wall_ms() + 3600000) << 16;
	forge(&w, 0, bound);
	CU_ASSERT_EQUAL(restore_run(&w, w.backups, 0, 0, 0), 0);
	check_target(&w, w.model);
	target_world(&w, &to);
	open_one(&to, 0);
	key_of(&to, KEYS, &k);		/* nobody has written to it */
	while ((e = shard_put(to.s[0], &k, &wr, &res)) == E_AGAIN)
		shard_loop(to.s[0]);
	CU_ASSERT_EQUAL(e, E_OK);
	CU_ASSERT_EQUAL(shard_get(to.s[0], &k, stamp_see, &hlc, &res), E_OK);
	CU_ASSERT(hlc > bound);
	close_all(&to);
	target_drop(&w);
	forge(&w, 1000000, 0);
	CU_ASSERT_EQUAL(restore_run(&w, w.backups, 0, 0, 0), 1);
	CU_ASSERT(said(&w, "the log ends at LSN"));
	CU_ASSERT_EQUAL(restore_run(&w, w.backups, 2, 0, 0), 1);
	CU_ASSERT(said(&w, "the log ends at LSN"));
	world_free(&w);
}

/* The proof itself: it sees what is missing, and what is another's. */
static void
proof(void)
{
	static struct manifest	 a[2], b[1];
	struct manifest_end	 end = { 20, { 1, 10, 1024 } };
	struct manifest_table	 ta[2] = {
		{ .type = 'H', .len = 1, .name = "t", .sum = { 2, 20, 2048 },
		    .ends = &end, .nends = 1 },
		{ .type = 'H', .len = 1, .name = "t", .sum = { 1, 10, 1024 } },
	}, tb[1] = {
		{ .type = 'H', .len = 1, .name = "t", .sum = { 2, 20, 2048 } },
	};
	unsigned		 i;

	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	for (i = 0; i < 2; i++) {
		a[i].sums = 10;
		a[i].tables = &ta[i];
		a[i].ntables = 1;
		a[i].slot[i].count = 1;
		b[0].slot[i].count = 1;
		a[i].slot[i].digest.lo = b[0].slot[i].digest.lo = 5 + i;
	}
	b[0].sums = 20;			/* one has expired since */
	b[0].tables = tb;
	b[0].ntables = 1;
	CU_ASSERT_EQUAL(restore_same(a, 2, b, 1), 0);
	tb[0].sum.size++;
	CU_ASSERT_EQUAL(restore_same(a, 2, b, 1), -1);
	tb[0].sum.size--;
	tb[0].name[0] = 'u';
	CU_ASSERT_EQUAL(restore_same(a, 2, b, 1), -1);
	tb[0].name[0] = 't';
	b[0].ntables = 0;
	CU_ASSERT_EQUAL(restore_same(a, 2, b, 1), -1);
	b[0].ntables = 1;
	b[0].slot[1].digest.hi ^= 1;
	CU_ASSERT_EQUAL(restore_same(a, 2, b, 1), -1);
	b[0].slot[1].digest.hi ^= 1;
	b[0].slot[7].count = 1;
	CU_ASSERT_EQUAL(restore_same(a, 2, b, 1), -1);
	b[0].slot[7].count = 0;
	CU_ASSERT_EQUAL(restore_same(a, 2, b, 1), 0);
}

static const CU_TestInfo	tests[] = {
	{ (char *)"each backup of a chain", chain },
	{ (char *)"other numbers of stores and files", numbers },
	{ (char *)"damage is named and refused", damage },
	{ (char *)"killed, and begun anew", killed },
	{ (char *)"what is not empty is left alone", refused },
	{ (char *)"the log's end and the clock's bound", marks },
	{ (char *)"the proof sees a difference", proof },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_restore", UNIT_SUITE("restore", tests))
