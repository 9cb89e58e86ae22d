/*
 * test_apply.c: records made elsewhere: shard_apply keeps every byte of them,
 * the latest stamp stays in whatever order they come, the clock goes on behind
 * them, what is no record of the shard is refused; shard_each shows all there
 * is, once, also while a file has two generations.
 *
 * WHARF_SEED and WHARF_STEPS make it another or a longer run.
 */
#include <stdint.h>
#include <string.h>

#include "proto/clock.h"
#include "proto/slot.h"
#include "store/manifest.h"
#include "store/shard.h"
#include "tests/shard_rig.h"
#include "tests/unit.h"

#define FILES	3u
#define NODE	0x77686172660001ull
#define KEYS	300u
#define KEY_LEN	40u
#define VAL_MAX	2000u

/* A record as it was shown or made. */
struct kept {
	size_t		keylen, len;
	uint8_t		key[KEY_LEN];
	uint8_t		val[RECORD_HEAD + VAL_MAX];
};

struct world {
	const struct engine_ops	*ops;
	char			 base[32], dir[128];
	unsigned		 dirs;
	struct shard		*s;
	struct shard_opened	 opened;
};

static uint64_t	rnd_state;

static unsigned
rnd(unsigned n)
{
	rnd_state = rnd_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(rnd_state >> 33) % n;
}

static unsigned long
env(const char *name, unsigned long def)
{
	const char	*s = getenv(name);

	return s == NULL ? def : strtoul(s, NULL, 0);
}

/* --- shards --- */

static struct shard *
open_at(const struct world *w, const char *dir, unsigned store,
    unsigned stores, struct shard_opened *o)
{
	struct shard_conf	c = {
		.dir = dir, .ops = w->ops, .io = &io_posix, .node = NODE,
		.store = store, .stores = stores, .files = FILES,
		.segment = 1 << 20, .sync = WAL_ALWAYS,
		.compact_bytes = 65536, .notify = shard_quiet
	};
	struct shard		*s = NULL;
	enum err		 e = shard_open(&s, &c, o);

	if (e != E_OK)
		printf("open: %s: %s\n", err_name(e), o->error);
	CU_ASSERT_EQUAL_FATAL(e, E_OK);
	return s;
}

static void
world_init(struct world *w, const struct engine_ops *ops)
{
	memset(w, 0, sizeof(*w));
	w->ops = ops;
	rnd_state = env("WHARF_SEED", 1);
	snprintf(w->base, sizeof(w->base), "/tmp/test_apply.XXXXXX");
	shard_base(w->base);
	shard_dir(w->dir, sizeof(w->dir), w->base, w->dirs++);
	w->s = open_at(w, w->dir, 0, 1, &w->opened);
}

static void
world_free(struct world *w)
{
	CU_ASSERT_EQUAL(shard_close(w->s, 1), E_OK);
	shard_drop(w->base);
}

static void
settle(struct shard *s, uint64_t lsn)
{
	while (shard_released(s) < lsn && shard_failed(s) == E_OK)
		shard_loop(s);
}

static enum err
apply(struct shard *s, const struct kept *k, struct shard_result *res)
{
	enum err	e;

	while ((e = shard_apply(s, k->key, k->keylen, k->val, k->len, res)) ==
	    E_AGAIN)
		shard_loop(s);
	settle(s, res->lsn);
	return e;
}

/* --- records --- */

static struct shard_key
make_key(unsigned i)
{
	static const char	types[] = { TYPE_KV, TYPE_HASH, TYPE_SET,
	    TYPE_ZSET, TYPE_MESSAGE, TYPE_SETTINGS };
	static char		name[KEY_LEN];
	struct shard_key	k = { .type = (uint8_t)types[i % 6] };

	snprintf(name, sizeof(name), "m%u", i);
	k.key = (const uint8_t *)name;
	k.keylen = strlen(name);
	k.tab = (const uint8_t *)"tab1";
	k.tablen = k.type == TYPE_KV ? 0 : 4;
	k.slot = i % 6 >= 3 ? slot_of(k.tab, k.tablen) :
	    slot_of(k.key, k.keylen);
	return k;
}

