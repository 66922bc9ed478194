/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `upon top`: the figures of a run that is alive, once a second, on a terminal. They come from the
 * run's socket, as `upon ctl stats` gives them, or from a file.
 *
 * The terminal is put back however this ends: by a key, a signal, the end of the run, or a stop
 * (Ctrl-Z), after which it goes on.
 */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "result.h"
#include "top_page.h"
#include "verbs.h"

#define REFRESH_NS       1000000000ll
#define ROWS_DEFAULT     24
#define COLUMNS_DEFAULT  80
#define SCREEN_ENTER     "\033[?1049h\033[?25l" /* the alternate screen, without a cursor */
#define SCREEN_LEAVE     "\033[?25h\033[?1049l"
#define SCREEN_HOME      "\033[H"
#define SCREEN_LINE_REST "\033[K"
#define SCREEN_REST      "\033[J"

struct arguments {
    const char *run;
    const char *file;
    bool once;
    bool json;
};

/* ---- the terminal ------------------------------------------------------------------------------------ */

static struct termios cooked;
static volatile sig_atomic_t entered, resized;

static void say(const char *text)
{
    ssize_t wrote = write(STDOUT_FILENO, text, strlen(text));
    (void)wrote; /* a terminal that is gone needs nothing */
}

static void enter_screen(void)
{
    struct termios raw;
    if (tcgetattr(STDIN_FILENO, &cooked) == 0) {
        raw = cooked;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    entered = 1;
    say(SCREEN_ENTER);
}

/* Also from a signal handler: write() and tcsetattr() are safe there. */
static void leave_screen(void)
{
    if (!entered)
        return;
    entered = 0;
    say(SCREEN_LEAVE);
    tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

static void on_end(int signal)
{
    leave_screen();
    if (signal == SIGINT)
        _exit(STATUS_VALID);
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigaction(signal, &plain, NULL);
    raise(signal);
}

static void on_resize(int signal)
{
    (void)signal;
    resized = 1;
}

/* Ctrl-Z: give the terminal back, stop, and take it again when we go on. */
static void on_stop(int signal)
{
    int saved = errno;
    (void)signal;
    leave_screen();
    raise(SIGSTOP);
    enter_screen();
    resized = 1;
    errno = saved;
}

static void take_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGABRT};
    struct sigaction end = {.sa_handler = on_end, .sa_flags = SA_RESTART};
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    struct sigaction resize = {.sa_handler = on_resize}; /* it ends a wait */
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        sigaction(ends[i], &end, NULL);
    sigaction(SIGTSTP, &stop, NULL);
    sigaction(SIGWINCH, &resize, NULL);
}

static int from_environment(const char *name, int otherwise)
{
    const char *text = getenv(name);
    int value = text != NULL ? atoi(text) : 0;
    return value > 0 && value < 10000 ? value : otherwise;
}

static struct top_view view_of_terminal(void)
{
    struct winsize size = {0};
    struct top_view v = {.rows = from_environment("LINES", ROWS_DEFAULT),
                         .columns = from_environment("COLUMNS", COLUMNS_DEFAULT)};
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        v.rows = size.ws_row;
        v.columns = size.ws_col;
    }
    v.color = isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0') &&
              (term == NULL || strcmp(term, "dumb") != 0);
    return v;
}

/* ---- the figures ------------------------------------------------------------------------------------- */

/* The figures within an answer of the socket, or a file that holds them alone. */
static json_t *take_figures(json_t *answer, const char *whence, char *why, size_t why_size)
{
    json_t *f = json_object_get(answer, "figures");
    f = json_incref(f != NULL ? f : answer);
    json_decref(answer);
    if (json_is_string(json_object_get(f, "schema")))
        return f;
    json_decref(f);
    snprintf(why, why_size, "%s gives no figures; is it a run of another version?", whence);
    return NULL;
}

static json_t *read_figures(const char *path, char *why, size_t why_size)
{
    json_error_t error;
    json_t *o = json_load_file(path, 0, &error);
    if (o != NULL)
        return take_figures(o, path, why, why_size);
    snprintf(why, why_size, "%s:%d: %s; give what `upon top --json` printed", path, error.line,
             error.text);
    return NULL;
}

static json_t *ask_figures(int fd, const struct arguments *a, char *why, size_t why_size)
{
    if (a->file != NULL)
        return read_figures(a->file, why, why_size);
    json_t *answer = ctl_ask(fd, json_pack("{s:s}", "do", "stats"), why, why_size);
    return answer != NULL ? take_figures(answer, "the run", why, why_size) : NULL;
}

