/*
 * err.h: enum err, its wire numbers, HTTP statuses and texts, from err.def.
 */
#ifndef PROTO_ERR_H
#define PROTO_ERR_H

enum err {
#define X(name, num, http, text) name = num,
#include "proto/err.def"
#undef X
	E_MAX_			/* one past the last number */
};

/* Text for people; a constant string, also for numbers not in the table. */
const char	*err_text(enum err);
/* The symbolic name ("E_NOTFOUND"); "E_?" for numbers not in the table. */
const char	*err_name(enum err);
/* The HTTP status; 500 for numbers not in the table. */
int		 err_http(enum err);

#endif
