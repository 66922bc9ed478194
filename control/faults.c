/* SPDX-License-Identifier: BSD-3-Clause */
#include "faults.h"

#include "dataplane/refuse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 512

/* "file:line: sentence" */
static int at_place(const char *file, uint32_t place, const char *sentence, char *why, size_t size)
{
    return refuse(why, size, "%.200s:%u: %s", file, place, sentence);
}

/* ---- reading a line ---------------------------------------------------------------------------- */

static const char *const deeds[DEEDS] = {[DEED_PAUSE] = "pause",
                                         [DEED_RESUME] = "resume",
                                         [DEED_CRASH] = "crash",
                                         [DEED_RECOVER] = "recover",
                                         [DEED_CLEAR] = "clear"};

/* Take the next word off a text. NULL: there is none. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, " \t\r\n");
    if (*word == '\0')
        return NULL;
    char *end = word + strcspn(word, " \t\r\n");
    *text = end + (*end != '\0');
    *end = '\0';
    return word;
}

/* "2s..2.5s", "2s.." */
static int parse_span(char *word, struct fault_line *l, char *why, size_t size)
{
    char *dots = strstr(word, "..");
    *dots = '\0';
    if (!fault_parse_time(word, &l->at_ns))
        return refuse(why, size,
                      "'%s' is no time: write a number and ns, us, ms, s, m or h, as 2.5s", word);
    l->until_ns = FAULTS_NEVER;
    if (dots[2] == '\0')
        return 0;
    if (!fault_parse_time(dots + 2, &l->until_ns))
        return refuse(why, size,
                      "'%s' is no time: write a number and ns, us, ms, s, m or h, as 2.5s",
                      dots + 2);
    if (l->until_ns <= l->at_ns)
        return refuse(why, size, "%s..%s ends before it begins: exchange the times", word,
                      dots + 2);
    return 0;
}

/* "0,2", "p1" */
static bool parse_procs(const char *text, uint64_t *procs)
{
    for (;;) {
        char *end;
        text += *text == 'p';
        unsigned long p = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || p >= 64)
            return false;
        *procs |= 1ull << p;
        if (*end != ',')
            return *end == '\0';
        text = end + 1;
    }
}

static int find_deed(const char *word)
{
    for (int i = 0; i < DEEDS; i++)
        if (deeds[i] != NULL && strcmp(deeds[i], word) == 0)
            return i;
    return DEED_RULE;
}

/* "0, 2": the words of a set are joined. */
static void join(char *to, size_t size, char *rest)
{
    size_t len = 0;
    for (char *word; (word = next_word(&rest)) != NULL;)
        for (; *word != '\0' && len + 1 < size; word++)
            to[len++] = *word;
    to[len] = '\0';
}

static int parse_deed(const char *word, char *rest, bool spans, struct fault_line *l, char *why,
                      size_t size)
{
    char set[LINE_BYTES];
    join(set, sizeof set, rest);
    if (l->deed == DEED_CLEAR && set[0] != '\0')
        return refuse(why, size, "'clear' ends all rules and takes no '%s'", set);
    if (l->deed != DEED_CLEAR && !parse_procs(set, &l->procs))
        return refuse(why, size, "'%s' lacks its processes, such as 1 or 0,2", word);
    if (spans && l->deed != DEED_PAUSE)
        return refuse(why, size, "'%s' takes one time: write at TIME %s", word, word);
    return 0;
}

/* A rule with a window of its own, "loss 10% @1s..2s", stands in it. */
static int parse_rule(const char *text, bool timed, struct fault_line *l, char *why, size_t size)
{
    int err = fault_parse(text, &l->rule, why, size);
    if (err != 0 || l->rule.until_ns == 0)
        return err;
    if (timed)
        return refuse(why, size, "'%s' has two times: leave one out", text);
    l->at_ns = l->rule.since_ns;
    l->until_ns = l->rule.until_ns;
    l->rule.since_ns = l->rule.until_ns = 0;
    return 0;
}

int faults_parse(const char *text, struct fault_line *l, char *why, size_t size)
{
    char line[LINE_BYTES], copy[LINE_BYTES], *rest = copy;
    if (strlen(text) >= sizeof line)
        return refuse(why, size, "the line is longer than %d characters", LINE_BYTES - 1);
    strcpy(line, text);
    line[strcspn(line, "#;\r\n")] = '\0';
    strcpy(copy, line);
    *l = (struct fault_line){.until_ns = FAULTS_NEVER};
    char *word = next_word(&rest);
    if (word == NULL)
        return 1;
    bool spans = strstr(word, "..") != NULL, at = strcmp(word, "at") == 0;
    if (spans && parse_span(word, l, why, size) != 0)
        return -EINVAL;
    if (at && ((word = next_word(&rest)) == NULL || !fault_parse_time(word, &l->at_ns)))
        return refuse(why, size,
                      "'%s' is no time: write a number and ns, us, ms, s, m or h, as 2.5s",
                      word != NULL ? word : "");
    if (at || spans)
        word = next_word(&rest);
    if (word == NULL)
        return refuse(why, size, "a time, but nothing to do at it: add a fault, as crash 1");
    l->deed = (uint8_t)find_deed(word);
    if (l->deed != DEED_RULE)
        return parse_deed(word, rest, spans, l, why, size);
    return parse_rule(line + (word - copy), at || spans, l, why, size);
}

