/*
 * cursor.h: the place where a listing goes on, and its text: the token of
 * `cursor=` and `Cursor:`.  Pure.
 *
 * A place is a data file (store * K + file of the store) and the last key seen
 * in it.  A token holds no more than CURSOR_KEY bytes of that key, for it has to
 * fit a request line: of a longer one its beginning, and how many entries that
 * begin so were passed.  So the place is exact as long as those of them that
 * were passed stay; with shorter keys it is always.
 *
 * The token is base64url of: 1 what is listed (CURSOR_KEYS or the record
 * type), 2 file, 4 entries passed, then the key; little-endian.  The key is
 *	CURSOR_KEYS	the engine key: type, table, 0, member
 *	'H', 'S'	the member
 *	'Z'		8 bytes of score (big-endian, offset by 2^63), the member
 */
#ifndef WORKER_CURSOR_H
#define WORKER_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"

#define CURSOR_KEYS	'k'
#define CURSOR_KEY	4096u		/* bytes */
#define CURSOR_HEAD	7u		/* bytes of a token before the key */
#define CURSOR_SCORE	8u		/* ordered_put() */
#define CURSOR_TEXT	((CURSOR_HEAD + CURSOR_KEY) / 3 * 4 + 4)

struct cursor {
	uint8_t		what;
	uint16_t	file;
	uint32_t	passed;		/* 0: key is whole */
	size_t		len;		/* 0: at the beginning of the file */
	uint8_t		key[CURSOR_KEY];
};

/* The beginning of a file. */
void		 cursor_begin(struct cursor *, uint8_t what, unsigned file);
/*
 * An entry of file was passed; its key is head, then tail (borrowed; head is
 * shorter than CURSOR_KEY).
 */
void		 cursor_pass(struct cursor *, unsigned file, const void *head,
		    size_t headlen, const void *tail, size_t taillen);
/*
 * The key behind which a store has to go on, to pass over c->passed entries
 * then; out has CURSOR_KEY bytes.  reverse: downwards, sorted sets only.
 */
size_t		 cursor_after(const struct cursor *, int reverse, uint8_t *out);
/* Writes the token and a NUL. */
void		 cursor_text(const struct cursor *, char out[CURSOR_TEXT]);
/* E_PARAM: no token of this kind of listing, or of more files than there are. */
enum err	 cursor_parse(struct cursor *, const uint8_t *text, size_t n,
		    uint8_t what, unsigned files);

#endif
