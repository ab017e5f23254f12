/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_JSON_FILE_ID_H
#define XLS_JSON_FILE_ID_H

#include "common/json/json.h"
#include "common/names.h"

/* Which file something is, under key; dev and ino are 0, and there is no key,
 * where that is not known. */
void xls_file_id_to_json(struct xls_json *o, const char *key,
                         const struct xls_file_id *id);
struct xls_file_id xls_file_id_from_json(const struct xls_json *o,
                                         const char *key);

#endif
