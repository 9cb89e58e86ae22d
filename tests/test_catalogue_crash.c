/*
 * test_catalogue_crash.c: the table of tables when stores are stopped or
 * killed.  First one store is led through an operation instruction by
 * instruction (ptrace): at each that changed the shared memory the others go
 * on as beside a stopped one, and on a copy as beside a dead one, which then
 * starts anew.  Then many processes hold and drop as they like, and are
 * stopped and killed at random.
 */
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/catalogue.h"
#include "tests/unit.h"

/* Step by step */

#define SNAP_MAX	(1u << 20)	/* bytes that were ever touched */
#define VICTIM		0		/* stores */
#define WITNESS		1
#define VICTIM_INC	7
#define WITNESS_INC	8
#define DIRTY		19		/* names that were there before */
/* The name that all is about: as long as may be. */
#define T_NAME \
	"t234567890abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ."
#define T_LEN	(sizeof(T_NAME) - 1)

/* What memory that was touched looks like. */
struct snap {
	size_t		 n;
	uint8_t		 bytes[SNAP_MAX];
};

static struct snap	 before, now;
static int		 fd;
static struct catalogue	*victim, *witness;
static unsigned		 held;		/* its entry of T_NAME */

struct scene {
	const char	*name;
	void		(*prepare)(void);
	enum err	(*op)(void);
	const char	*types;		/* that T_NAME may have meanwhile; '0' none */
	char		 others;	/* type as the witness has it, '0' none */
	char		 wants;		/* type as the victim may come back with */
	unsigned	 states;	/* at least so many are to be seen */
};

static enum err
take(struct catalogue *c, unsigned store, uint8_t type, const char *name,
    uint64_t stamp, unsigned *entry)
{
	return catalogue_hold(c, store, store == VICTIM ? VICTIM_INC :
	    WITNESS_INC, type, name, strlen(name), stamp, 1, entry);
}

static int
type_of(const struct catalogue *c, const char *name)
{
	struct catalogue_row	r;

	return catalogue_find(c, name, strlen(name), &r) == E_OK ? r.type :
	    '0';
}

static void
victim_has(void)
{
	CU_ASSERT_EQUAL(take(victim, VICTIM, 'H', T_NAME, 50, &held), E_OK);
}

static void
witness_has(void)
{
	unsigned	e;

	CU_ASSERT_EQUAL(take(witness, WITNESS, 'H', T_NAME, 50, &e), E_OK);
}

static void
both_have(void)
{
	victim_has();
	witness_has();
}

static void
nobody_has(void)
{
}

static void
victim_had(void)
{
	victim_has();
	catalogue_begin(victim, VICTIM);
}

static enum err
op_hold(void)
{
	return take(victim, VICTIM, 'H', T_NAME, 10, &held);
}

static enum err
op_drop(void)
{
	catalogue_drop(victim, VICTIM, held);
	return E_OK;
}

static enum err
op_settle(void)
{
	return catalogue_settle(victim, VICTIM, VICTIM_INC, 'S', T_NAME,
	    T_LEN, 10, &held);
}

static enum err
op_set(void)
{
	static const struct table_sum	s = { 2, 20, 2048 };

	catalogue_set(victim, VICTIM, held, &s);
	return E_OK;
}

static enum err
op_filled(void)
{
	catalogue_filled(victim, VICTIM);
	return E_OK;
}

static const struct scene	scenes[] = {
	{ "a new name", nobody_has, op_hold, "0H", '0', 'H', 14 },
	{ "joining", witness_has, op_hold, "H", 'H', 'H', 2 },
	{ "the last one drops", victim_has, op_drop, "0H", '0', 'H', 2 },
	{ "one of two drops", both_have, op_drop, "H", 'H', 'H', 2 },
	{ "settling", witness_has, op_settle, "HS", 'H', 'S', 5 },
	{ "sums", victim_has, op_set, "H", '0', 'H', 4 },
	{ "filled", victim_had, op_filled, "0H", '0', 'H', 3 },
};

