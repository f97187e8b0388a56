/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers on the command lines of the tools. */
#ifndef CV_NUMBER_H
#define CV_NUMBER_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A whole number from 1 to max; ends the program with status 2 if the text is none. */
static inline long parse_number(const char *program, const char *text, long max)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 1 || value > max) {
		fprintf(stderr, "%s: '%s' is not a number from 1 to %ld\n", program, text, max);
		exit(2);
	}
	return value;
}

#endif