/* ---- showing ----------------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Wait for a key, a new size, or the time. Whether the key says to end. */
static bool wait_for_key(int64_t until_ns)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        int64_t left = until_ns - now_ns();
        if (left <= 0 || resized)
            return false;
        const struct timespec t = {left / 1000000000, left % 1000000000};
        if (ppoll(&p, 1, &t, NULL) <= 0)
            continue;
        char key = 0;
        if (read(STDIN_FILENO, &key, 1) <= 0)
            p.fd = -1; /* no keys from there */
        if (key == 'q' || key == 'Q' || key == 4)
            return true;
    }
}

/* Over the page before, line by line, so that nothing flickers. */
static void draw(const json_t *figures)
{
    const struct top_view v = view_of_terminal();
    char *page = top_page(figures, &v), *screen = NULL;
    size_t bytes = 0;
    FILE *out = page != NULL ? open_memstream(&screen, &bytes) : NULL;
    if (out == NULL)
        return;
    fputs(SCREEN_HOME, out);
    for (char *line = page; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        fprintf(out, "%s%.*s" SCREEN_LINE_REST, line == page ? "" : "\r\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    fputs(SCREEN_REST, out);
    fclose(out);
    say(screen);
    free(screen);
    free(page);
}

static int watch(int fd, const struct arguments *a, char *why, size_t why_size)
{
    json_t *figures = NULL;
    int status = STATUS_VALID;
    take_signals();
    enter_screen();
    for (bool ended = false; !ended;) {
        int64_t next = now_ns() + REFRESH_NS;
        json_t *newer = ask_figures(fd, a, why, why_size);
        if (newer == NULL) {
            status = figures == NULL ? STATUS_FAILED : STATUS_VALID;
            break;
        }
        json_decref(figures);
        figures = newer;
        do {
            resized = 0;
            draw(figures);
            ended = wait_for_key(next);
        } while (resized && !ended);
    }
    leave_screen();
    if (status == STATUS_VALID && why[0] != '\0')
        printf("upon top: no more figures: %s\n", why);
    json_decref(figures);
    return status;
}

/* Of a run, the second figures: those of a second, not of all the time before. */
static int show_once(int fd, const struct arguments *a, char *why, size_t why_size)
{
    json_t *figures = ask_figures(fd, a, why, why_size);
    if (figures != NULL && a->file == NULL) {
        const struct timespec second = {1, 0};
        json_decref(figures);
        nanosleep(&second, NULL);
        figures = ask_figures(fd, a, why, why_size);
    }
    if (figures == NULL)
        return STATUS_FAILED;
    const struct top_view v = view_of_terminal();
    char *text = a->json ? json_dumps(figures, JSON_INDENT(1) | JSON_REAL_PRECISION(15))
                         : top_page(figures, &v);
    if (text != NULL)
        fputs(text, stdout);
    if (a->json)
        putchar('\n');
    free(text);
    json_decref(figures);
    return text != NULL ? STATUS_VALID : STATUS_FAILED;
}

/* ---- the verb ---------------------------------------------------------------------------------------- */

static const struct argp_option options[] = {{"once", 'n', NULL, 0, "Print one page and end", 0},
                                             {"json", 'j', NULL, 0,
                                              "Print the figures as JSON and end", 0},
                                             {"file", 'f', "FILE", 0,
                                              "Show the figures that --json printed to a file", 0},
                                             {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'n':
        a->once = true;
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case 'f':
        a->file = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (a->run != NULL)
            argp_error(state, "\"%s\": one run is shown at a time", arg);
        a->run = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int top_main(int argc, char **argv)
{
    static const struct argp argp =
        {.options = options,
         .parser = parse,
         .args_doc = "[RUN]",
         .doc = "Show a run that is alive: who leads, who is suspected, rates and latencies of the "
                "last second, links, drops, and who waits for whom.\v"
                "RUN is the run's folder or name, or its socket; without it, runs/latest or the "
                "only run that is alive is meant. A page is shown once a second until q is "
                "pressed or the run ends; one page if the output is no terminal. NO_COLOR is "
                "heeded."};
    struct arguments a = {0};
    char why[8192] = "";
    int fd = -1;
    argp_err_exit_status = STATUS_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return STATUS_FAILED;
    if (a.file == NULL && (fd = ctl_open(a.run, why, sizeof why)) < 0) {
        fprintf(stderr, "upon: %s\n", why);
        return STATUS_FAILED;
    }
    bool page = a.once || a.json || !isatty(STDOUT_FILENO);
    int status = page ? show_once(fd, &a, why, sizeof why) : watch(fd, &a, why, sizeof why);
    if (status != STATUS_VALID)
        fprintf(stderr, "upon: %s\n", why);
    if (fd >= 0)
        close(fd);
    return status;
}
