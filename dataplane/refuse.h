/* SPDX-License-Identifier: BSD-3-Clause */
/* How a function that cannot do what it was asked says so: one sentence, and −errno. */
#ifndef UPON_REFUSE_H
#define UPON_REFUSE_H

#include <stddef.h>

/* Write the sentence to `why` (cut off at `size` bytes) and return −EINVAL. Any thread. */
int refuse(char *why, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same where something else than the request is at fault: return `err`, which is −errno. */
int refuse_as(char *why, size_t size, int err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
