/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SESSION_LIBVIRT_H
#define PLUGIN_SESSION_LIBVIRT_H

#include "cli/cli.h"

/*
 * libvirt keeps a definition of its own for each of its domains, and neither
 * looks at libxl's records nor learns of a domain that another has made. So
 * whoever runs these commands on one of its domains is told what to do.
 */

/* Whether libvirt runs a domain: it leaves a mark at what it has started. */
bool libvirt_runs(struct cli *cli, uint32_t domid);

/* At the beginning of a session: what libvirt is to be compared with. */
void libvirt_remember(struct session *s, struct cli *cli);
/* At its end: which of its disks libvirt would look for where they were. */
void libvirt_say_moved(struct session *s);
/* Of a domain that it ran and that was replaced by another. */
void libvirt_say_replaced(struct cli *cli, const char *name, uint32_t domid);

#endif
