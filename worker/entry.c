/*
 * entry.c: entries of listings.
 */
#include <string.h>

#include "proto/buf.h"
#include "proto/slot.h"
#include "worker/entry.h"

void
entry_json(struct json *j, const struct list_item *it, int values, int all)
{
	json_raw(j, "{\"key\":");
	json_base64(j, it->key, it->keylen);
	if (values && it->type == 'Z') {
		json_raw(j, ",\"val\":\"");
		json_int(j, it->score);
		json_raw(j, "\"");
	} else if (values && it->vallen > 0) {
		json_raw(j, ",\"val\":");
		json_base64(j, it->val, it->vallen);
	}
	json_raw(j, ",\"ver\":");
	json_int(j, it->version);
	if (it->ttl > 0) {
		json_raw(j, ",\"ttl\":");
		json_int(j, it->ttl / 1000 + (it->ttl % 1000 != 0));
	}
	if (all && it->type != 'K') {
		json_raw(j, ",\"tb\":");
		json_name(j, it->tab, it->tablen);
		json_raw(j, ",\"ty\":");
		json_name(j, &it->type, 1);
	}
	if (it->damaged)
		json_raw(j, ",\"damaged\":true");
	json_raw(j, "}");
}

void
entry_pass(struct cursor *c, const struct list_item *it, unsigned stores,
    unsigned files)
{
	uint8_t		head[1 + FRAME_TABLE + 1];
	size_t		n = 0;
	unsigned	slot, file;

	slot = slot_of_record(it->type, it->tab, it->tablen, it->key,
	    it->keylen);
	file = slot_store(slot, stores) * files +
	    slot_file(slot, stores, files);
	if (c->what == 'Z') {
		ordered_put(head, it->score);
		n = CURSOR_SCORE;
	} else if (c->what == CURSOR_KEYS) {
		head[n++] = it->type;
		memcpy(head + n, it->tab, it->tablen);
		n += it->tablen;
		head[n++] = 0;
	}
	cursor_pass(c, file, head, n, it->key, it->keylen);
}

size_t
entry_after(const struct cursor *c, const uint8_t *tab, size_t tablen,
    int reverse, uint8_t *out)
{
	size_t	n = 0;

	if (c->len == 0)
		return 0;
	if (c->what == 'H' || c->what == 'S') {
		out[n++] = c->what;
		memcpy(out + n, tab, tablen);
		n += tablen;
		out[n++] = 0;
	}
	return n + cursor_after(c, reverse, out + n);
}
