/*
 * body.h: request bodies, within the budget and with an eye on their pace.
 */
#ifndef WORKER_BODY_H
#define WORKER_BODY_H

#include <stddef.h>
#include <microhttpd.h>

struct request;
struct worker;

/* The head said that a body comes. */
enum MHD_Result	 body_begin(struct request *);
/* Called again after a wait for budget before the body. */
enum MHD_Result	 body_resume(struct request *);
/* Some bytes came; *size is set to what is left of them. */
enum MHD_Result	 body_take(struct request *, const char *data, size_t *size);
/* The body is over: it is not watched any more. */
void		 body_end(struct request *);
/* Gives body and budget back. */
void		 body_free(struct request *);

/* Wakes the uploads whose turn has come; 1 if there were any. */
int		 body_grant(struct worker *);
/* Ends uploads that waited too long (now), or all that wait. */
void		 body_expire(struct worker *, int all);

#endif
