/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of yaml_scan.c: what it takes and what it leaves to libyaml; that both make the same
 * nodes of what it takes, of texts that were written here and of some that chance wrote.
 */
#include "yaml_scan_fuzz.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_compared(const char *text, size_t len, int expected)
{
	int rc = compare(text, len);

	if (rc != expected)
		fail_msg("%s: %.*s",
			 rc < 0 ? "other nodes"
			 : rc	? "taken"
				: "not taken",
			 (int)len, text);
}

static void assert_taken(const char *text)
{
	assert_compared(text, strlen(text), 1);
}

static void assert_left(const char *text)
{
	assert_compared(text, strlen(text), 0);
}

static void what_save_writes_is_taken(void **state)
{
	(void)state;
	assert_taken(
		"options: {mark-mask: 0x7f00, mark-shared: true}\n"
		"devices:\n"
		"  eth0: {ingress: true, egress: true}\n"
		"tunnels:\n"
		"  blue: {mode: gre, remote: [192.0.2.7, \"2001:db8::1\"], allow: [\"::/0\"]}\n"
		"peers:\n"
		"  - {to: 10.0.0.0/8, remote: 192.0.2.7, tunnel: blue}\n"
		"  - {to: \"2001:db8::/32\", remote: 192.0.2.7, tunnel: blue}\n"
		"routes:\n"
		"  - {to: default, nexthops: [{tunnel: a, weight: 2}, {tunnel: b}]}\n"
		"rules:\n"
		"  r1: {prio: 10, match: {}, action: {priority: \"1:30\", verdict: drop}}\n"
		"  r2: {match: {dst: \"@inside\", sport: \"not 80,443\"}, action: {}}\n");
}

static void what_people_write_is_taken(void **state)
{
	(void)state;
	assert_taken("");
	assert_taken("\n\n");
	assert_taken("# nothing but this");
	assert_taken("---\n");
	assert_taken("--- # here\na: b\n");
	assert_taken("rules:\n");
	assert_taken("rules: # none\ndevices:\n");
	assert_taken("rules: {}\ndevices: []\napps: ''\n");
	assert_taken("\xef\xbb\xbfrules:\n  a: {}\n");
	assert_taken(
		"# Größe in 10 €\nrules:\n\n    # first\n    a:   {prio:  1}   # b: c\n\n    b: {}");
	assert_taken(
		"apps:\n  web: {exe: /opt/größe/x y, comm: 'größe'}  # ü\n  b: {ü: 1, c: d}\n");
	assert_taken("rules:\n  a:\n    prio: 10\n    match:\n      src:\n        - 10.0.0.0/8\n"
		     "        - 10.9.0.0/16\n      dst:\n      - 10.0.0.0/8\n    action:\n"
		     "      verdict: drop\n  b:\n    prio: 1\n");
	assert_taken(
		"routes:\n- to: default\n  tunnel: blue\n-   to: 10.0.0.0/8\n    via: [a,\n b]\n"
		"- {to: x}\n- word\n- \"a\": b\n");
	assert_taken("a: b c  # d\ne: it's \"so\"\nf: 1,2,3\ng: x#y\nh: [a b, c]\n");
	assert_taken("a b: c\n\"d e\" : f\n'g' :\n");
	assert_taken("rules: {a: {prio: 1,\n     match: {}},  # so\n\n  b: {}}\n");
}

static void what_json_libraries_write_is_taken(void **state)
{
	(void)state;
	assert_taken("{}");
	assert_taken(
		"{\"rules\": {\"a\": {\"prio\": 10, \"match\": {\"src\": [\"10.0.0.0/8\"]}}}}");
	assert_taken("{\"rules\":{\"a\":{\"prio\":10,\"match\":{}},\"b\":{}},\"devices\":[]}\n");
	assert_taken("{\n  \"rules\": {\n    \"a\": {\n      \"prio\": 10\n    }\n  },\n"
		     "  \"devices\": [],\n  \"apps\": true\n}\n");
}

