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

#define batches_free		wharf_in_batches_free
#define cache_request		wharf_in_cache_request
#define client_sleep		wharf_in_client_sleep
#define client_watch		wharf_in_client_watch
#define ctl_close_fds		wharf_in_ctl_close_fds
#define ctl_recv		wharf_in_ctl_recv
#define ctl_send		wharf_in_ctl_send
#define cursor_behind		wharf_in_cursor_behind
#define cursor_first		wharf_in_cursor_first
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
#define item_fill		wharf_in_item_fill
#define kept_add		wharf_in_kept_add
#define kept_free		wharf_in_kept_free
#define kept_take		wharf_in_kept_take
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
#define list_ask_get		wharf_in_list_ask_get
#define list_ask_put		wharf_in_list_ask_put
#define list_head_get		wharf_in_list_head_get
#define list_head_put		wharf_in_list_head_put
#define list_item_get		wharf_in_list_item_get
#define list_item_put		wharf_in_list_item_put
#define list_item_size		wharf_in_list_item_size
#define list_range		wharf_in_list_range
#define list_request		wharf_in_list_request
#define many_answer_get		wharf_in_many_answer_get
#define many_answer_put		wharf_in_many_answer_put
#define many_answer_size	wharf_in_many_answer_size
#define many_op_get		wharf_in_many_op_get
#define many_op_put		wharf_in_many_op_put
#define many_op_size		wharf_in_many_op_size
#define msg_check		wharf_in_msg_check
#define msg_name		wharf_in_msg_name
#define op_answer		wharf_in_op_answer
#define op_end			wharf_in_op_end
#define op_find			wharf_in_op_find
#define op_is_good		wharf_in_op_is_good
#define op_slot			wharf_in_op_slot
#define op_submit		wharf_in_op_submit
#define ops_call		wharf_in_ops_call
#define ops_expire		wharf_in_ops_expire
#define ops_init		wharf_in_ops_init
#define ops_lost		wharf_in_ops_lost
#define ops_room		wharf_in_ops_room
#define op_tablen		wharf_in_op_tablen
#define outq_drop		wharf_in_outq_drop
#define outq_free		wharf_in_outq_free
#define outq_front		wharf_in_outq_front
#define outq_room		wharf_in_outq_room
#define page_next		wharf_in_page_next
#define request_free		wharf_in_request_free
#define request_make		wharf_in_request_make
#define request_to		wharf_in_request_to
#define sealed_make		wharf_in_sealed_make
#define sealed_map		wharf_in_sealed_map
#define sealed_size		wharf_in_sealed_size
#define seat_arm		wharf_in_seat_arm
#define seat_begin		wharf_in_seat_begin
#define seat_break		wharf_in_seat_break
#define seat_close		wharf_in_seat_close
#define seat_cost		wharf_in_seat_cost
#define seat_doubt		wharf_in_seat_doubt
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
#define size_is_good		wharf_in_size_is_good
#define stamp_cmp		wharf_in_stamp_cmp
#define stamp_get		wharf_in_stamp_get
#define stamp_put		wharf_in_stamp_put
#define stat_row_get		wharf_in_stat_row_get
#define stat_row_put		wharf_in_stat_row_put
#define stat_row_size		wharf_in_stat_row_size
#define stat_take_count		wharf_in_stat_take_count
#define stat_take_rows		wharf_in_stat_take_rows
#define sync_run		wharf_in_sync_run
#define wire_drop		wharf_in_wire_drop
#define wire_fd			wharf_in_wire_fd
#define wire_free		wharf_in_wire_free
#define wire_happened		wharf_in_wire_happened
#define wire_is_up		wharf_in_wire_is_up
#define wire_message		wharf_in_wire_message
#define wire_new		wharf_in_wire_new
#define wire_peer		wharf_in_wire_peer
#define wire_receive		wharf_in_wire_receive
#define wire_send		wharf_in_wire_send
#define wire_sending		wharf_in_wire_sending
#define wire_sent		wharf_in_wire_sent
#define wire_take		wharf_in_wire_take

#endif
