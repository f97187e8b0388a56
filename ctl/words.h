/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Words: the one table behind the command line, the state file, `save`, `show` and `help`. A noun
 * (tunnel, rule, ...) is a table of words, each with a parser and a formatter; the same word means
 * the same wherever it stands. To add a match field or a tunnel parameter: add a row to the noun's
 * table in cmd_NOUN.c.
 */
#ifndef CV_WORDS_H
#define CV_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "culvert.h"
#include "out.h"
#include "report.h"
#include "yaml.h"

struct cv_word;

/* How words that are alike are read and written: they differ in which member of the conf they are. */
struct cv_kind {
	int (*parse)(const struct cv_word *word, void *member, const char *text,
		     struct cv_err *err);
	bool (*format)(const struct cv_word *word, const void *member, FILE *out);
};

extern const struct cv_kind cv_kind_flag; /* bool: a bare word */
extern const struct cv_kind cv_kind_text; /* char *, owned by the conf; NULL: not set */

struct cv_word {
	const char *name;
	const char *value; /* how help writes its value; NULL: a bare word, true or false in YAML */
	const char *help;
	bool is_list; /* value is a list with commas */
	bool may_be_empty; /* the list may: in the state file [] says as little as no word */
	bool is_name; /* value is text also where it looks like a number */
	bool is_command_line_only; /* a short form of another word, not in the state file */
	bool is_required; /* an object without it is refused, which the check of the state does */
	bool takes_not; /* "not" may stand before the value, in its text, too: "not 80,443" */
	const struct cv_kind *kind; /* NULL: it has parse and format of its own */
	size_t offset; /* of the member, in the conf */
	int field; /* which it is, for its kind */
	/* Names that the value can have, beside what help writes; NULL behind the last. May be NULL. */
	const char *(*choice)(size_t index);
	/* What a text must be like, beyond being one; may be NULL. */
	int (*check)(const char *word, const char *text, struct cv_err *err);
	/* text is NULL for a bare word. With a kind these two are for that to call. */
	int (*parse)(void *conf, const char *text, struct cv_err *err);
	/* Writes the value; false: not set, nothing written. NULL: never written. */
	bool (*format)(const void *conf, FILE *out);
};

/* Words that belong together. name NULL: directly behind the object's name; else a word that opens
 * the group on the command line and a mapping in the state file ("match", "action"). */
struct cv_group {
	const char *name;
	const struct cv_word *words;
	size_t word_count;
	/* A group that may stand several times, each time for another item, behind all other words:
	 * the key of the list of mappings in the state file ("nexthops"); NULL: it stands once. The
	 * words' conf is then the item. */
	const char *list;
	void *(*open)(void *conf); /* adds an item; NULL without memory */
	size_t (*item_count)(const void *conf);
	const void *(*item)(const void *conf, size_t index);
};

#define CV_MAX_GROUPS 3
#define CV_GROUP(...) (&(const struct cv_group){ __VA_ARGS__ })

struct cv_session;

/* A verb that only one noun has. */
struct cv_noun_verb {
	const char *name;
	const char *words; /* how help writes what follows */
	const char *help;
	/* argv begins behind the verb. */
	int (*run)(struct cv_session *session, int argc, char **argv, struct cv_err *err);
};

struct cv_noun {
	const char *name; /* "tunnel" */
	const char *section; /* of the state file: "tunnels" */
	const char *key; /* how help writes what stands first: "NAME" */
	const char
		*list_key; /* the section is a list, and this key holds what stands first: "to" */
	const char *help; /* one line */
	const char *note; /* more of it, for the noun's own help; may be NULL */
	bool has_replace;
	const struct cv_group *groups[CV_MAX_GROUPS];
	size_t group_count;
	size_t conf_size;
	size_t place_offset; /* of the conf's struct cv_place */

	void (*init)(void *conf);
	int (*set_key)(void *conf, const char *text, struct cv_err *err);
	void (*put_key)(const void *conf, FILE *out);
	void (*fini)(void *conf);
	/* Reads what the words lead to (a file), if the conf is a new one and not one that is applied.
	 * Reports every fault with its place; -EINVAL if there was one. May be NULL. */
	int (*load)(void *conf, struct cv_report *report);
	int (*add)(struct cv_state *state, void *conf, struct cv_err *err);
	/* The one of the state that conf names, or NULL; -ENOTUNIQ through err if it could be several. */
	void *(*find)(const struct cv_state *state, const void *conf, struct cv_err *err);
	void (*del)(struct cv_state *state, void *conf);
	/* What uses it still ("route 10.9.0.0/16"), written to buf; false: nothing. May be NULL. */
	bool (*find_user)(const struct cv_state *state, const void *conf, char *buf, size_t size);
	/* True if one of the state stands for that key, as a pattern does. May be NULL. */
	bool (*covers)(const struct cv_state *state, const char *key);
	size_t (*count)(const struct cv_state *state);
	void *(*at)(const struct cv_state *state, size_t index);
	int (*show)(struct cv_session *session, struct cv_err *err);
	const struct cv_noun_verb *verb; /* may be NULL */
};

