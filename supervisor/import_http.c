/*
 * import_http.c: GET with libcurl; see import_http.h.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "supervisor/import_http.h"

#define PORT		"8085"
#define TRIES		14
#define PAUSE_MOST	5u		/* s */
#define CONNECT_S	10L
#define SILENCE_S	120L		/* an export's first byte takes a while */

struct source {
	CURL				*curl;
	char				*name;
	const volatile sig_atomic_t	*stop;
	struct reply			 reply;
	size_t				 cap, limit;
	char				 error[CURL_ERROR_SIZE + 256];
};

static size_t
on_body(char *data, size_t one, size_t n, void *arg)
{
	struct source	*s = arg;
	struct reply	*r = &s->reply;
	char		*more;
	size_t		 need = r->n + n + 1;

	(void)one;			/* always 1 */
	if (r->n + n > s->limit) {
		r->toolong = 1;
		return 0;
	}
	if (need > s->cap) {
		need += need / 2;
		if ((more = realloc(r->body, need)) == NULL)
			return 0;
		r->body = more;
		s->cap = need;
	}
	memcpy(r->body + r->n, data, n);
	r->n += n;
	r->body[r->n] = '\0';
	return n;
}

/* The header's value without blanks around it, if it has this name. */
static int
header_is(const char *line, size_t n, const char *name, char *out, size_t max)
{
	size_t	k = strlen(name);

	if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
		return 0;
	for (k++; k < n && (line[k] == ' ' || line[k] == '\t'); k++)
		continue;
	while (n > k && (line[n - 1] == '\r' || line[n - 1] == '\n' ||
	    line[n - 1] == ' '))
		n--;
	snprintf(out, max, "%.*s", (int)(n - k), line + k);
	return 1;
}

static size_t
on_header(char *line, size_t one, size_t n, void *arg)
{
	struct source	*s = arg;
	char		 text[32];

	(void)one;
	if (header_is(line, n, "TotalCount", text, sizeof(text)))
		s->reply.total = strtoull(text, NULL, 10);
	else if (!header_is(line, n, "Cursor", s->reply.cursor,
	    sizeof(s->reply.cursor)))
		header_is(line, n, "Wharf-Error", s->error, sizeof(s->error));
	return n;
}

static int
on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct source	*s = arg;

	(void)a, (void)b, (void)c, (void)d;
	return *s->stop;
}

static char *
url_part(CURLU *u, CURLUPart part, unsigned flags)
{
	char	*text;

	return curl_url_get(u, part, &text, flags) == CURLUE_OK ? text : NULL;
}

/* The name of the source, and user and password apart from it. */
static int
url_read(struct source *s, CURLU *u, const char *url)
{
	char	*user, *password, *port, *path;
	int	 plain;

	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
		return 0;
	if ((port = url_part(u, CURLUPART_PORT, 0)) == NULL)
		curl_url_set(u, CURLUPART_PORT, PORT, 0);
	curl_free(port);
	user = url_part(u, CURLUPART_USER, CURLU_URLDECODE);
	password = url_part(u, CURLUPART_PASSWORD, CURLU_URLDECODE);
	if (user != NULL) {
		curl_easy_setopt(s->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(s->curl, CURLOPT_USERNAME, user);
		curl_easy_setopt(s->curl, CURLOPT_PASSWORD,
		    password != NULL ? password : "");
	}
	curl_free(user);
	curl_free(password);
	curl_url_set(u, CURLUPART_USER, NULL, 0);
	curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	path = url_part(u, CURLUPART_PATH, 0);
	plain = path == NULL || strcmp(path, "/") == 0;
	curl_free(path);
	s->name = url_part(u, CURLUPART_URL, 0);
	if (!plain || s->name == NULL)
		return 0;
	s->name[strcspn(s->name, "?#")] = '\0';
	if (s->name[0] != '\0' && s->name[strlen(s->name) - 1] == '/')
		s->name[strlen(s->name) - 1] = '\0';
	return strncmp(s->name, "http", 4) == 0;
}

static void
source_options(struct source *s)
{
	CURL	*c = s->curl;

	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "wharf-import");
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->error);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, s);
}

struct source *
source_open(const char *url, const volatile sig_atomic_t *stop, char *err,
    size_t max)
{
	struct source	*s = calloc(1, sizeof(*s));
	CURLU		*u = curl_url();
	int		 good;

	if (s == NULL || u == NULL || (s->curl = curl_easy_init()) == NULL) {
		snprintf(err, max, "out of memory");
		curl_url_cleanup(u);
		source_close(s);
		return NULL;
	}
	s->stop = stop;
	source_options(s);
	good = url_read(s, u, url);
	curl_url_cleanup(u);
	if (good)
		return s;
	snprintf(err, max,
	    "the source must be http://[USER:PASSWORD@]HOST[:PORT]");
	source_close(s);
	return NULL;
}

void
source_close(struct source *s)
{
	if (s == NULL)
		return;
	if (s->curl != NULL)
		curl_easy_cleanup(s->curl);
	curl_free(s->name);
	free(s->reply.body);
	free(s);
}

const char *
source_name(const struct source *s)
{
	return s->name;
}

const char *
source_error(const struct source *s)
{
	return s->error[0] != '\0' ? s->error : "no reason given";
}

/* 0: worth another try. */
static int
get_once(struct source *s, const char *url)
{
	struct reply	*r = &s->reply;
	CURLcode	 e;

	r->status = 0;
	r->toolong = 0;
	r->n = 0;
	r->cursor[0] = s->error[0] = '\0';
	r->total = 0;
	if (r->body != NULL)
		r->body[0] = '\0';
	curl_easy_setopt(s->curl, CURLOPT_URL, url);
	if ((e = curl_easy_perform(s->curl)) != CURLE_OK) {
		if (s->error[0] == '\0')
			snprintf(s->error, sizeof(s->error), "%s",
			    curl_easy_strerror(e));
		return r->toolong;
	}
	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &r->status);
	return r->status < 500;
}

const struct reply *
source_get(struct source *s, size_t limit, const char *path)
{
	struct timespec	 pause = { 0 };
	unsigned	 i;
	size_t		 n = strlen(s->name) + strlen(path) + 1;
	char		*url = malloc(n);

	s->limit = limit;
	s->reply.status = 0;
	if (url == NULL)
		return &s->reply;
	snprintf(url, n, "%s%s", s->name, path);
	for (i = 0; !get_once(s, url) && i < TRIES && !*s->stop; i++) {
		pause.tv_sec = i < PAUSE_MOST ? i : PAUSE_MOST;
		pause.tv_nsec = 100 * 1000000L;
		nanosleep(&pause, NULL);	/* a signal ends it */
	}
	free(url);
	return &s->reply;
}

char *
source_text(struct source *s, const void *p, size_t n)
{
	return curl_easy_escape(s->curl, p, (int)n);
}

void
source_text_free(char *text)
{
	curl_free(text);
}
