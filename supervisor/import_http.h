/*
 * import_http.h: the source of an import, asked by GET over one connection
 * that is kept.  Uses libcurl, which nothing else of Wharf does: it knows
 * chunks, TLS, names and time-outs, and lives in wharf-import only.
 */
#ifndef SUPERVISOR_IMPORT_HTTP_H
#define SUPERVISOR_IMPORT_HTTP_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

struct source;

struct reply {
	long		 status;	/* HTTP's; 0: none, see source_error */
	int		 toolong;	/* the body passed the limit; no status */
	char		*body;		/* until the next question; NUL behind it */
	size_t		 n;
	char		 cursor[8320];	/* of the header Cursor; "": none */
	uint64_t	 total;		/* of TotalCount; 0: none */
};

/*
 * url: http[s]://[USER:PASSWORD@]HOST[:PORT], port 8085 unless told.  stop ends
 * waiting.  NULL, with a reason in err.
 */
struct source	*source_open(const char *url, const volatile sig_atomic_t *stop,
		    char *err, size_t max);
void		 source_close(struct source *);
/* http://HOST:PORT, without the user. */
const char	*source_name(const struct source *);
/*
 * Asks for path, which begins with a slash, and takes at most limit bytes.
 * What may pass (no connection, statuses of class 5xx) is tried again for
 * about a minute.  The reply lives until the next call.
 */
const struct reply *source_get(struct source *, size_t limit,
		    const char *path);
/* Why there was no status, or what the source said in Wharf-Error. */
const char	*source_error(const struct source *);
/* Percent-encodes n bytes; to be freed by source_text_free. */
char		*source_text(struct source *, const void *, size_t n);
void		 source_text_free(char *);

#endif
