/*
 * tls.h: the certificate of the TLS listeners and its private key
 * (tls.certificate, tls.key), by GnuTLS.
 *
 * wharfd reads and checks both files and hands the text to the workers in a
 * sealed memfd: the certificates as PEM, a NUL, the key as PEM; nothing where
 * there is no TLS.  A worker makes a pair of it.  Handshakes that are under way
 * hold on to the pair they began with, so a pair is counted.
 */
#ifndef SUPERVISOR_TLS_H
#define SUPERVISOR_TLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* It has a union of the name of our struct params. */
#define params	gnutls_params
#include <gnutls/abstract.h>
#undef params

#define TLS_FILE	262144u		/* most bytes of each file */
#define TLS_CHAIN	16u		/* most certificates in one */

struct conf;

struct tls_pair {
	unsigned		 refs, n;
	gnutls_pcert_st		 chain[TLS_CHAIN];	/* the node's own first */
	gnutls_privkey_t	 key;
	/* When all of the chain is valid, in seconds since 1970. */
	int64_t			 from, until;
};

struct tls_text {
	char	*p;			/* NULL: there is no TLS */
	size_t	 len;
	int64_t	 until;			/* as in the pair; 0 without */
};

/*
 * What wharfd does: reads the files that the configuration names, as owner
 * (node.user) would, and checks that they belong together, are valid at this
 * moment and that GnuTLS knows tls.priorities.  0, or -1 with a message.
 */
int	 tls_read(const struct conf *, uid_t owner, struct tls_text *, char *err,
	    size_t errlen);
void	 tls_text_free(struct tls_text *);
/* The descriptor, or -1 with errno. */
int	 tls_memfd(const struct tls_text *);

/*
 * A pair with one reference, NULL with a message.  The text is that of a
 * memfd; whether it is valid today is not looked at.
 */
struct tls_pair	*tls_pair_new(const char *text, size_t len, char *err,
		    size_t errlen);
struct tls_pair	*tls_pair_ref(struct tls_pair *);
/* Frees it with its last reference; NULL is fine. */
void		 tls_pair_unref(struct tls_pair *);
/* 0 with *out NULL where there is no TLS; -1 with a message. */
int		 tls_from_fd(int fd, struct tls_pair **out, char *err,
		    size_t errlen);

/* NULL with a message; gnutls_priority_deinit ends it. */
gnutls_priority_t tls_priorities(const struct conf *, char *err, size_t errlen);

#endif