/* The index of a file's name. */
static uint8_t file_index(struct faults *f, const char *file)
{
    uint32_t i = 0;
    while (i < f->files && strcmp(f->file[i], file) != 0)
        i++;
    if (i == f->files && i < FAULTS_FILES_MAX)
        snprintf(f->file[f->files++], FAULTS_FILE_BYTES, "%s", file);
    return (uint8_t)(i < FAULTS_FILES_MAX ? i : FAULTS_FILES_MAX - 1);
}

int faults_add(struct faults *f, const char *text, const char *file, uint32_t place, char *why,
               size_t size)
{
    char sentence[512];
    if (f->count == FAULTS_MAX)
        return refuse(why, size, "%.200s:%u: more than %d faults; leave some out", file, place,
                      FAULTS_MAX);
    struct fault_line *l = &f->line[f->count];
    int err = faults_parse(text, l, sentence, sizeof sentence);
    if (err > 0)
        return 0;
    if (err < 0)
        return at_place(file, place, sentence, why, size);
    l->place = place;
    l->file = file_index(f, file);
    f->count++;
    return 0;
}

int faults_read_from(struct faults *f, FILE *in, const char *path, char *why, size_t size)
{
    char text[LINE_BYTES + 1];
    int err = 0;
    for (uint32_t place = 1; err == 0 && fgets(text, sizeof text, in) != NULL; place++)
        err = faults_add(f, text, path, place, why, size);
    return err;
}

int faults_read(struct faults *f, const char *path, char *why, size_t size)
{
    FILE *in = fopen(path, "r");
    int err = 0;
    if (in == NULL) {
        err = -errno;
        refuse(why, size, "%.200s: %s; name a file of faults that can be read", path,
               strerror(-err));
        return err;
    }
    err = faults_read_from(f, in, path, why, size);
    fclose(in);
    return err;
}

/* ---- whether it makes sense -------------------------------------------------------------------- */

/* What holds while the steps are gone through. */
struct state {
    uint64_t paused;
    uint64_t crashed;
    uint64_t armed;                   /* bit: number of a rule */
    uint8_t line_of[FAULT_RULES_MAX]; /* whose it is */
};

static int compare_steps(const void *a, const void *b)
{
    const struct fault_step *x = a, *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    if (x->ends != y->ends) /* what ends at a time makes room for what begins */
        return x->ends ? -1 : 1;
    return (int)x->line - (int)y->line;
}

static void make_steps(struct faults *f)
{
    f->steps = 0;
    for (uint16_t i = 0; i < f->count; i++) {
        const struct fault_line *l = &f->line[i];
        f->step[f->steps++] = (struct fault_step){l->at_ns, i, false};
        if (l->until_ns != FAULTS_NEVER)
            f->step[f->steps++] = (struct fault_step){l->until_ns, i, true};
    }
    qsort(f->step, f->steps, sizeof f->step[0], compare_steps);
}

static int arm(struct faults *f, struct state *s, uint16_t line, char *why, size_t size)
{
    uint32_t number = 0;
    while (number < FAULT_RULES_MAX && (s->armed >> number & 1) != 0)
        number++;
    if (number == FAULT_RULES_MAX)
        return refuse(why, size, "more than %d rules hold at one time; end one before",
                      FAULT_RULES_MAX);
    s->armed |= 1ull << number;
    s->line_of[number] = (uint8_t)line;
    f->line[line].number = (uint8_t)(FAULTS_NUMBER_TOP - number);
    if (number >= f->rules)
        f->rules = number + 1;
    return 0;
}

static void disarm(struct state *s, uint16_t line)
{
    for (uint32_t i = 0; i < FAULT_RULES_MAX; i++)
        if ((s->armed >> i & 1) != 0 && s->line_of[i] == line)
            s->armed &= ~(1ull << i);
}

