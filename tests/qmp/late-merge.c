/* SPDX-License-Identifier: LGPL-2.1-only */
/* The data above a deleted layer goes down into it. */
#define MERGE LIBXL_SNAPSHOT_MERGE_BACKWARD
#define DELETE "delete backward of "
#include "qmp/late_delete.h"