/* They may be good or bad: libyaml says it. */
static void everything_else_is_left(void **state)
{
	static const char *const texts[] = {
		"word",
		"[a]",
		"- a\n",
		" a: b\n",
		"a:\tb\n",
		"\ta: b\n",
		"a: &b c\n",
		"a: *b\n",
		"a: !b c\n",
		"a: |\n  b\n",
		"a: >\n  b\n",
		"a: %b\n",
		"a: @b\n",
		"a: `b\n",
		"? a\n: b\n",
		"a: \"\\n\"\n",
		"a: 'b''c'\n",
		"a: 'b\n  c'\n",
		"a: b\n  c\n",
		"a:\n  b\n",
		"a:\n  {}\n",
		"a: b: c\n",
		"a: {b: c}: d\n",
		"a: {b}\n",
		"a: {b: }\n",
		"a: {b: c,}\n",
		"a: [b,]\n",
		"a: [b: c]\n",
		"a: {b:c}\n",
		"a: {b\n: c}\n",
		"a: {b: c\n d}\n",
		"a: [b\n",
		"a: {}}\n",
		"a: {b: c, b: d}\n",
		"a:\n  b: 1\n  b: 2\n",
		"a: 1\na: 2\n",
		"a: 1\n---\nb: 2\n",
		"a: 1\n...\n",
		"%YAML 1.1\n---\na: b\n",
		"a:\n    b: 1\n  c: 2\n",
		"a:\n  - b\n  c: d\n",
		"a:\n  b: 1\n  - c\n",
		"a:\n- - b\n",
		"a:\n-\n  b\n",
		"a: \"b\"#c\n",
		"a: \"b\" c\n",
		"a: [b]c\n",
		"<<: {a: b}\n",
		"{a: b}\nc\n",
		"a: \x01\n",
		"# \x7f\na: b\n",
		"# \xc2\x85\n",
		"a: \xe2\x80\xa8\n",
		"a: b\r\n",
		"a: [b]#c\n",
		"a: {\n-b: c}\n",
		"a: [\n---\n]\n",
		"# \xff\n",
		"a: {b?: c}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_left(texts[i]);
	assert_compared("a: \0b\n", 6, 0);
	assert_compared("# \0\n", 4, 0);
}

static char *repeat(const char *head, const char *part, size_t count, const char *tail)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	fputs(head, stream);
	for (size_t i = 0; i < count; i++)
		fprintf(stream, part, i); // NOLINT(clang-diagnostic-format-nonliteral)
	fputs(tail, stream);
	fclose(stream);
	return text;
}

static void bounds_are_those_of_libyaml(void **state)
{
	CV_FREE char *deep = repeat("a: ", "[", CV_YAML_DEPTH - 1, "]]]]]]]]]]]]]]]\n");
	CV_FREE char *deeper = repeat("a: ", "[", CV_YAML_DEPTH, "]]]]]]]]]]]]]]]]\n");
	CV_FREE char *long_key = repeat("", "a", 990, ": b\n");
	CV_FREE char *longer_key = repeat("", "a", 1100, ": b\n");
	CV_FREE char *long_value = repeat("a: ", "value ", 20000, "\n");
	CV_FREE char *long_list = repeat("a: [0", ", %zu", 5000, "]\n");
	CV_FREE char *blanks = repeat("a:\n  b: c\n", "                ", 1000, "\n");

	(void)state;
	assert_taken(deep);
	assert_left(deeper);
	assert_taken(long_key);
	assert_left(longer_key);
	assert_taken(long_value);
	assert_taken(long_list);
	assert_taken(blanks);
}

static void many_items_are_taken_and_their_keys_differ(void **state)
{
	CV_FREE char *many = repeat("rules:\n", "  r%zu: {prio: 1}\n", 100000, "");
	CV_FREE char *twice = repeat("rules:\n", "  r%zu: {prio: 1}\n", 100000, "  r77: {}\n");
	CV_FREE char *json = repeat("{\"rules\": {\"a\": 1", ", \"r%zu\": {}", 100000, "}}");

	(void)state;
	assert_taken(many);
	assert_left(twice);
	assert_taken(json);
}

/* ---- texts that chance writes ---- */

struct chance {
	uint64_t state;
	FILE *out;
};

static uint32_t roll(struct chance *chance, uint32_t sides)
{
	chance->state ^= chance->state << 13;
	chance->state ^= chance->state >> 7;
	chance->state ^= chance->state << 17;
	return (chance->state >> 32) % sides;
}

static void put_one(struct chance *chance, const char *const *texts, uint32_t count)
{
	fputs(texts[roll(chance, count)], chance->out);
}

#define PUT_ONE(chance, ...)                                                                       \
	do {                                                                                       \
		static const char *const texts_[] = { __VA_ARGS__ };                               \
		put_one(chance, texts_, sizeof(texts_) / sizeof(*texts_));                         \
	} while (0)

static void put_scalar(struct chance *chance)
{
	PUT_ONE(chance, "a", "b c", "10.0.0.0/8", "80-443", "2001:db8::1", "\"x y\"", "'it'", "1:2",
		"größe", "\"@set\"", "0x10/0xf0", "x#y", "\"a: b, c\"", "a--b", "it's", "\"\"");
}

