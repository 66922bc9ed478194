/* SPDX-License-Identifier: BSD-3-Clause */
#include "top_page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/counters.h"
#include "figures.h"
#include "result.h"

#define LINE_BYTES      512
#define LINES_MAX       512 /* of a section; the rest is counted */
#define SECTIONS        4
#define LONG_INTERVAL_S 1.5
#define SECTION_ROWS    4 /* what a section is given at least: a blank, its head, a line, "more" */

/* Select Graphic Rendition, by what it stands for. */
#define SGR_HEAD  "\033[1m"
#define SGR_GOOD  "\033[32m"
#define SGR_WARN  "\033[33m"
#define SGR_BAD   "\033[31m"
#define SGR_PLAIN "\033[0m"

struct line {
    double order; /* the greatest come first */
    char text[LINE_BYTES];
};

struct section {
    const char *head;
    const char *none; /* instead of lines; NULL: then the section is left out */
    uint32_t lines;
    uint32_t more;
    struct line line[LINES_MAX];
};

/* ---- reading ---------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : otherwise;
}

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* "p0 p2", of an array of ranks. */
static char *ranks_of(const json_t *o, const char *key, char *text, size_t size)
{
    size_t at = 0, i;
    json_t *rank;
    text[0] = '\0';
    json_array_foreach(json_object_get(o, key), i, rank)
    {
        if (at < size)
            at += (size_t)snprintf(text + at, size - at, "%sp%lld", at > 0 ? " " : "",
                                   (long long)json_integer_value(rank));
    }
    if (at == 0)
        snprintf(text, size, "-");
    return text;
}

static char *ns_of(const json_t *o, const char *key, char *text, size_t size)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v))
        snprintf(text, size, "-");
    else
        report_ns(text, size, (uint64_t)json_number_value(v));
    return text;
}

static char *count_of(const json_t *o, const char *key, char *text, size_t size)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v))
        snprintf(text, size, "-");
    else
        report_count(text, size, json_number_value(v));
    return text;
}

/* Messages and operations: up to five digits as they are. */
static char *exact_of(const json_t *o, const char *key, char *text, size_t size)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v) || json_number_value(v) >= 1e5)
        return count_of(o, key, text, size);
    snprintf(text, size, "%.0f", json_number_value(v));
    return text;
}

/* ---- sections ---------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void add(struct section *s, double order,
                                                      const char *format, ...)
{
    va_list args;
    if (s->lines == LINES_MAX) {
        s->more++;
        return;
    }
    struct line *l = &s->line[s->lines++];
    l->order = order;
    va_start(args, format);
    vsnprintf(l->text, sizeof l->text, format, args);
    va_end(args);
}

static int by_order(const void *a, const void *b)
{
    double x = ((const struct line *)a)->order, y = ((const struct line *)b)->order;
    return (y > x) - (y < x);
}

static void sort(struct section *s)
{
    qsort(s->line, s->lines, sizeof s->line[0], by_order);
}

/* The role of one that runs; of another what has become of it. */
static const char *condition(const json_t *p, const char **sgr)
{
    const char *state = text_of(p, "state", "?"), *role = text_of(p, "role", "none");
    bool runs = strcmp(state, "running") == 0;
    *sgr = strcmp(state, "crashed") == 0 ? SGR_BAD
           : !runs                       ? SGR_WARN
           : strcmp(role, "leader") == 0 ? SGR_GOOD
                                         : "";
    return runs && strcmp(role, "none") != 0 ? role : state;
}

static void add_processes(struct section *s, const json_t *figures)
{
    size_t i;
    json_t *p;
    s->head = "PROC ROLE        EPOCH TRUSTS SUSPECTED  SENT/s DELIV/s     P50     P99   OPEN";
    json_array_foreach(json_object_get(figures, "process"), i, p)
    {
        char name[16], trusts[16] = "-", by[256], epoch[32], a[32], b[32], c[32], d[32], e[32];
        const char *sgr, *what = condition(p, &sgr);
        bool crashed = strcmp(what, "crashed") == 0;
        snprintf(name, sizeof name, "p%.0f", number_of(p, "rank"));
        if (json_is_integer(json_object_get(p, "trusts")))
            snprintf(trusts, sizeof trusts, "p%.0f", number_of(p, "trusts"));
        add(s, -(double)i, "%-4s %s%-10s%s %6s %-6s %-9s %7s %7s %7s %7s %6s", name, sgr, what,
            *sgr != '\0' ? SGR_PLAIN : "", count_of(p, "epoch", epoch, sizeof epoch), trusts,
            ranks_of(p, "suspected_by", by, sizeof by),
            crashed ? "-" : count_of(p, "sent_per_s", a, sizeof a),
            crashed ? "-" : count_of(p, "delivered_per_s", b, sizeof b),
            ns_of(p, "p50_ns", c, sizeof c), ns_of(p, "p99_ns", d, sizeof d),
            crashed ? "-" : exact_of(p, "pending", e, sizeof e));
    }
}

