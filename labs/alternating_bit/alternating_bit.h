/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UPON_ALTERNATING_BIT_H
#define UPON_ALTERNATING_BIT_H

#include "protocols/co.h"

extern const struct co_class fpl_alternating_bit_class;

#endif
