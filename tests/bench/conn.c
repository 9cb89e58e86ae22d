/*
 * conn.c: one connection: its answers, and its end.
 *
 * An answer's head is parsed where it was read to; one that is not whole yet
 * waits in the connection's stash and is put before the next read.  Bodies are
 * skipped, or compared, as they come.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/loop.h"

#define STASH_MAX	131072u		/* the head of an answer, an array */

/* Bytes of answers among p[0..n), whose number goes down. */
static size_t
hello_answers(const struct wire *w, const char *p, size_t n, unsigned *answers)
{
	struct reply	r;
	size_t		used = 0, all;
	ssize_t		head;

	while (*answers > 0 &&
	    (head = w->reply(p + used, n - used, &r)) != 0) {
		if (head < 0 || r.status != 200)
			die("refused: %.*s", (int)(n - used), p + used);
		all = (size_t)head + (size_t)(r.body + r.tail);
		if (all > n - used)
			break;
		used += all;
		--*answers;
	}
	return used;
}

/* What is said before the loop begins, waiting for the answers. */
static void
conn_hello(struct loop *l, struct conn *c)
{
	const struct wire	*w = conn_wire(l, c);
	struct request		 r = { .tail = "" };
	unsigned		 answers = 0;
	size_t			 have = 0, used;
	ssize_t			 n;

	if (w->hello != NULL)
		answers = w->hello(&l->b->o, (unsigned)(c - l->conns),
		    &r);
	if (answers > 0 && send(c->fd, r.text, r.len, MSG_NOSIGNAL) !=
	    (ssize_t)r.len)
		die("send: %s", strerror(errno));
	while (answers > 0) {
		n = recv(c->fd, l->in + have, LOOP_IN - have, 0);
		if (n <= 0)
			die("no answer to a connection's first words");
		have += (size_t)n;
		used = hello_answers(w, l->in, have, &answers);
		memmove(l->in, l->in + used, have - used);
		have -= used;
	}
}

static void
conn_connect(struct conn *c, const struct sockaddr *to, socklen_t len)
{
	int	one = 1;

	c->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket: %s", strerror(errno));
	if (connect(c->fd, to, len) != 0)
		die("connect: %s", strerror(errno));
	if (to->sa_family != AF_UNIX)
		(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
}

void
conn_open(struct loop *l, struct conn *c)
{
	struct epoll_event	ev = { .data.ptr = c };
	struct sockaddr_un	un = { .sun_family = AF_UNIX };

	c->body = -1;
	if (conn_wire(l, c) != &wire_sp)
		conn_connect(c, l->to->ai_addr, l->to->ai_addrlen);
	else {
		(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s",
		    l->b->o.topics);
		conn_connect(c, (struct sockaddr *)&un, sizeof(un));
	}
	conn_hello(l, c);
	ev.events = EPOLLIN | EPOLLOUT | EPOLLET;
	if (epoll_ctl(l->ep, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

/* What was in flight is lost; the connection begins anew. */
static void
conn_lost(struct loop *l, struct conn *c)
{
	(void)close(c->fd);
	l->b->t.closed += c->inflight;
	l->inflight -= c->inflight;
	c->first = c->inflight = 0;
	c->out_len = c->out_off = c->stash_len = 0;
	c->left = 0;
	conn_open(l, c);
}

/* The second request of an op; the socket is empty, there is room. */
static void
conn_more(struct conn *c)
{
	const struct reply	*r = &c->reply;

	c->body = (int64_t)r->body;
	(void)send(c->fd, r->more, strlen(r->more),
	    MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
conn_answered(struct loop *l, struct conn *c, int64_t now)
{
	const struct reply	*r = &c->reply;

	if (r->more[0] != '\0') {
		conn_more(c);
		return;
	}
	l->done(l, c, &c->ring[c->first], r->status,
	    r->has_body ? (int64_t)r->body : c->body, now);
	c->body = -1;
	c->first = (c->first + 1) % l->b->o.depth;
	c->inflight--;
	l->inflight--;
}

/* The next n bytes of a body and its tail. */
static void
conn_body(struct loop *l, struct conn *c, const char *p, size_t n)
{
	const struct op	*op = &c->ring[c->first];
	uint64_t	 end = c->reply.body;
	size_t		 part;

	if (l->b->o.check && op->kind == OP_GET && c->reply.status == 200 &&
	    end == l->b->o.size && c->at < end) {
		part = n < end - c->at ? n : (size_t)(end - c->at);
		if (memcmp(p, value_of(l->b, op->key) + c->at, part) != 0)
			l->b->t.content++;
	}
	c->at += n;
	c->left -= n;
}

/* Bytes used of p[0..n); -1 when they are no answer. */
static ssize_t
conn_parse(struct loop *l, struct conn *c, const char *p, size_t n,
    int64_t now)
{
	size_t	used = 0, part;
	ssize_t	head;

	while (used < n) {
		if (c->left == 0) {
			if (c->inflight == 0)
				return -1;
			head = conn_wire(l, c)->reply(p + used, n - used,
			    &c->reply);
			if (head < 0)
				return -1;
			if (head == 0)
				break;
			used += (size_t)head;
			c->at = 0;
			c->left = c->reply.body + c->reply.tail;
		}
		part = n - used < c->left ? n - used : (size_t)c->left;
		if (part > 0)
			conn_body(l, c, p + used, part);
		used += part;
		if (c->left == 0)
			conn_answered(l, c, now);
	}
	return (ssize_t)used;
}

/* What is not parsed yet waits for the next read.  0 when it is too much. */
static int
conn_stash(struct conn *c, const char *p, size_t n)
{
	if (n > STASH_MAX)
		return 0;
	if (n > 0 && c->stash == NULL && (c->stash = malloc(STASH_MAX)) == NULL)
		die("no memory for answers");
	if (n > 0)
		memcpy(c->stash, p, n);
	c->stash_len = n;
	return 1;
}

/* Reads what is there.  0: the connection is gone. */
static int
conn_read(struct loop *l, struct conn *c, int64_t *now)
{
	size_t	have, room;
	ssize_t	n, used;

	do {
		have = c->stash_len;
		if (have > 0)
			memcpy(l->in, c->stash, have);
		room = LOOP_IN - have;
		n = recv(c->fd, l->in + have, room, MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return 0;
		*now = now_ns();
		have += (size_t)n;
		used = conn_parse(l, c, l->in, have, *now);
		if (used < 0 || !conn_stash(c, l->in + used,
		    have - (size_t)used))
			return 0;
	} while ((size_t)n == room);
	return 1;
}

void
conn_event(struct loop *l, struct conn *c, uint32_t events, int64_t *now)
{
	if (c->out_len != 0 && (events & EPOLLOUT) != 0)
		conn_flush(c);
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 &&
	    !conn_read(l, c, now)) {
		conn_lost(l, c);
		*now = now_ns();
	}
}
