/* SPDX-License-Identifier: LGPL-2.1-only */
#include "util/capture.h"

#include <stdlib.h>

#include "common/alloc.h"

static void __attribute__((format(printf, 5, 0)))
take(xentoollog_logger *logger, xentoollog_level level, int errnoval,
     const char *context, const char *format, va_list al)
{
    struct capture *c = (struct capture *)logger;
    char *text, *line;

    if (level < XTL_ERROR) {
        xtl_logv(c->next, level, errnoval, context, format, al);
        return;
    }
    text = xls_vasprintf(format, al);
    line = xls_asprintf("%s%s%s", text, errnoval >= 0 ? ": " : "",
                        errnoval >= 0 ? strerror(errnoval) : "");
    pthread_mutex_lock(&c->lock);
    strings_add(&c->errors, line);
    pthread_mutex_unlock(&c->lock);
    free(line);
    free(text);
}

void capture_start(struct capture *c, xentoollog_logger *next)
{
    memset(c, 0, sizeof(*c));
    c->logger.vmessage = take;
    c->next = next;
    pthread_mutex_init(&c->lock, NULL);
}

void capture_end(struct capture *c)
{
    strings_free(&c->errors);
    pthread_mutex_destroy(&c->lock);
}

char *capture_text(const struct capture *c)
{
    return strings_join(&c->errors, "; ");
}
