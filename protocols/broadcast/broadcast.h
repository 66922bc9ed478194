/* SPDX-License-Identifier: BSD-3-Clause */
/* The classes of this folder. */
#ifndef UPON_BROADCAST_H
#define UPON_BROADCAST_H

struct co_class;

extern const struct co_class beb_basic_class;
extern const struct co_class rb_lazy_class;
extern const struct co_class rb_eager_class;
extern const struct co_class urb_all_ack_class;
extern const struct co_class urb_majority_ack_class;
extern const struct co_class sbeb_basic_class;
extern const struct co_class lbeb_basic_class;
extern const struct co_class lurb_majority_ack_class;
extern const struct co_class handover_cursor_class;
extern const struct co_class handover_redeliver_class;

#endif
