/*
 * client_names.h: what libwharf's own functions are called in libwharf.a, so
 * that they cannot meet a program's functions of the same name.  The build
 * includes it before each of its files; of libwharf.so nothing but wharf.h's
 * names can be seen anyway (libwharf.map).
 *
 * tests/system/test_libwharf.py tells which name is missing here.
 */
#ifndef PROTO_CLIENT_NAMES_H
#define PROTO_CLIENT_NAMES_H

#define client_sleep		wharf_in_client_sleep
#define client_watch		wharf_in_client_watch
#define ctl_close_fds		wharf_in_ctl_close_fds
#define ctl_recv		wharf_in_ctl_recv
#define ctl_send		wharf_in_ctl_send
#define desk_answer_get		wharf_in_desk_answer_get
#define desk_answer_put		wharf_in_desk_answer_put
#define desk_hello_get		wharf_in_desk_hello_get
#define desk_hello_put		wharf_in_desk_hello_put
#define err_http		wharf_in_err_http
#define err_name		wharf_in_err_name
#define err_text		wharf_in_err_text
#define frame_get		wharf_in_frame_get
#define frame_next		wharf_in_frame_next
#define frame_put		wharf_in_frame_put
#define frame_put_head		wharf_in_frame_put_head
#define hello_get		wharf_in_hello_get
#define hello_put		wharf_in_hello_put
#define lane_awake		wharf_in_lane_awake
#define lane_commit		wharf_in_lane_commit
#define lane_create		wharf_in_lane_create
#define lane_frame_max		wharf_in_lane_frame_max
#define lane_map		wharf_in_lane_map
#define lane_must_ring		wharf_in_lane_must_ring
#define lane_must_ring_writer	wharf_in_lane_must_ring_writer
#define lane_peek		wharf_in_lane_peek
#define lane_release		wharf_in_lane_release
#define lane_reserve		wharf_in_lane_reserve
#define lane_sleep		wharf_in_lane_sleep
#define lane_unmap		wharf_in_lane_unmap
#define lane_wait_room		wharf_in_lane_wait_room
#define link_offer_get		wharf_in_link_offer_get
#define link_offer_put		wharf_in_link_offer_put
#define msg_check		wharf_in_msg_check
#define msg_name		wharf_in_msg_name
#define op_answer		wharf_in_op_answer
#define op_end			wharf_in_op_end
#define op_find			wharf_in_op_find
#define op_submit		wharf_in_op_submit
#define ops_call		wharf_in_ops_call
#define ops_expire		wharf_in_ops_expire
#define ops_init		wharf_in_ops_init
#define ops_lost		wharf_in_ops_lost
#define outq_drop		wharf_in_outq_drop
#define outq_free		wharf_in_outq_free
#define outq_front		wharf_in_outq_front
#define outq_room		wharf_in_outq_room
#define seat_arm		wharf_in_seat_arm
#define seat_begin		wharf_in_seat_begin
#define seat_break		wharf_in_seat_break
#define seat_close		wharf_in_seat_close
#define seat_cost		wharf_in_seat_cost
#define seat_flush		wharf_in_seat_flush
#define seat_forget_in		wharf_in_seat_forget_in
#define seat_forget_out		wharf_in_seat_forget_out
#define seat_init		wharf_in_seat_init
#define seat_lost		wharf_in_seat_lost
#define seat_on			wharf_in_seat_on
#define seat_put		wharf_in_seat_put
#define seat_read_lane		wharf_in_seat_read_lane
#define seat_read_message	wharf_in_seat_read_message
#define seat_time		wharf_in_seat_time
#define seat_trim_out		wharf_in_seat_trim_out
#define stamp_cmp		wharf_in_stamp_cmp
#define stamp_get		wharf_in_stamp_get
#define stamp_put		wharf_in_stamp_put
#define wire_drop		wharf_in_wire_drop
#define wire_fd			wharf_in_wire_fd
#define wire_free		wharf_in_wire_free
#define wire_happened		wharf_in_wire_happened
#define wire_is_up		wharf_in_wire_is_up
#define wire_message		wharf_in_wire_message
#define wire_new		wharf_in_wire_new
#define wire_receive		wharf_in_wire_receive
#define wire_send		wharf_in_wire_send
#define wire_sending		wharf_in_wire_sending
#define wire_sent		wharf_in_wire_sent
#define wire_take		wharf_in_wire_take

#endif