/* A deed must befall processes that are as it needs them. */
static int change(struct state *s, enum deed deed, uint64_t procs, char *why, size_t size)
{
    uint64_t wrong = 0;
    const char *is = "";
    if (deed == DEED_CRASH || deed == DEED_PAUSE) {
        wrong = procs & s->crashed;
        is = "has crashed already: recover it before";
    }
    if (deed == DEED_PAUSE && wrong == 0) {
        wrong = procs & s->paused;
        is = "is paused already: resume it before";
    } else if (deed == DEED_RESUME) {
        wrong = procs & ~s->paused;
        is = "is not paused then: pause it before";
    } else if (deed == DEED_RECOVER) {
        wrong = procs & ~s->crashed;
        is = "has not crashed then: crash it before";
    }
    if (wrong != 0)
        return refuse(why, size, "p%d %s", __builtin_ctzll(wrong), is);
    if (deed == DEED_CRASH)
        s->crashed |= procs;
    if (deed == DEED_RECOVER)
        s->crashed &= ~procs;
    s->paused = deed == DEED_PAUSE ? s->paused | procs : s->paused & ~procs;
    return 0;
}

static int do_step(struct faults *f, struct state *s, const struct fault_step *step, char *why,
                   size_t size)
{
    const struct fault_line *l = &f->line[step->line];
    switch (l->deed) {
    case DEED_CLEAR:
        s->armed = 0;
        return 0;
    case DEED_RULE:
        if (!step->ends)
            return arm(f, s, step->line, why, size);
        disarm(s, step->line);
        return 0;
    default:
        if (!step->ends)
            return change(s, l->deed, l->procs, why, size);
        s->paused &= ~l->procs; /* whom a crash took in between, it took */
        return 0;
    }
}

static int check_line(const struct fault_line *l, uint16_t n, uint64_t end_ns, char *why,
                      size_t size)
{
    char end[32];
    uint64_t all = n >= 64 ? UINT64_MAX : (1ull << n) - 1;
    if ((l->procs & ~all) != 0)
        return refuse(why, size, "p%d is not one of the %u processes: p0 to p%d",
                      __builtin_ctzll(l->procs & ~all), n, n - 1);
    if (l->at_ns >= end_ns) {
        fault_time_text(end_ns, end, sizeof end);
        return refuse(why, size, "the load ends at %s, before that; raise job.duration", end);
    }
    return l->deed == DEED_RULE ? fault_check(&l->rule, n, why, size) : 0;
}

static int at_line(const struct faults *f, uint32_t i, const char *sentence, char *why, size_t size)
{
    return at_place(f->file[f->line[i].file], f->line[i].place, sentence, why, size);
}

int faults_check(struct faults *f, uint16_t n, uint64_t end_ns, char *why, size_t size)
{
    char sentence[512];
    struct state s = {0};
    f->rules = 0;
    for (uint32_t i = 0; i < f->count; i++)
        if (check_line(&f->line[i], n, end_ns, sentence, sizeof sentence) != 0)
            return at_line(f, i, sentence, why, size);
    make_steps(f);
    for (uint32_t i = 0; i < f->steps; i++)
        if (do_step(f, &s, &f->step[i], sentence, sizeof sentence) != 0)
            return at_line(f, f->step[i].line, sentence, why, size);
    return 0;
}

uint16_t faults_named(const struct faults *f, uint16_t least)
{
    uint32_t n = least;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct fault_line *l = &f->line[i];
        uint64_t set = l->procs | l->rule.side | l->rule.other;
        uint32_t most = set != 0 ? 64u - (uint32_t)__builtin_clzll(set) : 0;
        if (l->deed == DEED_RULE && l->rule.from != FAULT_ANY && l->rule.from >= most)
            most = l->rule.from + 1u;
        if (l->deed == DEED_RULE && l->rule.to != FAULT_ANY && l->rule.to >= most)
            most = l->rule.to + 1u;
        n = most > n ? most : n;
    }
    return (uint16_t)n;
}

/* ---- writing ------------------------------------------------------------------------------------ */

int faults_deed_text(const struct fault_line *l, char *text, size_t size)
{
    if (l->deed == DEED_RULE)
        return fault_text(&l->rule, text, size);
    int at = snprintf(text, size, "%s", deeds[l->deed]);
    const char *sep = " ";
    for (uint64_t left = l->procs; left != 0 && (size_t)at < size; left &= left - 1, sep = ",")
        at += snprintf(text + at, size - (size_t)at, "%s%d", sep, __builtin_ctzll(left));
    return at;
}

int faults_text(const struct fault_line *l, char *text, size_t size)
{
    char from[32], until[32] = "", deed[256];
    fault_time_text(l->at_ns, from, sizeof from);
    if (l->until_ns != FAULTS_NEVER)
        fault_time_text(l->until_ns, until, sizeof until);
    faults_deed_text(l, deed, sizeof deed);
    if (l->deed == DEED_RULE || l->until_ns != FAULTS_NEVER)
        return snprintf(text, size, "%s..%s %s", from, until, deed);
    return snprintf(text, size, "at %s %s", from, deed);
}