/* All places have had a name, and the witness has one. */
static void
scene_open(const struct scene *s)
{
	unsigned	e, i;
	char		name[CATALOGUE_NAME + 1];

	fd = catalogue_create(2, 4);
	CU_ASSERT_FATAL(fd != -1);
	victim = catalogue_map(fd);
	witness = catalogue_map(fd);
	CU_ASSERT_FATAL(victim != NULL && witness != NULL);
	for (i = 0; i < DIRTY; i++) {
		snprintf(name, sizeof(name), "%0*u", 45 + (int)i, i);
		CU_ASSERT_EQUAL(take(witness, WITNESS, 'Z', name, 1, &e), E_OK);
		catalogue_drop(witness, WITNESS, e);
	}
	CU_ASSERT_EQUAL(take(witness, WITNESS, 'H', "other", 1, &e), E_OK);
	catalogue_filled(witness, WITNESS);
	if (s->op != op_filled)
		catalogue_filled(victim, VICTIM);
	s->prepare();
}

static void
scene_close(void)
{
	catalogue_unmap(victim);
	catalogue_unmap(witness);
	close(fd);
}

/* The touched parts of the memory, each behind its offset and length. */
static void
snap_take(struct snap *s)
{
	off_t	at = 0, end;
	size_t	len;

	s->n = 0;
	while ((at = lseek(fd, at, SEEK_DATA)) != -1) {
		end = lseek(fd, at, SEEK_HOLE);
		len = (size_t)(end - at);
		CU_ASSERT_FATAL(s->n + len + 16 <= SNAP_MAX);
		memcpy(s->bytes + s->n, &at, 8);
		memcpy(s->bytes + s->n + 8, &len, 8);
		CU_ASSERT_FATAL(pread(fd, s->bytes + s->n + 16, len, at) ==
		    (ssize_t)len);
		s->n += 16 + len;
		at = end;
	}
}

/* As new memory. */
static int
snap_copy(const struct snap *s)
{
	int	to = catalogue_create(2, 4);
	off_t	at;
	size_t	i, len;

	CU_ASSERT_FATAL(to != -1);
	for (i = 0; i < s->n; i += 16 + len) {
		memcpy(&at, s->bytes + i, 8);
		memcpy(&len, s->bytes + i + 8, 8);
		CU_ASSERT_FATAL(pwrite(to, s->bytes + i + 16, len, at) ==
		    (ssize_t)len);
	}
	return to;
}

static void
no_name_twice(const struct catalogue *c)
{
	struct catalogue_row	r, q;
	unsigned		i, j;

	for (i = 0; i < catalogue_names(c); i++)
		for (j = 0; catalogue_row(c, i, &r) && j < i; j++)
			CU_ASSERT(!catalogue_row(c, j, &q) ||
			    strcmp(r.name, q.name) != 0);
}

/* The victim stands still for the others; new names may have to wait. */
static void
others_go_on(struct catalogue *c, const struct scene *s)
{
	struct catalogue_row	r;
	unsigned		e;
	enum err		err;

	CU_ASSERT_EQUAL(type_of(c, "other"), 'H');
	CU_ASSERT_EQUAL(take(c, WITNESS, 'H', "other", 1, &e), E_OK);
	CU_ASSERT_EQUAL(take(c, WITNESS, 'S', "other", 1, &e), E_TYPE);
	CU_ASSERT_PTR_NOT_NULL(strchr(s->types, type_of(c, T_NAME)));
	if (catalogue_find(c, T_NAME, T_LEN, &r) == E_OK)
		CU_ASSERT(r.sum.size == r.sum.count * 10 &&
		    r.sum.capacity == r.sum.count * 1024);
	err = take(c, WITNESS, 'S', "fresh", 1, &e);
	CU_ASSERT(err == E_OK || err == E_AGAIN);
	if (err == E_OK)
		catalogue_drop(c, WITNESS, e);
	no_name_twice(c);
}

/* wharfd has seen it die: nobody has to wait any more. */
static void
others_without_it(struct catalogue *c)
{
	unsigned	e;
	int		t = type_of(c, T_NAME);

	catalogue_dead(c, WITNESS_INC);		/* not that one */
	catalogue_dead(c, VICTIM_INC);
	CU_ASSERT_EQUAL(take(c, WITNESS, 'S', "fresh", 1, &e), E_OK);
	catalogue_drop(c, WITNESS, e);
	if (t != '0')
		CU_ASSERT_EQUAL(take(c, WITNESS, 'Z', T_NAME, 1, &e), E_TYPE);
	no_name_twice(c);
}

