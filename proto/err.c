/*
 * err.c: names, texts and HTTP statuses of enum err.
 *
 * Runs in every process.  Numbers come from frames too, so a number outside
 * the table is an ordinary argument and never an index.
 */
#include <stddef.h>

#include "proto/err.h"

struct err_row {
	const char	*name, *text;
	int		 http;
};

static const struct err_row err_rows[] = {
#define X(name, num, http, text) [num] = { #name, text, http },
#include "proto/err.def"
#undef X
};

static const struct err_row *
err_row(enum err e)
{
	static const struct err_row	none = { "E_?", "unknown error", 500 };
	size_t				i = (size_t)e;

	if (i >= sizeof(err_rows) / sizeof(err_rows[0]) ||
	    err_rows[i].name == NULL)
		return &none;
	return &err_rows[i];
}

const char *
err_text(enum err e)
{
	return err_row(e)->text;
}

const char *
err_name(enum err e)
{
	return err_row(e)->name;
}

int
err_http(enum err e)
{
	return err_row(e)->http;
}
