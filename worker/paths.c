/*
 * paths.c: the path table as the worker uses it, and a hash index over it, so
 * that a look-up costs one pass over the path and one comparison whatever the
 * length of the table.
 */
#include <assert.h>
#include <string.h>

#include "worker/paths.h"

const struct param param_table[PARAM_MAX_] = {
#define PARAM(id, name, type, def, min, max, help) \
	[id] = { name, sizeof(name) - 1, PT_##type, def, min, max, help },
#include "worker/paths.def"
};

const struct path path_table[PATH_MAX_] = {
#define PATH(id, path, on, methods, act, msg, type, flags, req, opt, text, \
    help) \
	[id] = { path, on, methods, act, type, flags, msg, req, opt, text, help },
#include "worker/paths.def"
};

/* Open addressing; at most a quarter full. Entries are row numbers + 1. */
#define INDEX_SIZE	1024u
_Static_assert(PATH_MAX_ * 4 <= INDEX_SIZE, "enlarge INDEX_SIZE");
static uint16_t	path_index[INDEX_SIZE];

static unsigned
path_hash(const char *p, size_t len)
{
	uint32_t	h = 2166136261u;
	size_t		i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)p[i]) * 16777619u;
	return (h ^ h >> 15) % INDEX_SIZE;
}

void
paths_init(void)
{
	unsigned	i, n;

	memset(path_index, 0, sizeof(path_index));
	for (n = 0; n < PATH_MAX_; n++) {
		i = path_hash(path_table[n].path, strlen(path_table[n].path));
		while (path_index[i] != 0)
			i = (i + 1) % INDEX_SIZE;
		path_index[i] = (uint16_t)(n + 1);
	}
}

const struct path *
path_find(const char *p, size_t len, unsigned on)
{
	const struct path	*row;
	unsigned		 i;

	for (i = path_hash(p, len); path_index[i] != 0;
	    i = (i + 1) % INDEX_SIZE) {
		row = &path_table[path_index[i] - 1];
		if ((row->on & on) != 0 && strlen(row->path) == len &&
		    memcmp(row->path, p, len) == 0)
			return row;
	}
	return NULL;
}

unsigned
method_bit(const char *name)
{
	static const struct {
		const char	*name;
		unsigned	 bit;
	} methods[] = {
		{ "GET", M_GET }, { "POST", M_POST }, { "PUT", M_PUT },
		{ "HEAD", M_HEAD }, { "DELETE", M_DELETE },
	};
	size_t	i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(name, methods[i].name) == 0)
			return methods[i].bit;
	return M_OTHER;
}

enum role
path_role(const struct path *row)
{
	if ((row->flags & PF_OPEN) != 0)
		return ROLE_NONE;
	if ((row->flags & PF_ADMIN) != 0)
		return ROLE_ADMIN;
	return (row->flags & PF_WRITE) != 0 ||
	    (row->methods & M_WRITE_GET) != 0 ? ROLE_WRITE : ROLE_READ;
}

int
path_takes(const struct path *row, unsigned method, int get_writes)
{
	unsigned	takes = row->methods;

	if ((takes & M_WRITE_GET) != 0 && get_writes)
		takes |= M_GET;
	return (takes & method) != 0;
}
