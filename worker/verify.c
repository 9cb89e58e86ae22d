/*
 * verify.c: the thread of verify.h.
 *
 * Invariants
 * 1 hash, password and len belong to the thread from `asked` until `answered`,
 *   to the loop otherwise; both flags and `end` are under the lock.
 * 2 The loop learns of an answer by the ev_async alone, and takes it once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "supervisor/log.h"
#include "supervisor/password.h"
#include "supervisor/secret.h"
#include "worker/verify.h"

struct verify {
	struct ev_loop	*loop;
	struct ev_async	 answer;
	void		(*done)(void *, int);
	void		*arg;
	pthread_t	 thread;
	pthread_mutex_t	 lock;
	pthread_cond_t	 wake;
	int		 runs, busy;		/* the loop's */
	int		 asked, answered, end;
	int		 good;
	char		 hash[USER_HASH];
	char		 password[PASSWORD_MOST];
	size_t		 len;
};

static void *
verify_main(void *arg)
{
	struct verify	*v = arg;
	int		 good;

	prctl(PR_SET_NAME, "passwords");
	pthread_mutex_lock(&v->lock);
	while (!v->end) {
		if (!v->asked) {
			pthread_cond_wait(&v->wake, &v->lock);
			continue;
		}
		pthread_mutex_unlock(&v->lock);
		good = password_good(v->hash, v->password, v->len);
		pthread_mutex_lock(&v->lock);
		explicit_bzero(v->password, sizeof(v->password));
		v->good = good;
		v->asked = 0;
		v->answered = 1;
		ev_async_send(v->loop, &v->answer);
	}
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

static void
on_answer(struct ev_loop *loop, struct ev_async *w, int revents)
{
	struct verify	*v = w->data;
	int		 answered, good;

	(void)loop, (void)revents;
	pthread_mutex_lock(&v->lock);
	answered = v->answered;
	good = v->good;
	v->answered = 0;
	pthread_mutex_unlock(&v->lock);
	if (!answered)
		return;
	v->busy = 0;
	v->done(v->arg, good);
}

struct verify *
verify_new(struct ev_loop *loop, void (*done)(void *, int), void *arg)
{
	struct verify	*v = secret_new(sizeof(*v));

	if (v == NULL)
		return NULL;
	v->loop = loop;
	v->done = done;
	v->arg = arg;
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->wake, NULL);
	ev_async_init(&v->answer, on_answer);
	v->answer.data = v;
	ev_async_start(loop, &v->answer);
	return v;
}

void
verify_free(struct verify *v)
{
	if (v == NULL)
		return;
	if (v->runs) {
		pthread_mutex_lock(&v->lock);
		v->end = 1;
		pthread_cond_signal(&v->wake);
		pthread_mutex_unlock(&v->lock);
		pthread_join(v->thread, NULL);
	}
	ev_async_stop(v->loop, &v->answer);
	pthread_cond_destroy(&v->wake);
	pthread_mutex_destroy(&v->lock);
	secret_drop(v, sizeof(*v));
}

int
verify_busy(const struct verify *v)
{
	return v->busy;
}

static int
verify_run(struct verify *v)
{
	if (v->runs)
		return 0;
	errno = pthread_create(&v->thread, NULL, verify_main, v);
	if (errno != 0) {
		log_warn("start the thread for passwords");
		return -1;
	}
	v->runs = 1;
	return 0;
}

int
verify_start(struct verify *v, const char *hash, const char *password,
    size_t len)
{
	if (verify_run(v) == -1)
		return -1;
	v->busy = 1;
	pthread_mutex_lock(&v->lock);
	memcpy(v->hash, hash, strnlen(hash, USER_HASH - 1) + 1);
	memcpy(v->password, password, len);
	v->len = len;
	v->asked = 1;
	pthread_cond_signal(&v->wake);
	pthread_mutex_unlock(&v->lock);
	return 0;
}
