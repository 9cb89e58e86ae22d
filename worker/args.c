/*
 * args.c: start, end, noval, min, max, peer.
 */
#include "worker/args.h"

/* Missing it is E_MISSING, as the path's row has it. */
enum err
args_peer(const struct request *r, const char **detail)
{
	struct param_text	text = params_text(&r->par, P_PEER);

	if ((r->par.given & B(P_PEER)) == 0 ||
	    (text.len == 1 && text.p[0] == '0'))
		return E_OK;
	*detail = "peer";
	return E_PEER;
}

unsigned
args_files(const struct request *r)
{
	return (unsigned)conf_int(r->w->a.conf, CONF_STORES_FILES);
}

enum err
args_range(const struct request *r, struct list_ask *ask, const char **detail)
{
	const struct params	*ps = &r->par;

	ask->start = (uint16_t)params_num(ps, P_START);
	ask->end = (uint16_t)params_num(ps, P_END);
	if (!params_num(ps, P_NOVAL))
		ask->flags |= LIST_VALUES;
	*detail = "start, end";
	return ask->start < ask->end ? E_OK : E_PARAM;
}

enum err
args_scores(const struct request *r, struct list_ask *ask, const char **detail)
{
	ask->min = params_num(&r->par, P_MIN);
	ask->max = params_num(&r->par, P_MAX);
	*detail = "min, max";
	return ask->min <= ask->max ? E_OK : E_PARAM;
}
