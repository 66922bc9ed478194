/* SPDX-License-Identifier: BSD-3-Clause */
#include "shiviz.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const words[] =
    {[HAPPENS_REQUEST] = "",   [HAPPENS_INDICATION] = "",      [HAPPENS_DETECTION] = "",
     [HAPPENS_SEND] = "send ", [HAPPENS_RECEIVE] = "receive ", [HAPPENS_CRASH] = "",
     [HAPPENS_RECOVERY] = "",  [HAPPENS_IN_VAIN] = "",         [HAPPENS_PAUSE] = ""};

static void put_event(FILE *f, const struct spacetime *s, const struct happening *h,
                      const uint64_t *clock)
{
    fprintf(f, "p%u {", h->p);
    const char *comma = "";
    for (uint16_t q = 0; q < s->w->n; q++)
        if (clock[q] > 0) {
            fprintf(f, "%s\"p%u\": %" PRIu64, comma, q, clock[q]);
            comma = ", ";
        }
    fprintf(f, "}\n%s%s", words[h->kind], h->text);
    if (h->kind == HAPPENS_SEND)
        fprintf(f, " to p%u", s->flight[h->flight].to);
    if (h->kind == HAPPENS_RECEIVE)
        fprintf(f, " from p%u", s->flight[h->flight].from);
    fprintf(f, " (choice %" PRIu64 ")\n", h->choice);
}

/* The clocks: one of each process as it goes on, one of each event that sends. */
static void put_log(FILE *f, const struct spacetime *s, uint64_t *now, uint64_t *sent)
{
    uint16_t n = s->w->n;
    for (uint32_t i = 0; i < s->happenings; i++) {
        const struct happening *h = &s->happening[i];
        uint64_t *clock = &now[(size_t)h->p * n];
        if (h->bare)
            continue;
        clock[h->p]++;
        if (h->kind == HAPPENS_RECEIVE) {
            const uint64_t *at = &sent[(size_t)s->flight[h->flight].sent * n];
            for (uint16_t q = 0; q < n; q++)
                clock[q] = at[q] > clock[q] ? at[q] : clock[q];
        }
        if (h->kind == HAPPENS_SEND)
            memcpy(&sent[(size_t)i * n], clock, n * sizeof clock[0]);
        put_event(f, s, h, clock);
    }
}

int shiviz_write(const char *path, const struct spacetime *s)
{
    uint16_t n = s->w->n;
    uint64_t *now = calloc((size_t)n * n, sizeof now[0]);
    uint64_t *sent = calloc((size_t)s->happenings * n + 1, sizeof sent[0]);
    FILE *f = now != NULL && sent != NULL ? fopen(path, "w") : NULL;
    int err = f == NULL ? -errno : 0;
    if (err == 0) {
        put_log(f, s, now, sent);
        err = ferror(f) != 0 ? -EIO : 0;
        if (fclose(f) != 0 && err == 0)
            err = -errno;
    }
    free(now);
    free(sent);
    return err;
}
