/*
 * conf.c: the values of one configuration and what they may be, driven by the
 * rows of conf.def.  Reading a file and handing on is in conf_io.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/access.h"
#include "supervisor/addr.h"
#include "supervisor/conf_row.h"
#include "supervisor/gate.h"

#define RUN_MAX		60		/* bytes; link paths go into sun_path */

struct value {
	int64_t	 i;
	char	*s;			/* STR, ENUM */
};

struct conf {
	struct value	v[CONF_MAX_];
};

const struct conf_row conf_rows[CONF_MAX_] = {
#define INT(id, key, def, min, max, rel, help) \
	[id] = { key, help, #def, NULL, T_INT, min, max, rel },
#define STR(id, key, def, rel, help) \
	[id] = { key, help, def, NULL, T_STR, 0, 0, rel },
#define BOOL(id, key, def, rel, help) \
	[id] = { key, help, def ? "on" : "off", NULL, T_BOOL, 0, 1, rel },
#define ENUM(id, key, def, words, rel, help) \
	[id] = { key, help, def, words, T_ENUM, 0, 0, rel },
#include "supervisor/conf.def"
#undef INT
#undef STR
#undef BOOL
#undef ENUM
};

/* Digits, K, M or G behind them, maybe - before; -1 when it is something else. */
static int
parse_int(const char *s, int64_t *out)
{
	static const char	 units[] = "KMG";
	const char		*u;
	char			*end;
	long long		 n;

	if (!isdigit((unsigned char)s[*s == '-']))
		return -1;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (errno != 0)
		return -1;
	if (*end != '\0') {
		if ((u = strchr(units, toupper((unsigned char)*end))) == NULL ||
		    end[1] != '\0')
			return -1;
		if (__builtin_mul_overflow(n, 1LL << 10 * (u - units + 1), &n))
			return -1;
	}
	*out = n;
	return 0;
}

static int
parse_bool(const char *s, int64_t *out)
{
	static const char *const	words[] = {
		"off", "on", "no", "yes", "false", "true", "0", "1",
	};
	size_t				i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(s, words[i]) == 0) {
			*out = i & 1;
			return 0;
		}
	}
	return -1;
}

/* The index of s in "a|b|c". */
static int
parse_enum(const char *s, const char *words, int64_t *out)
{
	size_t	n, len = strlen(s);
	int64_t	i;

	for (i = 0; ; i++, words += n + 1) {
		n = strcspn(words, "|");
		if (n == len && memcmp(words, s, n) == 0) {
			*out = i;
			return 0;
		}
		if (words[n] == '\0')
			return -1;
	}
}

/* Control characters would break the lines of conf_to_memfd. */
static int
parse_str(const char *s)
{
	for (; *s != '\0'; s++)
		if (iscntrl((unsigned char)*s))
			return -1;
	return 0;
}

static int
set_int(struct value *v, const struct conf_row *r, const char *text, char *err,
    size_t errlen)
{
	int64_t	n;

	if (parse_int(text, &n) == -1) {
		snprintf(err, errlen, "%s: \"%s\" is no number "
		    "(digits, then perhaps K, M or G)", r->key, text);
		return -1;
	}
	if (n < r->min || n > r->max) {
		snprintf(err, errlen, "%s: %s is not within %lld..%lld",
		    r->key, text, (long long)r->min, (long long)r->max);
		return -1;
	}
	v->i = n;
	return 0;
}

static int
set_str(struct value *v, const struct conf_row *r, const char *text, char *err,
    size_t errlen)
{
	char	*copy;

	if ((copy = strdup(text)) == NULL) {
		snprintf(err, errlen, "%s: out of memory", r->key);
		return -1;
	}
	free(v->s);
	v->s = copy;
	return 0;
}

int
conf_set_text(struct conf *c, enum conf_id id, const char *text, char *err,
    size_t errlen)
{
	const struct conf_row	*r = &conf_rows[id];
	struct value		*v = &c->v[id];

	switch (r->type) {
	case T_INT:
		return set_int(v, r, text, err, errlen);
	case T_STR:
		if (parse_str(text) == 0)
			return set_str(v, r, text, err, errlen);
		snprintf(err, errlen, "%s: control character", r->key);
		return -1;
	case T_BOOL:
		if (parse_bool(text, &v->i) == 0)
			return 0;
		snprintf(err, errlen, "%s: \"%s\" is neither on nor off",
		    r->key, text);
		return -1;
	case T_ENUM:
		if (parse_enum(text, r->words, &v->i) == 0)
			return set_str(v, r, text, err, errlen);
		snprintf(err, errlen, "%s: \"%s\" is none of %s", r->key, text,
		    r->words);
		return -1;
	}
	abort();
}

