/*
 * value.c: responses that carry a value, plain or compressed.
 *
 * A short one is copied into its request; a longer one has memory of its own
 * that counts against the budget until MHD has sent it.  Answers cannot wait
 * for budget: where there is none they are dropped and E_NOMEM is answered.
 *
 * An item of a topic goes to thousands at once, and each of their answers comes
 * with all of its bytes: these are compared with what the last answers of that
 * kind have, as long as one of them is being sent, and kept once.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/value.h"
#include "worker/watch.h"
#include "worker/worker.h"

#define READER_BLOCK	32768u
#define CODER_MEMORY	(272u << 10)	/* what zlib takes for a stream */

/* An answer's body that counts against the budget. */
struct blob {
	struct budget	*budget;
	size_t		 charge;
	struct coder	*coder;
	struct listener	*listener;
	unsigned	 refs;		/* responses */
	struct blob	**place;	/* among the worker's shared, or NULL */
	uint8_t		*own;		/* bytes instead of data, or NULL */
	size_t		 len;
	uint8_t		 data[];
};

static struct blob *
blob_new(const struct request *r, size_t len, size_t extra)
{
	struct budget	*budget = &r->w->budget;
	struct blob	*b;

	if (!budget_try(budget, len + extra))
		return NULL;
	if ((b = malloc(sizeof(*b) + len)) == NULL) {
		budget_give(budget, len + extra);
		return NULL;
	}
	b->budget = budget;
	b->listener = r->l;
	b->charge = len + extra;
	b->coder = NULL;
	b->refs = 1;
	b->place = NULL;
	b->own = NULL;
	b->len = len;
	return b;
}

static void
blob_free(void *arg)
{
	struct blob	*b = arg;

	if (--b->refs > 0)
		return;
	if (b->place != NULL)
		*b->place = NULL;
	coder_free(b->coder);
	budget_give(b->budget, b->charge);
	free(b->own);
	free(b);
}

static struct MHD_Response *
blob_response(struct blob *b)
{
	struct MHD_Response	*resp;

	resp = MHD_create_response_from_buffer_with_free_callback_cls(b->len,
	    b->own != NULL ? b->own : b->data, blob_free, b);
	if (resp == NULL)
		blob_free(b);
	return resp;
}

struct MHD_Response *
value_own(struct request *r, uint8_t *p, size_t n)
{
	struct blob	*b = blob_new(r, 0, n);

	if (b == NULL) {
		free(p);
		return NULL;
	}
	b->own = p;
	b->len = n;
	return blob_response(b);
}