static void put_key(struct chance *chance)
{
	static const char *const keys[] = { "k%u", "\"k%u\"", "'k %u'", "k %u", "%u", "größe%u" };

	fprintf(chance->out, keys[roll(chance, 6)], roll(chance, 1000)); // NOLINT
	PUT_ONE(chance, ":", ":", ":", ":", " :");
}

static void put_space(struct chance *chance)
{
	PUT_ONE(chance, "", "", "", " ", "  ", "\n", "\n   ", " # c\n ", "\n\n  # größe, {\n  ");
}

static void put_flow(struct chance *chance, int depth)
{
	bool is_mapping = roll(chance, 2);

	fputc(is_mapping ? '{' : '[', chance->out);
	for (uint32_t i = 0, count = roll(chance, 5); i < count; i++) {
		put_space(chance);
		if (is_mapping) {
			put_key(chance);
			fputc(' ', chance->out);
		}
		if (depth < 4 && !roll(chance, 3))
			put_flow(chance, depth + 1);
		else
			put_scalar(chance);
		put_space(chance);
		fputs(i + 1 < count ? "," : "", chance->out);
	}
	fputc(is_mapping ? '}' : ']', chance->out);
}

static void put_end(struct chance *chance)
{
	PUT_ONE(chance, "\n", "\n", "\n", " \n", "  # so: it is\n", "\n\n", "\n# größe\n",
		"\n      # far\n");
}

/* A mapping or a list, from the beginning of a line on; behind "- " its first line goes on. */
static void put_block(struct chance *chance, int indent, bool is_begun, int depth)
{
	bool is_list = depth && !is_begun && !roll(chance, 3);

	for (uint32_t i = 0, count = 1 + roll(chance, 4); i < count; i++) {
		int step = 1 + (int)roll(chance, 3);

		fprintf(chance->out, "%*s", is_begun && !i ? 0 : indent, "");
		if (is_list)
			fprintf(chance->out, "-%*s", step, "");
		else
			put_key(chance);
		switch (depth > 4 ? 0 : roll(chance, 4)) {
		case 0:
			fputc(' ', chance->out);
			put_scalar(chance);
			put_end(chance);
			break;
		case 1:
			fputc(' ', chance->out);
			put_flow(chance, depth + 1);
			put_end(chance);
			break;
		case 2:
			if (!is_list)
				put_end(chance);
			put_block(chance, is_list ? indent + 1 + step : indent + step, is_list,
				  depth + 1);
			break;
		default:
			fputs(is_list ? "x" : "", chance->out);
			put_end(chance);
		}
	}
}

static char *random_text(struct chance *chance)
{
	char *text = NULL;
	size_t size = 0;

	chance->out = open_memstream(&text, &size);
	assert_non_null(chance->out);
	if (roll(chance, 8))
		put_block(chance, 0, false, 0);
	else
		put_flow(chance, 0);
	fclose(chance->out);
	return text;
}

/* A few characters gone, come or changed. */
static void mutate(struct chance *chance, char *text)
{
	static const char chars[] = " \n:,{}[]#-\"'ab?&*!|>%@`\t\r\\.~0";

	for (uint32_t i = 0, count = 1 + roll(chance, 3); i < count && *text; i++) {
		char *at = text + roll(chance, strlen(text));

		if (roll(chance, 3))
			*at = chars[roll(chance, sizeof(chars) - 1)];
		else
			memmove(at, at + 1, strlen(at));
	}
}

#define ROUNDS 20000

static void what_chance_writes_is_read_alike(void **state)
{
	struct chance chance = { .state = 0x9e3779b97f4a7c15 };
	int taken = 0, taken_mutated = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		CV_FREE char *text = random_text(&chance);
		int rc = compare(text, strlen(text));

		if (rc < 0)
			fail_msg("other nodes: %s", text);
		taken += rc;
		mutate(&chance, text);
		rc = compare(text, strlen(text));
		if (rc < 0)
			fail_msg("other nodes: %s", text);
		taken_mutated += rc;
	}
	/* It would prove nothing if none were taken, or all were. */
	assert_in_range(taken, ROUNDS / 2, ROUNDS);
	assert_in_range(taken_mutated, ROUNDS / 8, ROUNDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_save_writes_is_taken),
		cmocka_unit_test(what_people_write_is_taken),
		cmocka_unit_test(what_json_libraries_write_is_taken),
		cmocka_unit_test(everything_else_is_left),
		cmocka_unit_test(bounds_are_those_of_libyaml),
		cmocka_unit_test(many_items_are_taken_and_their_keys_differ),
		cmocka_unit_test(what_chance_writes_is_read_alike),
	};

	return cmocka_run_group_tests_name("yaml_scan", tests, NULL, NULL);
}
