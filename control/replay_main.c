/* SPDX-License-Identifier: BSD-3-Clause */
/* `upon replay`: a recorded schedule again: printed, dumped, compared, shrunk, drawn. */
#include "sim_main.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config_diff.h"
#include "number.h"
#include "replay.h"
#include "sim_session.h"

struct replay_options {
    const char *path;
    uint64_t dump;      /* choice; UINT64_MAX: none */
    uint64_t from, to;  /* diff: choices */
    uint64_t limit_ns;  /* shrink; 0: until nothing can be left out */
    uint64_t pool_pkts; /* 0: as many as for such a job */
    const char *out;    /* shrink: the file to write; NULL: beside the other */
    struct picture picture;
    bool diff;
    bool shrink;
    bool limited;
    bool trace;
    bool any_revision;
};

enum { OPT_ANY_REVISION = 512, OPT_DUMP, OPT_DIFF, OPT_SHRINK, OPT_LIMIT, OPT_REPLAY_MEMORY };

static const struct argp_option replay_table[] =
    {{"trace", 't', NULL, 0, "print the whole execution in the book's notation"},
     {"dump", OPT_DUMP, "STEP", 0, "show the configuration of all processes after that choice"},
     {"diff", OPT_DIFF, "A..B", 0,
      "show what differs between the configurations after both choices; also: --diff A B"},
     {"shrink", OPT_SHRINK, NULL, 0, "make it small, the violation kept; write FILE.small.replay"},
     {"time", OPT_LIMIT, "TIME", 0, "shrink for at most this long"},
     {"out", 'o', "FILE", 0, "shrink: write this file instead"},
     {"memory", OPT_REPLAY_MEMORY, "PACKETS", 0, "packets in all, as given to upon sim"},
     PICTURE_OPTIONS,
     {"any-revision", OPT_ANY_REVISION, NULL, 0, "try a file of another revision"},
     {0}};

/* "A..B", or "A" and the next word "B" */
static void on_diff(char *arg, struct argp_state *state, struct replay_options *o)
{
    const char *second = state->next < state->argc ? state->argv[state->next] : "";
    o->diff = true;
    if (arg_range(arg, &o->from, &o->to))
        return;
    if (!number_parse(arg, &o->from) || !number_parse(second, &o->to) || o->from > o->to)
        argp_failure(state, EXIT_FAILED, 0, "--diff %s: not two choices such as 3..9", arg);
    state->next++;
}

static error_t on_replay_option(int key, char *arg, struct argp_state *state)
{
    struct replay_options *o = state->input;
    switch (key) {
    case 't':
        o->trace = true;
        return 0;
    case OPT_DUMP:
        o->dump = arg_number(state, "dump", arg, 0, UINT64_MAX - 1);
        return 0;
    case OPT_DIFF:
        on_diff(arg, state, o);
        return 0;
    case OPT_REPLAY_MEMORY:
        o->pool_pkts = arg_number(state, "memory", arg, PKTS_LEAST, PKTS_MOST);
        return 0;
    case OPT_SHRINK:
        o->shrink = true;
        return 0;
    case OPT_LIMIT:
        if (!fault_parse_time(arg, &o->limit_ns))
            argp_failure(state, EXIT_FAILED, 0, "--time %s: not a time such as 10s or 5m", arg);
        o->limited = true;
        return 0;
    case 'o':
        o->out = arg;
        return 0;
    case OPT_ANY_REVISION:
        o->any_revision = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->path != NULL)
            return ARGP_ERR_UNKNOWN;
        o->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->path == NULL)
            argp_failure(state, EXIT_FAILED, 0, "which FILE is to be replayed?");
        return 0;
    default:
        return arg_picture(key, arg, state, &o->picture);
    }
}

static void print_line(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
}

/* Apply the file's lines up to that many choices. */
static int play(struct sim_world *w, const char *path, const char *all, uint64_t step)
{
    struct script sc = {.w = w, .recorded = true};
    char why[512], *text = strdup(all), *save = NULL;
    int status = text != NULL ? EXIT_HOLDS : EXIT_FAILED;
    for (char *line = text != NULL ? strtok_r(text, "\n", &save) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (sc.started && (w->steps >= step || strncmp(line, "end", 3) == 0))
            break;
        if (script_line(&sc, line, why, sizeof why) != 0) {
            fprintf(stderr, "upon replay: %s: %s\n", path, why);
            status = EXIT_FAILED;
            break;
        }
    }
    free(text);
    if (status == EXIT_HOLDS && w->steps < step) {
        fprintf(stderr, "upon replay: %s: there is no choice %" PRIu64 ": it has %" PRIu64 "\n",
                path, step, w->steps);
        status = EXIT_FAILED;
    }
    return status;
}

static int dump(struct sim_world *w, const char *path, const char *text, uint64_t step)
{
    int status = play(w, path, text, step);
    if (status == EXIT_HOLDS)
        sim_world_dump(w, print_line, NULL);
    return status;
}

