/*
 * data_world_helper.c: in the place of store/helper.c: no thread, and a job is
 * done by hand_step, first its work, then what follows.
 */
#include <assert.h>
#include <stdlib.h>

#include "tests/data_world.h"

struct helper {
	struct job	*head;
	int		 worked;
	enum err	 result;
};

struct helper *
helper_new(void (*notify)(void *), void *arg)
{
	(void)notify;
	(void)arg;
	return calloc(1, sizeof(struct helper));
}

void
helper_run(struct helper *h, struct job *j)
{
	assert(h->head == NULL);	/* one job at a time */
	j->next_ = NULL;
	h->head = j;
	h->worked = 0;
}

int
hand_step(struct helper *h)
{
	struct job	*j = h->head;

	if (j == NULL)
		return 0;
	if (!h->worked) {
		h->result = j->work(j);
		h->worked = 1;
	} else {
		h->head = NULL;
		j->done(j, h->result);
	}
	return 1;
}

void
helper_poll(struct helper *h)
{
	while (hand_step(h))
		;
}

void
helper_free(struct helper *h)
{
	helper_poll(h);
	free(h);
}
