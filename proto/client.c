/*
 * client.c: the calls of wharf.h: connect and close, statuses, info.
 *
 * Runs in programs that are not ours: nothing here exits, logs, changes the
 * umask or a signal, or keeps state outside a connection, but for the count of
 * threads that close nng's sockets (client_nng.c).
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/client_ask.h"
#include "proto/msg.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define TIMEOUT_MS	5000
#define IN_FLIGHT	1024u
#define IN_FLIGHT_MOST	1048576u
#define MEMORY		(128ull << 20)
#define SPIN_US		50
#define CLOSE_MS	1000		/* patience with nng, in all */

const char *
wharf_library_version(void)
{
	return PACKAGE_VERSION;
}

const char *
wharf_status_text(enum wharf_status s)
{
	return err_text((enum err)s);
}

const char *
wharf_status_name(enum wharf_status s)
{
	return err_name((enum err)s) + sizeof("E_") - 1;
}

int
wharf_status_http(enum wharf_status s)
{
	return err_http((enum err)s);
}

/* Connect and close */

static int
options_take(struct wharf *w, const struct wharf_options *o)
{
	static const struct wharf_options	none = WHARF_OPTIONS_INIT;

	if (o == NULL)
		o = &none;
	if (!size_is_good(o, o->size, sizeof(*o)) || o->timeout < 0 || o->timeout > 1500000 ||
	    o->in_flight > IN_FLIGHT_MOST || o->spin > 1000000 ||
	    (unsigned)o->lanes > WHARF_LANES_OFF ||
	    (o->name != NULL && strlen(o->name) > DESK_NAME_MAX))
		return 0;
	w->timeout = 1000 * (int64_t)(o->timeout ? o->timeout : TIMEOUT_MS);
	w->lanes = o->lanes;
	w->memory = o->memory ? o->memory : MEMORY;
	w->spin = o->spin ? o->spin : SPIN_US;
	/* Alone on one processor we would wait for ourselves. */
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		w->spin = -1;
	w->name = strdup(o->name ? o->name : "libwharf");
	return w->name != NULL &&
	    ops_init(w, o->in_flight ? o->in_flight : IN_FLIGHT);
}

static int
client_open(struct wharf *w)
{
	struct epoll_event	e = {
		.events = EPOLLIN, .data.u64 = (uint64_t)UINT32_MAX << 32
	};
	unsigned		i;

	for (i = 0; i < SEATS_MAX + ROUTERS_MOST; i++)
		seat_init(&w->seats[i], w, i);
	if (getrandom(&w->inc, sizeof(w->inc), 0) != (ssize_t)sizeof(w->inc))
		return 0;
	w->inc |= w->inc == 0;
	w->random = w->inc;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->again = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->epoll != -1 && w->again != -1 &&
	    epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->again, &e) == 0;
}

/* Each store has a link, or one try to make one has failed. */
static int
client_settled(const struct wharf *w)
{
	unsigned	i;

	for (i = 0; i < w->stores; i++)
		if (w->seats[i].state != SEAT_UP && w->seats[i].pause == 0)
			return 0;
	return w->seats[0].state == SEAT_UP;
}

/* Until the stores are there, or time is over, or waiting is of no use. */
static enum wharf_status
client_begin(struct wharf *w)
{
	struct seat	*s = &w->seats[0];
	mono_t		 end = mono_add(mono_now(), w->timeout);

	w->inside = 1;
	seat_begin(s);
	while (!client_settled(w) && mono_now().us < end.us) {
		if (s->state == SEAT_OFF && (s->why == WHARF_DENIED ||
		    s->why == WHARF_FULL || s->why == WHARF_PARAM) &&
		    (w->lanes != WHARF_LANES_AUTO || !s->by_desk))
			break;
		client_sleep(w, end);
	}
	w->inside = 0;
	if (s->state == SEAT_UP)
		return WHARF_OK;
	return s->state == SEAT_OFF ? s->why : WHARF_TIMEOUT;
}

enum wharf_status
wharf_connect(struct wharf **wp, const char *run, const struct wharf_options *o)
{
	struct wharf		*w;
	enum wharf_status	 e = WHARF_NOMEM;

	*wp = NULL;
	if (run == NULL || strlen(run) > LINK_PATH_MAX - sizeof("/store.63"))
		return WHARF_PARAM;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return WHARF_NOMEM;
	w->epoll = w->again = -1;
	if (!options_take(w, o))
		e = w->name != NULL ? WHARF_NOMEM : WHARF_PARAM;
	else if ((w->run = strdup(run)) != NULL && client_open(w))
		e = client_begin(w);
	if (e == WHARF_OK)
		*wp = w;
	else
		wharf_close(w);
	return e;
}

void
wharf_close(struct wharf *w)
{
	mono_t		end = mono_add(mono_now(), CLOSE_MS * 1000);
	int64_t		us;
	unsigned	i;

	if (w == NULL)
		return;
	assert(!w->inside);
	for (i = 0; i < SEATS_MAX + ROUTERS_MOST && w->seats[i].w != NULL;
	    i++) {
		us = mono_diff(mono_now(), end);
		seat_close(&w->seats[i], us > 0 ? (int)(us / 1000) : 0);
		outq_free(&w->seats[i].out);
	}
	if (w->epoll != -1)
		close(w->epoll);
	if (w->again != -1)
		close(w->again);
	free(w->ops);
	batches_free(w);
	kept_free(&w->kept);
	free(w->cursor);
	free(w->name);
	free(w->run);
	free(w);
}

unsigned
wharf_in_flight(const struct wharf *w)
{
	return w->in_flight;
}

void
wharf_info(const struct wharf *w, struct wharf_info *info)
{
	unsigned	i;

	memset(info, 0, sizeof(*info));
	info->stores = w->stores;
	info->files = w->stores * w->files;
	info->in_flight = w->in_flight;
	info->reconnects = w->reconnects;
	info->routers = w->routers;
	for (i = 0; i < w->stores + w->routers; i++) {
		if (w->seats[i].state != SEAT_UP)
			continue;
		if (i >= w->stores) {
			info->routers_up++;
			continue;
		}
		info->up++;
		info->lanes += w->seats[i].lane != NULL;
	}
}
