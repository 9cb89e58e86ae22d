/*
 * auth.c: see auth.h.  Everything but the look at a password runs on the loop.
 *
 * Invariants
 * 1 A request is in the list of waiters of one place exactly as long as it is
 *   suspended by auth_ask; MHD does not tell of its end meanwhile.
 * 2 What a connection remembers of its login holds for one generation of
 *   users only; at->user is not looked at in any other.
 * 3 A password that was checked against a line that is not in auth.file any
 *   more lets nobody in.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/actor.h"
#include "supervisor/known.h"
#include "supervisor/log.h"
#include "supervisor/secret.h"
#include "worker/auth.h"
#include "worker/http.h"
#include "worker/login.h"
#include "worker/places.h"
#include "worker/verify.h"
#include "worker/worker.h"

_Static_assert(LOGIN_TAG == crypto_shorthash_siphashx24_BYTES, "tags fit");

#define NET_V6	8u	/* bytes of an address */

struct auth {
	struct users	*users;
	struct known	*known;
	struct verify	*verify;
	struct place	*running;
	unsigned	 gen;		/* of the users, from 1 */
	uint8_t		 key[crypto_shorthash_siphashx24_KEYBYTES];
	struct places	 places;
};

static int
auth_is_on(const struct worker *w)
{
	return conf_str(w->a.conf, CONF_AUTH_FILE)[0] != '\0';
}

/* Tags */

static void
short_tag(const struct auth *a, uint8_t out[LOGIN_TAG], const void *p,
    size_t n)
{
	(void)crypto_shorthash_siphashx24(out, p, n, a->key);
}

/* Over the user's line and the password; the secret is of all workers. */
static void
login_tag(const struct auth *a, uint8_t out[KNOWN_TAG], const struct login *l,
    const char *hash, int role)
{
	crypto_generichash_state	st;
	const uint8_t			part = 0, r = (uint8_t)role;

	crypto_generichash_init(&st, known_secret(a->known), KNOWN_SECRET,
	    KNOWN_TAG);
	crypto_generichash_update(&st, &r, 1);
	crypto_generichash_update(&st, (const void *)hash, strlen(hash));
	crypto_generichash_update(&st, &part, 1);
	crypto_generichash_update(&st, (const void *)l->name, l->namelen);
	crypto_generichash_update(&st, &part, 1);
	crypto_generichash_update(&st, (const void *)l->password, l->passlen);
	crypto_generichash_final(&st, out, KNOWN_TAG);
}

struct peer {
	uint8_t	addr[16];
	char	name[USER_NAME + 1];
};

static uint64_t
short_number(const struct auth *a, const void *p, size_t n)
{
	uint8_t		tag[LOGIN_TAG];
	uint64_t	out;

	short_tag(a, tag, p, n);
	memcpy(&out, tag, sizeof(out));
	return out;
}

/* (address, user) as a number; the port does not matter. */
static uint64_t
pair_of(const struct auth *a, const struct request *r, const char *name,
    size_t len)
{
	struct peer	p = { { 0 }, "" };

	memcpy(p.addr, connection_peer(r->at), sizeof(p.addr));
	memcpy(p.name, name, len);
	return short_number(a, &p, sizeof(p));
}

/* The address as a number; of IPv6 its net, for one host has all of that. */
static uint64_t
from_of(const struct auth *a, const struct request *r)
{
	const struct in6_addr	*ip = connection_peer(r->at);

	return short_number(a, ip, IN6_IS_ADDR_V4MAPPED(ip) ?
	    sizeof(*ip) : NET_V6);
}

static void
host_of(const struct request *r, char out[INET6_ADDRSTRLEN])
{
	const struct in6_addr	*ip = connection_peer(r->at);

	if (IN6_IS_ADDR_V4MAPPED(ip))
		inet_ntop(AF_INET, ip->s6_addr + 12, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, ip, out, INET6_ADDRSTRLEN);
}

/* Roles */

/* What admins do is on record, also where nobody has to say who he is. */
static void
audit(const struct request *r, const char *name, int ok)
{
	static struct log_limit	lim;
	char			host[INET6_ADDRSTRLEN];

	host_of(r, host);
	if (ok)
		log_info("audit: %s by \"%s\" from %s", r->path->path, name,
		    host);
	else
		log_limited(&lim, "audit: %s by \"%s\" from %s: refused",
		    r->path->path, name, host);
}