static void add_waits(struct section *s, const json_t *figures)
{
    size_t i;
    json_t *w;
    s->head = "WAITS FOR SOMEBODY";
    s->none = "nobody waits longer than 100 ms";
    json_array_foreach(json_object_get(figures, "wait"), i, w)
    {
        double age = number_of(w, "age_s");
        if (age < FIGURES_WAITING_S)
            continue;
        add(s, age, "p%-3.0f %-6s %s%7.1f s%s  %s", number_of(w, "process"),
            text_of(w, "layer", "?"), age >= 1 ? SGR_WARN : "", age, age >= 1 ? SGR_PLAIN : "",
            text_of(w, "text", "?"));
    }
    sort(s);
}

static void add_links(struct section *s, const json_t *figures)
{
    size_t i;
    json_t *l;
    s->head = "LINK       STATE   FLIGHT WINDOW CREDIT QUEUED      RTT  STALLED  SENT AGAIN";
    json_array_foreach(json_object_get(figures, "link"), i, l)
    {
        char name[32], a[32], b[32], c[32], d[32], rtt[32], stalled[32] = "-", again[32];
        double stall = number_of(l, "stalled_s");
        const char *state = text_of(l, "state", "?");
        const char *sgr = strcmp(state, "lost") == 0 ? SGR_BAD : stall >= 0.1 ? SGR_WARN : "";
        snprintf(name, sizeof name, "p%.0f -> p%.0f", number_of(l, "from"), number_of(l, "to"));
        if (stall >= 0.1)
            snprintf(stalled, sizeof stalled, "%.1f s", stall);
        add(s, stall, "%-10s %s%-7s%s %6s %6s %6s %6s %8s %8s %11s", name, sgr, state,
            *sgr != '\0' ? SGR_PLAIN : "", exact_of(l, "flight", a, sizeof a),
            exact_of(l, "window", b, sizeof b), exact_of(l, "credit", c, sizeof c),
            exact_of(l, "queued", d, sizeof d), ns_of(l, "rtt_ns", rtt, sizeof rtt), stalled,
            exact_of(l, "resent", again, sizeof again));
    }
    sort(s);
}

static const char *cause_text(const char *id)
{
    for (uint32_t c = 0; c < COUNTERS; c++)
        if (strcmp(counter_texts[c].id, id) == 0)
            return counter_texts[c].text;
    return id;
}

static void add_drops(struct section *s, const json_t *figures)
{
    size_t i;
    json_t *p;
    s->head = "DROPS";
    json_array_foreach(json_object_get(figures, "process"), i, p)
    {
        const char *cause;
        json_t *count;
        json_object_foreach(json_object_get(p, "drops"), cause, count)
        {
            char a[32];
            double v = json_number_value(count);
            add(s, v, "p%-3.0f %8s  %s", number_of(p, "rank"), report_count(a, sizeof a, v),
                cause_text(cause));
        }
    }
    sort(s);
}

/* ---- the page ---------------------------------------------------------------------------------------- */

/* Length of one of the sequences above; 0: it is none of ours. */
static size_t sgr_length(const char *text)
{
    static const char *const ours[] = {SGR_HEAD, SGR_GOOD, SGR_WARN, SGR_BAD, SGR_PLAIN};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strncmp(text, ours[i], strlen(ours[i])) == 0)
            return strlen(ours[i]);
    return 0;
}

/*
 * One line, cut to the width: our own escape sequences and the rest of a UTF-8 character take no
 * room. Other control characters came with the figures, and do not reach the terminal.
 */
