/* SPDX-License-Identifier: BSD-3-Clause */
/* Run a target over a corpus: lines of a name and the input's bytes in hexadecimal. */
#include "fuzz.h"

#include <ctype.h>

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The input of a line, into `bytes`; its length, or -1 if the line is none. */
static long parse(const char *line, uint8_t *bytes, size_t max)
{
    const char *p = strchr(line, ' ');
    size_t n = 0;
    for (p = p != NULL ? p + 1 : line + strlen(line); digit(*p) >= 0; p += 2) {
        if (digit(p[1]) < 0 || n == max)
            return -1;
        bytes[n++] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
    }
    return *p == '\0' || isspace((unsigned char)*p) ? (long)n : -1;
}

int main(int argc, char **argv)
{
    static char line[1 << 18];
    static uint8_t bytes[1 << 17];
    unsigned inputs = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS.hex\n", argv[0]);
        return 2;
    }
    FILE *f = fopen(argv[1], "r");
    if (f == NULL) {
        perror(argv[1]);
        return 2;
    }
    LLVMFuzzerInitialize(&argc, &argv);
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        long size = parse(line, bytes, sizeof bytes);
        if (size < 0) {
            fprintf(stderr, "%s: not a name and hexadecimal bytes: %.60s\n", argv[1], line);
            return 2;
        }
        uint8_t *input = exact_copy(bytes, (size_t)size);
        LLVMFuzzerTestOneInput(input, (size_t)size);
        free(input);
        inputs++;
    }
    fclose(f);
    printf("%u inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
