/*
 * certificate.c: see certificate.h.  A certificate that ends while the node
 * runs stops nothing: clients say so themselves, and those that do not look go
 * on.  At a start or a reload it is refused.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/board.h"
#include "supervisor/certificate.h"
#include "supervisor/conf.h"
#include "supervisor/log.h"
#include "supervisor/tls.h"

#define A_DAY	86400

/* Who will have to read the files again. */
static uid_t
reader(const struct conf *c)
{
	const char		*user = conf_str(c, CONF_NODE_USER);
	const struct passwd	*pw = *user != '\0' ? getpwnam(user) : NULL;

	return pw != NULL ? pw->pw_uid : geteuid();
}

int
certificate_open(struct certificate *cert, const struct conf *c, char *err,
    size_t errlen)
{
	struct tls_text	t;
	int		fd;

	if (tls_read(c, reader(c), &t, err, errlen) == -1)
		return -1;
	if ((fd = tls_memfd(&t)) == -1)
		snprintf(err, errlen, "tls.key: %s", strerror(errno));
	else
		cert->until = t.until;
	tls_text_free(&t);
	return fd;
}

void
certificate_tell(struct certificate *cert)
{
	int64_t	left = cert->until - time(NULL);

	board_set(cert->node, BC_TLS_EXPIRES, cert->until);
	if (cert->until == 0 || left > CERTIFICATE_WARN)
		return;
	if (left > 0)
		log_warnx("tls.certificate ends in %lld days and %lld hours; "
		    "renew it and reload", (long long)(left / A_DAY),
		    (long long)(left % A_DAY / 3600));
	else
		log_errorx("tls.certificate has expired: clients refuse it; "
		    "renew it and reload");
}

static void
on_tell(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	certificate_tell(w->data);
}

void
certificate_watch(struct certificate *cert, struct ev_loop *loop,
    struct board_actor *node)
{
	cert->loop = loop;
	cert->node = node;
	ev_timer_init(&cert->tell, on_tell, A_DAY, A_DAY);
	cert->tell.data = cert;
	ev_timer_start(loop, &cert->tell);
	certificate_tell(cert);
}

void
certificate_stop(struct certificate *cert)
{
	ev_timer_stop(cert->loop, &cert->tell);
}
