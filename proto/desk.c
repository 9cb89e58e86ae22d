/*
 * desk.c: the front desk: where nng programs from outside ask for a link.
 *
 * An nng REP socket with a few contexts.  Whoever may open the socket file may
 * say anything here: what is no frame is answered E_BADMSG and counted.  A
 * client gets a pair1 listener on a fresh path, which becomes a link like any
 * other, from FROM_CLIENT.
 *
 * The listener can be silenced for ever by one hasty peer (desk_probe.c);
 * then it is closed and opened anew.  Links that clients have do not notice.
 */
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

#include "proto/desk.h"
#include "proto/msg_link.h"
#include "supervisor/log.h"

/* A desk message is small; nng would take anything by default. */
#define DESK_MESSAGE	4096u
#define CLOSE_S		1		/* patience with nng at the end */
/* Client links are numbered apart from wharfd's. */
#define CLIENT_LINK	((uint64_t)1 << 63)

struct desk {
	struct mailbox	*mb;
	struct desk_conf conf;		/* strings are our own */
	gid_t		 gid;		/* (gid_t)-1: as it is */
	nng_socket	 sock;
	nng_listener	 listener;
	int		 listening;
	struct desk_ctx	 ctx[DESK_CONTEXTS];
	struct probe	 probe;
	uint32_t	 clients;	/* number of the next link */
	struct log_limit lim;
};

static void
desk_reject(struct desk *d, enum err e)
{
	struct mailbox	*mb = d->mb;

	if (mb->hooks.reject != NULL)
		mb->hooks.reject(mb->arg, NULL, e);
}

void
desk_give(const char *path, const char *group, gid_t gid)
{
	if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) == -1)
		log_warn("desk: give %s to group %s", path, group);
}

static void
desk_chown(const struct desk *d, const char *path)
{
	desk_give(path, d->conf.group, d->gid);
}

static int
desk_listen(struct desk *d)
{
	char	url[LINK_URL_MAX];
	int	rv;

	link_url(url, d->conf.path);
	if ((rv = nng_listener_create(&d->listener, d->sock, url)) != 0)
		goto fail;
	d->listening = 1;
	if ((rv = nng_listener_set_int(d->listener, NNG_OPT_IPC_PERMISSIONS,
	    (int)d->conf.mode)) != 0 ||
	    (rv = nng_listener_start(d->listener, 0)) != 0)
		goto fail;
	desk_chown(d, d->conf.path);
	return 1;
fail:
	log_limited(&d->lim, "desk: listen on %s: %s", d->conf.path,
	    nng_strerror(rv));
	return 0;
}

static void
desk_unlisten(struct desk *d)
{
	if (d->listening)
		nng_listener_close(d->listener);
	d->listening = 0;
}

void
desk_tick(struct desk *d, mono_t now)
{
	(void)now;
	if (d->listening && probe_tick(&d->probe) != PROBE_FAILED)
		return;
	log_limited(&d->lim, "desk: %s does not answer; listening again",
	    d->conf.path);
	desk_unlisten(d);
	if (!desk_listen(d))
		desk_unlisten(d);
}

int
desk_admits(const struct mailbox *mb)
{
	return mb->desk != NULL &&
	    mb->clients < mb->desk->conf.max_clients &&
	    mb->closing <= LINK_CLOSERS;
}

enum err
desk_open_link(struct desk *d, struct link *l)
{
	enum err	e = link_nng_open(l, d->conf.mode);

	if (e == E_OK)
		desk_chown(d, l->offer.path);
	return e;
}

static struct link *
desk_new_link(struct desk *d)
{
	struct link_offer	 o;
	struct link		*l;
	int			 n;

	memset(&o, 0, sizeof(o));
	o.id = CLIENT_LINK |
	    (uint64_t)(d->mb->conf.inc & 0x7fffffff) << 32 | d->clients;
	o.from = FROM_CLIENT;
	n = snprintf(o.path, sizeof(o.path), "%s/c.%u.%u.%u", d->conf.run,
	    d->conf.seat, d->mb->conf.inc, d->clients++);
	if (n < 0 || (size_t)n >= sizeof(o.path) ||
	    link_find(d->mb, o.id) != NULL ||
	    (l = link_new(d->mb, &o)) == NULL)
		return NULL;
	link_is_client(l);
	if (desk_open_link(d, l) != E_OK) {
		link_go_down(l, 0, "nng refused");
		return NULL;
	}
	return l;
}