/* A record that no shard of ours made. */
static struct kept
make_record(unsigned i, uint64_t hlc, enum record_kind kind, const char *text)
{
	struct shard_key	k = make_key(i);
	struct record		r = { .stamp = { .hlc = hlc, .store = 7 },
	    .prev = { .hlc = 5 }, .version = 9, .kind = (uint8_t)kind,
	    .slot = (uint16_t)k.slot, .replaced = 77,
	    .vallen = kind == RECORD_DEAD ? 0 : strlen(text) };
	struct kept		x;

	memset(&x, 0, sizeof(x));
	record_key_put(x.key, k.type, k.tab, k.tablen, k.key, k.keylen);
	x.keylen = record_key_len(k.tablen, k.keylen);
	memcpy(x.val + RECORD_HEAD, text, r.vallen);
	x.len = RECORD_HEAD + r.vallen;
	record_seal(x.val, &r, x.key, x.keylen);
	return x;
}

static void
reseal(struct kept *x)
{
	struct record	r;

	CU_ASSERT_EQUAL(record_peek(&r, x->val, x->len), E_OK);
	record_seal(x->val, &r, x->key, x->keylen);
}

static uint64_t
write_key(struct shard *s, unsigned i, int del, size_t len, int64_t ttl)
{
	static uint8_t		val[VAL_MAX];
	struct shard_key	k = make_key(i);
	struct shard_write	w = { .val = val, .vallen = len, .ttl = ttl };
	struct shard_result	res;
	enum err		e;

	memset(val, (int)(i + len), len);
	while ((e = del ? shard_del(s, &k, &w, &res) :
	    shard_put(s, &k, &w, &res)) == E_AGAIN)
		shard_loop(s);
	CU_ASSERT(e == E_OK || e == E_NOTFOUND);
	return res.lsn;
}

struct seen {
	uint32_t	version;
	struct stamp	stamp, prev;
	int64_t		expiry;
	size_t		len;
	uint8_t		val[VAL_MAX];
};

static void
see(void *arg, const struct record *r)
{
	struct seen	*x = arg;

	x->version = r->version;
	x->stamp = r->stamp;
	x->prev = r->prev;
	x->expiry = r->expiry;
	x->len = r->vallen;
	memcpy(x->val, r->val, r->vallen);
}

static enum err
get(struct shard *s, unsigned i, struct seen *x)
{
	struct shard_key	k = make_key(i);
	struct shard_result	res;

	memset(x, 0, sizeof(*x));
	shard_turn(s);
	return shard_get(s, &k, see, x, &res);
}

/* --- all of a shard --- */

struct all {
	struct kept	*p;
	unsigned	 n, max;
};

static enum err
keep(void *arg, const uint8_t *key, size_t keylen, const uint8_t *val,
    size_t vallen)
{
	struct all	*a = arg;
	struct kept	*x = &a->p[a->n];

	if (a->n == a->max || keylen > sizeof(x->key) ||
	    vallen > sizeof(x->val))
		return E_FULL;
	a->n++;
	x->keylen = keylen;
	x->len = vallen;
	memcpy(x->key, key, keylen);
	memcpy(x->val, val, vallen);
	return E_OK;
}

static void
keep_all(struct shard *s, struct all *a)
{
	unsigned	k;

	a->n = 0;
	a->max = KEYS;
	if (a->p == NULL)
		a->p = calloc(a->max, sizeof(*a->p));
	CU_ASSERT_PTR_NOT_NULL_FATAL(a->p);
	for (k = 0; k < FILES; k++)
		CU_ASSERT_EQUAL(shard_each(s, k, keep, a), E_OK);
}

/* How many live records a shard shows under the keys there are. */
static unsigned
live(struct shard *s)
{
	struct seen	x;
	unsigned	i, n = 0;

	for (i = 0; i < KEYS; i++)
		n += get(s, i, &x) == E_OK;
	return n;
}

static unsigned
live_of(const struct all *a)
{
	struct record	r;
	unsigned	i, n = 0;

	for (i = 0; i < a->n; i++) {
		CU_ASSERT_EQUAL(record_get(&r, a->p[i].key, a->p[i].keylen,
		    a->p[i].val, a->p[i].len), E_OK);
		n += r.kind == RECORD_VALUE &&
		    (r.expiry == 0 || r.expiry > wall_ms());
	}
	return n;
}

/* --- tests --- */

/* Writes at random; now and then all records are shown, each once. */
static void
write_some(struct world *w, struct all *a)
{
	unsigned long		 i, steps = env("WHARF_STEPS", 6000);
	struct shard_stat	 st;
	uint64_t		 lsn = 0;
	unsigned		 two = 0;

	for (i = 0; i < steps; i++) {
		lsn = write_key(w->s, rnd(KEYS), rnd(8) == 0, rnd(VAL_MAX),
		    rnd(10) == 0 ? 1 + rnd(3600000) : 0);
		if (i % 4 == 0)
			shard_loop(w->s);
		shard_stat(w->s, &st);
		if (i % 500 != 0 && (st.data.compacting == 0 || rnd(20) != 0))
			continue;
		two += st.data.compacting != 0;
		keep_all(w->s, a);
		CU_ASSERT_EQUAL(a->n, st.data.records);
		CU_ASSERT_EQUAL(live_of(a), live(w->s));
	}
	CU_ASSERT(two > 0 || !w->ops->files);
	settle(w->s, lsn);
}

