/* SPDX-License-Identifier: BSD-3-Clause */
#include "replay.h"

#include "dataplane/refuse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC      "upon replay 1"
#define BYTES_MAX  (256u << 20)
#define START_SIZE 8192

/* ---- writing --------------------------------------------------------------------------------- */

static int write_body(FILE *f, const struct sim_world *w, enum replay_end end)
{
    char *text = malloc(START_SIZE);
    if (text == NULL)
        return -ENOMEM;
    script_start_text(&w->job, text, START_SIZE);
    fputs(text, f);
    for (uint64_t i = 0; i < w->records; i++) {
        choice_text(&w->record[i], &w->app, text, START_SIZE);
        fprintf(f, "%s\n", text);
    }
    if (end == REPLAY_CUT) {
        choice_text(&w->current, &w->app, text, START_SIZE);
        fprintf(f, "%s\n", text);
    }
    free(text);
    fputs(end == REPLAY_END_FAIR ? "end fair\n" : end == REPLAY_END ? "end\n" : "# cut\n", f);
    return 0;
}

int replay_write(const char *path, const struct sim_world *w, const char *property,
                 enum replay_end end)
{
    char *body = NULL;
    size_t bytes = 0;
    bool cut = end == REPLAY_CUT;
    FILE *m = open_memstream(&body, &bytes);
    int err = m != NULL ? write_body(m, w, end) : -ENOMEM;
    if (m != NULL && fclose(m) != 0)
        err = -ENOMEM;
    FILE *f = err == 0 ? fopen(path, "w") : NULL;
    if (err == 0 && f == NULL)
        err = -errno;
    if (err == 0) {
        fprintf(f,
                MAGIC "\nrevision %s\nproperty %s\ntrace %016" PRIx64 "\nchoices %" PRIu64
                      "\nbytes %zu\nsum %016" PRIx64 "\n\n",
                upon_revision, property, cut ? w->trace_before : w->trace_hash, w->records + cut,
                bytes, XXH3_64bits(body, bytes));
        if (fwrite(body, 1, bytes, f) != bytes)
            err = -EIO;
        if (fclose(f) != 0 && err == 0)
            err = -errno;
    }
    free(body);
    return err;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int slurp(const char *path, char **text, size_t *bytes, char *why, size_t size)
{
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return refuse_as(why, size, -errno, "%s: %s", path, strerror(errno));
    FILE *m = open_memstream(text, bytes);
    char chunk[65536];
    size_t n, all = 0;
    while (m != NULL && (n = fread(chunk, 1, sizeof chunk, f)) > 0 && (all += n) <= BYTES_MAX)
        fwrite(chunk, 1, n, m);
    bool bad = m == NULL || ferror(f) != 0 || all > BYTES_MAX;
    fclose(f);
    if (m != NULL)
        fclose(m);
    if (bad)
        snprintf(why, size, "%s: cannot be read, or is longer than %u bytes", path, BYTES_MAX);
    return bad ? -EIO : 0;
}

static int check_header(const char *path, const char *text, size_t len, bool any_revision,
                        struct replay_info *info, char *why, size_t size, const char **body)
{
    uint64_t bytes, sum;
    int at = 0;
    *body = strstr(text, "\n\n");
    if (strncmp(text, MAGIC "\n", sizeof MAGIC) != 0) {
        snprintf(why, size, "%s: not a replay file; a scenario runs with upon sim --script", path);
        return -EINVAL;
    }
    if (*body == NULL ||
        sscanf(text + sizeof MAGIC,
               "revision %63s\nproperty %15s\ntrace %" SCNx64 "\nchoices %" SCNu64
               "\nbytes %" SCNu64 "\nsum %" SCNx64 "%n",
               info->revision, info->property, &info->trace_hash, &info->choices, &bytes, &sum,
               &at) != 6 ||
        text + sizeof MAGIC + at != *body)
        return refuse(why, size, "%s: its header is cut off or altered", path);
    *body += 2;
    size_t have = len - (size_t)(*body - text);
    if (have < bytes)
        return refuse(why, size, "%s: cut off: %zu of %" PRIu64 " bytes are there", path, have,
                      bytes);
    if (have > bytes || XXH3_64bits(*body, have) != sum)
        return refuse(why, size, "%s: altered since it was written: its sum does not fit", path);
    if (strcmp(info->revision, upon_revision) != 0 && !any_revision) {
        snprintf(why, size,
                 "%s: recorded by revision %s, this is %s: check that out, or try it here with "
                 "--any-revision",
                 path, info->revision, upon_revision);
        return -EINVAL;
    }
    return 0;
}

int replay_read(const char *path, bool any_revision, struct replay_info *info, char **text,
                char *why, size_t size)
{
    char *file = NULL;
    const char *body;
    size_t len = 0;
    int err = slurp(path, &file, &len, why, size);
    if (err == 0 && memchr(file, '\0', len) != NULL) {
        snprintf(why, size, "%s: not a replay file: it holds a zero byte", path);
        err = -EINVAL;
    }
    if (err == 0)
        err = check_header(path, file, len, any_revision, info, why, size, &body);
    *text = err == 0 ? strdup(body) : NULL;
    free(file);
    return err == 0 && *text == NULL ? -ENOMEM : err;
}

/* What a run shows, as a person reads it. */
static const char *shown(const char *property)
{
    return strcmp(property, "-") == 0             ? "no violation"
           : strcmp(property, REPLAY_ASSERT) == 0 ? "an assertion that fails"
                                                  : property;
}

bool replay_same(const struct replay_info *info, uint64_t choices, uint64_t trace_hash,
                 const char *property, char *why, size_t size)
{
    int at = snprintf(why, size, "this is not the execution that was recorded: ");
    if (choices != info->choices)
        snprintf(why + at, size - (size_t)at, "it has %" PRIu64 " choices, not %" PRIu64, choices,
                 info->choices);
    else if (trace_hash != info->trace_hash)
        snprintf(why + at, size - (size_t)at, "its trace is %016" PRIx64 ", not %016" PRIx64,
                 trace_hash, info->trace_hash);
    else if (strcmp(property, info->property) != 0)
        snprintf(why + at, size - (size_t)at, "it shows %s, not %s", shown(property),
                 shown(info->property));
    else
        return true;
    return false;
}

/* ---- explaining ------------------------------------------------------------------------------ */

static void put_line(struct explain *x, const char *line)
{
    if (x->all != NULL)
        fprintf(x->all, "%s\n", line);
    else
        snprintf(x->line[x->lines % RTE_DIM(x->line)], sizeof x->line[0], "%s", line);
    x->lines++;
}

static bool detects(const struct co *c)
{
    return c != NULL && (c->cls->implements == ABS_P || c->cls->implements == ABS_EPFD);
}

/* Alarms, frames, heartbeats and what a component tells itself say little about what went wrong. */
static bool worth_a_line(const struct stack *st, const struct co *to, const struct ev *ev)
{
    uint8_t way = ev_infos[ev->type].way;
    if (ev->type == EV_TIMER_TIMEOUT || ev->type == EV_NET_FRAME || way == EV_WAY_INTERNAL)
        return false;
    if (way == EV_WAY_REQUEST && to->port_demux && ev->inst < CO_PORTS_MAX)
        return !detects(st->port[ev->inst]);
    return !detects(to);
}

static bool hidden(const struct explain *x, const struct stack *st, const struct co *to,
                   const struct ev *ev)
{
    if (x->all == NULL)
        return !worth_a_line(st, to, ev);
    if (x->shown == NULL || *x->shown == 0)
        return false;
    const struct co *border = ev_border(to, ev);
    return border == NULL || !(*x->shown >> border->index & 1);
}

static void on_event(void *ctx, struct sim_world *w, struct stack *st, struct co *to,
                     const struct ev *ev)
{
    struct explain *x = ctx;
    char line[240] = "    ";
    (void)w;
    if (hidden(x, st, to, ev))
        return;
    if (x->choice[0] != '\0')
        put_line(x, x->choice);
    x->choice[0] = '\0';
    ev_text(st, to, ev, line + 4, sizeof line - 4);
    put_line(x, line);
}

static bool routine(uint8_t kind)
{
    return kind == CHOICE_STEP || kind == CHOICE_TIMER || kind == CHOICE_ADVANCE ||
           kind == CHOICE_DELIVER;
}

static void on_choice(void *ctx, struct sim_world *w, const struct choice *c)
{
    struct explain *x = ctx;
    char what[200];
    if (x->transcript)
        return;
    choice_text(c, &w->app, what, sizeof what);
    snprintf(x->choice, sizeof x->choice, "%" PRIu64 ": %s", w->steps + 1, what);
    if ((x->all == NULL || (x->shown != NULL && *x->shown != 0)) && routine(c->kind))
        return;
    put_line(x, x->choice);
    x->choice[0] = '\0';
}

/* A log that is not opened has its reasons: they belong to the execution. */
static void on_refused(void *ctx, struct sim_world *w, uint16_t p, const char *why)
{
    char line[240];
    (void)w;
    snprintf(line, sizeof line, "    p%u stays down: %.200s", p, why);
    put_line(ctx, line);
}

void explain_attach(struct explain *x, struct sim_world *w, FILE *all)
{
    x->w = w;
    x->all = all;
    x->transcript = false;
    x->shown = NULL;
    x->lines = 0;
    x->choice[0] = '\0';
    w->observer = (struct sim_observer){.event = on_event,
                                        .refused = on_refused,
                                        .choice = on_choice,
                                        .ctx = x};
}

void explain_detach(struct explain *x)
{
    x->w->observer = (struct sim_observer){0};
}

void explain_print(const struct explain *x, FILE *out)
{
    uint64_t first = x->lines > RTE_DIM(x->line) ? x->lines - RTE_DIM(x->line) : 0;
    if (x->all != NULL)
        return;
    if (first > 0)
        fprintf(out, "    …\n");
    for (uint64_t i = first; i < x->lines; i++)
        fprintf(out, "%s\n", x->line[i % RTE_DIM(x->line)]);
}
