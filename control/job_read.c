/* SPDX-License-Identifier: BSD-3-Clause */
/* A job, read from a file and from --set, and what is said of one that is wrong. */
#include "job_keys.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <ini.h>

#define SETS_PLACE "--set"

/* ---- refusing -------------------------------------------------------------------------------- */

void job_place_text(const struct job_place *at, const struct job_key *k, char *text, size_t size)
{
    char place[JOB_TEXT_BYTES + 32] = "";
    if (at != NULL && at->line > 0)
        snprintf(place, sizeof place, "%s:%d: ", at->file, at->line);
    else if (at != NULL && at->file[0] != '\0')
        snprintf(place, sizeof place, "%s ", at->file);
    if (k != NULL)
        snprintf(text, size, "%s%s.%s", place, k->section, k->name);
    else
        snprintf(text, size, "%s", place);
}

int job_refuse(const struct job_why *why, const struct job_place *at, const struct job_key *k,
               const char *format, ...)
{
    char place[JOB_TEXT_BYTES + 96], sentence[640];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    job_place_text(at, k, place, sizeof place);
    snprintf(why->text, why->size, "%s%s%s", place, k != NULL ? ": " : "", sentence);
    return -EINVAL;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void list_sections(char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < job_key_count; i++)
        if (i == 0 || strcmp(job_keys[i].section, job_keys[i - 1].section) != 0)
            at += (size_t)snprintf(text + at, size - at, "%s[%s]", i == 0 ? "" : " ",
                                   job_keys[i].section);
}

static void list_keys(const char *section, char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < job_key_count && at < size; i++)
        if (strcmp(job_keys[i].section, section) == 0)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at == 0 ? "" : " ",
                                   job_keys[i].name);
}

static int assign(struct job *job, const char *section, const char *name, const char *value,
                  const struct job_place *at, const struct job_why *why)
{
    bool known = false;
    char list[512] = "";
    if (section[0] == '\0')
        return job_refuse(why, at, NULL, "%s stands before every section; write [job] above it",
                          name);
    for (size_t i = 0; i < job_key_count; i++) {
        const struct job_key *k = &job_keys[i];
        if (strcmp(k->section, section) != 0)
            continue;
        known = true;
        if (strcmp(k->name, name) != 0)
            continue;
        struct job_place *was = &job->place[i];
        if (at->line > 0 && was->line > 0)
            return job_refuse(why, at, k, "given before, in line %d; leave one of them", was->line);
        if (!job_value_read(job, k, value))
            return job_refuse(why, at, k, "\"%s\" is no value for it; %s%s", value,
                              k->kind == KIND_CHOICE ? "write one of " : "",
                              job_value_example(k, value));
        *was = *at;
        return 0;
    }
    if (known)
        list_keys(section, list, sizeof list);
    else
        list_sections(list, sizeof list);
    return job_refuse(why, at, NULL, "%s.%s: there is no such %s; there %s %s", section, name,
                      known ? "key" : "section", "are", list);
}

/* libinih does not tell its handler the line: we hand it the lines, so we count them. */
struct reader {
    FILE *in;
    struct job *job;
    struct job_place at;
    struct job_why why;
    int err;
    bool faults; /* in that section */
};

/* A line of [faults] is no key = value, unless it names the file: it is read here, and libinih sees
 * an empty one. */
static void read_fault(struct reader *r, char *line)
{
    const char *text = line + strspn(line, " \t");
    size_t word = strcspn(text, " \t=:");
    if (*text == '[')
        r->faults = strncmp(text, "[faults]", 8) == 0;
    if (!r->faults || strchr("[;#\r\n", *text) != NULL ||
        (word == 4 && strncmp(text, "file", 4) == 0))
        return;
    r->err = faults_add(&r->job->faults, text, r->at.file, (uint32_t)r->at.line, r->why.text,
                        r->why.size);
    strcpy(line, "\n");
}

/* What libinih would drop without a word: a section that does not end, what stands behind one, and,
 * of a file whose lines end in carriage returns alone, everything behind its first. */
static int check_line(const struct reader *r, const char *line)
{
    const char *cr = strchr(line, '\r'), *text = line + strspn(line, " \t");
    if (cr != NULL && cr[strspn(cr, "\r\n")] != '\0')
        return job_refuse(&r->why, &r->at, NULL,
                          "a carriage return stands in the line; end lines with a newline");
    if (*text != '[')
        return 0;
    const char *end = strchr(text, ']');
    if (end == NULL)
        return job_refuse(&r->why, &r->at, NULL, "a section without its ]; write %.*s]",
                          (int)strcspn(text, " \t\r\n;"), text);
    const char *more = end + 1 + strspn(end + 1, " \t\r\n");
    if (*more != '\0' && *more != ';' && *more != '#')
        return job_refuse(&r->why, &r->at, NULL,
                          "\"%.*s\" stands behind the section; write it in a line of its own",
                          (int)strcspn(more, "\r\n"), more);
    return 0;
}

