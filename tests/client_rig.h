/*
 * client_rig.h: a connection of libwharf without a node and without nng: the
 * test is the stores, at the other ends of the lanes.
 */
#ifndef TESTS_CLIENT_RIG_H
#define TESTS_CLIENT_RIG_H

#include "proto/client_ask.h"

#define INC	77u		/* of the stores */
#define OURS	55u		/* of the client */
#define RING	(512u << 10)
#define FILES	4u		/* of each store */

extern struct wharf	*w;
extern struct seat	*seat;		/* of store 0 */
extern struct lane	*lane;		/* its end */
extern int		 store_bell;	/* rings the first seat */

/* What callbacks saw, in order. */
struct seen {
	enum wharf_status	status;
	uint32_t		version;
	int64_t			ttl, score;	/* score: the number */
	size_t			length;
	unsigned		count;
	uint8_t			first, last;	/* bytes of the value */
	int			number;		/* arg */
};
extern struct seen	 seen[64];
extern int		 nseen;
void		 on_answer(struct wharf *, const struct wharf_answer *,
		    void *arg);

/* A connection to one store, or to some; all are up. */
void		 begin(unsigned ops, size_t memory);
void		 begin_stores(unsigned stores, unsigned ops, size_t memory);
/* With routers, too: router N is store stores + N to take_from and say_from. */
void		 begin_node(unsigned stores, unsigned routers, unsigned ops,
		    size_t memory);
void		 finish(void);
/* Store 0 is gone. */
void		 hang_up(void);

/* A store's side: the next frame, its bytes valid until take_done. */
int		 take(struct frame *);		/* store 0 */
void		 take_done(void);
int		 say(const struct frame *);
int		 take_from(unsigned store, struct frame *);
void		 take_done_from(unsigned store);
int		 say_from(unsigned store, const struct frame *);
struct frame	 answer_to(const struct frame *, enum err status);

/*
 * A thread that is all the stores, for calls that wait: serve fills in the
 * answer r (of answer_to, status OK); its value is out, RING / 2 bytes long.
 * serve_end waits until the thread has answered all and is gone.
 */
typedef void	 serve_fn(unsigned store, const struct frame *f,
		    struct frame *r, uint8_t *out);
void		 serve_begin(serve_fn *);
void		 serve_end(void);

#endif