static void put_line(FILE *out, const char *text, const struct top_view *view)
{
    int width = 0;
    bool cut = false;
    while (*text != '\0') {
        size_t len = sgr_length(text);
        if (len > 0) {
            if (view->color)
                fwrite(text, 1, len, out);
            text += len;
            continue;
        }
        bool begins = ((unsigned char)*text & 0xc0) != 0x80;
        cut = cut || (begins && width == view->columns);
        if (!cut) {
            width += begins;
            putc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
        }
        text++;
    }
    putc('\n', out);
}

static void put_title(FILE *out, const json_t *figures, const struct top_view *view)
{
    char line[LINE_BYTES];
    const char *run = text_of(figures, "run", "?");
    const char *name = strrchr(run, '/');
    snprintf(line, sizeof line,
             SGR_HEAD "%s" SGR_PLAIN "   %s over %s, n = %.0f, %.0f B   %s %.1f s of %.4g s",
             name != NULL && name[1] != '\0' ? name + 1 : run, text_of(figures, "stack", "?"),
             text_of(figures, "device", "?"), number_of(figures, "n"), number_of(figures, "size"),
             text_of(figures, "phase", "?"), number_of(figures, "time_s"),
             number_of(figures, "duration_s"));
    put_line(out, line, view);
    const json_t *t = json_object_get(figures, "total");
    char a[32], b[32], c[32], d[32], e[32], over[32] = "";
    double interval = number_of(figures, "interval_s");
    if (interval >= LONG_INTERVAL_S) /* nobody looked for a while */
        snprintf(over, sizeof over, "%.0f s: ", interval);
    snprintf(line, sizeof line, "%soffered %s/s  sent %s/s  delivered %s/s  p50 %s  p99 %s", over,
             count_of(t, "offered_per_s", a, sizeof a), count_of(t, "sent_per_s", b, sizeof b),
             count_of(t, "delivered_per_s", c, sizeof c), ns_of(t, "p50_ns", d, sizeof d),
             ns_of(t, "p99_ns", e, sizeof e));
    put_line(out, line, view);
}

/* At most `rows` of a section, its blank line and its head included. Returns how many it took. */
static int put_section(FILE *out, const struct section *s, int rows, const struct top_view *view)
{
    char text[LINE_BYTES];
    if (rows < 3 || (s->lines == 0 && s->none == NULL))
        return 0;
    uint32_t room = (uint32_t)rows - 2, show = s->lines;
    if (s->lines + (s->more > 0) > room)
        show = room - 1;
    putc('\n', out);
    snprintf(text, sizeof text, SGR_HEAD "%s" SGR_PLAIN, s->head);
    put_line(out, text, view);
    for (uint32_t i = 0; i < show; i++)
        put_line(out, s->line[i].text, view);
    if (s->lines == 0)
        put_line(out, s->none, view);
    uint32_t left = s->lines - show + s->more;
    if (left > 0) {
        snprintf(text, sizeof text, "and %u more", left);
        put_line(out, text, view);
    }
    return 2 + (int)show + (s->lines == 0) + (left > 0);
}

/* Sections in the order of the page; each leaves a little to those that follow. */
static void put_sections(FILE *out, const struct section *s, const struct top_view *view)
{
    int left = view->rows - 2;
    for (int i = 0; i < SECTIONS; i++) {
        int reserved = 0;
        for (int k = i + 1; k < SECTIONS; k++)
            if (s[k].lines > 0 || s[k].none != NULL)
                reserved += s[k].lines > 1 ? SECTION_ROWS : SECTION_ROWS - 1;
        int share = left - reserved >= SECTION_ROWS ? left - reserved : SECTION_ROWS;
        left -= put_section(out, &s[i], share < left ? share : left, view);
    }
}

char *top_page(const json_t *figures, const struct top_view *view)
{
    char *text = NULL;
    size_t bytes = 0;
    struct section *s = calloc(SECTIONS, sizeof *s);
    FILE *out = s != NULL ? open_memstream(&text, &bytes) : NULL;
    if (out != NULL) {
        add_processes(&s[0], figures);
        add_waits(&s[1], figures);
        add_links(&s[2], figures);
        add_drops(&s[3], figures);
        put_title(out, figures, view);
        put_sections(out, s, view);
        if (fclose(out) != 0) {
            free(text);
            text = NULL;
        }
    }
    free(s);
    return text;
}