extern const struct cv_noun cv_noun_dev, cv_noun_app, cv_noun_tunnel, cv_noun_peer, cv_noun_route,
	cv_noun_set, cv_noun_rule;
extern const struct cv_noun *const cv_nouns[];
extern const size_t cv_noun_count;

#define CV_WORDS_OF(table) .words = (table), .word_count = sizeof(table) / sizeof(*(table))

/* The members of a noun that only hand on to the state's list of that noun: put_key for one with a
 * name, count, at, del, fini. */
#define CV_NOUN_ACCESS(noun, list, counter)                                                        \
	static void del(struct cv_state *state, void *conf)                                        \
	{                                                                                          \
		cv_state_del_##noun(state, conf);                                                  \
	}                                                                                          \
                                                                                                   \
	static size_t count(const struct cv_state *state)                                          \
	{                                                                                          \
		return state->counter;                                                             \
	}                                                                                          \
                                                                                                   \
	static void *at(const struct cv_state *state, size_t index)                                \
	{                                                                                          \
		return &state->list[index];                                                        \
	}

/* More of them, for nouns whose objects have names. */
#define CV_NOUN_NAMED(noun)                                                                        \
	static int set_key(void *conf, const char *text, struct cv_err *err)                       \
	{                                                                                          \
		return cv_arg_name(#noun, text, ((struct cv_##noun##_conf *)conf)->name, err);     \
	}                                                                                          \
                                                                                                   \
	static void put_key(const void *conf, FILE *out)                                           \
	{                                                                                          \
		fputs(((const struct cv_##noun##_conf *)conf)->name, out);                         \
	}                                                                                          \
                                                                                                   \
	static void *find(const struct cv_state *state, const void *conf, struct cv_err *err)      \
	{                                                                                          \
		(void)err;                                                                         \
		return cv_state_find_##noun(state, ((const struct cv_##noun##_conf *)conf)->name); \
	}                                                                                          \
                                                                                                   \
	static int add(struct cv_state *state, void *conf, struct cv_err *err)                     \
	{                                                                                          \
		return cv_state_add_##noun(state, conf, err);                                      \
	}                                                                                          \
                                                                                                   \
	static void fini(void *conf)                                                               \
	{                                                                                          \
		cv_##noun##_conf_fini(conf);                                                       \
	}

/* Places a conf was asked for at. */
struct cv_place *cv_conf_place(const struct cv_noun *noun, void *conf);

/* Fills conf from the words of a command line. conf was initialised and has its key. */
int cv_words_from_args(const struct cv_noun *noun, void *conf, int argc, char **argv,
		       struct cv_err *err);

/* Fills conf from a mapping of the state file; reports every fault with its place. Returns -EINVAL
 * if there was one. */
int cv_words_from_yaml(const struct cv_noun *noun, void *conf, const struct cv_yaml_node *node,
		       struct cv_report *report);

/* Writes conf as a YAML flow mapping. */
void cv_words_to_yaml(const struct cv_noun *noun, const void *conf, FILE *out);

/* What stands first (name, prefix), as the object itself writes it. Caller frees; NULL without
 * memory. */
char *cv_key_text(const struct cv_noun *noun, const void *conf);
/* True if that stands first. */
bool cv_key_is(const struct cv_noun *noun, const void *conf, const char *key);
/* Writes it as a YAML scalar. */
void cv_key_to_yaml(const struct cv_noun *noun, const void *conf, FILE *out);
/* The value of a word as text, NULL if it is not set. Caller frees. */
char *cv_word_text(const struct cv_word *word, const void *conf);
/* The set words of a group, as they stand on the command line. Caller frees; NULL without memory. */
char *cv_group_text(const struct cv_group *group, const void *conf);
/* Reads a value, NULL for a bare word, as the state file has it. */
int cv_word_parse(const struct cv_word *word, void *conf, const char *text, struct cv_err *err);
/* True if the value is a negated one; *text is then moved behind "not" and the blanks. */
bool cv_word_take_not(const struct cv_word *word, const char **text);
/* The set words of a group as members of an open JSON object: numbers as numbers, lists of more
 * than one value as arrays, what is negated as {"not": value}. */
void cv_group_to_json(const struct cv_group *group, const void *conf, struct cv_json *json);

/* Prints the words of a group, one a line. */
void cv_group_help(const struct cv_group *group, FILE *out);
/* Prints how the noun is used. */
void cv_noun_help(const struct cv_noun *noun, FILE *out);

#endif