/* Each record of one shard goes to one of two, and is there as it was. */
static void
spread(struct world *w, const struct all *a, const char dir[2][64])
{
	struct shard_opened	 o;
	struct shard_result	 res;
	struct shard		*to[2];
	struct record		 r;
	struct all		 b[2] = { { .n = 0 }, { .n = 0 } };
	unsigned		 i, j;

	for (i = 0; i < 2; i++)
		to[i] = open_at(w, dir[i], i, 2, &o);
	for (i = 0; i < a->n; i++) {
		record_peek(&r, a->p[i].val, a->p[i].len);
		j = slot_store(r.slot, 2);
		CU_ASSERT_EQUAL(apply(to[!j], &a->p[i], &res), E_PARAM);
		CU_ASSERT_EQUAL(apply(to[j], &a->p[i], &res), E_OK);
		CU_ASSERT(res.written && res.version == r.version);
		CU_ASSERT_EQUAL(apply(to[j], &a->p[i], &res), E_OK);
		CU_ASSERT(!res.written);
	}
	for (i = 0; i < 2; i++)
		keep_all(to[i], &b[i]);
	CU_ASSERT_EQUAL(b[0].n + b[1].n, a->n);
	for (i = 0; i < a->n; i++) {
		record_peek(&r, a->p[i].val, a->p[i].len);
		j = slot_store(r.slot, 2);
		for (unsigned k = 0; k < b[j].n; k++)
			if (memcmp(&b[j].p[k], &a->p[i], sizeof(*a->p)) == 0)
				goto found;
		CU_FAIL("a record is not there as it was");
found:		;
	}
	for (i = 0; i < 2; i++) {
		free(b[i].p);
		CU_ASSERT_EQUAL(shard_close(to[i], 1), E_OK);
	}
}

static void
whole_on(const struct engine_ops *ops)
{
	struct world	w;
	struct all	a = { .n = 0 };
	char		dir[2][64];
	unsigned	i;

	world_init(&w, ops);
	for (i = 0; i < 2; i++)
		shard_dir(dir[i], sizeof(dir[i]), w.base, 10 + i);
	write_some(&w, &a);
	free(a.p);
	a.p = NULL;
	keep_all(w.s, &a);
	CU_ASSERT(a.n > KEYS / 2);
	spread(&w, &a, (const char (*)[64])dir);
	free(a.p);
	world_free(&w);
}

static void
order_on(const struct engine_ops *ops)
{
	static const unsigned	 orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 },
	    { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	uint64_t		 t = (uint64_t)wall_ms() << 16;
	struct world		 w;
	struct shard_result	 res;
	struct seen		 x;
	struct kept		 k[3];
	unsigned		 i, j, done, most;

	world_init(&w, ops);
	for (i = 0; i < 12; i++) {
		k[0] = make_record(i, t - 3000, RECORD_VALUE, "old");
		k[1] = make_record(i, t - 2000, i < 6 ? RECORD_VALUE :
		    RECORD_DEAD, "middle");
		k[2] = make_record(i, t - 1000, i < 6 ? RECORD_DEAD :
		    RECORD_VALUE, "new");
		for (j = most = 0; j < 3; j++) {
			done = orders[i % 6][j];
			CU_ASSERT_EQUAL(apply(w.s, &k[done], &res), E_OK);
			CU_ASSERT_EQUAL(res.written, j == 0 || done > most);
			most = done > most ? done : most;
		}
		CU_ASSERT_EQUAL(get(w.s, i, &x), i < 6 ? E_NOTFOUND : E_OK);
		CU_ASSERT(i < 6 || (x.len == 3 && x.version == 9 &&
		    x.stamp.store == 7 && x.prev.hlc == 5));
	}
	world_free(&w);
}

