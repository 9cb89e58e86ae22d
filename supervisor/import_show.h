/*
 * import_show.h: how far an import is, on stderr: a bar that is drawn anew on a
 * terminal, a line every 10 seconds otherwise.
 */
#ifndef SUPERVISOR_IMPORT_SHOW_H
#define SUPERVISOR_IMPORT_SHOW_H

#include <stdint.h>

#include "supervisor/import_plan.h"

struct show {
	int64_t		 began, last;	/* ms, monotonic */
	uint64_t	 first;		/* records done when it began */
	int		 terminal;
};

void	 show_begin(struct show *, const struct plan *);
void	 show_progress(struct show *, const struct plan *);
/* The last word, on stdout: json or for people. */
void	 show_done(struct show *, const struct plan *, int done, int json);

#endif
