/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of yaml.c: trees and places of good files, the whole report of bad ones, limits, and
 * that every scalar written reads back the same.
 */
#include "yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define HINT_IPV6 "hint: quote an IPv6 address that starts or ends with ':' or stands in [ ]\n"
#define HINT_TAB "hint: use blanks, not tabs, to indent\n"
#define HINT_QUOTE "hint: quote a value that begins with one of % @ * & ! | > `\n"

/* Parses; *printed (caller frees) is what was reported. */
static int parse(struct cv_yaml_node **root, const char *text, size_t len, char **printed)
{
	struct cv_report *report CV_CLEANUP(cv_report_free) = NULL;
	size_t printed_len = 0;
	FILE *stream = open_memstream(printed, &printed_len);
	int code;

	assert_non_null(stream);
	assert_int_equal(cv_report_new(&report, stream, false), 0);
	cv_report_source(report, "f", text, len);
	code = cv_yaml_parse(root, "f", text, len, report);
	assert_int_equal(cv_report_errors(report) > 0, code < 0);
	cv_report_free(&report);
	fclose(stream);
	return code;
}

static struct cv_yaml_node *parse_good(const char *text)
{
	struct cv_yaml_node *root = NULL;
	char *printed CV_FREE = NULL;

	parse(&root, text, strlen(text), &printed);
	assert_string_equal(printed, "");
	return root;
}

/* The tree in one line: {key=value} and [item]; ' marks quoted scalars. */
static void put_tree(FILE *stream, const struct cv_yaml_node *node)
{
	static const char *const brackets[] = {
		[CV_YAML_SEQUENCE] = "[]",
		[CV_YAML_MAPPING] = "{}",
	};

	if (node->kind == CV_YAML_SCALAR) {
		fprintf(stream, "%s%s", node->is_quoted ? "'" : "", node->text);
		return;
	}
	fputc(brackets[node->kind][0], stream);
	for (size_t i = 0; i < node->count; i++) {
		if (i > 0)
			fputc(node->kind == CV_YAML_MAPPING && i % 2 ? '=' : ',', stream);
		put_tree(stream, node->items[i]);
	}
	fputc(brackets[node->kind][1], stream);
}

static void assert_tree(const char *text, const char *expected)
{
	struct cv_yaml_node *root CV_CLEANUP(cv_yaml_free) = parse_good(text);
	char *tree CV_FREE = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&tree, &len);

	if (root)
		put_tree(stream, root);
	else
		fputs("nothing", stream);
	fclose(stream);
	assert_string_equal(tree, expected);
}

static void good_files_become_trees(void **state)
{
	(void)state;
	assert_tree("", "nothing");
	assert_tree("# only this\n", "nothing");
	assert_tree("---\n", "nothing");
	assert_tree("\"\"\n", "'");
	assert_tree("a: {b: 1, c: [x, y]}\nd:\n  - e\n  - f: g\n", "{a={b=1,c=[x,y]},d=[e,{f=g}]}");
	assert_tree("---\na: no\nb: 0x70/0xf0\n...\n", "{a=no,b=0x70/0xf0}");
	assert_tree("{\"a\": [1, true, null]}", "{'a=[1,true,null]}");
	assert_tree("a: '1'\nb: |\n  two\nc: ! d\n\"<<\": 1\n", "{a='1,b='two\n,c=d,'<<=1}");
	assert_tree("\xef\xbb\xbf"
		    "a: b\r\nc: d\r\n",
		    "{a=b,c=d}");
	assert_tree("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]");
}

/* What stays the schema walker's affair: these parse, to something else than was meant. */
static void unquoted_addresses_that_parse(void **state)
{
	(void)state;
	assert_tree("dst: ::1", "{dst=::1}");
	assert_tree("dst: ::/0", "{dst=::/0}");
	assert_tree("{src: [2001:db8::/32], dst: 2001:db8::1}",
		    "{src=[2001:db8::/32],dst=2001:db8::1}");
	assert_tree("- 2001:db8::", "[{2001:db8:=}]");
	assert_tree("- ::", "[{:=}]");
	assert_tree("[2001:db8:: ]", "[{2001:db8:=}]");
	assert_tree("{remote:::1}", "{remote:::1=}");
	assert_tree("dst:2001:db8::", "{dst:2001:db8:=}");
}

static void assert_place(const struct cv_yaml_node *node, int line, int column)
{
	assert_string_equal(node->place.file, "f");
	assert_int_equal(node->place.line, line);
	assert_int_equal(node->place.column, column);
}

