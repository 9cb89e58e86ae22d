/*
 * import_page.h: the text of a listing, as huststore and Wharf answer it, as
 * records (doc/api.md, "Listings"; huststore's own has "gz":1 besides: the
 * value is compressed, RFC 1951 without any head).  Pure.
 */
#ifndef SUPERVISOR_IMPORT_PAGE_H
#define SUPERVISOR_IMPORT_PAGE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wharf.h"

enum item_fate {
	ITEM_GOOD,
	ITEM_UNREAD,		/* a record that must have a value has none */
	ITEM_DAMAGED,		/* the source, or inflate, calls it damaged */
	ITEM_LONG,		/* its value is longer than one may be */
	ITEM_GONE,		/* it was listed, but is no more */
	ITEM_MESSAGE,		/* of a queue, not to be taken over */
	ITEM_ELSEWHERE		/* another listing has it */
};

/* All pointers are into the page. */
struct item {
	enum wharf_type	 type;
	enum item_fate	 fate;
	const char	*table;		/* NULL: a plain key */
	const uint8_t	*key;
	size_t		 keylen;
	const uint8_t	*value;		/* NULL: none */
	size_t		 length;
	uint32_t	 version;	/* 0: not told */
	int64_t		 ttl;		/* ms; 0: does not expire, or not told */
	int64_t		 score;
};

struct page {
	struct item	*items;
	size_t		 n;
	json_t		*root;		/* tables' names */
	uint8_t		*bytes;		/* keys and values */
	uint8_t		**inflated;	/* those that were compressed */
	size_t		 ninflated;
};

/*
 * Reads the n bytes of a page.  type and table: of entries that do not say it
 * themselves ("ty", "tb").  0; -1: no such page, or no memory; then there is
 * nothing to free.
 */
int	 page_read(struct page *, const char *text, size_t n,
	    enum wharf_type type, const char *table);
/* The page takes the value over (malloc) and frees it. 0; -1: no memory. */
int	 page_keep(struct page *, struct item *, uint8_t *value, size_t n);
void	 page_free(struct page *);
/*
 * Decodes base64 (RFC 4648, section 4, padded); out has room for n / 4 * 3
 * bytes.  Bytes that came out, or -1.
 */
long	 page_base64(uint8_t *out, const char *in, size_t n);

#endif
