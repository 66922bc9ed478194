/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal_words.h"

#include <stdio.h>
#include <string.h>

/* One word, of `len` bytes, with every %p the rank; behind what is in the text. */
static bool add(struct eal_words *w, size_t *used, const char *word, size_t len, uint16_t rank)
{
    char *to = w->text + *used;
    size_t room = sizeof w->text - *used, at = 0;
    for (size_t i = 0; i < len && at < room; i++) {
        bool mark = word[i] == '%' && i + 1 < len && word[i + 1] == 'p';
        int put = mark ? snprintf(to + at, room - at, "%u", rank)
                       : snprintf(to + at, room - at, "%c", word[i]);
        at += (size_t)put;
        i += mark;
    }
    if (at >= room || w->words == EAL_WORDS_MAX)
        return false;
    w->word[w->words++] = to;
    *used += at + 1;
    return true;
}

bool eal_words_make(struct eal_words *w, const char *eal_args, const uint16_t *self,
                    uint16_t selves)
{
    size_t used = 0, len;
    bool fits = true;
    w->words = 0;
    for (const char *word = eal_args; fits; word += len) {
        word += strspn(word, " \t");
        len = strcspn(word, " \t");
        if (len == 0)
            break;
        const char *mark = strstr(word, "%p");
        bool each = mark != NULL && mark < word + len;
        for (uint16_t i = 0; fits && i < (each ? selves : 1); i++)
            fits = add(w, &used, word, len, self[i]);
    }
    w->word[w->words] = NULL;
    return fits;
}
