/* SPDX-License-Identifier: BSD-3-Clause */
/* `upon list`: the tables that everything else is made from. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/fabric.h"
#include "job.h"
#include "verbs.h"

static void list_stacks(void)
{
    for (const struct stack_def *const *d = stack_defs; *d != NULL; d++) {
        bool loaded = load_top(stack_top(*d)->cls->implements) != NULL; /* by upon run */
        printf("  %-16s %s%s\n  %-16s ", (*d)->name, (*d)->summary,
               loaded ? "" : " [upon sim only]", "");
        for (const struct stack_layer *l = (*d)->layers; l->name != NULL; l++)
            printf("%s%s", l == (*d)->layers ? "" : " · ", l->cls->name);
        printf("\n");
    }
}

static void list_modules(void)
{
    for (const struct co_class *const *c = co_classes; *c != NULL; c++) {
        printf("  %-28s %s\n  %-28s implements %s", (*c)->name, (*c)->title, "",
               abstraction_infos[(*c)->implements].name);
        for (int i = 0; i < CO_USES_MAX && (*c)->uses[i] != ABS_NONE; i++)
            printf("%s%s", i == 0 ? ", uses " : ", ", abstraction_infos[(*c)->uses[i]].name);
        const char *sep = ": ";
        for (uint32_t i = 0; i < property_info_count; i++)
            if (property_infos[i].abstraction == (*c)->implements) {
                printf("%s%s", sep, property_infos[i].code);
                sep = " ";
            }
        printf("\n");
    }
}

static void list_devices(void)
{
    for (uint32_t i = 0; fabric_device_name(i) != NULL; i++)
        printf("  %-12s %s\n", fabric_device_name(i), fabric_device_text(i));
}

static void list_keys(void)
{
    job_describe_keys(stdout);
}

static const struct list {
    const char *name;
    const char *title;
    void (*print)(void);
} lists[] = {
    {"stacks", "Stacks, their layers bottom first, for upon run and upon sim", list_stacks},
    {"modules", "Modules, the properties of what they implement", list_modules},
    {"devices", "Devices", list_devices},
    {"keys", "Keys of a job, their defaults", list_keys},
};
#define LISTS (sizeof lists / sizeof lists[0])

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const char **what = state->input;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*what != NULL)
        argp_error(state, "\"%s\" behind \"%s\": write one of them, or none for all", arg, *what);
    for (size_t i = 0; i < LISTS; i++)
        if (strcmp(arg, lists[i].name) == 0) {
            *what = arg;
            return 0;
        }
    argp_error(state, "\"%s\": write one of stacks, modules, devices, keys", arg);
    return EINVAL;
}

int list_main(int argc, char **argv)
{
    static const struct argp argp = {.parser = parse,
                                     .args_doc = "[stacks|modules|devices|keys]",
                                     .doc = "List what there is to run, and on what."};
    const char *what = NULL;
    argp_err_exit_status = STATUS_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, &what) != 0)
        return STATUS_FAILED;
    bool first = true;
    for (size_t i = 0; i < LISTS; i++)
        if (what == NULL || strcmp(what, lists[i].name) == 0) {
            printf("%s%s\n", first ? "" : "\n", lists[i].title);
            lists[i].print();
            first = false;
        }
    return 0;
}
