/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rates and sizes: see units.h. */
#include "units.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

#define KILO 1000ULL
#define MEGA (1000 * KILO)
#define GIGA (1000 * MEGA)
#define TERA (1000 * GIGA)
#define KIBI 1024ULL
#define MEBI (1024 * KIBI)
#define GIBI (1024 * MEBI)
#define TEBI (1024 * GIBI)
#define BITS 8 /* of a byte */
#define BYTES(number) ((number)*BITS)

#define MIN_RATE BITS /* one byte a second */
#define MAX_RATE TERA

struct unit {
	const char *name;
	uint64_t times; /* what one of it is */
};

/* Values are written in the first unit of which they are a whole number: up to the one that is 1. */
static const struct unit rate_units[] = {
	{ "tbit", TERA },
	{ "gbit", GIGA },
	{ "mbit", MEGA },
	{ "kbit", KILO },
	{ "bit", 1 },
	{ "", 1 },
	{ "kibit", KIBI },
	{ "mibit", MEBI },
	{ "gibit", GIBI },
	{ "tibit", TEBI },
	{ "bps", BYTES(1) },
	{ "kbps", BYTES(KILO) },
	{ "mbps", BYTES(MEGA) },
	{ "gbps", BYTES(GIGA) },
	{ "tbps", BYTES(TERA) },
	{ "kibps", BYTES(KIBI) },
	{ "mibps", BYTES(MEBI) },
	{ "gibps", BYTES(GIBI) },
	{ "tibps", BYTES(TEBI) },
};

static const struct unit size_units[] = {
	{ "gb", GIBI },
	{ "mb", MEBI },
	{ "kb", KIBI },
	{ "b", 1 },
	{ "", 1 },
	{ "g", GIBI },
	{ "m", MEBI },
	{ "k", KIBI },
	{ "gbit", GIBI / BITS },
	{ "mbit", MEBI / BITS },
	{ "kbit", KIBI / BITS },
};

static const struct unit *find_unit(const struct unit *units, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcasecmp(name, units[i].name))
			return &units[i];
	return NULL;
}

/* Digits, with a point among them if need be, and a unit. False if it is not that, or the value,
 * rounded, is not one from min to max. */
static bool take(const char *text, const struct unit *units, size_t count, uint64_t min,
		 uint64_t max, uint64_t *out)
{
	size_t len = strspn(text, "0123456789.");
	const struct unit *unit = find_unit(units, count, text + len);
	long double value;
	char *end;

	if (!unit || text[0] < '0' || text[0] > '9')
		return false;
	value = strtold(text, &end);
	value = roundl(value * unit->times);
	if (end != text + len || value < min || value > max)
		return false;
	*out = value;
	return true;
}

int cv_arg_rate(const char *word, const char *text, uint64_t *bits_ps, struct cv_err *err)
{
	if (take(text, rate_units, CV_COUNT(rate_units), MIN_RATE, MAX_RATE, bits_ps))
		return 0;
	cv_err_input(err, "%s \"%s\": not a rate from 8bit to 1tbit", word, text);
	return cv_err_hint(err, "a number with kbit, mbit or gbit, as 10mbit; with kbps, mbps or "
				"gbps it is bytes a second");
}

int cv_arg_size(const char *word, const char *text, uint32_t *bytes, struct cv_err *err)
{
	uint64_t value = 0;

	if (take(text, size_units, CV_COUNT(size_units), 1, UINT32_MAX, &value)) {
		*bytes = value;
		return 0;
	}
	cv_err_input(err, "%s \"%s\": not a size from 1b to 4294967295b", word, text);
	return cv_err_hint(err, "a number of bytes, or one with kb or mb, as 32kb");
}

static void put(FILE *out, const struct unit *units, uint64_t value)
{
	while (value % units->times)
		units++;
	fprintf(out, "%" PRIu64 "%s", value / units->times, units->name);
}

void cv_put_rate(FILE *out, uint64_t bits_ps)
{
	put(out, rate_units, bits_ps);
}

void cv_put_size(FILE *out, uint32_t bytes)
{
	put(out, size_units, bytes);
}
