/*
 * single.c: a request with one record becomes one message; its parameters and
 * its body become the fields of the frame.
 */
#include <string.h>

#include "proto/slot.h"
#include "worker/answer.h"
#include "worker/body.h"
#include "worker/http.h"
#include "worker/single.h"
#include "worker/worker.h"

/* What is out of range never expires. */
int64_t
single_ttl(const struct request *r)
{
	int64_t	ttl = params_num(&r->par, P_TTL);

	if (ttl == 0)
		ttl = params_num(&r->par, P_EXPIRE);
	return ttl > r->w->ttl_max ? 0 : ttl * 1000;
}

/* Whether the request names a hash of the cache. */
static int
is_cache_hash(const struct request *r)
{
	return r->path != NULL &&
	    (r->path->required & B(P_NAME)) != 0;
}

/* The body, or what the query has in its place. */
static struct param_text
body_or(const struct request *r, enum param_id id)
{
	if (r->got == 0)
		return params_text(&r->par, id);
	if (r->discard || r->body == NULL)
		return (struct param_text){ NULL, 0 };
	return (struct param_text){ r->body, (uint32_t)r->got };
}

struct param_text
single_key(const struct request *r)
{
	if ((r->path->flags & PF_KEYBODY) != 0)
		return body_or(r, P_KEY);
	return params_text(&r->par, P_KEY);
}

struct param_text
single_table(const struct request *r)
{
	return params_text(&r->par, is_cache_hash(r) ? P_NAME : P_TB);
}

/* The value; a number travels as the score. */
static enum err
frame_value(const struct request *r, struct frame *f)
{
	struct param_text	val = body_or(r, P_VAL);

	if ((r->path->flags & PF_NUMBER) != 0)
		return text_number(val.p, val.len, &f->score) ? E_OK : E_NUMBER;
	if (r->create_only)
		f->flags |= FRAME_CREATE;
	f->val = val.p;
	f->vallen = val.len;
	return E_OK;
}

/* What a write says beside its key and value. */
static void
frame_write(const struct request *r, struct frame *f)
{
	const struct params	*ps = &r->par;
	int64_t			 opt = params_num(ps, P_OPT);

	f->ver = (uint32_t)params_num(ps, P_VER);
	f->ttl = single_ttl(r);
	f->score = params_num(ps, P_SCORE);
	if (params_num(ps, P_IS_DUP))
		f->flags |= FRAME_IS_DUP;
	if (opt != 0)
		f->flags |= opt > 0 ? FRAME_ADD : FRAME_SUB;
}

/* Seconds of a text become milliseconds; none is 0. */
static enum err
cache_life(const struct request *r, int64_t *ttl)
{
	struct param_text	text = params_text(&r->par, P_LIFE);
	int64_t			n = 0;

	*ttl = 0;
	if (text.len == 0)
		return E_OK;
	if (!text_integer(text.p, text.len, &n) || n <= 0 ||
	    n > INT64_MAX / 1000)
		return E_CACHE_NUMBER;
	*ttl = n * 1000;
	return E_OK;
}

/* A message to the cache; a hash's name is in the place of the table. */
static enum err
frame_cache(const struct request *r, struct frame *f)
{
	struct param_text	name = single_table(r);
	struct param_text	key = params_text(&r->par, P_KEY);
	struct param_text	val = { NULL, 0 };

	if ((r->path->flags & PF_BODY) != 0)
		val = body_or(r, P_VAL);
	*f = (struct frame){ .msg = r->path->msg, .slot = r->slot,
	    .tab = name.p, .tablen = name.len, .key = key.p,
	    .keylen = key.len, .val = val.p, .vallen = val.len };
	return cache_life(r, &f->ttl);
}

enum err
single_frame(const struct request *r, struct frame *f)
{
	const struct params	*ps = &r->par;
	struct param_text	 key = single_key(r);
	struct param_text	 tab = params_text(ps, P_TB);

	if (r->path->act == ACT_CACHE)
		return frame_cache(r, f);
	memset(f, 0, sizeof(*f));
	f->msg = r->path->msg;
	f->type = r->path->type;
	f->slot = r->slot;
	f->tab = tab.p;
	f->tablen = tab.len;
	f->key = key.p;
	f->keylen = key.len;
	if ((r->path->flags & PF_WRITE) != 0)
		frame_write(r, f);
	if ((r->path->flags & PF_BODY) != 0)
		return frame_value(r, f);
	return E_OK;
}

/* A sorted set lies in one store as a whole, and so does a cache's hash. */
static uint16_t
single_slot(const struct request *r)
{
	struct param_text	by;

	if (r->path->type == 'Z' || is_cache_hash(r))
		by = single_table(r);
	else
		by = single_key(r);

	return (uint16_t)slot_of(by.p, by.len);
}

enum err
single_send(struct request *r)
{
	struct frame	f;
	enum err	e;

	r->slot = single_slot(r);
	r->call.r = r;
	r->call.part = CALL_WHOLE;
	if ((e = single_frame(r, &f)) != E_OK)
		return e;
	return call_send(&r->call, slot_store(r->slot, r->w->nstores), &f);
}

void
single_sent(struct request *r)
{
	/* A key stays: the slow log may want it. */
	if ((r->path->flags & PF_KEYBODY) == 0)
		body_free(r);
}

void
single_reply(struct request *r, const struct frame *f)
{
	http_resume(r);
	(void)answer_reply(r, f);
}

void
single_lost(struct request *r, enum err e)
{
	http_resume(r);
	(void)answer_status(r, e, NULL);
}
