/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>

static void nothing(int number)
{
    (void)number;
}

void signals_ignore(void)
{
    static const int stops[] = { SIGTSTP, SIGTTIN, SIGTTOU };
    static const int ends[] = { SIGPIPE, SIGXFSZ };
    /* A program that is started gets the default back: scripts rely on it. */
    struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };
    size_t i;

    for (i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
        signal(stops[i], SIG_IGN);
    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        sigaction(ends[i], &sa, NULL);
}
