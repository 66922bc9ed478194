/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_diff.h"

#include <stdio.h>
#include <stdlib.h>

static void keep_line(void *ctx, const char *line)
{
    struct config *c = ctx;
    if (c->lines == c->max) {
        c->max = c->max == 0 ? 256 : 2 * c->max;
        c->line = realloc(c->line, c->max * sizeof c->line[0]);
    }
    if (c->line == NULL || (c->line[c->lines++] = strdup(line)) == NULL)
        rte_panic("configuration: out of memory for %u lines\n", c->lines);
}

void config_take(struct config *c, struct sim_world *w)
{
    sim_world_dump(w, keep_line, c);
}

void config_free(struct config *c)
{
    for (uint32_t i = 0; i < c->lines; i++)
        free(c->line[i]);
    free(c->line);
    *c = (struct config){0};
}

/* Which field a line is about: process, name, and which of equal names; and where its value is. */
struct field {
    const char *process; /* the line that begins the process's part; "" for the flight */
    const char *line;
    size_t name;
    uint32_t nth;
    bool met;
};

static bool is_process(const char *line)
{
    return line[0] == 'p' && line[1] >= '0' && line[1] <= '9';
}

static size_t name_length(const char *line)
{
    const char *equals = strstr(line, " = ");
    if (is_process(line))
        return strcspn(line, " ");
    return equals != NULL ? (size_t)(equals - line) : strlen(line);
}

static bool same_name(const struct field *a, const struct field *b)
{
    size_t p = strcspn(a->process, " ");
    return a->name == b->name && memcmp(a->line, b->line, a->name) == 0 &&
           p == strcspn(b->process, " ") && memcmp(a->process, b->process, p) == 0;
}

static struct field *fields_of(const struct config *c)
{
    struct field *f = calloc(c->lines + 1, sizeof *f);
    const char *process = "";
    if (f == NULL)
        rte_panic("configuration: out of memory for %u fields\n", c->lines);
    for (uint32_t i = 0; i < c->lines; i++) {
        if (is_process(c->line[i]))
            process = c->line[i];
        else if (strncmp(c->line[i], "flight ", 7) == 0)
            process = "";
        f[i] = (struct field){process, c->line[i], name_length(c->line[i]), 0, false};
        for (uint32_t k = 0; k < i; k++)
            f[i].nth += same_name(&f[k], &f[i]);
    }
    return f;
}

static void say(const char *sign, const struct field *f, const char *was,
                void (*put)(void *ctx, const char *line), void *ctx)
{
    char text[1200];
    int process = is_process(f->line) ? 0 : (int)strcspn(f->process, " ");
    snprintf(text, sizeof text, "%s%.*s%s%s%s%s", sign, process, f->process, process > 0 ? " " : "",
             f->line, was != NULL ? ", was " : "", was != NULL ? was : "");
    put(ctx, text);
}

static const char *value(const struct field *f)
{
    const char *v = f->line + f->name;
    return strncmp(v, " = ", 3) == 0 ? v + 3 : v + (*v == ' ');
}

static struct field *find(struct field *in, uint32_t count, const struct field *f)
{
    for (uint32_t i = 0; i < count; i++)
        if (!in[i].met && in[i].nth == f->nth && same_name(&in[i], f))
            return &in[i];
    return NULL;
}

uint32_t config_diff(const struct config *before, const struct config *after,
                     void (*put)(void *ctx, const char *line), void *ctx)
{
    struct field *a = fields_of(before), *b = fields_of(after);
    uint32_t count = 0;
    for (uint32_t i = 0; i < after->lines; i++) {
        struct field *old = find(a, before->lines, &b[i]);
        if (old != NULL)
            old->met = true;
        if (old != NULL && strcmp(value(old), value(&b[i])) == 0)
            continue;
        say(old != NULL ? "" : "+ ", &b[i], old != NULL ? value(old) : NULL, put, ctx);
        count++;
    }
    for (uint32_t i = 0; i < before->lines; i++)
        if (!a[i].met) {
            say("- ", &a[i], NULL, put, ctx);
            count++;
        }
    free(a);
    free(b);
    return count;
}
