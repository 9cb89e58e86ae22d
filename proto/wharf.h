/*
 * wharf.h: libwharf, the C client of a Wharf node on this host.
 *
 *	struct wharf		*w;
 *	struct wharf_answer	 a;
 *
 *	if (wharf_connect(&w, "/run/wharf", NULL) == WHARF_OK) {
 *		wharf_put(w, "key", 3, "value", 5, NULL, NULL);
 *		if (wharf_get(w, "key", 3, &a) == WHARF_OK)
 *			fwrite(a.value, 1, a.length, stdout);
 *		wharf_close(w);
 *	}
 *
 * Threads: a connection belongs to one thread at a time; different connections
 * may be used at once.  The library has threads of its own (nng's), which call
 * nothing of the program's.  fork: a child must not touch a connection of its
 * parent, not even to close it, nor make one of its own before it has called
 * exec.  libwharf(3) tells the rest.
 *
 * Here: connections, plain keys, what is common to all.  wharf_types.h: the
 * general form of an operation; hashes, sets, sorted sets.  wharf_list.h:
 * listings, many records at a time, exports.  wharf_cache.h: the cache.
 * wharf_queue.h: queues, topics and tasks.
 * wharf_status.h: how an operation ends.
 */
#ifndef WHARF_H
#define WHARF_H

#include <stddef.h>
#include <stdint.h>

#include "wharf_status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WHARF_KEY_MAX	65536u		/* bytes; at least 1 */
#define WHARF_VALUE_MAX	(64u << 20)	/* bytes; at least 1 */
#define WHARF_TABLE_MAX	64u		/* bytes of 0-9 A-Z a-z _ : . */
#define WHARF_PAGE_MAX	1000u		/* entries of a listing's page */

/* A constant text; the name ("NOTFOUND"); the HTTP status of contract and API. */
const char	*wharf_status_text(enum wharf_status);
const char	*wharf_status_name(enum wharf_status);
int		 wharf_status_http(enum wharf_status);
/* Version of the library that runs, as "0.1.0". */
const char	*wharf_library_version(void);

/* A connection to all stores of one node, and its routers. */
struct wharf;

enum wharf_lanes {
	WHARF_LANES_AUTO = 0,	/* shared memory where the node offers it */
	WHARF_LANES_ON,		/* nothing else */
	WHARF_LANES_OFF		/* messages only */
};

/* Zeros mean the defaults.  size makes room for later fields. */
struct wharf_options {
	size_t		 size;		/* sizeof(struct wharf_options) */
	const char	*name;		/* for the node's log; "libwharf" */
	int		 timeout;	/* ms for connect and each op; 5000 */
	enum wharf_lanes lanes;
	unsigned	 in_flight;	/* most ops at a time; 1024 */
	size_t		 memory;	/* bytes for values under way; 128 MiB */
	int		 spin;		/* usec of polling before sleep, -1 none; 50 */
};
#define WHARF_OPTIONS_INIT	{ sizeof(struct wharf_options), \
				    NULL, 0, WHARF_LANES_AUTO, 0, 0, 0 }

/*
 * run: the node's node.run directory.  Waits at most timeout for the first
 * store, which must come, and for each other one or the first failure to reach
 * it.  options may be NULL.  On failure *w is NULL and the status says why:
 * PARAM, NOMEM, DENIED (may not open the sockets), FULL (clients), NOTREADY
 * (nobody there), TIMEOUT (somebody, but silent), BADMSG (no Wharf).
 */
enum wharf_status wharf_connect(struct wharf **w, const char *run,
		    const struct wharf_options *options);
/*
 * Ops in flight are forgotten without a callback: writes among them may or
 * may not be done.  Not from a callback: that aborts.  NULL is fine.
 */
void		 wharf_close(struct wharf *);

/* What came of an op.  Filled in by the library only. */
struct wharf_answer {
	enum wharf_status status;
	uint32_t	 version;	/* of the record; 0 none */
	int64_t		 ttl;		/* ms left, 0: does not expire (get, exist) */
	const void	*value;		/* NULL: none */
	size_t		 length;	/* bytes of the value */
	unsigned	 flags;		/* WHARF_VERERROR, WHARF_LOST */
	unsigned	 count;		/* entries of a page, rows of a stat */
	int64_t		 number;	/* score, counter, rank, number of entries */
	const void	*cursor;	/* list: where it goes on; NULL: the end */
	size_t		 cursorlen;
	const char	*token;		/* of a message or task; NULL: none */
	const char	*name;		/* claim: the task's queue; NULL: none */
	unsigned	 reserved_[4];
};

