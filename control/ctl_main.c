/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `upon ctl`: ask a run that is alive. The words of a verb are those of the socket (request.h);
 * what follows them is a rank, a rule in the words of a script, or the number of one.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "request.h"
#include "result.h"
#include "runs.h"
#include "verbs.h"

#define WORDS_MAX 40

struct arguments {
    char *word[WORDS_MAX];
    int words;
    bool json;
};

/* ---- what is asked ------------------------------------------------------------------------------ */

/* How many of the words the verb's name has; 0: they are not its name. */
static int name_words(const char *name, char *const word[], int words)
{
    char text[64] = "";
    for (int i = 0; i < words && i < 2; i++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s", i > 0 ? " " : "", word[i]);
        if (strcmp(text, name) == 0)
            return i + 1;
    }
    return 0;
}

static const struct request_form *find_form(char *const word[], int words, int *taken)
{
    for (int i = 0; i < REQUEST_VERBS; i++)
        if ((*taken = name_words(request_forms[i].name, word, words)) > 0)
            return &request_forms[i];
    return NULL;
}

static json_t *number_of(const char *word)
{
    char *end;
    if (*word == 'p')
        word++;
    unsigned long value = strtoul(word, &end, 10);
    return *word >= '0' && *word <= '9' && *end == '\0' && value < REQUEST_ALL
               ? json_integer((json_int_t)value)
               : NULL;
}

/* The words that are left, put together again: the shell took a rule apart. */
static json_t *rule_of(char *const word[], int words)
{
    char text[2 * REQUEST_RULE_BYTES] = "";
    for (int i = 0; i < words; i++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s", i > 0 ? " " : "", word[i]);
    }
    return json_string(text);
}

/* The request that the words make; NULL: a sentence in `why`. */
static json_t *request_of(const struct request_form *form, char *const word[], int words, char *why,
                          size_t size)
{
    json_t *o = json_pack("{s:s}", "do", form->name), *value = NULL;
    const char *member = "process";
    bool must = form->takes == TAKES_PROCESS || form->takes == TAKES_RULE;
    if (words == 0 && !must)
        return o;
    if (form->takes == TAKES_RULE) {
        member = "rule";
        value = words > 0 ? rule_of(word, words) : NULL;
    } else if (form->takes != TAKES_NOTHING && words == 1) {
        member = form->takes == TAKES_ANY_FAULT ? "fault" : "process";
        value = number_of(word[0]);
    }
    if (value != NULL) {
        json_object_set_new(o, member, value);
        return o;
    }
    static const char *const takes[] = {[TAKES_NOTHING] = "nothing",
                                        [TAKES_PROCESS] = "a rank, as 1",
                                        [TAKES_ANY_PROCESS] = "a rank, as 1, or nothing for all",
                                        [TAKES_RULE] = "a rule, as loss 10% '0->1'",
                                        [TAKES_ANY_FAULT] =
                                            "the number of a rule, or nothing for all"};
    snprintf(why, size, "%s takes %s", form->name, takes[form->takes]);
    json_decref(o);
    return NULL;
}

/* ---- what is answered --------------------------------------------------------------------------- */

static const char *text_at(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text != NULL ? text : "-";
}

static double real_at(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void print_status(const json_t *o)
{
    size_t i;
    json_t *p;
    char a[32], b[32];
    printf("%s over %s, n = %.0f: %s, %.1f s under load, %.1f s to go\n", text_at(o, "stack"),
           text_at(o, "device"), real_at(o, "n"), text_at(o, "phase"), real_at(o, "time_s"),
           real_at(o, "remaining_s"));
    printf("%s (OS process %.0f)\n", text_at(o, "folder"), real_at(o, "os_process"));
    json_array_foreach(json_object_get(o, "processes"), i, p)
        printf("  p%-2.0f %-8s cpu %-3.0f issued %-8s delivered %-8s rules %.0f\n",
               real_at(p, "process"), text_at(p, "state"), real_at(p, "cpu"),
               report_count(a, sizeof a, real_at(p, "issued")),
               report_count(b, sizeof b, real_at(p, "delivered")), real_at(p, "rules_armed"));
    json_array_foreach(json_object_get(o, "waits"), i, p)
        printf("  waits: %s\n", json_string_value(p));
}

/* An object as lines of a name and a value, those within it indented. */
static void print_object(const json_t *o, int depth)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)o, key, value)
    {
        size_t i;
        json_t *e;
        if (depth == 0 && (!strcmp(key, "upon") || !strcmp(key, "id") || !strcmp(key, "ok")))
            continue;
        if (json_is_array(value)) {
            json_array_foreach(value, i, e)
            {
                if (!json_is_object(e))
                    continue;
                printf("%*s%s %zu\n", 2 * depth, "", key, i);
                print_object(e, depth + 1);
            }
        } else if (json_is_object(value)) {
            printf("%*s%s\n", 2 * depth, "", key);
            print_object(value, depth + 1);
        } else {
            char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
            printf("%*s%s %s\n", 2 * depth, "", key,
                   json_is_string(value) ? json_string_value(value) : text);
            free(text);
        }
    }
}

