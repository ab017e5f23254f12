/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_PROCESS_H
#define XLS_COMMON_PROCESS_H

/* A process for a message, as "NAME (process PID)"; unnamed is for one that has
 * ended. malloc'ed. */
char *xls_process(const char *pid, const char *unnamed);

#endif
