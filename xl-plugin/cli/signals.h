/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_CLI_SIGNALS_H
#define PLUGIN_CLI_SIGNALS_H

/*
 * From here on the process is neither stopped nor ended by what happens to its
 * terminal, its output or a file that grows too large: Ctrl-Z, writing from the
 * background, a closed pipe, a limit of file size. It might be while a guest
 * stands still for it. Programs that it starts, such as libxl's helper that
 * saves memory, are not stopped either. Ending it (Ctrl-C and others) is for
 * cli/progress.h.
 */
void signals_ignore(void);

#endif
