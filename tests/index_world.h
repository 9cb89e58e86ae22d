/*
 * index_world.h: a shard, a model of its entries, a wall clock of its own, and
 * the questions that are asked of both.
 */
#ifndef TESTS_INDEX_WORLD_H
#define TESTS_INDEX_WORLD_H

#include <CUnit/Basic.h>
#include <semaphore.h>
#include <unistd.h>

#include "store/index_impl.h"
#include "store/shard_impl.h"

#define FILES	3u
#define ITEMS	1100u
#define LONG	3000u		/* bytes of the longest keys */

struct item {
	uint8_t		 type;
	const char	*tab;
	char		*key;
	size_t		 keylen;
	unsigned	 slot;
	uint8_t		 engine[1 + 8 + LONG];	/* its engine key */
	size_t		 enginelen;
	int		 there;
	uint32_t	 version;
	int64_t		 expiry, score;
};

extern struct item	 items[ITEMS];
extern struct shard	*s;
extern int64_t		 now;		/* the shard's wall clock */
extern uint64_t		 last;		/* LSN */
extern char		 dir[96];	/* of the shard */
extern int		 lazy;		/* no background work */
extern atomic_int	 gate;		/* builds wait at it for opened */
extern sem_t		 opened;

void		 begin(const struct engine_ops *, uint64_t seed);
void		 end(void);
unsigned	 draw(unsigned n);
unsigned	 scaled(unsigned n);
/* A turn of the loop. */
void		 turn(void);
/* Until all has been released. */
void		 settle(void);
void		 reopen(int clean);
void		 open_shard(void);
void		 put(struct item *, int64_t ttl);
void		 del(struct item *);
void		 change(void);		/* any one */
int		 live(const struct item *);
unsigned	 file_of(const struct item *);
void		 drop_all(void);	/* indexes; they may come again */
struct index_stat stat_of(void);

struct seen {
	const struct item	*x[ITEMS];
	unsigned		 n, most;
	int			 wrong;
	uint64_t		 passed, offset;
};

/* For a struct seen; checks what is said of the entry. */
int		 see(void *, const struct index_entry *);
/* Asks about everything; how many answers are not the model's. */
unsigned	 differs(void);

/* Asks until the index is there; gives up what is no matter of time. */
#define ASK(e, question)						\
	do {								\
		while ((e = (question)) == E_BUILDING) {		\
			turn();						\
			usleep(100);					\
		}							\
	} while (0)

#endif
