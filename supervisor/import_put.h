/*
 * import_put.h: writes pages of records into the node of this host, through
 * libwharf, each with the version that it had (WHARF_IS_DUP): to write a page
 * twice does no harm, and what is newer here stays.
 */
#ifndef SUPERVISOR_IMPORT_PUT_H
#define SUPERVISOR_IMPORT_PUT_H

#include <signal.h>
#include <stdint.h>

#include "proto/wharf.h"
#include "supervisor/import_page.h"

struct tally {
	uint64_t	 written;
	uint64_t	 newer;		/* the node had a later version */
	uint64_t	 refused;	/* named on stderr, the first of them */
	uint64_t	 left_out;	/* messages of queues */
	uint64_t	 bytes;		/* of keys and values written */
};

struct put;

/* run: node.run.  NULL with a status, and nothing to free. */
struct put	*put_open(const char *run, const volatile sig_atomic_t *stop,
		    enum wharf_status *);
void		 put_close(struct put *);
/*
 * Sends the page, which must stay until put_end.  The records of the page
 * before must have ended.  What cannot be sent is found at put_end.
 */
void		 put_begin(struct put *, const struct page *);
/*
 * Waits until all of the page is durable, counts it, and tries again for a
 * minute what the node could not do.  0; -1: it could not do it then either
 * (put_status says why), may not, or was told to stop.
 */
int		 put_end(struct put *, struct tally *);
enum wharf_status put_status(const struct put *);

#endif