static enum err
role_check(const struct request *r, const struct user *u)
{
	enum role	need = path_role(r->path);

	if (need == ROLE_ADMIN)
		audit(r, u->name, u->role >= need);
	return u->role >= need ? E_OK : E_ROLE;
}

/* Waiting */

static void
waiter_resume(struct request *r, enum err e)
{
	r->auth = e;
	r->waited += mono_diff(r->asked, mono_now());
	connection_quiet(r->w, r->at);
	http_resume(r);
}

static void
place_answer(struct place *p, enum err e)
{
	struct request	*r;

	while ((r = p->waiters) != NULL) {
		p->waiters = r->next;
		if (e == E_AUTHBUSY)
			board_add(r->w->a.my, BC_AUTH_BUSY, 1);
		waiter_resume(r, e);
	}
}

static void
note_failure(struct auth *a, const struct request *r, const struct place *p)
{
	static struct log_limit	lim;
	unsigned		n;
	char			host[INET6_ADDRSTRLEN];

	board_add(r->w->a.my, BC_AUTH_FAILED, 1);
	n = places_failed(&a->places, pair_of(a, r, p->name, strlen(p->name)));
	host_of(r, host);
	log_limited(&lim, "http: wrong password for \"%s\" from %s (%u so far)",
	    p->name, host, n);
}

static void
place_refuse(struct auth *a, struct place *p)
{
	const struct request	*r;

	for (r = p->waiters; r != NULL; r = r->next)
		note_failure(a, r, p);
	place_answer(p, E_AUTH);
}

static void
place_accept(struct auth *a, struct place *p, const struct user *u)
{
	struct request	*r;

	known_add(a->known, p->tag);
	while ((r = p->waiters) != NULL) {
		p->waiters = r->next;
		waiter_resume(r, role_check(r, u));
	}
}

static void
verify_next(struct worker *w)
{
	struct auth	*a = w->auth;
	struct place	*p;

	while (!verify_busy(a->verify) &&
	    (p = places_next(&a->places)) != NULL) {
		if (verify_start(a->verify, p->hash, p->password,
		    p->passlen) == 0) {
			board_add(w->a.my, BC_AUTH_CHECKS, 1);
			p->state = PLACE_RUNS;
			a->running = p;
			return;
		}
		place_answer(p, E_AUTHBUSY);
		places_leave(p);
	}
}

static void
on_verified(void *arg, int good)
{
	struct worker		*w = arg;
	struct auth		*a = w->auth;
	struct place		*p = a->running;
	const struct user	*u;

	a->running = NULL;
	u = users_find(a->users, p->name, strlen(p->name));
	if (good == -1)
		place_answer(p, E_AUTHBUSY);
	else if (good && !p->nobody && u != NULL &&
	    strcmp(u->hash, p->hash) == 0)
		place_accept(a, p, u);
	else
		place_refuse(a, p);
	places_leave(p);
	verify_next(w);
	listeners_wake(w);
}

static void
place_fill(struct place *p, const struct login *l, const struct user *u)
{
	p->nobody = u == NULL;
	memcpy(p->name, l->name, l->namelen);
	strcpy(p->hash, u != NULL ? u->hash : password_nobody());
	memcpy(p->password, l->password, l->passlen);
	p->passlen = l->passlen;
}

/* A place for this login, if need be another address's; NULL. */
static struct place *
place_take(struct request *r, const struct login *l,
    const uint8_t tag[KNOWN_TAG])
{
	struct auth	*a = r->w->auth;
	uint64_t	 pair = pair_of(a, r, l->name, l->namelen);
	uint64_t	 from = from_of(a, r);
	struct place	*p = places_take(&a->places, tag, pair, from,
			    mono_now());

	if (p == NULL &&
	    (p = places_yield(&a->places, pair, from)) != NULL) {
		place_answer(p, E_AUTHBUSY);
		places_leave(p);
		p = places_take(&a->places, tag, pair, from, mono_now());
	}
	return p;
}