static void print_effects(const struct request_form *form, const json_t *o)
{
    size_t i;
    json_t *p;
    if (json_object_get(o, "fault") != NULL)
        printf("fault %.0f\n", real_at(o, "fault"));
    json_array_foreach(json_object_get(o, "processes"), i, p)
    {
        printf("%s: p%.0f, %.6f s under load", form->name, real_at(p, "process"),
               real_at(p, "effect_s"));
        if (json_object_get(p, "file") != NULL)
            printf(", %s", text_at(p, "file"));
        putchar('\n');
    }
}

static void print_faults(const json_t *o)
{
    size_t i;
    json_t *f;
    json_array_foreach(json_object_get(o, "faults"), i, f)
        printf("%3.0f  %s, by %s since %.3f s under load\n", real_at(f, "fault"),
               text_at(f, "rule"), text_at(f, "by"), real_at(f, "since_s"));
    if (json_array_size(json_object_get(o, "faults")) == 0)
        printf("no rule is armed\n");
}

static void print_answer(const struct request_form *form, const json_t *o)
{
    switch (form - request_forms) {
    case REQUEST_STATUS:
        print_status(o);
        return;
    case REQUEST_STATS:
        print_object(o, 0);
        return;
    case REQUEST_FAULT_LIST:
        print_faults(o);
        return;
    case REQUEST_STOP:
        printf("the load ends; the run is judged and reported by `upon run`\n");
        return;
    default:
        print_effects(form, o);
        return;
    }
}

/* ---- the verb ----------------------------------------------------------------------------------- */

static int fail(const char *why)
{
    fprintf(stderr, "upon: %s\n", why);
    return STATUS_FAILED;
}

static int ask(const char *run, const struct request_form *form, json_t *request, bool json)
{
    char why[REQUEST_WHY_BYTES + RUNS_PATH_BYTES];
    int fd = ctl_open(run, why, sizeof why);
    if (fd < 0) {
        json_decref(request);
        return fail(why);
    }
    json_t *o = ctl_ask(fd, request, why, sizeof why);
    close(fd);
    if (o == NULL)
        return fail(why);
    if (json) {
        char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(15));
        puts(text != NULL ? text : "{}");
        free(text);
    } else {
        print_answer(form, o);
    }
    json_decref(o);
    return STATUS_VALID;
}

static const struct argp_option options[] =
    {{"json", 'j', NULL, 0, "Print the answer as it came: one JSON object on a line", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'j':
        a->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->words == WORDS_MAX)
            argp_error(state, "more than %d words", WORDS_MAX);
        a->word[a->words++] = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The table of verbs, behind the options. */
static char *help(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)(uintptr_t)text;
    static const char *const takes[] = {"", "P", "[P]", "RULE", "[ID]"};
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    if (f == NULL)
        return NULL;
    for (int i = 0; i < REQUEST_VERBS; i++)
        fprintf(f, "  %-11s %-5s %s\n", request_forms[i].name, takes[request_forms[i].takes],
                request_forms[i].text);
    fprintf(f, "\nRUN is the run's folder or name, or its socket; without it, runs/latest or the "
               "only run that\nis alive is meant. P is a rank.\n");
    fclose(f);
    return out;
}

int ctl_main(int argc, char **argv)
{
    static const struct argp argp = {.options = options,
                                     .parser = parse,
                                     .args_doc = "[RUN] VERB …",
                                     .doc = "Ask a run that is alive.\v",
                                     .help_filter = help};
    struct arguments a = {0};
    argp_err_exit_status = STATUS_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return STATUS_FAILED;
    char why[256];
    int taken = 0, at = 0;
    const struct request_form *form = find_form(a.word, a.words, &taken);
    if (form == NULL && a.words > 1) {
        at = 1;
        form = find_form(a.word + 1, a.words - 1, &taken);
    }
    if (form == NULL)
        return fail("say what to do; `upon ctl --help` lists the verbs");
    json_t *request = request_of(form, a.word + at + taken, a.words - at - taken, why, sizeof why);
    return request != NULL ? ask(at > 0 ? a.word[0] : NULL, form, request, a.json) : fail(why);
}
