/*
 * gate.c: see gate.h.  In every actor that has a front desk, and in wharfd,
 * which checks the list.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/msg.h"
#include "supervisor/conf.h"
#include "supervisor/gate.h"
#include "supervisor/log.h"

#define USER_TEXT	64u

struct entry {
	uid_t		uid;
	enum role	role;
};

struct gate {
	int		open;		/* everybody is an admin */
	uid_t		self;
	enum role	others;		/* those who are not named */
	size_t		n;
	struct entry	e[GATE_ENTRIES];
};

/* wharfctl links this too, and not the names that proto/ has. */
#define NEED(msg, role)	[MSG_##msg] = { role, #msg }
static const struct {
	enum role	 role;
	const char	*name;
} needs[MSG_MAX] = {
	NEED(STORE_GET, ROLE_READ),
	NEED(STORE_PUT, ROLE_WRITE),
	NEED(STORE_DEL, ROLE_WRITE),
	NEED(STORE_EXIST, ROLE_READ),
	NEED(STORE_INCR, ROLE_WRITE),
	NEED(STORE_ZADD, ROLE_WRITE),
	NEED(STORE_EXPIRE, ROLE_WRITE),
	NEED(STORE_LIST, ROLE_READ),
	NEED(STORE_ZCOUNT, ROLE_READ),
	NEED(STORE_ZRANK, ROLE_READ),
	NEED(STORE_STAT, ROLE_READ),
	NEED(STORE_STATS, ROLE_READ),
	NEED(STORE_MGET, ROLE_READ),
	NEED(STORE_MPUT, ROLE_WRITE),
	NEED(STORE_EXPORT, ROLE_ADMIN),
	NEED(STORE_TASK, ROLE_READ),
	NEED(CACHE_EXIST, ROLE_READ),
	NEED(CACHE_GET, ROLE_READ),
	NEED(CACHE_TTL, ROLE_READ),
	NEED(CACHE_HEXIST, ROLE_READ),
	NEED(CACHE_HGET, ROLE_READ),
	NEED(CACHE_PUT, ROLE_WRITE),
	NEED(CACHE_APPEND, ROLE_WRITE),
	NEED(CACHE_DEL, ROLE_WRITE),
	NEED(CACHE_EXPIRE, ROLE_WRITE),
	NEED(CACHE_PERSIST, ROLE_WRITE),
	NEED(CACHE_HSET, ROLE_WRITE),
	NEED(CACHE_HDEL, ROLE_WRITE),
	NEED(CACHE_HINCRBY, ROLE_WRITE),
	NEED(CACHE_HINCRBYFLOAT, ROLE_WRITE),
	NEED(QUEUE_PUT, ROLE_WRITE),
	NEED(QUEUE_MPUT, ROLE_WRITE),
	NEED(QUEUE_GET, ROLE_WRITE),
	NEED(QUEUE_ACK, ROLE_WRITE),
	NEED(QUEUE_NACK, ROLE_WRITE),
	NEED(QUEUE_TOUCH, ROLE_WRITE),
	NEED(QUEUE_PEEK, ROLE_READ),
	NEED(QUEUE_MOVE, ROLE_WRITE),
	NEED(QUEUE_SET, ROLE_WRITE),
	NEED(QUEUE_PURGE, ROLE_WRITE),
	NEED(QUEUE_WORKERS, ROLE_READ),
	NEED(QUEUE_STAT, ROLE_READ),
	NEED(TOPIC_PUB, ROLE_WRITE),
	NEED(TOPIC_SUB, ROLE_READ),
	NEED(TASK_ASK, ROLE_WRITE),
	NEED(TASK_CLAIM, ROLE_WRITE),
	NEED(TASK_DONE, ROLE_WRITE),
	NEED(TASK_STAT, ROLE_READ),
	NEED(ROUTER_CANCEL, ROLE_READ),
};

int
gate_knows(uint16_t msg)
{
	return msg < MSG_MAX && needs[msg].role != ROLE_NONE;
}

enum role
gate_need(uint16_t msg)
{
	return gate_knows(msg) ? needs[msg].role : ROLE_ADMIN;
}

