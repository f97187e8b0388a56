/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A JSON Schema of state files, made of the nouns' tables of words: for editors. */
#ifndef CV_SCHEMA_H
#define CV_SCHEMA_H

#include <stdio.h>

/*
 * Writes it (draft 7), on one line. It takes what culvert takes in one file, but for what only other words decide:
 * which of them stand together, and whether what is referred to is there. Returns 0 or -ENOMEM.
 */
int cv_schema_write(FILE *out);

#endif
