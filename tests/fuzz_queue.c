/*
 * fuzz_queue.c: what the messages of queues carry, on any bytes, as all three
 * sides read it: the routers' and workers' readers (proto/msg_queue.h), and
 * libwharf with what it shows of it to programs.
 *
 * The first byte modulo 7 says what the others are: 0 settings, 1 items, 2
 * tokens, 3 deliveries, 4 workers, 5 rows of stat, back to back; 6 the answer
 * that has one message or task: u8 length, token, u8 length, name, value.
 */
#define FUZZ_NAME "queue"
#include "proto/client_ask.h"
#include "proto/msg_queue.h"
#include "tests/fuzz.h"

/* Reads one and writes it again. */
typedef void	one_fn(struct rbuf *, struct wbuf *);

static void
one_set(struct rbuf *b, struct wbuf *out)
{
	struct queue_set	s;

	queue_set_get(b, &s);
	if (b->bad)
		return;
	MUST((s.mask & ~QSET_ALL) == 0 && s.deadlen <= TABLE_MAX);
	queue_set_put(out, &s);
}

static void
one_item(struct rbuf *b, struct wbuf *out)
{
	size_t		 n;
	const uint8_t	*p = queue_item_get(b, &n);

	if (p != NULL)
		queue_item_put(out, p, n);
}

static void
one_token(struct rbuf *b, struct wbuf *out)
{
	size_t		 n;
	const uint8_t	*p = queue_token_get(b, &n);

	MUST(p == NULL || n <= QUEUE_TOKEN_MAX);
	if (p != NULL)
		queue_token_put(out, p, n);
}

/* One without a token nobody could acknowledge: who reads them refuses it. */
static void
one_delivery(struct rbuf *b, struct wbuf *out)
{
	struct queue_delivery	d;
	size_t			was = out->len;

	queue_delivery_get(b, &d);
	if (d.tokenlen == 0)
		b->bad = 1;
	if (b->bad)
		return;
	queue_delivery_put(out, &d);
	MUST(out->len - was == queue_delivery_size(&d));
}

static void
one_worker(struct rbuf *b, struct wbuf *out)
{
	int64_t		 sec;
	size_t		 n;
	const uint8_t	*p = queue_worker_get(b, &n, &sec);

	MUST(p == NULL || n <= QUEUE_WORKER_MAX);
	if (!b->bad)
		queue_worker_put(out, p, n, sec);
}

static void
one_row(struct rbuf *b, struct wbuf *out)
{
	struct queue_row	r;
	size_t			was = out->len;

	queue_row_get(b, &r);
	if (b->bad)
		return;
	MUST(r.len <= TABLE_MAX && r.topic <= 1);
	queue_row_put(out, &r);
	MUST(out->len - was <= QUEUE_ROW_MAX);
}

/* What was accepted is written as it was, to the byte. */
static int
check_list(one_fn *fn, const uint8_t *p, size_t n, unsigned *count)
{
	uint8_t		*bytes = malloc(n + 1);
	struct wbuf	 out;
	struct rbuf	 b;

	MUST(bytes != NULL);
	wbuf_init(&out, bytes, n);
	rbuf_init(&b, p, n);
	for (*count = 0; b.left > 0 && !b.bad; ++*count) {
		fn(&b, &out);
		MUST(b.bad || (!out.bad && out.len == n - b.left));
	}
	MUST(b.bad || memcmp(bytes, p, n) == 0);
	free(bytes);
	return !b.bad;
}

/* --- as libwharf reads it --- */

static int
next_message(const struct wharf_answer *a, size_t *place)
{
	struct wharf_message	m;

	if (!wharf_next_message(a, place, &m))
		return 0;
	fuzz_touch(m.value, m.length);
	MUST(strlen(m.token) <= WHARF_TOKEN_MAX);
	return 1;
}

static int
next_worker(const struct wharf_answer *a, size_t *place)
{
	struct wharf_worker	wo;

	return wharf_next_worker(a, place, &wo) &&
	    strlen(wo.name) <= WHARF_WORKER_MAX;
}

