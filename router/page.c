/*
 * page.c: the bytes of one answer while it is put together.
 */
#include <stdlib.h>

#include "router/router.h"

#define PAGE_KEEP	(1u << 20)	/* bytes; more is given back */

void
page_clear(struct page *p)
{
	if (p->cap > PAGE_KEEP) {
		free(p->b);
		p->b = NULL;
		p->cap = 0;
	}
	p->len = 0;
	p->n = 0;
	p->deliveries = 0;
	p->token[0] = '\0';
}

int
page_room(struct page *p, size_t n, struct wbuf *w)
{
	size_t	 cap = p->cap == 0 ? 4096 : p->cap;
	uint8_t	*b;

	if (n > VALUE_MAX || p->len > VALUE_MAX - n)
		return 0;
	while (cap < p->len + n)
		cap *= 2;
	if (cap != p->cap) {
		if ((b = realloc(p->b, cap)) == NULL)
			return 0;
		p->b = b;
		p->cap = cap;
	}
	wbuf_init(w, p->b + p->len, n);
	return 1;
}

void
page_add(struct page *p, const struct wbuf *w)
{
	p->len += w->len;
}
