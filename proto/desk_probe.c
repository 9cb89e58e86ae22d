/*
 * desk_probe.c: is the front desk still accepting?
 *
 * In nng 1.5.2 one peer that connects and closes too early silences an IPC
 * listener for ever, and nothing on this side shows it.  So every second the
 * desk is asked a DESK_PING as a stranger would ask: over a fresh connection.
 * It is a plain socket that speaks nng's few bytes of REQ over IPC itself, not
 * an nng socket: those cost threads' time and must not be opened and closed
 * for ever.  All of it is non-blocking and on the loop.
 *
 * Time is counted in ticks of the loop's timer, not by the clock: a loop that
 * was held up for seconds must not blame its desk.
 *
 * The probe itself never leaves a half-open connection, as it closes only
 * after the answer, or when the listener is about to be closed.
 */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proto/desk.h"
#include "proto/msg.h"

#define PROBE_EVERY	2u	/* ticks from the end of one to the next */
#define PROBE_PATIENCE	2u	/* ticks until it has failed */

/* SP greeting of a REQ (protocol 0x30), then a message of type 1. */
static const uint8_t probe_greeting[8] = { 0, 'S', 'P', 0, 0, 0x30, 0, 0 };
/* The same of a SUB (0x21), and what a PUB (0x20) says. */
static const uint8_t sub_greeting[8] = { 0, 'S', 'P', 0, 0, 0x21, 0, 0 };
static const uint8_t pub_greeting[8] = { 0, 'S', 'P', 0, 0, 0x20, 0, 0 };
/* A request id has its highest bit set: it ends the backtrace. */
static const uint8_t probe_request_id[4] = { 0x80, 0, 0, 1 };

static size_t
probe_message(uint8_t out[PROBE_BYTES])
{
	struct frame	 f;
	uint8_t		*p = out;

	memset(&f, 0, sizeof(f));
	f.msg = MSG_DESK_PING;
	memcpy(p, probe_greeting, 8);
	p += 8;
	memset(p, 0, 9);
	p[0] = 1;
	p[8] = 4 + FRAME_HEAD;		/* big-endian, fits one byte */
	p += 9;
	memcpy(p, probe_request_id, 4);
	p += 4;
	return (size_t)(p - out) + frame_put(p, &f);
}

_Static_assert(4 + FRAME_HEAD < 256, "the ping's length in one byte");

/* What it says, and how much it awaits. */
static size_t
probe_question(const struct probe *p, uint8_t out[PROBE_BYTES])
{
	if (!p->pub)
		return probe_message(out);
	memcpy(out, sub_greeting, sizeof(sub_greeting));
	return sizeof(sub_greeting);
}

static size_t
probe_awaits(const struct probe *p)
{
	return p->pub ? sizeof(pub_greeting) : PROBE_BYTES;
}

static int
probe_answer_good(const struct probe *p)
{
	const uint8_t	*frame = p->answer + PROBE_BYTES - FRAME_HEAD;
	struct frame	 f;

	if (p->pub)
		return memcmp(p->answer, pub_greeting,
		    sizeof(pub_greeting)) == 0;
	return frame_get(&f, frame, FRAME_HEAD) == E_OK &&
	    f.msg == MSG_DESK_PING && (f.flags & FRAME_REPLY) != 0;
}

static void
probe_end(struct probe *p)
{
	if (!p->running)
		return;
	ev_io_stop(p->loop, &p->io);
	close(p->io.fd);
	p->running = 0;
	p->ticks = 0;
}

/* Anything but a whole, good answer is left to be judged by the tick. */
static void
probe_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct probe	*p = w->data;
	ssize_t		 n;

	(void)revents;
	n = read(w->fd, p->answer + p->got, probe_awaits(p) - p->got);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ev_io_stop(loop, w);
		return;
	}
	p->got += (size_t)n;
	if (p->got < probe_awaits(p))
		return;
	if (probe_answer_good(p))
		probe_end(p);
	else
		ev_io_stop(loop, w);
}

static int
probe_begin(struct probe *p)
{
	uint8_t	buf[PROBE_BYTES];
	size_t	n = probe_question(p, buf);
	int	fd = socket(AF_UNIX,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return 1;	/* no descriptors: says nothing about the desk */
	if (connect(fd, (const struct sockaddr *)&p->addr,
	    sizeof(p->addr)) == -1 ||
	    send(fd, buf, n, MSG_NOSIGNAL) != (ssize_t)n) {
		close(fd);
		return 0;
	}
	p->running = 1;
	p->got = 0;
	p->ticks = 0;
	ev_io_init(&p->io, probe_cb, fd, EV_READ);
	p->io.data = p;
	ev_io_start(p->loop, &p->io);
	return 1;
}

void
probe_init(struct probe *p, struct ev_loop *loop, const char *path)
{
	memset(p, 0, sizeof(*p));
	p->loop = loop;
	p->addr.sun_family = AF_UNIX;
	memcpy(p->addr.sun_path, path, strlen(path) + 1);
}

void
probe_init_pub(struct probe *p, struct ev_loop *loop, const char *path)
{
	probe_init(p, loop, path);
	p->pub = 1;
}

enum probe_state
probe_tick(struct probe *p)
{
	p->ticks++;
	if (p->running && p->ticks < PROBE_PATIENCE)
		return PROBE_RUNNING;
	if (p->running) {
		probe_end(p);
		return PROBE_FAILED;
	}
	if (p->ticks < PROBE_EVERY)
		return PROBE_FINE;
	return probe_begin(p) ? PROBE_RUNNING : PROBE_FAILED;
}

void
probe_stop(struct probe *p)
{
	probe_end(p);
}
