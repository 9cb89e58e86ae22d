/*
 * msg_ctl.c: fd 3 (SOCK_SEQPACKET, a frame a packet, descriptors beside it)
 * and the payload of LANE.
 *
 * Runs in wharfd and in every actor, and never calls nng.  A packet that is no
 * frame is refused with its descriptors closed; only end of file or a dead
 * socket ends the conversation.
 */
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proto/buf.h"
#include "proto/msg_ctl.h"

#define CTL_FDS	4

union ctl_control {
	struct cmsghdr	align;
	char		bytes[CMSG_SPACE(CTL_FDS * sizeof(int))];
};

size_t
link_offer_put(uint8_t *out, size_t max, const struct link_offer *o)
{
	struct wbuf	b;

	wbuf_init(&b, out, max);
	wbuf_u64(&b, o->id);
	wbuf_u32(&b, o->from);
	wbuf_u32(&b, o->seat);
	wbuf_u32(&b, o->peer_inc);
	wbuf_u32(&b, (uint32_t)o->peer_pid);
	wbuf_u8(&b, o->dial);
	wbuf_blob(&b, o->path, strnlen(o->path, LINK_PATH_MAX - 1));
	return wbuf_end(&b) == E_OK ? b.len : 0;
}

enum err
link_offer_get(struct link_offer *o, const uint8_t *p, size_t n)
{
	struct rbuf	 b;
	const uint8_t	*path;
	size_t		 len;

	memset(o, 0, sizeof(*o));
	rbuf_init(&b, p, n);
	o->id = rbuf_u64(&b);
	o->from = rbuf_u32(&b);
	o->seat = rbuf_u32(&b);
	o->peer_inc = rbuf_u32(&b);
	o->peer_pid = (int32_t)rbuf_u32(&b);
	o->dial = rbuf_u8(&b);
	path = rbuf_blob(&b, LINK_PATH_MAX - 1, &len);
	if (rbuf_end(&b) != E_OK || len == 0 || memchr(path, '\0', len) != NULL)
		return E_BADMSG;
	/* A peer has exactly one role. */
	if (o->from == 0 || (o->from & (o->from - 1)) != 0 || o->dial > 1)
		return E_BADMSG;
	memcpy(o->path, path, len);
	return E_OK;
}

static void
ctl_attach(struct msghdr *h, union ctl_control *c, const int *fds, int nfds)
{
	struct cmsghdr	*cm;
	size_t		 bytes = (size_t)nfds * sizeof(int);

	memset(c, 0, sizeof(*c));
	h->msg_control = c->bytes;
	h->msg_controllen = CMSG_SPACE(bytes);
	cm = CMSG_FIRSTHDR(h);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(cm), fds, bytes);
}

enum err
ctl_send(int fd, const struct frame *f, const int *fds, int nfds)
{
	uint8_t			 buf[CTL_PACKET];
	struct frame		 whole = *f;
	struct iovec		 iov = { buf, frame_size(f) };
	struct msghdr		 h = { .msg_iov = &iov, .msg_iovlen = 1 };
	union ctl_control	 c;
	ssize_t			 n;

	assert(iov.iov_len <= sizeof(buf) && nfds >= 0 && nfds <= CTL_FDS);
	whole.voff = 0;
	whole.vtotal = whole.vallen;
	frame_put(buf, &whole);
	if (nfds > 0)
		ctl_attach(&h, &c, fds, nfds);
	do
		n = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	if (n != -1)
		return E_OK;
	/* ETOOMANYREFS: too many descriptors are under way; they will land. */
	if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
		return E_AGAIN;
	return E_INTERNAL;
}

static void
ctl_take_fds(struct msg *m, struct msghdr *h)
{
	struct cmsghdr	*cm;
	size_t		 i, n;
	int		 fd;

	for (cm = CMSG_FIRSTHDR(h); cm != NULL; cm = CMSG_NXTHDR(h, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
			if (m->nfds < CTL_FDS)
				m->fds[m->nfds++] = fd;
			else
				close(fd);
		}
	}
}

void
ctl_close_fds(struct msg *m)
{
	int	i;

	for (i = 0; i < m->nfds; i++) {
		if (m->fds[i] != -1)
			close(m->fds[i]);
		m->fds[i] = -1;
	}
	m->nfds = 0;
}

enum err
ctl_recv(int fd, struct msg *m, uint8_t buf[CTL_PACKET])
{
	struct iovec		 iov = { buf, CTL_PACKET };
	union ctl_control	 c;
	struct msghdr		 h = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = c.bytes, .msg_controllen = sizeof(c.bytes) };
	ssize_t			 n;

	memset(m, 0, sizeof(*m));
	do
		n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN ? E_AGAIN : E_INTERNAL;
	if (n == 0)
		return E_INTERNAL;
	ctl_take_fds(m, &h);
	if ((h.msg_flags & MSG_CTRUNC) != 0) {
		ctl_close_fds(m);
		return E_NOMEM;
	}
	if ((h.msg_flags & MSG_TRUNC) != 0 ||
	    frame_get(&m->f, buf, (size_t)n) != E_OK ||
	    m->f.vallen != m->f.vtotal) {
		ctl_close_fds(m);
		return E_BADMSG;
	}
	return E_OK;
}
