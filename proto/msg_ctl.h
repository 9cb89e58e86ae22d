/*
 * msg_ctl.h: payloads of the control messages on fd 3 (SOCK_SEQPACKET, one
 * frame a packet, descriptors by SCM_RIGHTS), and of the HELLOs.
 *
 *   READY, BEAT, RELOAD(fds: memfds of conf, users and TLS), STOP(flags bit: hurry in f.ver)  no payload
 *   PROGRESS   f.score: a number that grows while work is done
 *   BROKEN, UNLINK   f.id: the link
 *   LANE       value: struct link_offer; fds: lane memfd, peer's bell, of a client
 *              the eventfd that it rings, too; or none
 *   LISTEN     f.id: socket number, f.slot: LISTEN_ bits, f.ver: 1 lent; fd: socket
 *   UNLISTEN   f.id: socket number
 *   BACKUP     f.id: which one; flag FORGET: end it.  Else value: name of the
 *              parent, none; fds: directory to write to, the parent's
 *   BACKED     f.id: of BACKUP, f.status: how it ended; value: why it failed
 *   CHECK      f.id: which one; f.score: bytes a second, 0 all it can
 *   COMPACT    f.id: which one; f.ver: 1 + file of the shard, or 0: all
 *   FOUND      f.id: of CHECK; value: a finding, text
 *   DONE       f.id: of CHECK or COMPACT, f.status; value: DONE_NUMBERS u64:
 *              records, blocks, segments, bytes, index entries and findings;
 *              or bytes before and after
 */
#ifndef PROTO_MSG_CTL_H
#define PROTO_MSG_CTL_H

#include <stdint.h>

#include "proto/err.h"
#include "proto/frame.h"
#include "proto/msg.h"

/* What is spoken on a listening socket; db without MQ. */
#define LISTEN_MQ	1u
#define LISTEN_TLS	2u
#define LISTEN_KINDS	4u

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
