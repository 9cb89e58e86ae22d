/*
 * conf_row.h: the rows of conf.def as data; for conf*.c only.
 */
#ifndef SUPERVISOR_CONF_ROW_H
#define SUPERVISOR_CONF_ROW_H

#include "supervisor/conf.h"

enum conf_type { T_INT, T_STR, T_BOOL, T_ENUM };

struct conf_row {
	const char	*key, *help;
	const char	*def;		/* as text */
	const char	*words;		/* ENUM: "a|b|c" */
	enum conf_type	 type;
	int64_t		 min, max;
	int		 reload;
};

extern const struct conf_row conf_rows[CONF_MAX_];

/* The row's number, or -1. */
int	 conf_find(const char *key, size_t len);
int	 conf_set_text(struct conf *, enum conf_id, const char *text, char *err,
	    size_t errlen);

#endif
