/*
 * http.h: from a request's URI to the message that it becomes, and from the
 * reply to the response.
 */
#ifndef WORKER_HTTP_H
#define WORKER_HTTP_H

#include <stddef.h>
#include <microhttpd.h>

#include "proto/err.h"
#include "proto/msg.h"

struct actor;
struct link;
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

/* A store's reply (the handler of its messages). */
enum err	 http_on_reply(struct actor *, const struct msg *);
/* A link is gone: who waits for it is answered. */
void		 http_on_link_down(struct worker *, uint64_t link);
/* Requests whose link was full try again. */
void		 http_retry(struct worker *);
/* Requests whose deadline passed are answered. */
void		 http_expire(struct worker *);
/* Answers everybody who waits; the worker is about to exit. */
void		 http_abandon(struct worker *);
void		 http_gauges(struct worker *);

void		 http_suspend(struct request *);
void		 http_resume(struct request *);
/* What is wrong with the request so far; *detail names the parameter. */
enum err	 http_verdict(const struct request *, int has_body,
		    const char **detail);
/* Frees the spare requests. */
void		 http_cleanup(struct worker *);

#endif