static enum err
login_wait(struct request *r, const struct login *l, const struct user *u,
    const uint8_t tag[KNOWN_TAG])
{
	struct auth	*a = r->w->auth;
	struct place	*p = places_find(&a->places, tag);

	if (r->w->leaving)	/* MHD must not find any suspended then */
		return E_AUTHBUSY;
	if (p == NULL) {
		if ((p = place_take(r, l, tag)) == NULL) {
			board_add(r->w->a.my, BC_AUTH_BUSY, 1);
			return E_AUTHBUSY;
		}
		place_fill(p, l, u);
	}
	r->asked = mono_now();
	r->next = p->waiters;
	p->waiters = r;
	connection_busy(r->w, r->at);
	http_suspend(r);
	verify_next(r->w);
	return E_PENDING;
}

/* Asking */

static void
connection_learn(const struct auth *a, struct connection *at,
    const uint8_t tag[LOGIN_TAG], const struct user *u)
{
	memcpy(at->login, tag, LOGIN_TAG);
	at->user = u;
	at->users = a->gen;
}

static enum err
login_ask(struct request *r, const struct login *l, const uint8_t *header)
{
	struct auth		*a = r->w->auth;
	const struct user	*u = users_find(a->users, l->name, l->namelen);
	uint8_t			 tag[KNOWN_TAG];

	login_tag(a, tag, l, u != NULL ? u->hash : password_nobody(),
	    u != NULL ? (int)u->role : ROLE_NONE);
	if (!known_has(a->known, tag) || u == NULL)
		return login_wait(r, l, u, tag);
	connection_learn(a, r->at, header, u);
	return role_check(r, u);
}

enum err
auth_ask(struct request *r, const char *header, size_t len)
{
	struct auth	*a = r->w->auth;
	uint8_t		 tag[LOGIN_TAG];
	struct login	 l;
	enum err	 e = E_AUTH;

	if (r->path == NULL || path_role(r->path) == ROLE_NONE)
		return E_OK;
	if (!auth_is_on(r->w)) {
		if (path_role(r->path) == ROLE_ADMIN)
			audit(r, "", 1);
		return E_OK;
	}
	if (header == NULL)
		return E_AUTH;
	short_tag(a, tag, header, len);
	if (r->at->users == a->gen &&
	    sodium_memcmp(r->at->login, tag, sizeof(tag)) == 0)
		return role_check(r, r->at->user);
	if (login_parse(&l, header, len) == 0)
		e = login_ask(r, &l, tag);
	sodium_memzero(&l, sizeof(l));
	return e;
}

void
auth_expire(struct worker *w, int all)
{
	struct auth	*a = w->auth;
	struct place	*p;

	while ((p = places_late(&a->places, mono_now(),
	    all ? INT64_MIN : w->deadline_us)) != NULL) {
		place_answer(p, E_AUTHBUSY);
		/* The thread has what it looks at; its answer is still of use. */
		if (p->state == PLACE_WAITS)
			places_leave(p);
	}
}

void
auth_users(struct worker *w, int fd)
{
	char		 err[256];
	struct users	*fresh = users_from_fd(fd, err, sizeof(err));

	if (fresh == NULL && w->auth->users == NULL)
		fatalx("auth.file: %s", err);
	if (fresh == NULL) {
		log_errorx("auth.file: %s; the old users stay", err);
		return;
	}
	users_free(w->auth->users);
	w->auth->users = fresh;
	w->auth->gen++;
}

void
auth_init(struct worker *w)
{
	struct auth	*a = secret_new(sizeof(*a));

	if (a == NULL || password_init() == -1)
		fatalx("worker: users");
	w->auth = a;
	randombytes_buf(a->key, sizeof(a->key));
	if ((a->known = known_map(ACTOR_FD_KNOWN)) == NULL)
		fatal("known logins");
	if ((a->verify = verify_new(w->a.loop, on_verified, w)) == NULL)
		fatal("worker: users");
	auth_users(w, ACTOR_FD_USERS);
	close(ACTOR_FD_KNOWN);
	close(ACTOR_FD_USERS);
}

void
auth_free(struct worker *w)
{
	struct auth	*a = w->auth;

	verify_free(a->verify);
	known_unmap(a->known);
	users_free(a->users);
	secret_drop(a, sizeof(*a));
	w->auth = NULL;
}
