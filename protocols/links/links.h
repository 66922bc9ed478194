/* SPDX-License-Identifier: BSD-3-Clause */
/* The classes of this folder. */
#ifndef UPON_LINKS_H
#define UPON_LINKS_H

struct co_class;

extern const struct co_class fll_device_class;
extern const struct co_class sl_retransmit_forever_class;
extern const struct co_class pl_eliminate_duplicates_class;
extern const struct co_class pl_window_class;
extern const struct co_class fpl_sequence_number_class;
extern const struct co_class lpl_log_delivered_class;

#endif
