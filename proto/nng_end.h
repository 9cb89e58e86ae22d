/*
 * nng_end.h: of a socket with one send and one receive under way at most: what
 * it sends, and how it is taken down; for links and for libwharf's wires.  Only
 * proto/ includes it.
 */
#ifndef PROTO_NNG_END_H
#define PROTO_NNG_END_H

#include <stddef.h>
#include <stdint.h>

#include <nng/nng.h>

struct nng_end {
	nng_socket	 sock;		/* id 0: never opened */
	nng_aio		*raio, *saio;	/* NULL: never made */
	int		 receiving, sending;
	nng_msg		*in;		/* received and not yet freed, or NULL */
};

/* A message with a copy of the bytes; NULL: no memory. */
static inline nng_msg *
nng_end_message(const uint8_t *p, size_t n)
{
	nng_msg	*m;

	if (nng_msg_alloc(&m, 0) != 0)
		return NULL;
	if (nng_msg_append(m, p, n) == 0)
		return m;
	nng_msg_free(m);
	return NULL;
}

/*
 * Frees all of it; may never return (link.h, LINK_CLOSERS).  The order matters:
 * stop, close, free (nng dead-locks or leaks otherwise).  nng takes a message
 * only when it was sent, and gives one only when it was received.
 */
static inline void
nng_end_free(struct nng_end e)
{
	if (e.raio != NULL)
		nng_aio_stop(e.raio);
	if (e.saio != NULL)
		nng_aio_stop(e.saio);
	if (nng_socket_id(e.sock) > 0)
		nng_close(e.sock);
	if (e.sending && nng_aio_result(e.saio) != 0)
		nng_msg_free(nng_aio_get_msg(e.saio));
	if (e.receiving && nng_aio_result(e.raio) == 0)
		nng_msg_free(nng_aio_get_msg(e.raio));
	if (e.in != NULL)
		nng_msg_free(e.in);
	nng_aio_free(e.raio);
	nng_aio_free(e.saio);
}

#endif
