/*
 * http.h: requests as MHD tells of them, until all of one is here.
 */
#ifndef WORKER_HTTP_H
#define WORKER_HTTP_H

#include <stddef.h>
#include <microhttpd.h>

#include "proto/err.h"

struct request;
struct worker;

/* MHD's callbacks; cls is the listener. */
void		*http_on_uri(void *cls, const char *uri, struct MHD_Connection *);
enum MHD_Result	 http_on_request(void *cls, struct MHD_Connection *,
		    const char *url, const char *method, const char *version,
		    const char *data, size_t *size, void **con_cls);
void		 http_on_connection(void *cls, struct MHD_Connection *,
		    void **context, enum MHD_ConnectionNotificationCode);
void		 http_on_completed(void *cls, struct MHD_Connection *,
		    void **con_cls, enum MHD_RequestTerminationCode);

void		 http_gauges(struct worker *);

void		 http_suspend(struct request *);
void		 http_resume(struct request *);
/* Frees the spare requests. */
void		 http_cleanup(struct worker *);

#endif
