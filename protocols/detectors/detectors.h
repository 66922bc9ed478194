/* SPDX-License-Identifier: BSD-3-Clause */
/* The classes of this folder. */
#ifndef UPON_DETECTORS_H
#define UPON_DETECTORS_H

struct co_class;

extern const struct co_class p_exclude_on_timeout_class;
extern const struct co_class epfd_increasing_timeout_class;
extern const struct co_class omega_monarchical_class;
extern const struct co_class omega_elect_lower_epoch_class;
extern const struct co_class le_monarchical_class;

#endif
