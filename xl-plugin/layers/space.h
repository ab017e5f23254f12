/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_SPACE_H
#define PLUGIN_LAYERS_SPACE_H

#include "layers/image.h"

/*
 * Whether there is room to merge base and child, which is based on it: for
 * base's data in child (forward) or child's in base (backward). An error that
 * says how many bytes it takes, else.
 */
int space_check(const struct image *base, const struct image *child,
                bool backward, struct error *e);

/* The bytes that the file written then may grow by. */
uint64_t space_needed(const struct image *base, const struct image *child,
                      bool backward);

#endif
