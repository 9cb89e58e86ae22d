/*
 * client_wire.h: one nng socket of libwharf, all of whose trouble is in
 * client_nng.c.  Callbacks of nng ring its bell; everything else is done by the
 * thread that calls the library.
 */
#ifndef PROTO_CLIENT_WIRE_H
#define PROTO_CLIENT_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct wire;

enum wire_bits {
	WIRE_RECEIVED	= 1 << 0,
	WIRE_SENT	= 1 << 1,
	WIRE_PIPE	= 1 << 2	/* a pipe came or went */
};

enum wire_kind { WIRE_DESK, WIRE_LINK };	/* REQ, PAIR1 */

/*
 * Dials path, for ever in the background; NULL: nng refused, or cannot close
 * what was closed before.
 */
struct wire	*wire_new(const char *path, enum wire_kind);
/* Closes on a thread of its own; waits ms for it at most. */
void		 wire_free(struct wire *, int ms);
int		 wire_fd(const struct wire *);		/* its bell */
/* What happened since the last time. */
unsigned	 wire_take(struct wire *);
int		 wire_happened(const struct wire *);
int		 wire_is_up(const struct wire *);	/* has a pipe */
/* The process at its other end; 0: not known. */
int		 wire_peer(const struct wire *);
int		 wire_sending(const struct wire *);
void		 wire_receive(struct wire *);
/* After WIRE_RECEIVED: 1 and the message, which lives until wire_drop. */
int		 wire_message(struct wire *, const uint8_t **p, size_t *n);
void		 wire_drop(struct wire *);
/* 0: no memory. */
int		 wire_send(struct wire *, const uint8_t *p, size_t n);
/* After WIRE_SENT: 0: it failed. */
int		 wire_sent(struct wire *);

#endif
