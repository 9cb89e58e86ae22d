/*
 * msg_link.h: payloads of HELLO on a link and of DESK_HELLO at the front desk.
 * doc/protocol.7 shows them byte by byte; a change raises LINK_VERSION.
 */
#ifndef PROTO_MSG_LINK_H
#define PROTO_MSG_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "proto/err.h"
#include "proto/msg_ctl.h"

#define LINK_VERSION	1
#define HELLO_MAX	64u		/* bytes of a HELLO's value */
#define DESK_NAME_MAX	32u		/* bytes of a client's chosen name */
#define DESK_ANSWER_MAX	256u
#define LANES_ROUTER	'R'	/* LANES_ASK, type: the slot is a router's seat */

/* Both ways: who speaks, and on which link. */
struct hello {
	uint8_t		version;	/* LINK_VERSION */
	uint8_t		role;		/* number of the FROM_* bit */
	uint16_t	seat;
	uint32_t	inc;
	uint64_t	link;
	uint8_t		lane;		/* 1: frames go by the lane */
};

size_t		hello_put(uint8_t *out, size_t max, const struct hello *);
enum err	hello_get(struct hello *, const uint8_t *p, size_t n);

/* What a client says first, at the front desk. */
struct desk_hello {
	uint8_t		version;
	char		name[DESK_NAME_MAX + 1];	/* printable, for logs */
};

size_t		desk_hello_put(uint8_t *out, size_t max, const struct desk_hello *);
enum err	desk_hello_get(struct desk_hello *, const uint8_t *p, size_t n);

/* The desk's answer. */
struct desk_answer {
	uint8_t		version;
	uint16_t	stores, files, routers, seat;
	uint32_t	inc;		/* of the store */
	uint64_t	link;		/* to be said in HELLO */
	char		path[LINK_PATH_MAX];	/* nng pair1, to be dialled */
	char		lanes[LINK_PATH_MAX];	/* may be empty */
};

size_t		desk_answer_put(uint8_t *out, size_t max, const struct desk_answer *);
enum err	desk_answer_get(struct desk_answer *, const uint8_t *p, size_t n);

#endif
