/*
 * fuzz_frame.c: every decoder of proto/ on any bytes.  In the corpus ok-* are
 * frames back to back; tests/corpus/frame/make.py makes them.
 */
#define FUZZ_NAME "frame"
#include "proto/buf.h"
#include "proto/frame.h"
#include "proto/msg.h"
#include "proto/msg_ctl.h"
#include "proto/msg_link.h"
#include "tests/fuzz.h"

/* A frame that was accepted lies in its bytes and survives its encoder. */
static void
fuzz_accepted(const struct frame *f, const uint8_t *p, size_t used)
{
	static const unsigned	roles[] = { FROM_SUPERVISOR, FROM_WORKER,
		FROM_STORE, FROM_ROUTER, FROM_CLIENT, FROM_CHILD };
	struct frame		g;
	uint8_t			*out = malloc(frame_size(f));
	size_t			i, head = p[5] * (size_t)8;

	MUST(f->val + f->vallen == p + used && used >= frame_size(f));
	MUST(out != NULL && frame_put(out, f) == frame_size(f));
	MUST(frame_get(&g, out, frame_size(f)) == E_OK);
	MUST(memcmp(out, p, 5) == 0 &&
	    memcmp(out + 6, p + 6, FRAME_HEAD - 6) == 0);
	MUST(memcmp(out + FRAME_HEAD, p + head, used - head) == 0);
	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		(void)msg_check(f, roles[i]);
	MUST(msg_name(f->msg) != NULL && err_text(f->status) != NULL);
	free(out);
}

static int
fuzz_stream(const uint8_t *p, size_t n)
{
	struct frame	f;
	size_t		used;

	if (n == 0)
		return 0;
	while (n > 0) {
		if (frame_next(&f, p, n, &used) != E_OK) {
			MUST(frame_get(&f, p, n) != E_OK);
			return 0;
		}
		MUST(used > 0 && used <= n);
		MUST((frame_get(&f, p, n) == E_OK) == (used == n));
		fuzz_accepted(&f, p, used);
		p += used;
		n -= used;
	}
	return 1;
}

/* What get accepts, put writes again, to the byte. */
#define PAYLOAD(type, p, n) do {					\
	struct type	x_;						\
	uint8_t		out_[512];					\
									\
	if (type##_get(&x_, p, n) == E_OK) {				\
		MUST(type##_put(out_, sizeof(out_), &x_) == (n));	\
		MUST(memcmp(out_, p, n) == 0);				\
	}								\
} while (0)

static void
fuzz_payloads(const uint8_t *p, size_t n)
{
	PAYLOAD(link_offer, p, n);
	PAYLOAD(hello, p, n);
	PAYLOAD(desk_hello, p, n);
	PAYLOAD(desk_answer, p, n);
}

static int
fuzz_one(const uint8_t *p, size_t n)
{
	struct frame	f;

	fuzz_payloads(p, n);
	if (frame_get(&f, p, n) == E_OK)
		fuzz_payloads(f.val, f.vallen);
	return fuzz_stream(p, n);
}