static enum err
desk_on_hello(struct desk *d, const struct frame *f, struct frame *r,
    uint8_t buf[DESK_ANSWER_MAX])
{
	struct desk_hello	 h;
	struct desk_answer	 a;
	struct link		*l;

	if (desk_hello_get(&h, f->val, f->vallen) != E_OK)
		return E_BADMSG;
	if (!desk_admits(d->mb))
		return E_FULL;
	if ((l = desk_new_link(d)) == NULL)
		return E_INTERNAL;
	log_debug("desk: link %llx for client \"%s\"",
	    (unsigned long long)l->offer.id, h.name);
	memset(&a, 0, sizeof(a));
	a.version = LINK_VERSION;
	a.stores = (uint16_t)d->conf.stores;
	a.files = (uint16_t)d->conf.files;
	a.routers = (uint16_t)d->conf.routers;
	a.seat = (uint16_t)d->conf.seat;
	a.inc = d->mb->conf.inc;
	a.link = l->offer.id;
	memcpy(a.path, l->offer.path, sizeof(a.path));
	snprintf(a.lanes, sizeof(a.lanes), "%s", d->conf.lanes);
	r->val = buf;
	r->vallen = (uint32_t)desk_answer_put(buf, DESK_ANSWER_MAX, &a);
	return E_OK;
}

static enum err
desk_serve(struct desk *d, const struct frame *f, struct frame *r,
    uint8_t buf[DESK_ANSWER_MAX])
{
	enum err	e = msg_check(f, FROM_CLIENT);

	if (e == E_OK && (f->flags & FRAME_REPLY) != 0)
		e = E_BADMSG;
	if (e != E_OK)
		return e;
	switch (f->msg) {
	case MSG_DESK_HELLO:
		return desk_on_hello(d, f, r, buf);
	case MSG_DESK_PING:
		return E_OK;
	default:
		return E_DENIED;
	}
}

/* Turns the request into its answer; NULL: no memory. */
static nng_msg *
desk_answer(struct desk *d, const uint8_t *p, size_t n)
{
	uint8_t		 buf[DESK_ANSWER_MAX];
	uint8_t		 out[FRAME_HEAD + DESK_ANSWER_MAX];
	struct frame	 f, r;
	nng_msg		*m;
	enum err	 e;

	memset(&f, 0, sizeof(f));
	memset(&r, 0, sizeof(r));
	if ((e = frame_get(&f, p, n)) == E_OK && f.vallen != f.vtotal)
		e = E_BADMSG;
	if (e == E_OK)
		e = desk_serve(d, &f, &r, buf);
	if (e != E_OK && e != E_FULL)
		desk_reject(d, e);
	r.msg = f.msg;
	r.id = f.id;
	r.flags = FRAME_REPLY;
	r.status = (uint16_t)e;
	r.from = d->mb->conf.inc;
	r.vtotal = r.vallen;
	if (nng_msg_alloc(&m, 0) != 0)
		return NULL;
	if (nng_msg_append(m, out, frame_put(out, &r)) == 0)
		return m;
	nng_msg_free(m);
	return NULL;
}

static void
desk_ctx_receive(struct desk_ctx *c)
{
	c->sending = 0;
	c->busy = 1;
	nng_ctx_recv(c->ctx, c->aio);
}

static void
desk_ctx_received(struct desk_ctx *c)
{
	nng_msg	*m = nng_aio_get_msg(c->aio);
	nng_msg	*r = desk_answer(c->desk, nng_msg_body(m), nng_msg_len(m));

	nng_msg_free(m);
	if (r == NULL) {
		desk_ctx_receive(c);	/* nng forgets the request */
		return;
	}
	c->sending = 1;
	c->busy = 1;
	nng_aio_set_msg(c->aio, r);
	nng_ctx_send(c->ctx, c->aio);
}

static void
desk_ctx_notice(struct notice *n, unsigned bits)
{
	struct desk_ctx	*c = (struct desk_ctx *)(void *)
			    ((char *)n - offsetof(struct desk_ctx, notice));
	int		 rv = nng_aio_result(c->aio);

	(void)bits;
	c->busy = 0;
	if (c->sending && rv != 0)
		nng_msg_free(nng_aio_get_msg(c->aio));
	if (!c->sending && rv == 0)
		desk_ctx_received(c);
	else if (rv != NNG_ECLOSED)
		desk_ctx_receive(c);
}

