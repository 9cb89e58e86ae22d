/*
 * info.c: the members that huststore's info has, with the closest numbers that
 * Wharf has.  A key is its bytes here (W5), so there are no conflicts between
 * keys to count, and no keys kept apart.
 */
#include <string.h>

#include "worker/info.h"

int
info_wanted(const struct request *r)
{
	return r->path == &path_table[PATH_INFO] ||
	    r->path == &path_table[PATH_DB_INFO];
}

/* Of all stores. */
static int64_t
stores_sum(const struct request *r, enum board_id id)
{
	struct board	*b = r->w->a.board;
	char		 role[BOARD_ROLE];
	int64_t		 sum = 0;
	unsigned	 i;

	for (i = 0; i < board_places(b); i++)
		if (strcmp(board_role(board_place(b, i), role), "store") == 0)
			sum += board_get(board_place(b, i), id);
	return sum;
}

static void
member(struct json *j, const char *before, const char *name, int64_t v)
{
	json_raw(j, before);
	json_name(j, name, strlen(name));
	json_raw(j, ":");
	json_int(j, v);
}

void
info_json(struct json *j, const struct request *r,
    const struct stat_row totals[2])
{
	json_raw(j, "{\"md5db\":{");
	member(j, "", "keys", totals[0].count);
	member(j, ",", "hash_fields", totals[1].count);
	member(j, ",", "operations", stores_sum(r, BC_REQUESTS));
	member(j, ",", "refused", stores_sum(r, BC_REFUSED));
	member(j, ",", "failed", stores_sum(r, BC_ERRORS));
	json_raw(j, "},\"leveldb\":{");
	member(j, "", "records", stores_sum(r, BC_RECORDS));
	member(j, ",", "bytes", stores_sum(r, BC_DATA_BYTES));
	member(j, ",", "live_bytes", stores_sum(r, BC_LIVE_BYTES));
	json_raw(j, "},\"conflictdb_count\":{");
	member(j, "", "0", 0);
	json_raw(j, "},\"conflictdb\":{},\"fullkey\":{");
	member(j, "", "count", 0);
	json_raw(j, "},\"fast_conflictdb\":{");
	member(j, "", "count", 0);
	json_raw(j, "}}");
}
