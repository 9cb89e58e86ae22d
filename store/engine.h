/*
 * engine.h: what a data file is made of: a table of engine keys and values.
 * engine_tkrzw keeps it in one tkrzw HashDBM file (appending), engine_mem in
 * memory (no file; for tests and for stores.engine = memory).  The same tests
 * run on both.  Keys and values are bytes; nothing here knows records.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "store/io.h"

struct engine;			/* one open table */
struct engine_iter;

/*
 * Sees the value stored under a key (old NULL: none) and says what is to
 * become of it: returns 0 to leave it, 1 to store *val of *len bytes.
 */
typedef int engine_see(void *arg, const uint8_t *old, size_t oldlen,
    const uint8_t **val, size_t *len);

/*
 * Sees one record as it was stored, and the value that it took the place of
 * (old NULL: none), of which at least the first ENGINE_GLANCE bytes, or all of
 * it, can be read.  key NULL: that was the last one.  Anything but E_OK ends
 * it.
 */
#define ENGINE_GLANCE	64u
typedef enum err engine_visit(void *arg, const uint8_t *key, size_t keylen,
    const uint8_t *val, size_t vallen, const uint8_t *old, size_t oldlen);

struct engine_ops {
	const char	*name;
	int		 files;		/* 1: keeps files, 0: memory only */
	/*
	 * Opens for writing; create: made with buckets, where nothing or an
	 * empty file is (the caller may have reserved disk space for it);
	 * else opened as it stands, without any repair (E_DAMAGED when it was
	 * not closed).
	 */
	enum err	(*open)(struct engine **, const char *path, int create,
			    uint64_t buckets);
	/*
	 * Copies what lies below end of the file at path into a new one, which
	 * must not exist.  Also makes newpath.tmp.* and removes them.  May take
	 * minutes, may run on any thread.
	 */
	enum err	(*restore)(const char *path, const char *newpath, uint64_t end);
	/*
	 * Takes an unclosed file back, in place, to what it was when it was end
	 * bytes long and had count entries; closed then, and not synced.  Shows
	 * every record below end, in the order in which they were stored, with
	 * all of tkrzw's bytes around it checked; whether the value is whole is
	 * for visit to say.  Only after visit agreed to them all is anything
	 * written, and never below end but buckets and header: so it may be
	 * repeated, and restore still works, wherever it ended.  E_DAMAGED,
	 * E_NOMEM, E_NOSPACE, E_INTERNAL, or what visit said.  Opens nothing;
	 * fd: for reading and writing.
	 */
	enum err	(*rewind)(const struct io *, int fd, uint64_t end,
			    uint64_t count, engine_visit *, void *arg);
	/*
	 * Shows the records below end of a file that may be in use, as rewind
	 * does, and writes nothing.  May run on any thread.  NULL: no files.
	 */
	enum err	(*read)(const struct io *, int fd, uint64_t end,
			    uint64_t count, engine_visit *, void *arg);
	/* Looks, and perhaps stores, in one step; E_OK, E_NOSPACE, E_DAMAGED, E_INTERNAL */
	enum err	(*process)(struct engine *, const uint8_t *key, size_t keylen,
			    engine_see *, void *arg, int writable);
	/*
	 * Reading in place, on the thread that stores.  hint: what the others
	 * are given for a key, as long as the engine is open; 0: nothing can be
	 * read so.  glance: the value under the key, borrowed until the next
	 * process that stores, or NULL: process knows.  ahead, of several hints
	 * before the first glance, has their memory come in at the same time.
	 * NULL: all three are.
	 */
	uint64_t	(*hint)(struct engine *, const uint8_t *key,
			    size_t keylen);
	void		(*ahead)(struct engine *, uint64_t hint);
	const uint8_t	*(*glance)(struct engine *, uint64_t hint,
			    const uint8_t *key, size_t keylen, size_t *len);
	/*
	 * Takes what lies between from and to, and whatever else changes in
	 * place, from the address space of the process, until it is next used;
	 * whoever writes the file out then need not do so page by page.  Not
	 * while another thread closes it.  NULL: no files.
	 */
	void		(*unmap)(struct engine *, uint64_t from, uint64_t to);
	/* Bytes of the file up to the end of its last record. */
	uint64_t	(*size)(struct engine *);
	/* What size was while there was no record. */
	uint64_t	(*base)(struct engine *);
	uint64_t	(*count)(struct engine *);
	uint64_t	(*buckets)(struct engine *);
	/* Bytes that creating with so many buckets writes at once. */
	uint64_t	(*room)(uint64_t buckets);
	enum err	(*close)(struct engine **);	/* sets it NULL */

	/* All entries in no order; NULL when out of memory. One per engine. */
	struct engine_iter *(*iter)(struct engine *);
	/*
	 * Next entry: E_OK with borrowed bytes (until the next call),
	 * E_NOTFOUND at the end, E_DAMAGED.  Writes meanwhile are allowed when
	 * they do not go to the same engine; where there is no read they may,
	 * and what they store is met or not.
	 */
	enum err	(*next)(struct engine_iter *, const uint8_t **key, size_t *keylen,
			    const uint8_t **val, size_t *vallen);
	void		(*iter_free)(struct engine_iter *);
};

extern const struct engine_ops	engine_tkrzw, engine_mem;

#endif