struct conf *
conf_new(void)
{
	struct conf	*c = calloc(1, sizeof(*c));
	char		 err[256];
	int		 i;

	for (i = 0; c != NULL && i < CONF_MAX_; i++) {
		if (conf_set_text(c, (enum conf_id)i, conf_rows[i].def, err,
		    sizeof(err)) == -1) {
			conf_free(c);
			return NULL;
		}
	}
	return c;
}

void
conf_free(struct conf *c)
{
	int	i;

	if (c == NULL)
		return;
	for (i = 0; i < CONF_MAX_; i++)
		free(c->v[i].s);
	free(c);
}

/* 0, or -1: out of memory, and to is as it was. */
static int
value_copy(struct value *to, const struct value *from)
{
	char	*s = NULL;

	if (from->s != NULL && (s = strdup(from->s)) == NULL)
		return -1;
	free(to->s);
	to->s = s;
	to->i = from->i;
	return 0;
}

struct conf *
conf_copy(const struct conf *c)
{
	struct conf	*n = calloc(1, sizeof(*n));
	int		 i;

	for (i = 0; n != NULL && i < CONF_MAX_; i++) {
		if (value_copy(&n->v[i], &c->v[i]) == -1) {
			conf_free(n);
			return NULL;
		}
	}
	return n;
}

int
conf_find(const char *key, size_t len)
{
	int	i;

	for (i = 0; i < CONF_MAX_; i++)
		if (strlen(conf_rows[i].key) == len &&
		    memcmp(conf_rows[i].key, key, len) == 0)
			return i;
	return -1;
}

int
conf_option(struct conf *c, const char *text, char *err, size_t errlen)
{
	const char	*eq = strchr(text, '=');
	int		 id;

	if (eq == NULL) {
		snprintf(err, errlen, "\"%s\" is not section.key=value", text);
		return -1;
	}
	if ((id = conf_find(text, (size_t)(eq - text))) == -1) {
		snprintf(err, errlen, "unknown key \"%.*s\"", (int)(eq - text),
		    text);
		return -1;
	}
	return conf_set_text(c, (enum conf_id)id, eq + 1, err, errlen);
}

int64_t
conf_int(const struct conf *c, enum conf_id id)
{
	return c->v[id].i;
}

const char *
conf_str(const struct conf *c, enum conf_id id)
{
	return c->v[id].s;
}

void
conf_set_int(struct conf *c, enum conf_id id, int64_t n)
{
	c->v[id].i = n;
}

const char *
conf_key(enum conf_id id)
{
	return conf_rows[id].key;
}

static int
value_same(const struct value *a, const struct value *b)
{
	if (a->s != NULL)
		return strcmp(a->s, b->s) == 0;
	return a->i == b->i;
}

void
conf_reload(struct conf *c, const struct conf *fresh, char *why, size_t whylen)
{
	size_t	n = 0;
	int	i, w;

	if (whylen > 0)
		why[0] = '\0';
	for (i = 0; i < CONF_MAX_; i++) {
		if (value_same(&c->v[i], &fresh->v[i]) ||
		    (conf_rows[i].reload &&
		    value_copy(&c->v[i], &fresh->v[i]) == 0))
			continue;
		w = snprintf(why + n, whylen - n, "%s%s", n > 0 ? " " : "",
		    conf_rows[i].key);
		if (w < 0 || (size_t)w >= whylen - n)
			break;
		n += (size_t)w;
	}
}

int
conf_may_be_reached(const struct conf *c)
{
	return conf_int(c, CONF_ACCESS_OPEN) ||
	    conf_str(c, CONF_AUTH_FILE)[0] != '\0';
}

