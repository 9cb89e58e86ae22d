/*
 * test_tls.c: the certificate and its key: what belongs together, when it is
 * valid, whose files may be trusted, and the way through a memfd.  The
 * certificates are made here, by GnuTLS.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/conf.h"
#include "supervisor/secret.h"
#include "supervisor/tls.h"
#include "tests/unit.h"

#define A_DAY	86400
#define PEM	8192u

struct maker {
	gnutls_x509_privkey_t	key;
	gnutls_x509_crt_t	crt;
	char			pem[PEM], secret[PEM];
};

static char	dir[] = "/tmp/test_tls.XXXXXX", cert[64], key[64];

/* Signed by issuer, or by itself; days from now. */
static void
maker_new(struct maker *m, const struct maker *issuer, int from, int until)
{
	const struct maker	*by = issuer != NULL ? issuer : m;
	static unsigned char	 serial;
	size_t			 n = PEM, k = PEM;
	time_t			 now = time(NULL);

	gnutls_x509_privkey_init(&m->key);
	gnutls_x509_privkey_generate(m->key, GNUTLS_PK_ECDSA,
	    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	gnutls_x509_crt_init(&m->crt);
	gnutls_x509_crt_set_version(m->crt, 3);
	serial++;
	gnutls_x509_crt_set_serial(m->crt, &serial, 1);
	gnutls_x509_crt_set_key(m->crt, m->key);
	gnutls_x509_crt_set_dn_by_oid(m->crt, GNUTLS_OID_X520_COMMON_NAME, 0,
	    &"abcdefghijklmnopqrstuvwxyz"[serial % 26], 1);
	gnutls_x509_crt_set_activation_time(m->crt, now + from * A_DAY);
	gnutls_x509_crt_set_expiration_time(m->crt, now + until * A_DAY);
	CU_ASSERT_EQUAL_FATAL(gnutls_x509_crt_sign2(m->crt, by->crt, by->key,
	    GNUTLS_DIG_SHA256, 0), 0);
	gnutls_x509_crt_export(m->crt, GNUTLS_X509_FMT_PEM, m->pem, &n);
	gnutls_x509_privkey_export(m->key, GNUTLS_X509_FMT_PEM, m->secret, &k);
}

static void
maker_free(struct maker *m)
{
	gnutls_x509_crt_deinit(m->crt);
	gnutls_x509_privkey_deinit(m->key);
}

static void
file_write(const char *path, mode_t mode, const char *a, const char *b)
{
	FILE	*fp = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(fp);
	fchmod(fileno(fp), mode);
	fprintf(fp, "%s%s", a, b);
	fclose(fp);
}

static struct conf *
conf_with(const char *more)
{
	struct conf	*c = conf_new();
	char		 text[128], err[256];

	snprintf(text, sizeof(text), "tls.certificate=%s", cert);
	CU_ASSERT_EQUAL(conf_option(c, text, err, sizeof(err)), 0);
	snprintf(text, sizeof(text), "tls.key=%s", key);
	CU_ASSERT_EQUAL(conf_option(c, text, err, sizeof(err)), 0);
	if (more != NULL)
		CU_ASSERT_EQUAL(conf_option(c, more, err, sizeof(err)), 0);
	return c;
}

/* What tls_read says of the files that lie there; "" is good. */
static const char *
verdict(const char *more, struct tls_text *t)
{
	static char	 err[512];
	struct tls_text	 own;
	struct conf	*c = conf_with(more);

	err[0] = '\0';
	if (tls_read(c, geteuid(), t != NULL ? t : &own, err,
	    sizeof(err)) == 0 && t == NULL)
		tls_text_free(&own);
	conf_free(c);
	return err;
}

static int
says(const char *words)
{
	return strstr(verdict(NULL, NULL), words) != NULL;
}

static void
test_pair(void)
{
	struct maker	 a;
	struct tls_text	 t;
	struct tls_pair	*p;
	char		 err[256];
	int		 fd;

	maker_new(&a, NULL, -1, 20);
	file_write(cert, 0644, a.pem, "");
	file_write(key, 0640, a.secret, "");
	CU_ASSERT_STRING_EQUAL(verdict(NULL, &t), "");
	CU_ASSERT(t.until > time(NULL) + 19 * A_DAY &&
	    t.until <= time(NULL) + 20 * A_DAY);
	CU_ASSERT_NOT_EQUAL_FATAL(fd = tls_memfd(&t), -1);
	CU_ASSERT_EQUAL(write(fd, "x", 1), -1);
	CU_ASSERT_EQUAL_FATAL(tls_from_fd(fd, &p, err, sizeof(err)), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT(p->n == 1 && p->refs == 1 && p->until == t.until);
	CU_ASSERT_PTR_EQUAL(tls_pair_ref(p), p);
	tls_pair_unref(p);
	CU_ASSERT_EQUAL(p->refs, 1);
	tls_pair_unref(p);
	tls_pair_unref(NULL);
	/* Any part of it is refused, not half taken. */
	CU_ASSERT_PTR_NULL(tls_pair_new(t.p, t.len / 2, err, sizeof(err)));
	CU_ASSERT_PTR_NULL(tls_pair_new(t.p, 10, err, sizeof(err)));
	CU_ASSERT_PTR_NULL(tls_pair_new("", 1, err, sizeof(err)));
	close(fd);
	tls_text_free(&t);
	CU_ASSERT_PTR_NULL(t.p);
	maker_free(&a);
}

static void
test_none(void)
{
	struct conf	*c = conf_new();
	struct tls_text	 t;
	struct tls_pair	*p = (struct tls_pair *)&t;
	char		 err[256];
	int		 fd;

	CU_ASSERT_EQUAL(tls_read(c, 0, &t, err, sizeof(err)), 0);
	CU_ASSERT(t.p == NULL && t.until == 0);
	CU_ASSERT_NOT_EQUAL_FATAL(fd = tls_memfd(&t), -1);
	CU_ASSERT_EQUAL(tls_from_fd(fd, &p, err, sizeof(err)), 0);
	CU_ASSERT_PTR_NULL(p);
	close(fd);
	CU_ASSERT_EQUAL(tls_from_fd(fd, &p, err, sizeof(err)), -1);
	conf_free(c);
}

/* The chain is as good as its weakest part, and its order is mended. */
static void
test_chain(void)
{
	struct maker	 root, mid, leaf;
	struct tls_text	 t;
	struct tls_pair	*p;
	char		 err[256];

	maker_new(&root, NULL, -100, 100);
	maker_new(&mid, &root, -50, 7);
	maker_new(&leaf, &mid, -20, 60);
	file_write(key, 0600, leaf.secret, "");
	file_write(cert, 0644, leaf.pem, mid.pem);
	CU_ASSERT_STRING_EQUAL(verdict(NULL, &t), "");
	CU_ASSERT(t.until <= time(NULL) + 7 * A_DAY);
	p = tls_pair_new(t.p, t.len, err, sizeof(err));
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT(p->n == 2 && p->from > time(NULL) - 21 * A_DAY);
	tls_pair_unref(p);
	tls_text_free(&t);
	file_write(key, 0600, mid.secret, "");
	CU_ASSERT(says("not the key of tls.certificate"));
	maker_free(&root);
	maker_free(&mid);
	maker_free(&leaf);
}

static void
test_dates(void)
{
	struct maker	old, new;

	maker_new(&old, NULL, -10, -1);
	maker_new(&new, NULL, 1, 10);
	file_write(cert, 0644, old.pem, "");
	file_write(key, 0600, old.secret, "");
	CU_ASSERT(says("has expired at "));
	file_write(cert, 0644, new.pem, "");
	CU_ASSERT(says("not the key of"));
	file_write(key, 0600, new.secret, "");
	CU_ASSERT(says("is not valid before "));
	maker_free(&old);
	maker_free(&new);
}

static void
test_files(void)
{
	struct maker	a;
	char		long_text[TLS_FILE + 2];

	maker_new(&a, NULL, -1, 20);
	file_write(cert, 0666, a.pem, "");
	file_write(key, 0604, a.secret, "");
	chmod(cert, 0666);
	CU_ASSERT(says("tls.certificate: ") && says("others may write it"));
	chmod(cert, 0644);
	CU_ASSERT(says("tls.key: ") && says("others have rights to it"));
	chmod(key, 0620);
	CU_ASSERT(says("its group may write it"));
	chmod(key, 0600);
	CU_ASSERT(says(""));
	CU_ASSERT_STRING_EQUAL(verdict(NULL, NULL), "");
	CU_ASSERT(strstr(verdict("tls.priorities=NORMAL:+NOTHING", NULL),
	    "tls.priorities") != NULL);
	CU_ASSERT(strstr(verdict("tls.key=/", NULL), "no regular file")
	    != NULL);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	file_write(cert, 0644, long_text, "");
	CU_ASSERT(says("too long"));
	file_write(cert, 0644, "", "");
	CU_ASSERT(says("tls.certificate: "));
	unlink(cert);
	CU_ASSERT(says("No such file"));
	maker_free(&a);
}

static int
dir_make(void)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(cert, sizeof(cert), "%s/cert", dir);
	snprintf(key, sizeof(key), "%s/key", dir);
	return 0;
}

static int
dir_remove(void)
{
	unlink(cert);
	unlink(key);
	return rmdir(dir);
}

static const CU_TestInfo	tests[] = {
	{ "a pair and its way to a worker", test_pair },
	{ "no TLS", test_none },
	{ "chains", test_chain },
	{ "dates", test_dates },
	{ "rights and other faults of the files", test_files },
	CU_TEST_INFO_NULL
};

UNIT_MAIN("test_tls", { (char *)"tls", dir_make, dir_remove, NULL, NULL,
    (CU_TestInfo *)(uintptr_t)tests })