static void nodes_know_their_places(void **state)
{
	/* U+0085 and U+2028 end a line for libyaml, not for an editor. */
	struct cv_yaml_node *root CV_CLEANUP(cv_yaml_free) = parse_good(
		"\xef\xbb\xbf# \xc2\x85# \xe2\x80\xa8\r\n\"\xc3\xa4\": {b: [c,\n  \"d\"]}\ne: f\n");

	(void)state;
	assert_place(root, 2, 1);
	assert_place(root->items[0], 2, 1);
	assert_place(root->items[1], 2, 6);
	assert_place(root->items[1]->items[0], 2, 7);
	assert_place(root->items[1]->items[1], 2, 10);
	assert_place(root->items[1]->items[1]->items[1], 3, 3);
	assert_place(root->items[3], 4, 4);
}

static void assert_bad_bytes(const char *text, size_t len, const char *expected)
{
	struct cv_yaml_node untouched, *root = &untouched;
	char *printed CV_FREE = NULL;

	assert_int_equal(parse(&root, text, len, &printed), -EINVAL);
	/* After a fault of syntax there is no tree, else there is one without what was refused. */
	if (root != &untouched)
		cv_yaml_free(&root);
	assert_string_equal(printed, expected);
}

static void assert_bad(const char *text, const char *expected)
{
	assert_bad_bytes(text, strlen(text), expected);
}

static void what_the_subset_leaves_out_is_refused(void **state)
{
	(void)state;
	assert_bad(
		"x: *foo\n",
		"f:1:4: error: aliases (*foo) are not supported\n    x: *foo\n       ^\n" HINT_QUOTE);
	assert_bad(
		"x: &a b\n",
		"f:1:4: error: anchors (&a) are not supported\n    x: &a b\n       ^\n" HINT_QUOTE);
	assert_bad(
		"x: !!str b\n",
		"f:1:4: error: tags (tag:yaml.org,2002:str) are not supported\n    x: !!str b\n       ^\n" HINT_QUOTE);
	assert_bad("<<: {a: 1}\n",
		   "f:1:1: error: merge keys (<<) are not supported\n    <<: {a: 1}\n    ^\n");
	assert_bad(
		"%YAML 1.1\n---\na: 1\n",
		"f:1:1: error: directives (%YAML, %TAG) are not supported\n    %YAML 1.1\n    ^\n");
	assert_bad("a: 1\n---\nb: 1\n---\nc: 1\n",
		   "f:2:1: error: a state file is one document only\n    ---\n    ^\n");
	assert_bad("? [a]\n: b\n",
		   "f:1:3: error: a key must be a word, not a sequence\n    ? [a]\n      ^\n");
	assert_bad("{{a: b}: c}\n",
		   "f:1:2: error: a key must be a word, not a mapping\n    {{a: b}: c}\n     ^\n");
	assert_bad(
		"x: \"a\\0b\"\n",
		"f:1:4: error: a value must not contain a zero byte\n    x: \"a\\0b\"\n       ^\n");
}

static void all_faults_come_in_one_run(void **state)
{
	(void)state;
	assert_bad(
		"a: 1\nb: {c: *d}\na: 2\nb:\n  e: !f g\n  \"e\": 1\nh: @i\nj: *k\n",
		"f:2:8: error: aliases (*d) are not supported\n    b: {c: *d}\n           ^\n" HINT_QUOTE
		"f:3:1: error: duplicate key \"a\", first on line 1\n    a: 2\n    ^\n"
		"f:4:1: error: duplicate key \"b\", first on line 2\n    b:\n    ^\n"
		"f:5:6: error: tags (!f) are not supported\n      e: !f g\n         ^\n" HINT_QUOTE
		"f:6:3: error: duplicate key \"e\", first on line 5\n      \"e\": 1\n      ^\n"
		"f:7:4: error: found character that cannot start any token\n    h: @i\n       ^\n" HINT_QUOTE);
}

static void the_same_key_in_two_mappings_is_fine(void **state)
{
	(void)state;
	assert_tree("{a: {a: 1}, b: {a: 2}}", "{a={a=1},b={a=2}}");
}

/* Every trap libyaml notices gets its hint; the last line of the report is compared. */
static void assert_hint(const char *text, const char *hint)
{
	struct cv_yaml_node *root = NULL;
	char *printed CV_FREE = NULL;
	const char *found;

	assert_int_equal(parse(&root, text, strlen(text), &printed), -EINVAL);
	cv_yaml_free(&root);
	found = strstr(printed, "hint: ");
	assert_string_equal(found ? found : "", hint);
}

