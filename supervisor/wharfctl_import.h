/*
 * wharfctl_import.h: "wharfctl import", which becomes wharf-import.
 */
#ifndef SUPERVISOR_WHARFCTL_IMPORT_H
#define SUPERVISOR_WHARFCTL_IMPORT_H

/*
 * run: node.run; state: where to remember how far it is, or NULL.  Returns only
 * on failure, wharfctl's exit code, with a message on stderr.
 */
int	 import_exec(const char *run, const char *state, const char *source,
	    int json);

#endif
