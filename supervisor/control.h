/*
 * control.h: the control socket <node.run>/control that wharfctl talks to: one
 * request line, one reply line, both JSON objects; doc/wharfctl.8 shows them.
 */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

struct control;
struct wharfd;

/* Opens the socket (0600); fatal on failure. */
struct control	*control_new(struct wharfd *);
/* Closes and removes it; clients that wait for the stop see end of file. */
void		 control_free(struct control *);

#endif