static void ipv6_traps_get_a_hint(void **state)
{
	static const char *const traps[] = {
		"dst: 2001:db8::",
		"dst: ::",
		"[2001:db8::/32, ::/0]",
		"[::1]",
		"[2001:db8::]",
		"[a, ::]",
		"{remote: ::1}",
		"{remote: ::}",
		"{remote: ::/0, a: b}",
		"{local: 2001:db8::1, remote: ::1}",
		"{local: 2001:db8::, b: c}",
		"{src: [::1]}",
		"dst: [::1]:4789",
		"dst: [2001:db8::1]:4789",
		"dst: fe80::\n",
		"a: 1\nallow: [\n  2001:db8::/32,\n  ::/0\n]\n",
		"{a: ::ffff:192.0.2.1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++)
		assert_hint(traps[i], HINT_IPV6);
}

static void other_traps_get_a_hint(void **state)
{
	static const char *const tabs[] = {
		"\tx: 1", "a:\n\tx: 1", "a:\n  x: 1\n\ty: 2", "a:\n  b: 1\n \tc: 2", "-\tx: 1",
	};
	static const char *const quotes[] = {
		"x: @foo", "x: %wheel", "%wheel: 1", "x: *",	"x: *foo/bar", "x: `ls`",
		"x: |foo", "x: >foo",	"x: !a!b c", "[a, @b]", "x: &",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tabs) / sizeof(tabs[0]); i++)
		assert_hint(tabs[i], HINT_TAB);
	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++)
		assert_hint(quotes[i], HINT_QUOTE);
	assert_hint("a: b\ndst:2001:db8::1\nc: d\n", "hint: a key ends with ':' and a blank\n");
}

static void other_syntax_errors_get_no_hint(void **state)
{
	static const char *const texts[] = {
		"{local: 2001:db8::1, remote: 2001:db8::2",
		"x: \"::1\" y",
		"a: b: c",
		"x: [2001:db8::/32, b",
		"x: 'a",
		"a:\n  - 1\n b: 2\n",
		"x: 12:30:00: 1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_hint(texts[i], "");
}

static void syntax_errors_say_where_it_began(void **state)
{
	(void)state;
	assert_bad(
		"x: [1, 2\ny: 1\n",
		"f:2:2: error: did not find expected ',' or ']' while parsing a flow sequence that begins on line 1\n    y: 1\n     ^\n");
	assert_bad(
		"x: \"abc\ny: 1\n",
		"f:1:4: error: found unexpected end of stream while scanning a quoted scalar\n    x: \"abc\n       ^\n");
}

#define HINT_UTF8 "hint: a state file is UTF-8: save it so\n"

static void bytes_that_are_not_text_are_refused(void **state)
{
	(void)state;
	assert_bad(
		"a: 1\n\xc3\xa4: \xff\n",
		"f:2:4: error: invalid leading UTF-8 octet (0xff)\n    \xc3\xa4: \xef\xbf\xbd\n       ^\n" HINT_UTF8);
	assert_bad(
		"a: 1\nb: \xc3",
		"f:2:4: error: incomplete UTF-8 octet sequence\n    b: \xef\xbf\xbd\n       ^\n" HINT_UTF8);
	assert_bad_bytes(
		"a: b\0c\n", 7,
		"f:1:5: error: control characters are not allowed (0x00)\n    a: b?c\n        ^\n");
}

static char *repeat(const char *part, size_t bytes, size_t *len)
{
	size_t part_len = strlen(part), count = bytes / part_len;
	char *text = malloc(bytes + 1);

	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		memcpy(text + i * part_len, part, part_len);
	*len = count * part_len;
	text[*len] = '\0';
	return text;
}

/* The time is bounded by the test runner; the stack by the depth. */
static void deep_nesting_ends_the_parse(void **state)
{
	static const char *const parts[] = { "[", "{", "- ", "? ", "{a: ", "[[],", "a: [", "[a, " };

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct cv_yaml_node *root = NULL;
		char *printed CV_FREE = NULL;
		size_t len;
		char *text CV_FREE = repeat(parts[i], 32 << 20, &len);

		assert_int_equal(parse(&root, text, len, &printed), -EINVAL);
		cv_yaml_free(&root);
		assert_non_null(strstr(printed, "error: nested more than 16 deep\n"));
	}
	assert_bad(
		"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
		"f:1:17: error: nested more than 16 deep\n    [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n                    ^\n");
}

