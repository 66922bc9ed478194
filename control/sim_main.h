/* SPDX-License-Identifier: BSD-3-Clause */
/* The adversary's verbs: `upon sim` and `upon replay`. argv[0] is "upon VERB". */
#ifndef UPON_SIM_MAIN_H
#define UPON_SIM_MAIN_H

int sim_main(int argc, char **argv);
int replay_main(int argc, char **argv);

#endif