/* Of struct wharf_write and of answers. */
enum wharf_flags {
	WHARF_IS_DUP	= 1 << 1,	/* put, del: a repetition, see libwharf(3) */
	WHARF_CREATE	= 1 << 2,	/* put: only if the key is absent */
	WHARF_VERERROR	= 1 << 3,	/* answer: the version did not match */
	WHARF_LOST	= 1 << 4	/* page: entries may have been lost */
};

/* How to write; NULL in its place: all zeros.  size as above. */
struct wharf_write {
	size_t		 size;		/* sizeof(struct wharf_write) */
	uint32_t	 version;	/* the record must have it; 0 any */
	unsigned	 flags;		/* WHARF_IS_DUP, WHARF_CREATE */
	int64_t		 ttl;		/* put: ms to live; 0 for ever */
};
#define WHARF_WRITE_INIT	{ sizeof(struct wharf_write), 0, 0, 0 }

/*
 * Synchronous: returns answer->status.  answer may be NULL.  What it points to
 * lives until the next synchronous call with this connection returns, so that
 * it may be asked for in that one.  Callbacks of ops in flight run meanwhile.
 * WHARF_AGAIN: bounds reached, or called from a callback.
 */
enum wharf_status wharf_put(struct wharf *, const void *key, size_t keylen,
		    const void *val, size_t vallen, const struct wharf_write *,
		    struct wharf_answer *);
enum wharf_status wharf_get(struct wharf *, const void *key, size_t keylen,
		    struct wharf_answer *);
enum wharf_status wharf_exist(struct wharf *, const void *key, size_t keylen,
		    struct wharf_answer *);
enum wharf_status wharf_del(struct wharf *, const void *key, size_t keylen,
		    const struct wharf_write *, struct wharf_answer *);

/*
 * Asynchronous.  The op is taken (WHARF_OK) and fn is called exactly once,
 * later, from wharf_process, wharf_wait or a synchronous call; or it is not
 * taken and fn is never called: WHARF_AGAIN (in_flight or memory reached: wait
 * for answers), WHARF_PARAM, WHARF_TOOBIG, WHARF_NOMEM.  What op points to is
 * copied.  fn may be NULL.  The answer and what it points to live until fn
 * returns; fn may submit and flush.
 *
 * Ops leave at the next wharf_flush, wharf_process or wharf_wait; all that
 * were submitted until then go to their stores together.  Answers come in any
 * order.  Two ops on one key are done in the order they were submitted.
 */
typedef void	 wharf_fn(struct wharf *, const struct wharf_answer *,
		    void *arg);

enum wharf_status wharf_submit_put(struct wharf *, const void *key,
		    size_t keylen, const void *val, size_t vallen,
		    const struct wharf_write *, wharf_fn *fn, void *arg);
enum wharf_status wharf_submit_get(struct wharf *, const void *key,
		    size_t keylen, wharf_fn *fn, void *arg);
enum wharf_status wharf_submit_exist(struct wharf *, const void *key,
		    size_t keylen, wharf_fn *fn, void *arg);
enum wharf_status wharf_submit_del(struct wharf *, const void *key,
		    size_t keylen, const struct wharf_write *, wharf_fn *fn,
		    void *arg);

/* Sends what was submitted.  Never blocks. */
void		 wharf_flush(struct wharf *);
/*
 * Flushes, takes answers, calls callbacks, mends links.  Never blocks.
 * Returns how many ops ended.
 */
unsigned	 wharf_process(struct wharf *);
/*
 * The same, but waits until one op at least has ended, at most timeout ms (-1:
 * no limit).  0: none ended, or none is in flight.
 */
unsigned	 wharf_wait(struct wharf *, int timeout);
unsigned	 wharf_in_flight(const struct wharf *);

/*
 * For a loop of one's own: call wharf_process when the descriptor is readable
 * (level triggered; poll, epoll, libev) or when wharf_timeout ms have passed
 * (-1: never); after submitting call wharf_flush or wharf_process.  The
 * descriptor is the library's: do not read or close it.
 */
int		 wharf_fd(struct wharf *);
int		 wharf_timeout(const struct wharf *);

/* How the connection goes by: for diagnosis. */
struct wharf_info {
	unsigned	 stores;	/* of the node */
	unsigned	 up;		/* of them linked at the moment */
	unsigned	 lanes;		/* of these by shared memory */
	unsigned	 in_flight;
	uint64_t	 reconnects;	/* links made again */
	unsigned	 files;		/* data files, of all stores */
	unsigned	 routers;	/* of the node */
	unsigned	 routers_up;	/* linked; only those that were asked are */
	unsigned	 reserved_[5];
};
void		 wharf_info(const struct wharf *, struct wharf_info *);

#ifdef __cplusplus
}
#endif

#include "wharf_types.h"
#include "wharf_list.h"
#include "wharf_cache.h"
#include "wharf_queue.h"

#endif