static void many_faults_are_counted(void **state)
{
	struct cv_yaml_node *root = NULL;
	char *printed CV_FREE = NULL;
	size_t len;
	char *text CV_FREE = repeat("- *a\n", 500000, &len);

	(void)state;
	assert_int_equal(parse(&root, text, len, &printed), -EINVAL);
	cv_yaml_free(&root);
	assert_non_null(strstr(printed, "\nculvert: 99900 more errors not shown\n"));
}

static void many_keys_are_read(void **state)
{
	struct cv_yaml_node *root CV_CLEANUP(cv_yaml_free) = NULL;
	char *text CV_FREE = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);

	(void)state;
	for (int i = 0; i < 100000; i++)
		fprintf(stream, "key-%d: %d\n", i, i);
	fclose(stream);
	root = parse_good(text);
	assert_int_equal(root->count, 200000);
	assert_place(root->items[199999], 100000, 12);
}

static void assert_reads_back(const char *before, const char *scalar, const char *after,
			      size_t index)
{
	struct cv_yaml_node *root CV_CLEANUP(cv_yaml_free) = NULL;
	char *text CV_FREE = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);

	fputs(before, stream);
	cv_yaml_put_scalar(stream, scalar);
	fputs(after, stream);
	fclose(stream);
	root = parse_good(text);
	assert_int_equal(root->count, index + 1);
	assert_int_equal(root->items[index]->kind, CV_YAML_SCALAR);
	assert_string_equal(root->items[index]->text, scalar);
}

static void assert_round_trip(const char *scalar)
{
	assert_reads_back("key: ", scalar, "\n", 1);
	assert_reads_back("{key: ", scalar, "}\n", 1);
	assert_reads_back("[", scalar, "]\n", 0);
	assert_reads_back("- ", scalar, "\n", 0);
}

static void nasty_scalars_read_back(void **state)
{
	static const char *const scalars[] = {
		"",
		" ",
		"  a",
		"a ",
		"a b",
		"~",
		"null",
		"Null",
		"true",
		"no",
		"123",
		"0x70/0xf0",
		"1:30",
		"::",
		"::1",
		"::/0",
		"2001:db8::",
		"2001:db8::/32",
		"fe80::1%eth0",
		"[::1]:4789",
		"a: b",
		"a:",
		":a",
		"a #b",
		"#a",
		"a#b",
		"- a",
		"-",
		"--",
		"---",
		"...",
		"--- a",
		"? a",
		"?",
		"!",
		"!a",
		"&a",
		"*a",
		"*",
		"|",
		">",
		"|-",
		"%a",
		"@a",
		"`a",
		"\"",
		"'",
		"''",
		"\"a\"",
		"\\",
		"\\n",
		"\n",
		"a\nb",
		"\na",
		"a\n",
		"\n\n",
		"\r",
		"\r\n",
		"\t",
		"\ta",
		"a\tb",
		"{",
		"}",
		"[",
		"]",
		",",
		"a,b",
		"{}",
		"[]",
		"<<",
		"=",
		"\x01",
		"\x1b[0m",
		"\x7f",
		"\xc2\x85",
		"\xc2\xa0",
		"\xe2\x80\xa8",
		"\xe2\x80\xa9",
		"\xef\xbb\xbf",
		"a\xef\xbb\xbf",
		"\xef\xbf\xbd",
		"\xef\xbf\xbe",
		"\xef\xbf\xbf",
		"\xc3\xa4",
		"\xf0\x9f\x98\x80",
		"\xf4\x8f\xbf\xbf",
		"/usr/bin/restic",
		"/system.slice/user@0.service",
		"10.9.0.0/16",
		"10.9.0.0/16,10.8.0.0/16",
		"a-b_c.d+e",
		"-1",
		".5",
		"+1",
		"_",
		"/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++)
		assert_round_trip(scalars[i]);
}

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16 & 0x7fff;
}

