/*
 * msg.c: the table of messages, and the check of a frame against its row.
 *
 * A request is judged by the from column and the limits of its row.  An answer
 * may only come from the row's owner; its value may be as long as any value.
 */
#include "proto/msg.h"
#include "proto/msg_list.h"

/* Who owns, and therefore answers, the messages of each kind of row. */
#define OWNER_LINK	(FROM_WORKER | FROM_STORE | FROM_ROUTER | FROM_CLIENT)
#define OWNER_CTL	FROM_CHILD
#define OWNER_SUPER	FROM_SUPERVISOR
#define OWNER_STORE	FROM_STORE
#define OWNER_ROUTER	FROM_ROUTER
#define OWNER_DESK	(FROM_STORE | FROM_ROUTER)
#define OWNER_LANES	FROM_SUPERVISOR

struct msg_row {
	const char	*name;
	unsigned	 from, owner;
	uint32_t	 tabmax, keymin, keymax, valmax;
};

#define ROW(own, nam, num, frm, tab, kmin, kmax, vmax)			\
	[num] = { nam, frm, own, tab, kmin, kmax, vmax },

static const struct msg_row msg_rows[MSG_MAX] = {
#define MSG_LINK(name, num, from, tab, kmin, kmax, vmax, fn)		\
	ROW(OWNER_LINK, #name, num, from, tab, kmin, kmax, vmax)
#define MSG_CTL(name, num, from, tab, kmin, kmax, vmax, fn)		\
	ROW(OWNER_CTL, #name, num, from, tab, kmin, kmax, vmax)
#define MSG_SUPER(name, num, from, tab, kmin, kmax, vmax, fn)		\
	ROW(OWNER_SUPER, #name, num, from, tab, kmin, kmax, vmax)
#define MSG_STORE(name, num, from, tab, kmin, kmax, vmax, fn)		\
	ROW(OWNER_STORE, #name, num, from, tab, kmin, kmax, vmax)
#define MSG_ROUTER(name, num, from, tab, kmin, kmax, vmax, fn)		\
	ROW(OWNER_ROUTER, #name, num, from, tab, kmin, kmax, vmax)
#define MSG_DESK(name, num, from, tab, kmin, kmax, vmax, fn)		\
	ROW(OWNER_DESK, #name, num, from, tab, kmin, kmax, vmax)
#define MSG_LANES(name, num, from, tab, kmin, kmax, vmax, fn)		\
	ROW(OWNER_LANES, #name, num, from, tab, kmin, kmax, vmax)
#include "proto/msg.def"
};

static const struct msg_row *
msg_row(unsigned number)
{
	if (number >= MSG_MAX || msg_rows[number].name == NULL)
		return NULL;
	return &msg_rows[number];
}

const char *
msg_name(unsigned number)
{
	const struct msg_row	*r = msg_row(number);

	return r == NULL ? "?" : r->name + sizeof("MSG_") - 1;
}

static enum err
msg_check_reply(const struct frame *f, const struct msg_row *r, unsigned from)
{
	if ((r->owner & from) == 0)
		return E_DENIED;
	if (f->vtotal > VALUE_MAX || f->vallen > VALUE_MAX)
		return E_BADMSG;
	return E_OK;
}

enum err
msg_check(const struct frame *f, unsigned from)
{
	const struct msg_row	*r = msg_row(f->msg);

	if (r == NULL)
		return E_UNKNOWN;
	if (f->flags & FRAME_REPLY)
		return msg_check_reply(f, r, from);
	if ((r->from & from) == 0)
		return E_DENIED;
	/* vtotal as well: the first piece of a value is judged by the whole. */
	if (f->tablen > r->tabmax || f->keylen < r->keymin ||
	    f->keylen > r->keymax || f->vallen > r->valmax ||
	    f->vtotal > r->valmax)
		return E_BADMSG;
	return E_OK;
}
