/*
 * server_backup.c: see server_backup.h.  The shard does the work; here it is
 * asked for, watched, and told of.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/server_backup.h"
#include "store/shard_backup.h"
#include "supervisor/log.h"

struct server_backup {
	uint64_t	id;		/* of the one under way */
	int		told;		/* 0: of the last one wharfd is not */
	uint64_t	last;		/* its id */
	enum err	e;
	char		why[BACKED_TEXT + 1];
};

/* This shard's part of backup.rate. */
static uint64_t
rate(const struct server *s)
{
	uint64_t	all = (uint64_t)conf_int(s->actor.conf,
			    CONF_BACKUP_RATE);

	return all == 0 ? 0 : all / s->shards + 1;
}

/* When its socket is full, again at the next tick. */
static void
tell(struct server *s)
{
	struct server_backup	*b = s->backup;
	struct frame		 f = { .msg = MSG_BACKED, .id = b->last,
				    .status = (uint16_t)b->e };

	if (b->e != E_OK) {
		f.val = (const uint8_t *)b->why;
		f.vallen = (uint32_t)strlen(b->why);
	}
	b->told = actor_tell(&s->actor, &f) != E_AGAIN;
}

static void
is_over(struct server *s, uint64_t id, enum err e, const char *why)
{
	struct server_backup	*b = s->backup;

	b->last = id;
	b->e = e;
	snprintf(b->why, sizeof(b->why), "%s", why);
	tell(s);
}

/* A copy of a descriptor that came along; -1: there is none. */
static int
take(const struct msg *m, int i)
{
	return i < m->nfds ? fcntl(m->fds[i], F_DUPFD_CLOEXEC, 0) : -1;
}

static enum err
begin(struct server *s, const struct msg *m)
{
	char				 name[65];
	struct shard_backup_conf	 c = { .rate = rate(s),
	    .router = s->actor.role == FROM_ROUTER, .parent_name = name };

	memcpy(name, m->f.val, m->f.vallen);	/* msg.def: 64 at most */
	name[m->f.vallen] = '\0';
	c.dir = take(m, 0);
	c.parent = take(m, 1);
	if (c.dir != -1 && (m->nfds == 1 || c.parent != -1) && !s->stopping)
		return shard_backup(s->shard, &c);
	if (c.dir != -1)
		close(c.dir);
	if (c.parent != -1)
		close(c.parent);
	return s->stopping ? E_NOTREADY : E_NOMEM;
}

enum err
server_on_backup(struct actor *a, const struct msg *m)
{
	struct server	*s = a->self;
	enum err	 e;

	if (s->backup == NULL &&
	    (s->backup = calloc(1, sizeof(*s->backup))) == NULL)
		return E_NOMEM;
	if ((m->f.flags & FRAME_FORGET) != 0) {
		if (m->f.id == s->backup->id)
			shard_backup_cancel(s->shard);
		return E_OK;
	}
	if (m->nfds < 1 || m->nfds > 2)
		return E_BADMSG;
	s->backup->told = 1;
	if ((e = begin(s, m)) == E_OK)
		s->backup->id = m->f.id;
	else
		is_over(s, m->f.id, e, err_text(e));
	return E_OK;
}

static void
gauges(struct server *s)
{
	struct shard_backup_stat	st;

	shard_backup_stat(s->shard, &st);
	if (!st.running)
		return;
	board_set(s->actor.my, BC_BACKUP_BYTES, (int64_t)st.copied);
	board_set(s->actor.my, BC_BACKUP_TOTAL, (int64_t)st.total);
}

void
server_backup_look(struct server *s)
{
	char		why[BACKED_TEXT + 1];
	enum err	e;

	if (s->backup == NULL)
		return;
	gauges(s);
	if (!shard_backup_over(s->shard, &e, why, sizeof(why)))
		return;
	if (e == E_DAMAGED)
		log_errorx("%s: no backup: %s", s->actor.name, why);
	is_over(s, s->backup->id, e, why);
}

void
server_backup_gauges(struct server *s)
{
	if (s->backup == NULL)
		return;
	gauges(s);
	if (!s->backup->told)
		tell(s);
}

void
server_backup_reload(struct server *s)
{
	shard_backup_rate(s->shard, rate(s));
}

void
server_backup_free(struct server *s)
{
	free(s->backup);
	s->backup = NULL;
}