static void random_scalars_read_back(void **state)
{
	static const char *const parts[] = {
		":",
		" ",
		"\n",
		"-",
		"#",
		",",
		"[",
		"]",
		"{",
		"}",
		"'",
		"\"",
		"\\",
		"%",
		"@",
		"*",
		"&",
		"!",
		"|",
		">",
		"?",
		"\t",
		"\r",
		"`",
		"~",
		"<",
		"=",
		".",
		"/",
		"a",
		"b",
		"0",
		"9",
		"\x02",
		"\x7f",
		"\xc2\x85",
		"\xe2\x80\xa8",
		"\xef\xbb\xbf",
		"\xc3\xa4",
		"\xf0\x9f\x98\x80",
		"::",
		": ",
		" #",
		"null",
		"---",
	};
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		char scalar[64] = "";
		unsigned int count = 1 + next_random(&seed) % 10;

		while (count-- > 0)
			strcat(scalar,
			       parts[next_random(&seed) % (sizeof(parts) / sizeof(parts[0]))]);
		assert_round_trip(scalar);
	}
}

static void long_scalars_read_back(void **state)
{
	size_t len;
	char *plain CV_FREE = repeat("abc/", 5000, &len);
	char *quoted CV_FREE = repeat("a b:", 5000, &len);

	(void)state;
	assert_reads_back("key: ", plain, "\n", 1);
	assert_reads_back("[", plain, "]\n", 0);
	assert_reads_back("{key: ", quoted, "}\n", 1);
	assert_reads_back("[", quoted, "]\n", 0);
}

static void assert_put(const char *scalar, const char *expected)
{
	char *text CV_FREE = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);

	cv_yaml_put_scalar(stream, scalar);
	fclose(stream);
	assert_string_equal(text, expected);
}

static void scalars_are_plain_where_that_is_safe(void **state)
{
	(void)state;
	assert_put("blue", "blue");
	assert_put("42", "42");
	assert_put("true", "true");
	assert_put("/usr/bin/restic", "/usr/bin/restic");
	assert_put("10.9.0.0/16", "10.9.0.0/16");
	assert_put("backup-low", "backup-low");
	assert_put("1:30", "\"1:30\"");
	assert_put("2001:db8::1", "\"2001:db8::1\"");
	assert_put("null", "\"null\"");
	assert_put("", "\"\"");
	assert_put("a\"b\\\n\t\x01\xe2\x80\xa8\xff",
		   "\"a\\\"b\\\\\\n\\t\\x01\\u2028\xef\xbf\xbd\"");
}

/* Another reader must not take them for numbers, dates, true, false or nothing. */
static void names_are_texts_for_every_reader(void **state)
{
	static const struct {
		const char *name, *written;
	} cases[] = {
		{ "eth0", "eth0" },	{ "a", "a" },
		{ "yes", "\"yes\"" },	{ "No", "\"No\"" },
		{ "y", "\"y\"" },	{ "ON", "\"ON\"" },
		{ "off", "\"off\"" },	{ "true", "\"true\"" },
		{ "NULL", "\"NULL\"" }, { "nullify", "nullify" },
		{ "onto", "onto" },	{ "1", "\"1\"" },
		{ "007", "\"007\"" },	{ "1e3", "\"1e3\"" },
		{ "0x10", "\"0x10\"" }, { "2001-01-01", "\"2001-01-01\"" },
		{ "~", "\"~\"" },	{ "@x", "\"@x\"" },
		{ "a: b", "\"a: b\"" }, { "/bin/sh", "/bin/sh" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CV_FREE char *text = NULL;
		size_t len = 0;
		FILE *stream = open_memstream(&text, &len);

		assert_non_null(stream);
		cv_yaml_put_name(stream, cases[i].name);
		assert_int_equal(fclose(stream), 0);
		assert_string_equal(text, cases[i].written);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_become_trees),
		cmocka_unit_test(unquoted_addresses_that_parse),
		cmocka_unit_test(nodes_know_their_places),
		cmocka_unit_test(what_the_subset_leaves_out_is_refused),
		cmocka_unit_test(all_faults_come_in_one_run),
		cmocka_unit_test(the_same_key_in_two_mappings_is_fine),
		cmocka_unit_test(ipv6_traps_get_a_hint),
		cmocka_unit_test(other_traps_get_a_hint),
		cmocka_unit_test(other_syntax_errors_get_no_hint),
		cmocka_unit_test(syntax_errors_say_where_it_began),
		cmocka_unit_test(bytes_that_are_not_text_are_refused),
		cmocka_unit_test(deep_nesting_ends_the_parse),
		cmocka_unit_test(many_faults_are_counted),
		cmocka_unit_test(many_keys_are_read),
		cmocka_unit_test(nasty_scalars_read_back),
		cmocka_unit_test(random_scalars_read_back),
		cmocka_unit_test(long_scalars_read_back),
		cmocka_unit_test(scalars_are_plain_where_that_is_safe),
		cmocka_unit_test(names_are_texts_for_every_reader),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
