/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_COMMANDS_CHAIN_TEXT_H
#define PLUGIN_COMMANDS_CHAIN_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include <libxl_snapshot.h>

/*
 * Draws a chain, a line a layer, the top first. A layer's only child stands
 * right below it, several are set in. flat: a list instead, in which each layer
 * has a number and names its parent. What was found to disagree follows the
 * layer. Text that comes from QEMU is made harmless for a terminal.
 */
void chain_print(const libxl_disk_chain *chain, bool flat, FILE *out);

#endif
