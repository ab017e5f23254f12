/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_REVERT_CONFLICTS_H
#define XLS_REVERT_CONFLICTS_H

#include "common/json/json.h"

/*
 * What two domains of these configurations (libxl_domain_config as JSON, old
 * the running one's) cannot have at the same time: a text that names each,
 * malloc'ed; NULL: they can be side by side. A device that this library does
 * not know counts as one that they cannot share. Memory is not looked at.
 */
char *xls_revert_conflicts(const struct xls_json *old,
                           const struct xls_json *new_one);

#endif