static void
comes_back_empty(struct catalogue *c, const struct scene *s, int copy)
{
	struct catalogue	*v = catalogue_map(copy);
	int			 t;

	catalogue_begin(v, VICTIM);
	catalogue_filled(v, VICTIM);
	CU_ASSERT(catalogue_complete(v));
	t = type_of(c, T_NAME);
	/* The loser of a conflict that was settled does not get it back. */
	CU_ASSERT(t == s->others || (s->op == op_settle && t == '0'));
	CU_ASSERT_EQUAL(catalogue_held(v, VICTIM), 0);
	catalogue_unmap(v);
}

static void
comes_back_full(struct catalogue *c, const struct scene *s, int copy)
{
	static const struct table_sum	 sum = { 5, 50, 5120 };
	struct catalogue		*v = catalogue_map(copy);
	struct catalogue_row		 r;
	unsigned			 e;
	enum err			 err;

	catalogue_begin(v, VICTIM);
	err = catalogue_settle(v, VICTIM, VICTIM_INC + 2, (uint8_t)s->wants,
	    T_NAME, T_LEN, 10, &e);
	CU_ASSERT_EQUAL_FATAL(err, E_OK);
	catalogue_set(v, VICTIM, e, &sum);
	catalogue_filled(v, VICTIM);
	CU_ASSERT_EQUAL(catalogue_find(c, T_NAME, T_LEN, &r), E_OK);
	CU_ASSERT_EQUAL(r.type, s->wants);
	CU_ASSERT_EQUAL(r.sum.count, 5);
	CU_ASSERT_EQUAL(r.sum.size, 50);
	CU_ASSERT_EQUAL(catalogue_held(v, VICTIM), 1);
	no_name_twice(c);
	catalogue_unmap(v);
}

static void
killed_here(const struct scene *s)
{
	struct catalogue	*c;
	unsigned		 e;
	int			 copy, full;

	for (full = 0; full <= 1; full++) {
		copy = snap_copy(&now);
		c = catalogue_map(copy);
		CU_ASSERT_FATAL(c != NULL);
		if (s->others != '0')	/* unless settled away */
			take(c, WITNESS, (uint8_t)s->others, T_NAME, 50, &e);
		others_go_on(c, s);
		others_without_it(c);
		if (full)
			comes_back_full(c, s, copy);
		else
			comes_back_empty(c, s, copy);
		catalogue_unmap(c);
		close(copy);
	}
}

static pid_t
victim_start(const struct scene *s)
{
	pid_t	pid;
	int	status;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
			_exit(99);
		raise(SIGSTOP);
		_exit((int)s->op());
	}
	CU_ASSERT_FATAL(pid > 0);
	CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
	return WIFSTOPPED(status) ? pid : 0;
}

/* 0: it has ended, with *status. */
static int
victim_step(pid_t pid, int *status)
{
	CU_ASSERT_FATAL(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
	CU_ASSERT_FATAL(waitpid(pid, status, 0) == pid);
	return WIFSTOPPED(*status);
}

static void
scene_play(const struct scene *s)
{
	unsigned	states = 0;
	int		status;
	pid_t		pid;

	scene_open(s);
	if ((pid = victim_start(s)) == 0) {
		printf("(no ptrace here: left out) ");
		scene_close();
		return;
	}
	snap_take(&before);
	while (victim_step(pid, &status)) {
		snap_take(&now);
		if (now.n == before.n &&
		    memcmp(now.bytes, before.bytes, now.n) == 0)
			continue;
		states++;
		killed_here(s);
		others_go_on(witness, s);
		snap_take(&before);
	}
	/* What went on beside it did not disturb it. */
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == E_OK);
	CU_ASSERT(states >= s->states);
	if (states < s->states)
		printf("%s: only %u states\n", s->name, states);
	scene_close();
}