static int
next_queue(const struct wharf_answer *a, size_t *place)
{
	struct wharf_queue_row	r;

	return wharf_next_queue(a, place, &r) &&
	    strlen(r.name) <= WHARF_TABLE_MAX &&
	    strlen(r.settings.dead) <= WHARF_TABLE_MAX;
}

static struct wharf_answer
answer_of(struct frame *f, unsigned limit)
{
	static struct wharf	w;
	struct op		op = { .msg = f->msg, .list = { .limit = limit } };
	struct wharf_answer	a = { .status = WHARF_OK, .version = f->ver };

	if (f->vallen != 0) {
		a.value = f->val;
		a.length = f->vallen;
	}
	queue_take(&w, &op, f, &a);
	return a;
}

/* It takes what the reader takes, and shows as many. */
static void
check_client(uint16_t msg, int (*next)(const struct wharf_answer *, size_t *),
    const uint8_t *p, size_t n, unsigned count, int good)
{
	struct frame		f = { .msg = msg, .val = p,
				    .vallen = (uint32_t)n, .ver = count };
	struct wharf_answer	a = answer_of(&f, QUEUE_COUNT);
	size_t			place = 0;
	unsigned		i;

	MUST((a.status == WHARF_OK) == good);
	MUST(good ? a.count == count : a.value == NULL);
	for (i = 0; next(&a, &place); i++)
		MUST(place <= n);
	MUST(i == (good ? count : 0));
	f.ver = count + 1;
	MUST(answer_of(&f, QUEUE_COUNT).status == WHARF_BADMSG);
}

static void
check_text(const char *text, const uint8_t *p, size_t n)
{
	MUST(text != NULL && strlen(text) == n && memcmp(text, p, n) == 0);
}

/* Of get and of claim; a claim's has a name, too. */
static int
check_single(uint16_t msg, const struct frame *from)
{
	struct frame		f = *from;
	struct wharf_answer	a;
	struct wharf_message	m;
	size_t			place = 0;

	f.msg = msg;
	a = answer_of(&f, 1);
	if (a.status != WHARF_OK)
		return 0;
	check_text(a.token, f.key, f.keylen);
	if (msg == MSG_TASK_CLAIM)
		check_text(a.name, f.tab, f.tablen);
	MUST(wharf_next_message(&a, &place, &m) == (f.vallen != 0));
	MUST(f.vallen == 0 || (m.length == f.vallen && m.value == f.val));
	MUST(!wharf_next_message(&a, &place, &m));
	return 1;
}

static int
fuzz_single(const uint8_t *p, size_t n)
{
	struct frame	f = { .ver = 1 };
	struct rbuf	b;

	rbuf_init(&b, p, n);
	f.keylen = rbuf_u8(&b);
	f.key = rbuf_take(&b, f.keylen);
	f.tablen = rbuf_u8(&b);
	f.tab = rbuf_take(&b, f.tablen);
	if (b.bad)
		return 0;
	f.vallen = (uint32_t)b.left;
	f.val = b.p;
	return check_single(MSG_QUEUE_GET, &f) &
	    check_single(MSG_TASK_CLAIM, &f);
}

static const struct {
	one_fn		*fn;
	uint16_t	 msg;		/* 0: goes to routers only */
	int		(*next)(const struct wharf_answer *, size_t *);
} lists[] = {
	{ one_set, 0, NULL },
	{ one_item, 0, NULL },
	{ one_token, 0, NULL },
	{ one_delivery, MSG_QUEUE_GET, next_message },
	{ one_worker, MSG_QUEUE_WORKERS, next_worker },
	{ one_row, MSG_QUEUE_STAT, next_queue }
};
#define LISTS	(sizeof(lists) / sizeof(lists[0]))

static int
fuzz_one(const uint8_t *p, size_t n)
{
	unsigned	count, kind;
	int		good;

	if (n < 1 || n > VALUE_MAX)
		return 0;
	kind = *p++ % (LISTS + 1);
	n--;
	if (kind == LISTS)
		return fuzz_single(p, n);
	good = check_list(lists[kind].fn, p, n, &count);
	if (lists[kind].msg != 0)
		check_client(lists[kind].msg, lists[kind].next, p, n, count,
		    good);
	return good;
}
