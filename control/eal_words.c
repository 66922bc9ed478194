/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal_words.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/fabric.h"

/* One word, of `len` bytes, for a process; behind what is in the text. */
static bool add(struct eal_words *w, size_t *used, const char *word, size_t len, uint16_t rank)
{
    char one[EAL_WORDS_BYTES], *to = w->text + *used;
    int all = snprintf(one, sizeof one, "%.*s", (int)len, word);
    if (w->words == EAL_WORDS_MAX || (size_t)all >= sizeof one ||
        !fabric_rank(one, rank, to, sizeof w->text - *used))
        return false;
    w->word[w->words++] = to;
    *used += strlen(to) + 1;
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
