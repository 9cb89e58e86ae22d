/*
 * msg_stat.c: the rows that lie back to back in the value of an answer to
 * STORE_STAT and STORE_STATS.
 *
 * Runs in stores, workers and libwharf.  The bytes may be memory that a peer is
 * writing at this moment: the decoder copies the head out and looks at the
 * copy.  To change the format, raise FRAME_VERSION and keep the old decoder.
 */
#include <string.h>

#include "proto/buf.h"
#include "proto/msg.h"
#include "proto/msg_stat.h"

/* Offsets; doc/protocol.7 shows the same map. */
enum {
	ROW_TYPE = 0, ROW_NAMELEN = 1, ROW_COUNT = 2, ROW_SIZE = 10,
	ROW_CAPACITY = 18, ROW_END = 26
};

_Static_assert(ROW_END == STAT_ROW_HEAD, "the map and STAT_ROW_HEAD differ");

size_t
stat_row_size(const struct stat_row *r)
{
	return (size_t)STAT_ROW_HEAD + r->namelen;
}

size_t
stat_row_put(uint8_t *out, const struct stat_row *r)
{
	out[ROW_TYPE] = r->type;
	out[ROW_NAMELEN] = r->namelen;
	le64_put(out + ROW_COUNT, (uint64_t)r->count);
	le64_put(out + ROW_SIZE, (uint64_t)r->size);
	le64_put(out + ROW_CAPACITY, (uint64_t)r->capacity);
	if (r->namelen != 0)
		memcpy(out + ROW_END, r->name, r->namelen);
	return stat_row_size(r);
}

enum err
stat_row_get(struct stat_row *r, const uint8_t *p, size_t n, size_t *used)
{
	uint8_t	h[STAT_ROW_HEAD];

	if (n < STAT_ROW_HEAD)
		return E_BADMSG;
	memcpy(h, p, sizeof(h));
	r->type = h[ROW_TYPE];
	r->namelen = h[ROW_NAMELEN];
	r->count = (int64_t)le64_get(h + ROW_COUNT);
	r->size = (int64_t)le64_get(h + ROW_SIZE);
	r->capacity = (int64_t)le64_get(h + ROW_CAPACITY);
	r->name = p + STAT_ROW_HEAD;
	*used = stat_row_size(r);
	if (r->namelen > TABLE_MAX || *used > n ||
	    strchr("KHSZ", r->type) == NULL || r->type == 0)
		return E_BADMSG;
	return E_OK;
}
