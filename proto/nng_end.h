/*
 * nng_end.h: how a socket with one send and one receive under way at most is
 * taken down; for links and for libwharf's wires.  Only proto/ includes it.
 */
#ifndef PROTO_NNG_END_H
#define PROTO_NNG_END_H

#include <nng/nng.h>

struct nng_end {
	nng_socket	 sock;		/* id 0: never opened */
	nng_aio		*raio, *saio;	/* NULL: never made */
	int		 receiving, sending;
	nng_msg		*in;		/* received and not yet freed, or NULL */
};

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