static const char *
need_name(uint16_t msg)
{
	return gate_knows(msg) ? needs[msg].name : "a message";
}

/* A number or a name; 0, or -1. */
static int
uid_parse(const char *text, uid_t *uid)
{
	const struct passwd	*pw;
	unsigned long		 n;

	if (*text != '\0' && strspn(text, "0123456789") == strlen(text)) {
		errno = 0;
		n = strtoul(text, NULL, 10);
		*uid = (uid_t)n;
		return errno == 0 && n < (uid_t)-1 ? 0 : -1;
	}
	if ((pw = getpwnam(text)) == NULL)
		return -1;
	*uid = pw->pw_uid;
	return 0;
}

static int
is_named(const struct gate *g, uid_t uid)
{
	size_t	i;

	for (i = 0; i < g->n; i++)
		if (g->e[i].uid == uid)
			return 1;
	return 0;
}

/* NULL, or what is wrong. */
static const char *
entry_parse(struct gate *g, const char *text, size_t len)
{
	const char	*colon = memchr(text, ':', len);
	char		 user[USER_TEXT];
	enum role	 role;
	uid_t		 uid;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(user))
		return "not user:role";
	snprintf(user, sizeof(user), "%.*s", (int)(colon - text), text);
	role = role_parse(colon + 1, len - (size_t)(colon + 1 - text));
	if (role == ROLE_NONE)
		return "a role is read, write or admin";
	if (strcmp(user, "*") == 0) {
		if (g->others != ROLE_NONE)
			return "* stands twice";
		g->others = role;
		return NULL;
	}
	if (uid_parse(user, &uid) == -1)
		return "no such user";
	if (is_named(g, uid))
		return "this user stands twice";
	if (g->n == GATE_ENTRIES)
		return "more than 256 users";
	g->e[g->n++] = (struct entry){ uid, role };
	return NULL;
}

static const char *
list_parse(struct gate *g, const char *list, const char **at, size_t *len)
{
	const char	*end, *why;

	for (;; list = end + 1) {
		end = list + strcspn(list, ",");
		*at = list + strspn(list, " \t");
		*len = (size_t)(end - *at);
		while (*len > 0 && strchr(" \t", (*at)[*len - 1]) != NULL)
			--*len;
		if ((why = entry_parse(g, *at, *len)) != NULL)
			return why;
		if (*end == '\0')
			return NULL;
	}
}

struct gate *
gate_new(const struct conf *c, char *err, size_t errlen)
{
	const char	*list = conf_str(c, CONF_NNG_ROLES), *at = list;
	const char	*why = NULL;
	struct gate	*g = calloc(1, sizeof(*g));
	size_t		 len = 0;

	if (g == NULL) {
		snprintf(err, errlen, "%s: out of memory",
		    conf_key(CONF_NNG_ROLES));
		return NULL;
	}
	g->open = *list == '\0' && conf_str(c, CONF_AUTH_FILE)[0] == '\0';
	g->self = geteuid();
	if (*list != '\0')
		why = list_parse(g, list, &at, &len);
	if (why == NULL)
		return g;
	snprintf(err, errlen, "%s: %s: \"%.*s\"", conf_key(CONF_NNG_ROLES),
	    why, (int)(len < USER_TEXT ? len : USER_TEXT), at);
	free(g);
	return NULL;
}

void
gate_free(struct gate *g)
{
	free(g);
}

enum role
gate_role(const struct gate *g, uid_t uid)
{
	size_t	i;

	if (g->open || uid == 0 || uid == g->self)
		return ROLE_ADMIN;
	for (i = 0; i < g->n; i++)
		if (g->e[i].uid == uid)
			return g->e[i].role;
	return g->others;
}

int
gate_allows(const struct gate *g, uid_t uid, uint16_t msg)
{
	static struct log_limit	lim;
	enum role		need = gate_need(msg);
	int			ok = gate_role(g, uid) >= need;

	if (need == ROLE_ADMIN && ok)
		log_info("audit: %s by user %u over nng", need_name(msg),
		    (unsigned)uid);
	else if (!ok)
		log_limited(&lim, "audit: %s by user %u over nng: refused",
		    need_name(msg), (unsigned)uid);
	return ok;
}