static ssize_t
blob_read(void *arg, uint64_t pos, char *out, size_t max)
{
	struct blob	*b = arg;
	long		 n = coder_read(b->coder, (uint8_t *)out, max);

	(void)pos;
	b->listener->moved = 1;		/* MHD asks once in each of its runs */
	if (n < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

/* A long value: compressed while it is sent. NULL: no room. */
static struct MHD_Response *
coded_stream(struct request *r, const struct frame *f)
{
	struct blob		*b;
	struct MHD_Response	*resp;

	if ((b = blob_new(r, f->vallen, CODER_MEMORY)) == NULL)
		return NULL;
	memcpy(b->data, f->val, f->vallen);
	b->coder = coder_new(r->coding, b->data, b->len);
	resp = b->coder == NULL ? NULL : MHD_create_response_from_callback(
	    MHD_SIZE_UNKNOWN, READER_BLOCK, blob_read, b, blob_free);
	if (resp == NULL)
		blob_free(b);
	else
		r->streamed = 1;
	return resp;
}

/* Whether the first piece of a long value shrinks: the rest will, too. */
static enum err
coded_trial(struct request *r, const struct frame *f, int *worth)
{
	struct blob	*b;
	size_t		 n = 0;
	enum err	 e;

	*worth = r->coding == CODING_DEFLATE_ALWAYS;
	if (*worth)
		return E_OK;
	b = blob_new(r, coding_bound(CODING_PIECE), 0);
	if (b == NULL)
		return E_NOMEM;
	e = coding_once(r->coding, f->val, CODING_PIECE, b->data, &n);
	*worth = e == E_OK && n != 0;
	blob_free(b);
	return e;
}

/* A short value, compressed at once; *resp NULL: stays plain. */
static enum err
coded_short(struct request *r, const struct frame *f,
    struct MHD_Response **resp)
{
	size_t		 bound = coding_bound(f->vallen), n = 0;
	struct blob	*b = NULL;
	enum err	 e;

	if (bound > ROOM &&
	    (b = blob_new(r, bound, 0)) == NULL)
		return E_NOMEM;
	e = coding_once(r->coding, f->val, f->vallen,
	    b != NULL ? b->data : r->room, &n);
	if (e != E_OK || n == 0) {
		if (b != NULL)
			blob_free(b);
		return e;
	}
	if (b != NULL) {
		b->len = n;
		*resp = blob_response(b);
	} else
		*resp = MHD_create_response_from_buffer(n, r->room,
		    MHD_RESPMEM_PERSISTENT);
	return *resp == NULL ? E_NOMEM : E_OK;
}

static enum err
coded_make(struct request *r, const struct frame *f,
    struct MHD_Response **resp)
{
	enum err	e;
	int		worth;

	if (f->vallen <= CODING_PIECE)
		e = coded_short(r, f, resp);
	else if ((e = coded_trial(r, f, &worth)) == E_OK && worth &&
	    (*resp = coded_stream(r, f)) == NULL)
		e = E_NOMEM;
	if (*resp != NULL) {
		(void)MHD_add_response_header(*resp, "Content-Encoding", coding_name(r->coding));
		(void)MHD_add_response_header(*resp, "Vary", "Accept-Encoding");
	}
	return e;
}

static struct blob *
blob_copy(struct request *r, const struct frame *f)
{
	struct blob	*b = blob_new(r, f->vallen, 0);

	if (b != NULL)
		memcpy(b->data, f->val, f->vallen);
	return b;
}

static struct blob *
blob_shared(struct request *r, const struct frame *f)
{
	struct worker	*w = r->w;
	struct blob	*b, **at;
	unsigned	 i;

	for (i = 0; i < VALUES_SHARED; i++)
		if ((b = w->shared[i]) != NULL && b->len == f->vallen &&
		    memcmp(b->data, f->val, f->vallen) == 0) {
			b->refs++;
			return b;
		}
	if ((b = blob_copy(r, f)) == NULL)
		return NULL;
	at = &w->shared[w->nshared++ % VALUES_SHARED];
	if (*at != NULL)
		(*at)->place = NULL;
	*at = b;
	b->place = at;
	return b;
}

struct MHD_Response *
value_plain(struct request *r, const struct frame *f, int shared)
{
	struct blob	*b;

	if (f->vallen <= ROOM) {
		watch_answer(r, MHD_HTTP_OK, f->vallen);
		if (f->vallen != 0)	/* over the texts of the query */
			memcpy(r->room, f->val, f->vallen);
		return MHD_create_response_from_buffer(f->vallen, r->room,
		    MHD_RESPMEM_PERSISTENT);
	}
	b = shared ? blob_shared(r, f) : blob_copy(r, f);
	return b == NULL ? NULL : blob_response(b);
}

enum err
value_response(struct request *r, const struct frame *f,
    struct MHD_Response **resp)
{
	enum err	e = E_OK;

	*resp = NULL;
	if ((r->path->flags & PF_CODED) != 0 &&
	    coding_wanted(r->coding, f->vallen))
		e = coded_make(r, f, resp);
	if (e == E_OK && *resp == NULL &&
	    (*resp = value_plain(r, f, 0)) == NULL)
		e = E_NOMEM;
	return e;
}
