/*
 * msg_ctl.h: payloads of the control messages on fd 3 (SOCK_SEQPACKET, one
 * frame a packet, descriptors by SCM_RIGHTS), and of the HELLOs.
 *
 *   READY, BEAT, RELOAD(fds: memfds of conf and users), STOP(flags bit: hurry in f.ver)  no payload
 *   PROGRESS   f.score: a number that grows while work is done
 *   BROKEN, UNLINK   f.id: the link
 *   LANE       value: struct link_offer; fds: lane memfd, peer's bell, or none
 *   LISTEN     f.id: socket number, f.slot: 0 db 1 mq, f.ver: 1 lent; fd: socket
 *   UNLISTEN   f.id: socket number
 */
#ifndef PROTO_MSG_CTL_H
#define PROTO_MSG_CTL_H

#include <stdint.h>

#include "proto/err.h"
#include "proto/frame.h"
#include "proto/msg.h"

#define LINK_PATH_MAX	108		/* sun_path, with its NUL */

/* What the supervisor tells both ends of a link to be made. */
struct link_offer {
	uint64_t	id;		/* unique while this wharfd lives */
	uint32_t	from;		/* FROM_WORKER.. : the peer's role */
	uint32_t	seat;		/* the peer's seat */
	uint32_t	peer_inc;	/* the peer's incarnation */
	int32_t		peer_pid;
	uint8_t		dial;		/* 1: we dial (LANE_A), 0: we listen */
	char		path[LINK_PATH_MAX];	/* nng ipc path, fresh */
};

/* Returns the length written to out, or 0 when max is too small. */
size_t		link_offer_put(uint8_t *out, size_t max, const struct link_offer *);
enum err	link_offer_get(struct link_offer *, const uint8_t *p, size_t n);

/*
 * fd 3 itself.  ctl_send: E_OK, E_AGAIN (socket full), E_INTERNAL (peer gone).
 * ctl_recv: E_OK with m filled (its bytes live in buf), E_AGAIN nothing there,
 * E_BADMSG a packet that is no frame (fds closed), E_NOMEM its descriptors did
 * not all fit (closed, lost), E_INTERNAL end of file.
 */
#define CTL_PACKET	(FRAME_HEAD + 512u)
enum err	ctl_send(int fd, const struct frame *, const int *fds, int nfds);
enum err	ctl_recv(int fd, struct msg *m, uint8_t buf[CTL_PACKET]);
/* Closes the descriptors that no handler took. */
void		ctl_close_fds(struct msg *);

#endif