static void
test_steps(void)
{
	size_t	i;

	for (i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		scene_play(&scenes[i]);
}

/* Many processes */

#define PROCS		5
#define NAMES		24
#define ROOM		20		/* fewer than names */

/*
 * What each process holds for sure: said after the hold, taken back before the
 * drop.  failed: line of the first check that was not met.
 */
struct world {
	_Atomic uint8_t	 owner[NAMES][PROCS];	/* type, 0 none */
	_Atomic int64_t	 count[NAMES][PROCS];
	_Atomic int	 failed, stop;
	_Atomic uint64_t done;
};

struct proc {
	struct world	*w;
	struct catalogue *c;
	unsigned	 me, entry[NAMES];
	uint32_t	 inc;
	uint64_t	 seed;
};

#define CHECK(p, ok) do {						\
	int	none_ = 0;						\
	if (!(ok))							\
		atomic_compare_exchange_strong(&(p)->w->failed, &none_,	\
		    __LINE__);						\
} while (0)

static unsigned
dice(uint64_t *seed, unsigned n)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(*seed >> 33) % n;
}

static enum err
proc_take(struct proc *p, unsigned n, uint8_t type, int force)
{
	char	name[8];

	snprintf(name, sizeof(name), "t%u", n);
	return catalogue_hold(p->c, p->me, p->inc, type, name, strlen(name),
	    1000, force, &p->entry[n]);
}

static void
proc_set(struct proc *p, unsigned n)
{
	int64_t			count = dice(&p->seed, 1000) + 1;
	struct table_sum	s = { count, count * 10, count * 1024 };

	catalogue_set(p->c, p->me, p->entry[n], &s);
	p->w->count[n][p->me] = count;
}

static void
proc_drop(struct proc *p, unsigned n)
{
	p->w->owner[n][p->me] = 0;
	catalogue_drop(p->c, p->me, p->entry[n]);
}

/* Whoever else holds it, does so as this type. */
static void
proc_check_type(struct proc *p, unsigned n, uint8_t type)
{
	unsigned	i;
	uint8_t		t;

	for (i = 0; i < PROCS; i++) {
		t = p->w->owner[n][i];
		CHECK(p, t == 0 || t == type);
	}
}

static void
proc_hold(struct proc *p, unsigned n)
{
	uint8_t		type = (uint8_t)"HSZ"[dice(&p->seed, 3)];
	enum err	err = proc_take(p, n, type, 0);

	CHECK(p, err == E_OK || err == E_TYPE || err == E_AGAIN ||
	    err == E_TABLES || err == E_NOTREADY);
	if (err != E_OK)
		return;
	proc_check_type(p, n, type);
	p->w->owner[n][p->me] = type;
	proc_set(p, n);
	p->w->done++;
}

static void
proc_look(struct proc *p, unsigned n)
{
	struct catalogue_row	r;
	char			name[8];
	uint8_t			mine = p->w->owner[n][p->me];
	enum err		err;

	snprintf(name, sizeof(name), "t%u", n);
	err = catalogue_find(p->c, name, strlen(name), &r);
	CHECK(p, err == E_OK || err == E_TYPE || err == E_NOTREADY);
	if (mine != 0) {
		CHECK(p, err == E_OK && r.type == mine);
		CHECK(p, catalogue_type(p->c, p->me, p->entry[n]) == mine);
		CHECK(p, err == E_OK && r.sum.count >= p->w->count[n][p->me]);
	}
	if (err == E_OK)
		CHECK(p, strcmp(r.name, name) == 0 &&
		    r.sum.size == r.sum.count * 10 &&
		    r.sum.capacity == r.sum.count * 1024);
}

/* A new incarnation has some of what the one before had. */
static void
proc_start(struct proc *p)
{
	unsigned	n, holds = 0;
	uint8_t		type;

	catalogue_begin(p->c, p->me);
	for (n = 0; n < NAMES; n++) {
		if ((type = p->w->owner[n][p->me]) == 0)
			continue;
		if (dice(&p->seed, 3) == 0) {
			p->w->owner[n][p->me] = 0;
			continue;
		}
		CHECK(p, proc_take(p, n, type, 1) == E_OK);
		proc_check_type(p, n, type);
		proc_set(p, n);
		holds++;
	}
	catalogue_filled(p->c, p->me);
	CHECK(p, catalogue_held(p->c, p->me) == holds);
}

