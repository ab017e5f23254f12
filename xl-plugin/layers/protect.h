/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_PROTECT_H
#define PLUGIN_LAYERS_PROTECT_H

#include "layers/layers.h"

/*
 * The recorded frozen layers that an earlier version protected get the mark by
 * which their protection is known as ours. Before anything that may have to
 * lift it.
 */
void protect_mark(const struct store *st);
/*
 * Protects all recorded frozen layers: the flag of one may have been lost in a
 * power cut. Leaves those alone that are an active layer, open for writing, or
 * part of what is not finished yet. why gets a sentence for each that could not
 * be protected.
 */
void protect_layers(const struct store *st, const struct live *live,
                    struct strings *why);

#endif
