/*
 * certificate.h: wharfd's part of TLS: the pair of files that the workers get,
 * and how long it is good for, in the log and on the board.
 */
#ifndef SUPERVISOR_CERTIFICATE_H
#define SUPERVISOR_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>
#include <ev.h>

struct board_actor;
struct conf;

#define CERTIFICATE_WARN	(14 * 86400)	/* s before its end */

struct certificate {
	int64_t			 until;		/* s since 1970; 0: there is none */
	struct board_actor	*node;
	struct ev_loop		*loop;
	ev_timer		 tell;
};

/*
 * Reads and checks the files.  The memfd for the workers, empty without TLS;
 * -1 with a message, and what is known of the earlier pair stays.
 */
int	 certificate_open(struct certificate *, const struct conf *, char *err,
	    size_t errlen);
/* Says now, and then once a day, when the end is near or past. */
void	 certificate_watch(struct certificate *, struct ev_loop *,
	    struct board_actor *node);
/* After a reload: the board, and the same words. */
void	 certificate_tell(struct certificate *);
void	 certificate_stop(struct certificate *);

#endif