static void
desk_ctx_cb(void *arg)
{
	struct desk_ctx	*c = arg;

	notice_raise(&c->notice, 1);
}

static int
desk_ctx_open(struct desk *d, struct desk_ctx *c)
{
	int	rv;

	c->desk = d;
	notice_init(&c->notice, d->mb, desk_ctx_notice);
	if ((rv = nng_ctx_open(&c->ctx, d->sock)) == 0 &&
	    (rv = nng_aio_alloc(&c->aio, desk_ctx_cb, c)) == 0)
		desk_ctx_receive(c);
	return rv;
}

static int
desk_open(struct desk *d)
{
	int	i, rv;

	if ((rv = nng_rep0_open(&d->sock)) == 0)
		rv = nng_socket_set_size(d->sock, NNG_OPT_RECVMAXSZ,
		    DESK_MESSAGE);
	for (i = 0; rv == 0 && i < DESK_CONTEXTS; i++)
		rv = desk_ctx_open(d, &d->ctx[i]);
	if (rv != 0)
		log_warnx("desk: %s: %s", d->conf.path, nng_strerror(rv));
	return rv == 0 && desk_listen(d);
}

enum err
desk_find_group(const char *group, gid_t *gid)
{
	struct group	*g;

	*gid = (gid_t)-1;
	if (group[0] == '\0')
		return E_OK;
	errno = 0;
	if ((g = getgrnam(group)) == NULL) {
		log_warn("desk: no group %s", group);
		return E_PARAM;
	}
	*gid = g->gr_gid;
	return E_OK;
}

static int
desk_copy_conf(struct desk *d, const struct desk_conf *c)
{
	d->conf = *c;
	d->conf.path = strdup(c->path);
	d->conf.run = strdup(c->run);
	d->conf.group = strdup(c->group);
	d->conf.lanes = strdup(c->lanes);
	return d->conf.path != NULL && d->conf.run != NULL &&
	    d->conf.group != NULL && d->conf.lanes != NULL;
}

enum err
mailbox_desk(struct mailbox *mb, const struct desk_conf *conf)
{
	struct desk	*d;
	enum err	 e = E_NOMEM;

	if (strlen(conf->path) >= LINK_PATH_MAX ||
	    strlen(conf->lanes) >= LINK_PATH_MAX)
		return E_PARAM;
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return E_NOMEM;
	d->mb = mb;
	mb->desk = d;
	if (ears_open(mb) && desk_copy_conf(d, conf) &&
	    (e = desk_find_group(d->conf.group, &d->gid)) == E_OK) {
		probe_init(&d->probe, mb->loop, d->conf.path);
		e = desk_open(d) ? E_OK : E_INTERNAL;
	}
	if (e != E_OK && desk_close(d))
		mailbox_forget_desk(mb);
	return e;
}

static void *
desk_closer(void *arg)
{
	struct desk	*d = arg;
	struct desk_ctx	*c;

	for (c = d->ctx; c < d->ctx + DESK_CONTEXTS; c++) {
		if (c->aio != NULL)
			nng_aio_stop(c->aio);
		c->notice.fn = NULL;
	}
	if (nng_socket_id(d->sock) > 0)
		nng_close(d->sock);
	for (c = d->ctx; c < d->ctx + DESK_CONTEXTS; c++) {
		if (c->busy && (nng_aio_result(c->aio) != 0) == c->sending)
			nng_msg_free(nng_aio_get_msg(c->aio));
		nng_aio_free(c->aio);
		c->aio = NULL;
	}
	return NULL;
}

int
desk_close(struct desk *d)
{
	struct timespec	end;
	pthread_t	closer;

	probe_stop(&d->probe);
	if (pthread_create(&closer, NULL, desk_closer, d) != 0)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += CLOSE_S;
	if (pthread_clockjoin_np(closer, NULL, CLOCK_MONOTONIC, &end) == 0)
		return 1;
	log_warnx("desk: nng does not close %s", d->conf.path);
	pthread_detach(closer);
	return 0;
}

void
desk_free(struct desk *d)
{
	free((char *)(uintptr_t)d->conf.path);
	free((char *)(uintptr_t)d->conf.run);
	free((char *)(uintptr_t)d->conf.group);
	free((char *)(uintptr_t)d->conf.lanes);
	free(d);
}
