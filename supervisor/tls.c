/*
 * tls.c: certificate and key as GnuTLS has them; see tls.h.  In wharfd, which
 * checks them, and in the workers, which show them to clients.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/conf.h"
#include "supervisor/secret.h"
#include "supervisor/tls.h"

#define KEY_ID	64u		/* bytes of a key's hash, at most */

static gnutls_datum_t
datum(const char *p, size_t len)
{
	gnutls_datum_t	d = { (unsigned char *)(uintptr_t)p, (unsigned)len };

	return d;
}

/* The time in which every certificate of the chain is valid. */
static int
pair_dates(struct tls_pair *p)
{
	gnutls_x509_crt_t	crt;
	unsigned		i;
	int64_t			from, until;
	int			rc;

	p->until = INT64_MAX;
	for (i = 0; i < p->n; i++) {
		if ((rc = gnutls_pcert_export_x509(&p->chain[i], &crt)) != 0)
			return rc;
		from = gnutls_x509_crt_get_activation_time(crt);
		until = gnutls_x509_crt_get_expiration_time(crt);
		gnutls_x509_crt_deinit(crt);
		if (from > p->from)
			p->from = from;
		if (until < p->until)
			p->until = until;
	}
	return 0;
}

static int
key_id(gnutls_pubkey_t k, unsigned char id[KEY_ID], size_t *len)
{
	*len = KEY_ID;
	return gnutls_pubkey_get_key_id(k, GNUTLS_KEYID_USE_SHA256, id, len);
}

/* 1 or 0, or a negative code of GnuTLS. */
static int
pair_matches(const struct tls_pair *p)
{
	unsigned char	ours[KEY_ID], theirs[KEY_ID];
	size_t		n = 0, m = 0;
	gnutls_pubkey_t	k;
	int		rc;

	if ((rc = gnutls_pubkey_init(&k)) != 0)
		return rc;
	if ((rc = gnutls_pubkey_import_privkey(k, p->key, 0, 0)) == 0 &&
	    (rc = key_id(k, ours, &n)) == 0)
		rc = key_id(p->chain[0].pubkey, theirs, &m);
	gnutls_pubkey_deinit(k);
	return rc != 0 ? rc : n == m && memcmp(ours, theirs, n) == 0;
}

/* 0, or a negative code of GnuTLS; *what is what it is about. */
static int
pair_import(struct tls_pair *p, gnutls_datum_t cert, gnutls_datum_t key,
    const char **what)
{
	unsigned	n = TLS_CHAIN;
	int		rc;

	*what = "tls.certificate";
	rc = gnutls_pcert_list_import_x509_raw(p->chain, &n, &cert,
	    GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_SORT);
	if (rc != 0)
		return rc;
	p->n = n;
	if ((rc = pair_dates(p)) != 0)
		return rc;
	*what = "tls.key";
	if ((rc = gnutls_privkey_init(&p->key)) != 0)
		return rc;
	return gnutls_privkey_import_x509_raw(p->key, &key,
	    GNUTLS_X509_FMT_PEM, NULL, 0);
}

struct tls_pair *
tls_pair_new(const char *text, size_t len, char *err, size_t errlen)
{
	struct tls_pair	*p = calloc(1, sizeof(*p));
	const char	*nul = memchr(text, '\0', len), *what = "tls.key";
	int		 rc = GNUTLS_E_MEMORY_ERROR;

	if (p != NULL && nul != NULL) {
		p->refs = 1;
		rc = pair_import(p, datum(text, (size_t)(nul - text)),
		    datum(nul + 1, len - (size_t)(nul + 1 - text)), &what);
		if (rc == 0 && (rc = pair_matches(p)) > 0)
			return p;
	}
	if (nul == NULL)
		snprintf(err, errlen, "no certificate and key");
	else if (rc == 0)
		snprintf(err, errlen, "tls.key is not the key of "
		    "tls.certificate");
	else
		snprintf(err, errlen, "%s: %s", what, gnutls_strerror(rc));
	tls_pair_unref(p);
	return NULL;
}

struct tls_pair *
tls_pair_ref(struct tls_pair *p)
{
	p->refs++;
	return p;
}

void
tls_pair_unref(struct tls_pair *p)
{
	unsigned	i;

	if (p == NULL || (p->refs > 0 && --p->refs > 0))
		return;
	for (i = 0; i < p->n; i++)
		gnutls_pcert_deinit(&p->chain[i]);
	if (p->key != NULL)
		gnutls_privkey_deinit(p->key);
	free(p);
}

int
tls_from_fd(int fd, struct tls_pair **out, char *err, size_t errlen)
{
	size_t	 len;
	char	*text = secret_text(fd, 2 * TLS_FILE + 1, &len);

	*out = NULL;
	if (text == NULL) {
		snprintf(err, errlen, "%s", strerror(errno));
		return -1;
	}
	if (len > 0)
		*out = tls_pair_new(text, len, err, errlen);
	secret_free(text, len);
	return len > 0 && *out == NULL ? -1 : 0;
}

gnutls_priority_t
tls_priorities(const struct conf *c, char *err, size_t errlen)
{
	const char		*text = conf_str(c, CONF_TLS_PRIORITIES), *at;
	gnutls_priority_t	 p;
	int			 rc = gnutls_priority_init(&p, text, &at);

	if (rc == 0)
		return p;
	snprintf(err, errlen, "%s: %s at \"%s\"",
	    conf_key(CONF_TLS_PRIORITIES), gnutls_strerror(rc),
	    rc == GNUTLS_E_INVALID_REQUEST ? at : text);
	return NULL;
}
