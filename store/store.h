/*
 * store.h: the inside of wharf-store: one actor, one shard.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "proto/clock.h"
#include "store/shard_num.h"
#include "supervisor/actor.h"

struct store;
struct part;		/* of the cache: this store's */

/*
 * Before a handler does anything: E_OK; E_EXPIRED too late; E_AGAIN the link's
 * answers pile up; E_NOTREADY stopping.
 */
enum err	 store_may(struct store *, const struct msg *);
/* The same for messages whose answers never wait for the log. */
enum err	 store_may_now(struct store *, const struct msg *);
/*
 * Takes the bytes that k borrows, which a peer may change, into a buffer that
 * lasts until the next call, and fills in the slot.  types: what may come here.
 * E_PARAM: another type, no table or a malformed one where one must be or the
 * reverse, or the record is not this store's.
 */
enum err	 store_key(struct store *, const char *types,
		    struct shard_key *k);
/* Both, for messages about one record. */
enum err	 store_admit(struct store *, const struct msg *,
		    const char *types, struct shard_key *);
/*
 * Answers m now or, when it depends on a record that is not released yet,
 * then.  r: version, flags, ttl and value; its value is copied when it must
 * wait.  Returns E_PENDING, for the dispatcher.
 */
enum err	 store_answer(struct store *, const struct msg *, enum err status,
		    const struct frame *r, uint64_t lsn, int write);
/* Contract 1.1: 1..64 of 0-9 A-Z a-z _ : . */
int		 store_table_valid(const uint8_t *, size_t);
struct shard	*store_shard(struct store *);
int64_t		 store_now(const struct store *);	/* wall ms */
/* Has the messages that links kept (E_AGAIN) shown again in the next turn. */
void		 store_again(struct store *);
/* What store_many.c keeps of messages that are done in part. */
struct many;
struct many	**store_parts(struct store *);
int		 store_link_gone(const struct store *, uint64_t link);
void		 store_many_sweep(struct store *);

/* store_damage.c: a read met damage: counts it, and logs it. */
void		 store_damaged(struct store *, unsigned slot);
/*
 * An answer E_DAMAGED has as its value "store.N/FILE slot S", with " in
 * quarantine" behind it where records are lost, or only "store.N/FILE" when
 * the file itself cannot be read: the text and its length, not NUL's.
 */
#define DAMAGE_TEXT	96u
size_t		 damage_slot_text(struct store *, unsigned slot,
		    char text[DAMAGE_TEXT]);
size_t		 damage_file_text(struct store *, unsigned file,
		    char text[DAMAGE_TEXT]);
/* The same as the value of an answer to a message about one record. */
void		 damage_tell(struct store *, const struct msg *,
		    char text[DAMAGE_TEXT], struct frame *r);

/* Room for one more answer that waits for the log. */
int		 store_can_hold(struct store *);
struct lists	*store_lists(struct store *);
struct exports	*store_exports(struct store *);
struct part	*store_part(struct store *);

struct actor	*store_actor(struct store *);

/*
 * store_limit.c: before every write that may make the shard grow (put, incr,
 * zadd, each put of mput; not del and expire), vallen 0 if it is no value:
 * E_OK, E_LIMIT_VALUE, or which of the node's limits is exceeded.
 */
enum err	 store_grow(struct store *, size_t vallen);
/* The result of a write that was refused: the version it was sent with. */
struct shard_result store_nothing(const struct shard_write *);

/* store_kv.c: what the handlers of single records share. */

/* A write of one record, from its message to its answer. */
struct write_op {
	struct store		*st;
	const struct msg	*m;
	struct shard_key	 k;
	struct shard_write	 asked;
	struct shard_result	 res;		/* until the call: nothing done */
};
/* Before the shard's call: fills it in; errors of store_admit. */
enum err	 store_write(struct write_op *, struct actor *,
		    const struct msg *, const char *types);
/*
 * Behind it, with what it gave: the answer.  n (or NULL): the number that the
 * record has when E_OK, and its text is the answer's value if this write put
 * it there.  E_PENDING, E_AGAIN.
 */
enum err	 store_wrote(const struct write_op *, enum err, const int64_t *n);
/* Milliseconds left, 0 none. */
int64_t		 store_left(const struct store *, const struct record *);
/*
 * What a reader gets as value: text of a score, made in buf, or the value.
 * E_DAMAGED.
 */
enum err	 store_value(const struct record *, uint8_t type,
		    uint8_t buf[NUMBER_TEXT], struct frame *r);

/* The handlers (msg.def). */
enum err	 store_on_get(struct actor *, const struct msg *);
enum err	 store_on_put(struct actor *, const struct msg *);
enum err	 store_on_del(struct actor *, const struct msg *);
enum err	 store_on_exist(struct actor *, const struct msg *);
enum err	 store_on_incr(struct actor *, const struct msg *);
enum err	 store_on_zadd(struct actor *, const struct msg *);
enum err	 store_on_expire(struct actor *, const struct msg *);
enum err	 store_on_list(struct actor *, const struct msg *);
enum err	 store_on_zcount(struct actor *, const struct msg *);
enum err	 store_on_zrank(struct actor *, const struct msg *);
enum err	 store_on_export(struct actor *, const struct msg *);
enum err	 store_on_task(struct actor *, const struct msg *);
enum err	 store_on_mget(struct actor *, const struct msg *);
enum err	 store_on_mput(struct actor *, const struct msg *);
enum err	 store_on_stat(struct actor *, const struct msg *);
enum err	 store_on_stats(struct actor *, const struct msg *);
enum err	 store_on_cache(struct actor *, const struct msg *);

#endif
