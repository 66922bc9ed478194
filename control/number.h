/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole numbers, as a person writes them. */
#ifndef UPON_NUMBER_H
#define UPON_NUMBER_H

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Decimal, or hexadecimal behind 0x; a leading 0 means nothing. False when it is no such number. */
static inline bool number_parse(const char *text, uint64_t *value)
{
    const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    *value = strtoull(text, &end, hex ? 16 : 10);
    return *end == '\0' && errno == 0;
}

#endif