static char *read_line(char *line, int size, void *ctx)
{
    struct reader *r = ctx;
    if (r->err != 0)
        return NULL;
    memset(line, '\n', (size_t)size);
    if (fgets(line, size, r->in) == NULL)
        return NULL;
    r->at.line++;
    size_t len = strlen(line);
    if (memchr(line + len + 1, '\0', (size_t)size - len - 1) != NULL) {
        r->err = job_refuse(&r->why, &r->at, NULL, "a zero byte stands in the line; write text");
        return NULL;
    }
    r->err = check_line(r, line);
    if (r->err != 0)
        return NULL;
    if (len > JOB_LINE_BYTES_MAX) {
        r->err =
            job_refuse(&r->why, &r->at, NULL, "the line is longer than %d characters; shorten it",
                       JOB_LINE_BYTES_MAX);
        return NULL;
    }
    read_fault(r, line);
    return r->err == 0 ? line : NULL;
}

static int on_value(void *ctx, const char *section, const char *name, const char *value)
{
    struct reader *r = ctx;
    if (r->err == 0)
        r->err = assign(r->job, section, name, value, &r->at, &r->why);
    return r->err == 0;
}

static int read_file(struct job *job, const char *path, const struct job_why *why)
{
    struct reader r = {.job = job, .why = *why};
    r.in = fopen(path, "r");
    if (r.in == NULL) {
        int err = errno;
        snprintf(why->text, why->size, "%s: %s; name a job file that can be read", path,
                 strerror(err));
        return -err;
    }
    snprintf(r.at.file, sizeof r.at.file, "%s", path);
    ini_allow_multiline = false;
    int line = ini_parse_stream(read_line, &r, on_value, &r);
    if (r.err == 0 && ferror(r.in)) {
        snprintf(why->text, why->size, "%s: it cannot be read; name a job file", path);
        r.err = -EIO;
    }
    fclose(r.in);
    if (r.err == 0 && line > 0) {
        r.at.line = line;
        return job_refuse(why, &r.at, NULL, "neither [section] nor key = value; write one of them");
    }
    return r.err;
}

static int read_set(struct job *job, const char *set, const struct job_why *why)
{
    char section[64], name[64];
    const struct job_place at = {.file = SETS_PLACE};
    const char *dot = strchr(set, '.'), *equals = strchr(set, '=');
    if (dot == NULL || equals == NULL || dot > equals || dot - set >= (ptrdiff_t)sizeof section ||
        equals - dot > (ptrdiff_t)sizeof name)
        return job_refuse(why, &at, NULL, "%.200s: write section.key=value, as job.n=5", set);
    snprintf(section, sizeof section, "%.*s", (int)(dot - set), set);
    snprintf(name, sizeof name, "%.*s", (int)(equals - dot - 1), dot + 1);
    return assign(job, section, name, equals + 1, &at, why);
}

int job_read(struct job *job, const char *path, char *const sets[], uint32_t set_count, char *why,
             size_t why_size)
{
    const struct job_why w = {why, why_size};
    memset(job, 0, sizeof *job);
    job->path = path;
    stack_conf_default(&job->conf);
    job->msg_copy_bytes = job->conf.msg_copy_bytes;
    for (size_t i = 0; i < job_key_count; i++)
        if (job_keys[i].initial != NULL && !job_value_read(job, &job_keys[i], job_keys[i].initial))
            return job_refuse(&w, NULL, &job_keys[i], "its default is no value for it");
    int err = path != NULL ? read_file(job, path, &w) : 0;
    for (uint32_t i = 0; i < set_count && err == 0; i++)
        err = read_set(job, sets[i], &w);
    return err;
}
/* ---- what was given -------------------------------------------------------------------------- */

bool job_given(const struct job *job, size_t offset)
{
    return job->place[job_key_of(offset) - job_keys].file[0] != '\0';
}

bool job_overridden(const struct job *job, size_t offset)
{
    return strcmp(job->place[job_key_of(offset) - job_keys].file, SETS_PLACE) == 0;
}

const char *job_given_next(const struct job *job, uint32_t *next, char *name, size_t size,
                           size_t *offset)
{
    while (*next < job_key_count) {
        const struct job_key *k = &job_keys[(*next)++];
        if (!job_given(job, k->offset))
            continue;
        snprintf(name, size, "%s.%s", k->section, k->name);
        *offset = k->offset;
        return name;
    }
    return NULL;
}
