/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: any bytes as the instructions of a program, as the options of a filter, or as a ledger.
 * The first byte picks which. What a ledger was read as is written, read again, and must be the same.
 */
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "nl_tc.h"
#include "own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_program(const uint8_t *data, size_t size)
{
	size_t count = size / sizeof(struct bpf_insn);
	CV_FREE struct bpf_insn *insns = calloc(count + 1, sizeof(*insns));

	if (!insns)
		abort();
	memcpy(insns, data, count * sizeof(*insns));
	cv_ending_of_insns(insns, count, true);
	cv_ending_of_insns(insns, count, false);
}

static void read_filter(uint8_t which, const uint8_t *data, size_t size)
{
	static const char *const kinds[] = { "bpf", "u32", "matchall", "flower" };
	struct cv_filter filter = { .protocol = 3,
				    .handle = 0x80000800,
				    .direct_action = which & 1 };
	CV_FREE struct nlattr *options = malloc(NLA_HDRLEN + size);

	if (!options)
		abort();
	if (size > UINT16_MAX - NLA_HDRLEN)
		return;
	options->nla_len = (uint16_t)(NLA_HDRLEN + size);
	options->nla_type = 2; /* TCA_OPTIONS */
	memcpy((char *)options + NLA_HDRLEN, data, size);
	strcpy(filter.kind, kinds[which / 2 % 4]);
	cv_ending_of_filter(&filter, options);
}

static void read_ledger(const uint8_t *data, size_t size)
{
	CV_CLEANUP(cv_ledger_fini) struct cv_ledger ledger = { 0 }, again = { 0 };
	CV_FREE char *text = strndup((const char *)data, size);
	CV_FREE char *written = NULL, *rewritten = NULL;

	if (!text || cv_ledger_parse(text, &ledger, NULL))
		abort();
	written = cv_ledger_format(&ledger);
	if (!written || cv_ledger_parse(written, &again, NULL))
		abort();
	rewritten = cv_ledger_format(&again);
	if (!rewritten || strcmp(written, rewritten) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (data[0] % 4) {
	case 0:
		read_program(data + 1, size - 1);
		break;
	case 1:
		read_ledger(data + 1, size - 1);
		break;
	default:
		read_filter(data[0] / 4, data + 1, size - 1);
	}
	return 0;
}