/* Empty is fine where there is another way in. */
static int
check_listen(const struct conf *c, enum conf_id id, enum conf_id other,
    char *err, size_t errlen)
{
	struct addr	a[ADDR_LIST];
	char		text[ADDR_TEXT], why[256];
	int		i, n;

	if (conf_str(c, id)[0] == '\0' && conf_str(c, other)[0] != '\0')
		return 0;
	n = addr_list(conf_str(c, id), a, why, sizeof(why));
	if (n == -1) {
		snprintf(err, errlen, "%s: %s", conf_key(id), why);
		return -1;
	}
	for (i = 0; i < n; i++) {
		if (addr_is_loopback(&a[i]) || conf_may_be_reached(c))
			continue;
		snprintf(err, errlen, "%s: %s can be reached from other "
		    "machines and nobody has to authenticate; name an "
		    "auth.file, or say access.open = on if that is meant", conf_key(id),
		    addr_text(&a[i], text));
		return -1;
	}
	return 0;
}

static int
check_tls(const struct conf *c, char *err, size_t errlen)
{
	int	cert = conf_str(c, CONF_TLS_CERTIFICATE)[0] != '\0';
	int	key = conf_str(c, CONF_TLS_KEY)[0] != '\0';
	int	listens = conf_str(c, CONF_TLS_DB_LISTEN)[0] != '\0' ||
		    conf_str(c, CONF_TLS_MQ_LISTEN)[0] != '\0';

	if (cert == key && (cert || !listens))
		return 0;
	if (cert != key)
		snprintf(err, errlen, "%s: needs %s, too",
		    conf_key(cert ? CONF_TLS_CERTIFICATE : CONF_TLS_KEY),
		    conf_key(cert ? CONF_TLS_KEY : CONF_TLS_CERTIFICATE));
	else
		snprintf(err, errlen, "tls.db_listen, tls.mq_listen: need "
		    "tls.certificate and tls.key");
	return -1;
}

/* TLS addresses are the other way in of plain ones, and may always be none. */
static int
check_listeners(const struct conf *c, char *err, size_t errlen)
{
	enum conf_id	db = CONF_TLS_DB_LISTEN, mq = CONF_TLS_MQ_LISTEN;

	if (check_listen(c, CONF_DB_LISTEN, db, err, errlen) == -1 ||
	    check_listen(c, CONF_MQ_LISTEN, mq, err, errlen) == -1)
		return -1;
	if (conf_str(c, db)[0] != '\0' &&
	    check_listen(c, db, db, err, errlen) == -1)
		return -1;
	if (conf_str(c, mq)[0] != '\0' &&
	    check_listen(c, mq, mq, err, errlen) == -1)
		return -1;
	return 0;
}

static int
check_access(const struct conf *c, char *err, size_t errlen)
{
	char		 why[256];
	struct access	*a;

	a = access_new(conf_str(c, CONF_ACCESS_ALLOW), why, sizeof(why));
	if (a == NULL)
		snprintf(err, errlen, "%s: %s", conf_key(CONF_ACCESS_ALLOW),
		    why);
	access_free(a);
	return a == NULL ? -1 : 0;
}

static int
check_roles(const struct conf *c, char *err, size_t errlen)
{
	struct gate	*g = gate_new(c, err, errlen);

	gate_free(g);
	return g == NULL ? -1 : 0;
}

static int
check_mode(const char *s)
{
	size_t	n = strlen(s);

	return n > 0 && n <= 4 && strspn(s, "01234567") == n ? 0 : -1;
}

int
conf_check(const struct conf *c, char *err, size_t errlen)
{
	int64_t		 lane = conf_int(c, CONF_LANES_SIZE);
	const char	*run = conf_str(c, CONF_NODE_RUN);

	if ((lane & (lane - 1)) != 0)
		snprintf(err, errlen, "lanes.size: %lld is no power of two",
		    (long long)lane);
	else if (run[0] == '\0' || strlen(run) > RUN_MAX)
		snprintf(err, errlen, "node.run: must have 1 to %d bytes, "
		    "\"%s\" has %zu", RUN_MAX, run, strlen(run));
	else if (conf_str(c, CONF_NODE_DATA)[0] == '\0')
		snprintf(err, errlen, "node.data: must not be empty");
	else if (conf_str(c, CONF_LOG_TARGET)[0] == '\0')
		snprintf(err, errlen, "log.target: must not be empty");
	else if (check_mode(conf_str(c, CONF_NNG_MODE)) == -1)
		snprintf(err, errlen, "nng.mode: \"%s\" is no octal mode",
		    conf_str(c, CONF_NNG_MODE));
	else if (check_access(c, err, errlen) == 0 &&
	    check_roles(c, err, errlen) == 0 &&
	    check_tls(c, err, errlen) == 0 &&
	    check_listeners(c, err, errlen) == 0)
		return 0;
	return -1;
}
