/* SPDX-License-Identifier: BSD-3-Clause */
#include "papers.h"

#include <errno.h>

void papers_open(struct papers *s, const char *folder, struct board *board)
{
    *s = (struct papers){.folder = folder, .board = board};
    if (board->spool_fd > 0)
        s->spools = spools_map(board->spool_fd, board->n);
}

void papers_close(struct papers *s)
{
    if (s->spools == NULL)
        return;
    for (uint32_t p = 0; p < s->board->n; p++)
        papers_trace_close(s, p);
    spools_unmap(s->spools, s->board->n);
    s->spools = NULL;
}

void papers_prepare(struct papers *s)
{
    for (uint32_t p = 0; s->spools != NULL && p < s->board->n; p++)
        s->spools[p].start_ns = board_get(&s->board->start_ns);
}

void papers_snapshot_name(const struct papers *s, uint32_t p, char *path, size_t size)
{
    snprintf(path, size, "%s/snapshot-p%u-%u.txt", s->folder, p, s->snapshots[p]);
}

void papers_trace_name(const struct papers *s, uint32_t p, char *path, size_t size)
{
    snprintf(path, size, "%s/trace-p%u.txt", s->folder, p);
}

int papers_snapshot(struct papers *s, uint32_t p)
{
    char path[PAPERS_PATH_BYTES];
    s->snapshots[p]++;
    papers_snapshot_name(s, p, path, sizeof path);
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return -errno;
    int err = spool_snapshot_write(&s->spools[p], f);
    return fclose(f) == 0 ? err : -errno;
}

/* ---- traces ------------------------------------------------------------------------------------- */

int papers_trace_open(struct papers *s, uint32_t p)
{
    char path[PAPERS_PATH_BYTES];
    if (s->trace[p] != NULL)
        return 0;
    papers_trace_name(s, p, path, sizeof path);
    s->trace[p] = fopen(path, "ae"); /* one that was ended goes on */
    if (s->trace[p] == NULL)
        return -errno;
    s->tracing++;
    return 0;
}

void papers_trace_close(struct papers *s, uint32_t p)
{
    if (s->trace[p] == NULL)
        return;
    spool_trace_end(&s->spools[p], s->trace[p]);
    fclose(s->trace[p]);
    s->trace[p] = NULL;
    s->tracing--;
}

/* Nobody awaits the answer: what the process still writes until then has no room, and is counted. */
static void end_trace(struct papers *s, uint32_t p)
{
    const struct order off = {.kind = ORDER_TRACE, .arg = 0};
    if (order_post(&s->board->orders[p], &off) == 0)
        return; /* the next look tries again */
    fprintf(s->trace[p], "… the trace ends here: the file is as long as it may be\n");
    fclose(s->trace[p]);
    s->trace[p] = NULL;
    s->tracing--;
}

uint64_t papers_look(struct papers *s, uint64_t now)
{
    if (s->tracing == 0)
        return UINT64_MAX;
    if (now < s->looked_ns + PAPERS_LOOK_NS)
        return s->looked_ns + PAPERS_LOOK_NS;
    s->looked_ns = now;
    for (uint32_t p = 0; p < s->board->n; p++) {
        if (s->trace[p] == NULL)
            continue;
        s->trace_bytes[p] += spool_trace_drain(&s->spools[p], s->trace[p]);
        fflush(s->trace[p]); /* whole lines, for who follows it */
        if (s->trace_bytes[p] > PAPERS_TRACE_BYTES)
            end_trace(s, p);
    }
    return now + PAPERS_LOOK_NS;
}