static void
proc_main(struct world *w, unsigned me, uint32_t inc, uint64_t seed)
{
	struct proc	 p = { .w = w, .me = me, .inc = inc, .seed = seed };
	unsigned	 n;

	if ((p.c = catalogue_map(fd)) == NULL)
		_exit(1);
	proc_start(&p);
	while (!w->stop) {
		n = dice(&p.seed, NAMES);
		if (dice(&p.seed, 4) == 0)
			proc_look(&p, n);
		else if (w->owner[n][me] == 0)
			proc_hold(&p, n);
		else if (dice(&p.seed, 2) == 0)
			proc_drop(&p, n);
		else
			proc_set(&p, n);
	}
	_exit(0);
}

static pid_t
proc_fork(struct world *w, unsigned me, uint32_t inc, uint64_t *seed)
{
	uint64_t	theirs = *seed ^ inc;
	pid_t		pid;

	dice(seed, 2);
	if ((pid = fork()) == 0)
		proc_main(w, me, inc, theirs);
	CU_ASSERT_FATAL(pid > 0);
	return pid;
}

/* Everybody has ended: what they held is what there is. */
static void
world_check(const struct world *w, const struct catalogue *c)
{
	struct catalogue_row	r;
	unsigned		n, i;
	char			name[8];
	int64_t			sum;
	int			type;

	for (n = 0; n < NAMES; n++) {
		snprintf(name, sizeof(name), "t%u", n);
		sum = type = 0;
		for (i = 0; i < PROCS; i++) {
			if (w->owner[n][i] == 0)
				continue;
			CU_ASSERT(type == 0 || type == w->owner[n][i]);
			type = w->owner[n][i];
			sum += w->count[n][i];
		}
		if (type == 0) {
			CU_ASSERT_EQUAL(catalogue_find(c, name, strlen(name),
			    &r), E_TYPE);
			continue;
		}
		CU_ASSERT_EQUAL(catalogue_find(c, name, strlen(name), &r), E_OK);
		CU_ASSERT_EQUAL(r.type, type);
		CU_ASSERT_EQUAL(r.sum.count, sum);
	}
	no_name_twice(c);
}

static void
pause_ms(unsigned ms)
{
	usleep(ms * 1000);
}

static void
test_crowd(void)
{
	const char	*size = getenv("WHARF_SIZE");
	unsigned	 i, k, kills = 150;
	uint32_t	 inc[PROCS], next = 1;
	uint64_t	 seed = (uint64_t)getpid();
	pid_t		 pid[PROCS];
	struct world	*w;
	struct catalogue *c;
	int		 status;

	if (size != NULL && strcmp(size, "small") == 0)
		kills = 50;
	fflush(stdout);
	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(w != MAP_FAILED);
	fd = catalogue_create(PROCS, ROOM);
	CU_ASSERT_FATAL(fd != -1);
	c = catalogue_map(fd);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	for (i = 0; i < PROCS; i++)
		pid[i] = proc_fork(w, i, inc[i] = next++, &seed);
	for (k = 0; k < kills; k++) {
		pause_ms(dice(&seed, 6));
		i = dice(&seed, PROCS);
		if (dice(&seed, 3) == 0) {
			kill(pid[i], SIGSTOP);
			pause_ms(3);
			kill(pid[i], SIGCONT);
			continue;
		}
		kill(pid[i], SIGKILL);
		CU_ASSERT_EQUAL_FATAL(waitpid(pid[i], &status, 0), pid[i]);
		pause_ms(dice(&seed, 3));
		catalogue_dead(c, inc[i]);
		pid[i] = proc_fork(w, i, inc[i] = next++, &seed);
	}
	/* Each has its last start behind it. */
	while (w->done < 1000 && w->failed == 0)
		pause_ms(1);
	w->stop = 1;
	for (i = 0; i < PROCS; i++) {
		CU_ASSERT_EQUAL(waitpid(pid[i], &status, 0), pid[i]);
		CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	if (w->failed != 0)
		printf("seed %d: the check in line %d failed\n", (int)getpid(),
		    w->failed);
	CU_ASSERT_EQUAL(w->failed, 0);
	world_check(w, c);
	catalogue_unmap(c);
	close(fd);
	munmap(w, sizeof(*w));
}

static const CU_TestInfo tests[] = {
	{ "at each instruction", test_steps },
	{ "a crowd", test_crowd },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_catalogue_crash", UNIT_SUITE("catalogue", tests))