/* What differs between the configurations after two choices. */
static int diff(struct sim_world *w, const struct replay_options *o, const char *text)
{
    struct config before = {0}, after = {0};
    int status = play(w, o->path, text, o->from);
    if (status == EXIT_HOLDS) {
        config_take(&before, w);
        status = play(w, o->path, text, o->to);
    }
    if (status == EXIT_HOLDS) {
        config_take(&after, w);
        if (config_diff(&before, &after, print_line, NULL) == 0)
            printf("the configurations are the same\n");
    }
    config_free(&before);
    config_free(&after);
    return status;
}

/* It is the execution that was recorded, or the exit status says that it is not. */
static int compare(const struct sim_world *w, const struct replay_options *o,
                   const struct replay_info *info, const struct outcome *out, int status)
{
    const bool cut = out->stopped && sim_world_within(w);
    return session_recorded(info, o->path, w->steps, cut ? w->trace_before : w->trace_hash,
                            out->violated ? out->result.code : "-", status);
}

static int shrink_replayed(struct sim_world *w, const struct replay_options *o,
                           const struct outcome *out)
{
    char path[4096];
    if (!out->violated) {
        fprintf(stderr, "upon replay: %s: no property is violated: there is nothing to shrink\n",
                o->path);
        return EXIT_FAILED;
    }
    session_small_path(o->path, path, sizeof path);
    int status = session_shrink(w, out, o->out != NULL ? o->out : path, o->limit_ns);
    return status == EXIT_HOLDS ? EXIT_VIOLATED : status;
}

/* A look at configurations. */
struct look {
    struct sim_world *w;
    const struct replay_options *o;
    const char *text;
    int status;
};

static void look(void *ctx)
{
    struct look *l = ctx;
    l->status =
        l->o->diff ? diff(l->w, l->o, l->text) : dump(l->w, l->o->path, l->text, l->o->dump);
}

static int replay(struct session *s, const struct replay_options *o, const struct replay_info *info,
                  const char *text)
{
    struct sim_world *w = s->large = session_new_world(s);
    struct outcome out;
    if (o->diff || o->dump != UINT64_MAX) {
        struct look l = {w, o, text, EXIT_FAILED};
        if (session_run(s, w, look, &l, &out))
            return l.status;
        if (out.starved) {
            fprintf(stderr, "upon replay: %s\n", s->open);
            return EXIT_FAILED;
        }
        fprintf(stderr,
                "upon replay: %s: there is no configuration after choice %" PRIu64
                ": it stops there, at an assertion\n",
                o->path, w->steps);
        return EXIT_VIOLATED;
    }
    int status = session_script(s, w, o->path, text, info, o->trace, false, &out);
    if (status != EXIT_FAILED)
        status = compare(w, o, info, &out, status);
    status = session_draw_script(w, &o->picture, &out, status);
    if (status != EXIT_FAILED && o->shrink)
        status = shrink_replayed(w, o, &out);
    return status;
}

/* One sentence on what was asked for and would not be done; NULL: all of it is. */
static const char *check_options(const struct replay_options *o)
{
    bool dumps = o->dump != UINT64_MAX,
         draws = o->picture.diagram != NULL || o->picture.shiviz != NULL;
    if (dumps + o->diff + o->shrink > 1)
        return "--dump, --diff and --shrink are done one at a time: leave the others out";
    if ((dumps || o->diff) && (draws || o->trace))
        return "--dump and --diff show configurations: leave out --trace, --diagram and --shiviz";
    if (!o->shrink && (o->out != NULL || o->limited))
        return "--out and --time are of --shrink: leave them out, or give it, too";
    if (arg_picture_lacks(&o->picture))
        return "--window picks choices for a picture: give --diagram or --shiviz, too";
    return NULL;
}

int replay_main(int argc, char **argv)
{
    static const struct argp argp = {replay_table, on_replay_option, "FILE",
                                     "Run a recorded schedule again, byte for byte."};
    static struct session s;
    struct replay_options o = {.dump = UINT64_MAX};
    struct replay_info info;
    char *text = NULL, why[512];
    argp_err_exit_status = EXIT_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
        return EXIT_FAILED;
    const char *said = check_options(&o);
    if (said != NULL) {
        fprintf(stderr, "upon replay: %s\n", said);
        return EXIT_FAILED;
    }
    if (replay_read(o.path, o.any_revision, &info, &text, why, sizeof why) != 0) {
        fprintf(stderr, "upon replay: %s\n", why);
        return EXIT_FAILED;
    }
    s = (struct session){.o = {.pool_pkts = o.pool_pkts}};
    struct sim_job like = {0};
    (void)script_job(text, &like); /* a file that has none is refused as it is read */
    int status = session_start(&s, "replay", &like);
    if (status == 0) {
        status = replay(&s, &o, &info, text);
        session_end(&s);
        status = session_leak(&s, status);
    }
    free(text);
    return status;
}
