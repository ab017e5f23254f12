/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SESSION_INTERRUPTED_H
#define PLUGIN_SESSION_INTERRUPTED_H

#include "cli/cli.h"

/*
 * Finds the domain as cli_domain does, after the library has put in order
 * what a killed command has left of it: a revert may have been killed at the
 * moment at which neither the old domain nor the new one had the name.
 */
int interrupted_domain(struct cli *cli, const char *text, bool running,
                       struct domain *domain, struct error *e);
/* The same with the store locked, so that no command is at work on it now. */
int interrupted_recover(struct session *s, struct cli *cli, bool running,
                        struct error *e);

/* Notes a revert that is about to begin, and that it has ended. */
int interrupted_note_revert(struct session *s, const char *snapshot,
                            const struct strings *made, struct error *e);
/* Its layers are there. */
int interrupted_note_layers(struct session *s, struct error *e);
/* They are about to be removed: that one is missing says nothing then. */
int interrupted_note_discard(struct session *s, struct error *e);
/* A state inside an image is about to be put back. */
int interrupted_note_applied(struct session *s, struct error *e);
void interrupted_clear_revert(struct session *s);
/* Brings the store up to what became of an interrupted revert, and watches
 * over the new domain. */
int interrupted_recover_revert(struct session *s, struct cli *cli,
                               struct error *e);
/* Puts in order what an interrupted merge of layers was at. */
int interrupted_recover_merge(struct session *s, struct cli *cli,
                              struct error *e);

#endif
