/* SPDX-License-Identifier: BSD-3-Clause */
/* The classes of this folder. */
#ifndef UPON_CONSENSUS_H
#define UPON_CONSENSUS_H

struct co_class;

extern const struct co_class c_flooding_class;
extern const struct co_class ec_leader_based_class;
extern const struct co_class ep_read_write_class;
extern const struct co_class uc_leader_driven_class;
extern const struct co_class lec_leader_based_class;
extern const struct co_class lep_read_write_class;
extern const struct co_class luc_leader_driven_class;

#endif
