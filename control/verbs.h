/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of the command line, a file each. */
#ifndef UPON_VERBS_H
#define UPON_VERBS_H

/* Exit status of every verb. */
enum status { STATUS_VALID = 0, STATUS_INVALID = 1, STATUS_FAILED = 2 };

/* argv[0] is "upon VERB". */
typedef int verb_fn(int argc, char **argv);

verb_fn run_main;
verb_fn top_main;
verb_fn list_main;
verb_fn log_main;
verb_fn doctor_main;
verb_fn node_main;
verb_fn ctl_main;

#endif
