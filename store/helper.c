/*
 * helper.c: one thread and two queues, jobs in and results out.  Runs in a
 * store (and in the offline tools); a thread that cannot be made is fatal for
 * the caller (helper_new gives NULL).
 *
 * Invariants
 * 1 A job is in exactly one place: the in queue, the thread's hands, the out
 *   queue.  Both queues are first in, first out.
 * 2 The thread touches a job for the last time when it puts it into the out
 *   queue; done may free it.
 */
#include <pthread.h>
#include <stdlib.h>

#include "store/helper.h"

struct queue {
	struct job	 *head, **tail;
};

struct helper {
	pthread_t	  thread;
	pthread_mutex_t	  lock;
	pthread_cond_t	  work;
	struct queue	  in, out;
	int		  stop;
	void		(*notify)(void *);
	void		 *arg;
};

static void
queue_init(struct queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void
queue_push(struct queue *q, struct job *j)
{
	j->next_ = NULL;
	*q->tail = j;
	q->tail = &j->next_;
}

static struct job *
queue_pop(struct queue *q)
{
	struct job	*j = q->head;

	if (j != NULL && (q->head = j->next_) == NULL)
		q->tail = &q->head;
	return j;
}

static void *
helper_main(void *arg)
{
	struct helper	*h = arg;
	struct job	*j;
	enum err	 e;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		while ((j = queue_pop(&h->in)) == NULL && !h->stop)
			pthread_cond_wait(&h->work, &h->lock);
		if (j == NULL)
			break;
		pthread_mutex_unlock(&h->lock);
		e = j->work(j);
		pthread_mutex_lock(&h->lock);
		j->result_ = e;
		queue_push(&h->out, j);
		pthread_mutex_unlock(&h->lock);
		h->notify(h->arg);
		pthread_mutex_lock(&h->lock);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

struct helper *
helper_new(void (*notify)(void *), void *arg)
{
	struct helper	*h;

	if ((h = calloc(1, sizeof *h)) == NULL)
		return NULL;
	h->notify = notify;
	h->arg = arg;
	queue_init(&h->in);
	queue_init(&h->out);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->work, NULL);
	if (pthread_create(&h->thread, NULL, helper_main, h) != 0) {
		pthread_cond_destroy(&h->work);
		pthread_mutex_destroy(&h->lock);
		free(h);
		return NULL;
	}
	return h;
}

void
helper_run(struct helper *h, struct job *j)
{
	pthread_mutex_lock(&h->lock);
	queue_push(&h->in, j);
	pthread_cond_signal(&h->work);
	pthread_mutex_unlock(&h->lock);
}

void
helper_poll(struct helper *h)
{
	struct job	*j;

	for (;;) {
		pthread_mutex_lock(&h->lock);
		j = queue_pop(&h->out);
		pthread_mutex_unlock(&h->lock);
		if (j == NULL)
			return;
		j->done(j, j->result_);
	}
}

void
helper_free(struct helper *h)
{
	if (h == NULL)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = 1;
	pthread_cond_signal(&h->work);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	helper_poll(h);
	pthread_cond_destroy(&h->work);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