static void
refused_on(const struct engine_ops *ops)
{
	struct world		w;
	struct shard_result	res;
	struct seen		x;
	struct kept		k, bad;
	unsigned		at;

	world_init(&w, ops);
	k = make_record(1, 1000, RECORD_VALUE, "value");
	for (at = 0; at < k.len; at++) {
		bad = k;
		bad.val[at] ^= 1;
		CU_ASSERT_EQUAL(apply(w.s, &bad, &res), E_DAMAGED);
	}
	bad = k;
	bad.key[bad.keylen - 1] ^= 1;
	CU_ASSERT_EQUAL(apply(w.s, &bad, &res), E_DAMAGED);
	bad = k;
	bad.key[0] = '?';	/* a type that nobody knows, well sealed */
	reseal(&bad);
	CU_ASSERT_EQUAL(apply(w.s, &bad, &res), E_PARAM);
	bad = k;
	bad.key[bad.keylen - 1] ^= 1;	/* another key's slot */
	reseal(&bad);
	CU_ASSERT_EQUAL(apply(w.s, &bad, &res), E_PARAM);
	bad = k;
	bad.len = RECORD_HEAD - 1;
	CU_ASSERT_EQUAL(apply(w.s, &bad, &res), E_DAMAGED);
	CU_ASSERT_EQUAL(get(w.s, 1, &x), E_NOTFOUND);
	CU_ASSERT_EQUAL(apply(w.s, &k, &res), E_OK);
	CU_ASSERT_EQUAL(get(w.s, 1, &x), E_OK);
	world_free(&w);
}

/* Goes on with a copy, as after a kill; reboot: and on another machine. */
static void
crash(struct world *w, int reboot)
{
	struct manifest	 m;
	char		 err[256], *text, was[sizeof(w->dir)];
	size_t		 n;

	memcpy(was, w->dir, sizeof(was));
	shard_image(w->dir, sizeof(w->dir), w->base, w->dirs++, was);
	shard_close(w->s, 0);
	if (reboot) {
		manifest_init(&m);
		CU_ASSERT_EQUAL_FATAL(manifest_load(&m, &io_posix, w->dir,
		    err, sizeof(err)), E_OK);
		snprintf(m.boot, sizeof(m.boot), "another");
		text = manifest_text(&m, &n);
		CU_ASSERT_EQUAL(manifest_write(&io_posix, w->dir, text, n),
		    E_OK);
		free(text);
		manifest_clear(&m);
	}
	w->s = open_at(w, w->dir, 0, 1, &w->opened);
}

/* A batch may also leave without a turn of the loop that asks for a bound. */
static void
apply_and_poll(struct shard *s, const struct kept *k)
{
	struct shard_result	res;
	enum err		e;

	while ((e = shard_apply(s, k->key, k->keylen, k->val, k->len,
	    &res)) == E_AGAIN)
		shard_loop(s);
	CU_ASSERT_EQUAL(e, E_OK);
	CU_ASSERT(res.written);
	while (shard_released(s) < res.lsn) {
		usleep(20);
		shard_poll(s);
	}
}

/* An applied stamp from ahead: ours come later, whatever happened since. */
static void
clock_on(const struct engine_ops *ops)
{
	static const char	 how[] = "ckrrck";	/* close, kill, reboot */
	uint64_t		 hlc = (uint64_t)wall_ms() << 16;
	struct world		 w;
	struct seen		 x;
	struct kept		 k;
	unsigned		 i;

	world_init(&w, ops);
	settle(w.s, write_key(w.s, 3, 0, 1, 0));
	for (i = 0; i < sizeof(how) - 1; i++) {
		hlc += (uint64_t)1500 << 16;
		k = make_record(1, hlc, RECORD_VALUE, "ahead");
		apply_and_poll(w.s, &k);
		if (how[i] == 'c') {
			CU_ASSERT_EQUAL(shard_close(w.s, 1), E_OK);
			w.s = open_at(&w, w.dir, 0, 1, &w.opened);
		} else
			crash(&w, how[i] == 'r');
		CU_ASSERT_EQUAL(get(w.s, 1, &x), E_OK);
		CU_ASSERT_EQUAL(x.stamp.hlc, hlc);
		settle(w.s, write_key(w.s, 2, 0, 1, 0));
		CU_ASSERT_EQUAL(get(w.s, 2, &x), E_OK);
		CU_ASSERT(x.stamp.hlc > hlc);
		settle(w.s, write_key(w.s, 1, 0, 1, 0));
		CU_ASSERT_EQUAL(get(w.s, 1, &x), E_OK);
		CU_ASSERT(x.stamp.hlc > hlc && x.version == 10);
	}
	world_free(&w);
}

BOTH(whole)
BOTH(order)
BOTH(refused)
BOTH(clock)

static const CU_TestInfo	tests[] = {
	ROWS(whole, "every record, byte for byte"),
	ROWS(order, "the latest stamp stays"),
	ROWS(refused, "what is none is refused"),
	ROWS(clock, "our stamps come later"),
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_apply", UNIT_SUITE("apply", tests))
