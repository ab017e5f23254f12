/* SPDX-License-Identifier: LGPL-2.1-only */
#include "diskimage/mismatch.h"

#include <stdarg.h>

#include "common/alloc.h"

void xls_mismatch(libxl_disk_chain *chain, libxl_disk_layer *layer,
                  libxl_disk_mismatch_kind kind, const char *fmt, ...)
{
    libxl_disk_mismatch *m;
    va_list al;

    layer->mismatches = xls_realloc(layer->mismatches,
                                    layer->num_mismatches + 1,
                                    sizeof(*layer->mismatches));
    m = &layer->mismatches[layer->num_mismatches++];
    /* What it sets is all that the type has. */
    m->kind = kind;
    va_start(al, fmt);
    m->text = xls_vasprintf(fmt, al);
    va_end(al);
    chain->agrees = false;
}
