/* SPDX-License-Identifier: BSD-3-Clause */
/* A job, written back; and its keys, for a person. */
#include "job_keys.h"

#include <math.h>
#include <string.h>

/* Which of a stack's layers read a parameter, by what they implement; all others are read by all. */
#define BIT(abs) (1ull << ABS_##abs)
static const struct {
    size_t offset;
    uint64_t layers;
} readers[] = {
    {CONF(flight_msgs), BIT(PL)},
    {CONF(instances), BIT(C) | BIT(UC) | BIT(LUC) | BIT(EP) | BIT(LEP)},
    {CONF(store_msgs), BIT(RB) | BIT(URB) | BIT(LPL) | BIT(LBEB) | BIT(LURB) | BIT(LOG)},
    {CONF(rto_min_ns), BIT(SL) | BIT(PL) | BIT(HO)},
    {CONF(rto_max_ns), BIT(PL)},
    {CONF(ack_delay_ns), BIT(PL) | BIT(RB) | BIT(UC) | BIT(LUC) | BIT(EP) | BIT(LEP)},
    {CONF(give_up_ns), BIT(PL) | BIT(RB) | BIT(URB) | BIT(LURB)},
    {CONF(heartbeat_ns), BIT(P) | BIT(EPFD) | BIT(OMEGA) | BIT(EP) | BIT(LEP)},
    {CONF(detect_ns), BIT(P) | BIT(EPFD) | BIT(OMEGA)},
};
static_assert(ABSTRACTIONS <= 64, "a bit for each");

static bool read_by_a_layer(const struct job *job, const struct job_key *k)
{
    uint64_t layers = 0;
    for (const struct stack_layer *l = job->def->layers; l->name != NULL; l++)
        layers |= 1ull << l->cls->implements;
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
        if (readers[i].offset == k->offset)
            return (readers[i].layers & layers) != 0;
    return true;
}

const char *job_unread_next(const struct job *job, uint32_t *next, char *name, size_t size)
{
    while (*next < job_key_count) {
        const struct job_key *k = &job_keys[(*next)++];
        const bool crash = k->offset == JOB(tolerate_crash) && job->tolerate_crash != 0;
        if (!job_given(job, k->offset) ||
            (crash ? job_apart(job) || job_logs(job) : read_by_a_layer(job, k)))
            continue;
        job_place_text(&job->place[k - job_keys], k, name, size);
        return name;
    }
    return NULL;
}

/* Whether a key says anything in this job; what does not is refused when it is given, but for a
 * parameter that no layer reads: of that a run warns. */
static bool applies(const struct job *job, const struct job_key *k)
{
    if (job->def != NULL && !read_by_a_layer(job, k))
        return false;
    if (k->offset == JOB(rate))
        return job->mode == JOB_OPEN || isinf(job->rate);
    if (k->offset == JOB(arrival))
        return job->mode == JOB_OPEN;
    if (k->offset == JOB(window))
        return job->mode == JOB_CLOSED;
    if (strcmp(k->section, "log") == 0)
        return job->def == NULL || job_logs(job);
    return true;
}

static void write_faults(const struct faults *f, FILE *out)
{
    for (uint32_t i = 0; i < f->count; i++) {
        char text[JOB_LINE_BYTES_MAX + 64];
        faults_text(&f->line[i], text, sizeof text);
        fprintf(out, "%s\n", text);
    }
}

void job_write(const struct job *job, FILE *out)
{
    for (size_t i = 0; i < job_key_count; i++) {
        const struct job_key *k = &job_keys[i];
        if (i == 0 || strcmp(k->section, job_keys[i - 1].section) != 0)
            fprintf(out, "%s[%s]\n", i == 0 ? "" : "\n", k->section);
        if (!applies(job, k))
            continue;
        fprintf(out, "%s = ", k->name);
        job_value_write(job, k, out);
        putc('\n', out);
        if (k->offset == JOB(faults_file))
            write_faults(&job->faults, out);
    }
}

void job_describe_keys(FILE *out)
{
    struct job job;
    char why[64];
    job_read(&job, NULL, NULL, 0, why, sizeof why);
    for (size_t i = 0; i < job_key_count; i++) {
        const struct job_key *k = &job_keys[i];
        char value[JOB_TEXT_BYTES] = "";
        FILE *text = fmemopen(value, sizeof value, "w");
        if (text == NULL)
            return;
        job_value_write(&job, k, text);
        fclose(text);
        char name[64];
        snprintf(name, sizeof name, "%s.%s", k->section, k->name);
        fprintf(out, "  %-22s %-10s %s", name, value, k->help);
        fprintf(out, k->choices != NULL ? " (%s)\n" : "\n", k->choices);
    }
}
