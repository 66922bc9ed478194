/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: `upon VERB …`. Each verb is a file, and parses its own arguments. */
#include <errno.h>
#include <signal.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "result.h"
#include "sim_main.h"
#include "verbs.h"

static const struct verb {
    const char *name;
    verb_fn *main;
    const char *text;
} verbs[] = {
    {"run", run_main, "run a stack over a device under load, and measure and judge it"},
    {"ctl", ctl_main, "ask a run that is alive: status, faults, snapshots, stop"},
    {"top", top_main, "show a run that is alive: who leads, rates, links, who waits for whom"},
    {"sim", sim_main, "search for a schedule that breaks a property"},
    {"replay", replay_main, "run a recorded schedule again"},
    {"list", list_main, "list stacks, modules, devices, and the keys of a job"},
    {"node", node_main, "run some processes of a job; `upon run` starts these"},
    {"doctor", doctor_main, "look at this machine: what it lacks for a run, and the remedy"},
    {"log", log_main, "look at the log of a process, judge it, copy it"},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

static void usage(FILE *out)
{
    fprintf(out, "Usage: upon VERB [ARGUMENT…]\n"
                 "Reliable distributed programming, over kernel-bypass packet I/O.\n\n");
    for (size_t i = 0; i < VERBS; i++)
        fprintf(out, "  upon %-8s %s\n", verbs[i].name, verbs[i].text);
    fprintf(out, "\n`upon run` alone measures uniform consensus among three processes for five "
                 "seconds.\n`upon VERB --help` tells of a verb's arguments.\n");
}

/* Who finds a standard stream closed must not give its number to a file: writing to it shall fail
 * as if it were closed. */
static void open_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* At the end of every verb, however it comes: what was said has arrived, or the status says no. */
static void close_output(void)
{
    errno = 0;
    bool lost = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !lost)
        return;
    fprintf(stderr, "upon: standard output cannot be written%s%s; send it elsewhere\n",
            errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    _exit(STATUS_FAILED);
}

int main(int argc, char **argv)
{
    open_streams();
    signal(SIGXFSZ, SIG_IGN); /* a file that may grow no more fails its writer, who says so */
    atexit(close_output);

    if (argc < 2) {
        usage(stderr);
        return STATUS_FAILED;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("upon %s\n", upon_revision);
        return 0;
    }
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0) {
            char name[64];
            snprintf(name, sizeof name, "upon %s", verbs[i].name);
            argv[1] = name; /* argp begins its messages with it */
            return verbs[i].main(argc - 1, argv + 1);
        }
    fprintf(stderr, "upon: there is no verb \"%s\"; `upon --help` lists them\n", argv[1]);
    return STATUS_FAILED;
}
