/*
 * tls_file.c: tls.certificate and tls.key from the disk and into a memfd, in
 * wharfd; see tls.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supervisor/conf.h"
#include "supervisor/secret.h"
#include "supervisor/tls.h"

static char *
file_read(const struct conf *c, enum conf_id id, uid_t owner, size_t *len,
    char *err, size_t errlen)
{
	char	 why[512];
	char	*text;

	text = secret_read(conf_str(c, id), id == CONF_TLS_KEY ?
	    SECRET_HIDDEN : SECRET_OPEN, owner, TLS_FILE, len, why,
	    sizeof(why));
	if (text != NULL && memchr(text, '\0', *len) != NULL) {
		snprintf(why, sizeof(why), "%s: not a text file",
		    conf_str(c, id));
		secret_free(text, *len);
		text = NULL;
	}
	if (text == NULL)
		snprintf(err, errlen, "%s: %s", conf_key(id), why);
	return text;
}

/* Both behind each other; -1 with a message. */
static int
text_read(const struct conf *c, uid_t owner, struct tls_text *t, char *err,
    size_t errlen)
{
	size_t	 n = 0, m = 0;
	char	*cert, *key = NULL;

	cert = file_read(c, CONF_TLS_CERTIFICATE, owner, &n, err, errlen);
	if (cert != NULL)
		key = file_read(c, CONF_TLS_KEY, owner, &m, err, errlen);
	if (key != NULL && (t->p = malloc(n + 1 + m)) == NULL)
		snprintf(err, errlen, "tls.key: out of memory");
	if (t->p != NULL) {
		memcpy(t->p, cert, n + 1);
		memcpy(t->p + n + 1, key, m);
		t->len = n + 1 + m;
	}
	free(cert);
	secret_free(key, m);
	return t->p != NULL ? 0 : -1;
}

static const char *
day(int64_t when, char out[32])
{
	time_t		t = (time_t)when;
	struct tm	tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		snprintf(out, 32, "%lld", (long long)when);
	return out;
}

static int
pair_is_valid(const struct conf *c, const struct tls_pair *p, char *err,
    size_t errlen)
{
	int64_t		now = time(NULL);
	char		when[32];
	const char	*path = conf_str(c, CONF_TLS_CERTIFICATE);

	if (now >= p->from && now < p->until)
		return 1;
	if (now < p->from)
		snprintf(err, errlen, "tls.certificate: %s is not valid before "
		    "%s", path, day(p->from, when));
	else
		snprintf(err, errlen, "tls.certificate: %s has expired at %s",
		    path, day(p->until, when));
	return 0;
}

static int
text_check(const struct conf *c, struct tls_text *t, char *err, size_t errlen)
{
	gnutls_priority_t	 prio = tls_priorities(c, err, errlen);
	struct tls_pair		*p;
	int			 good;

	if (prio == NULL)
		return -1;
	gnutls_priority_deinit(prio);
	if ((p = tls_pair_new(t->p, t->len, err, errlen)) == NULL)
		return -1;
	t->until = p->until;
	good = pair_is_valid(c, p, err, errlen);
	tls_pair_unref(p);
	return good ? 0 : -1;
}

int
tls_read(const struct conf *c, uid_t owner, struct tls_text *t, char *err,
    size_t errlen)
{
	memset(t, 0, sizeof(*t));
	if (conf_str(c, CONF_TLS_CERTIFICATE)[0] == '\0')
		return 0;
	if (text_read(c, owner, t, err, errlen) == 0 &&
	    text_check(c, t, err, errlen) == 0)
		return 0;
	tls_text_free(t);
	return -1;
}

void
tls_text_free(struct tls_text *t)
{
	secret_free(t->p, t->len);
	memset(t, 0, sizeof(*t));
}

int
tls_memfd(const struct tls_text *t)
{
	return secret_memfd("wharf-tls", t->p != NULL ? t->p : "", t->len);
}
