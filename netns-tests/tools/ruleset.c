/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints a rule set (../rulesets/ruleset.h) in the words of one system:
 *   ruleset STYLE COUNT FAMILY FORM [shuffled] [seed N] [dev IFNAME]
 * STYLE acl, fw, ipc, mix; FAMILY 4, 6, both; FORM state, nft, iptables, u32, or shape: what the set
 * looks like. What a system cannot hold is left out, and how much that is goes to stderr.
 */
#include <stdbool.h>
#include <string.h>

#include "../rulesets/forms.h"
#include "number.h"
#include "own.h"

#define SEED_MAX 1000000

struct wanted {
	struct ruleset_conf conf;
	const char *form;
	const char *dev;
};

static void usage(void)
{
	fprintf(stderr, "usage: ruleset acl|fw|ipc|mix COUNT 4|6|both state|nft|iptables|u32|shape "
			"[shuffled] [seed N] [dev IFNAME]\n");
	exit(2);
}

static void read_words(struct wanted *wanted, char **words)
{
	for (; *words; words++) {
		if (!strcmp(*words, "shuffled"))
			wanted->conf.is_shuffled = true;
		else if (!strcmp(*words, "seed") && words[1])
			wanted->conf.seed = parse_number("ruleset", *++words, SEED_MAX);
		else if (!strcmp(*words, "dev") && words[1])
			wanted->dev = *++words;
		else
			usage();
	}
}

static void read_args(struct wanted *wanted, int argc, char **argv)
{
	if (argc < 5 || !ruleset_conf_read(&wanted->conf, argv[1], argv[2], argv[3]))
		usage();
	wanted->form = argv[4];
	wanted->dev = "in0";
	read_words(wanted, argv + 5);
}

static void print_nft(const struct ruleset *set, const char *dev)
{
	CV_FREE bool *is_kept = calloc(set->count, sizeof(*is_kept));
	long kept = is_kept ? form_nft_subset(set, is_kept) : -1;

	if (kept < 0)
		exit(1);
	fprintf(stderr, "%ld of %zu rules\n", kept, set->count);
	form_nft(stdout, set, is_kept, dev);
}

static void print_shape(const struct ruleset *set)
{
	struct ruleset_shape shape;

	if (ruleset_measure(&shape, set))
		exit(1);
	printf("rules %zu: tuples %zu, sources %zu, destinations %zu, pairs %zu, port pairs %zu, "
	       "any source %zu, any destination %zu, broad %zu\n",
	       set->count, shape.tuples, shape.sources, shape.destinations, shape.pairs,
	       shape.port_pairs, shape.any_source, shape.any_destination, shape.broad);
}

static void print_form(const struct ruleset *set, const struct wanted *wanted)
{
	if (!strcmp(wanted->form, "state"))
		form_state(stdout, set, wanted->dev);
	else if (!strcmp(wanted->form, "nft"))
		print_nft(set, wanted->dev);
	else if (!strcmp(wanted->form, "iptables"))
		form_iptables(stdout, set);
	else if (!strcmp(wanted->form, "u32"))
		fprintf(stderr, "%zu filters\n", form_u32(stdout, set, wanted->dev));
	else if (!strcmp(wanted->form, "shape"))
		print_shape(set);
	else
		usage();
}

int main(int argc, char **argv)
{
	CV_CLEANUP(ruleset_fini) struct ruleset set = { 0 };
	struct wanted wanted;
	int rc;

	read_args(&wanted, argc, argv);
	rc = ruleset_make(&set, &wanted.conf);
	if (rc) {
		fprintf(stderr, "ruleset: %s\n", strerror(-rc));
		return 1;
	}
	print_form(&set, &wanted);
	return ferror(stdout) || fflush(stdout);
}
