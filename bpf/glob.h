/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a path is like a glob: ? is any character, * any number of them, [a-z] and [!a-z] one of a
 * class, all but '/'; ** is any number of any characters.
 */
#ifndef CV_GLOB_H
#define CV_GLOB_H

#include <stdbool.h>

#include "maps.h"
#include "siphash.h"

#define CV_MAX_CLASS 32 /* characters of a class */
#define CV_MAX_GLOB_STEPS 65536 /* a path that takes more is not like the glob */

/* Where to go on when what follows a star did not fit: the star takes one character more. */
struct cv_glob_star {
	__u16 glob; /* behind the star; 0: there was none yet */
	__u16 text;
};

struct cv_glob_match {
	const struct cv_app_set *set;
	const struct cv_scratch *scratch;
	__u32 glob; /* index in set->globs */
	__u16 at; /* in glob */
	__u16 text; /* in scratch->text, which ends at CV_MAX_PATH */
	struct cv_glob_star star; /* the last one, and the last ** before it */
	struct cv_glob_star stars;
	bool is_like;
};

static __always_inline __u8 cv_glob_char(const char *glob, __u32 at)
{
	return glob[at & (CV_MAX_GLOB - 1)];
}

static __always_inline __u8 cv_glob_at(const struct cv_glob_match *match, __u32 at)
{
	return cv_glob_char(match->set->globs[match->glob & (CV_MAX_GLOBS - 1)], at);
}

static __always_inline __u8 cv_glob_text(const struct cv_glob_match *match, __u32 at)
{
	return at < CV_MAX_PATH ? match->scratch->text[at] : '\0';
}

struct cv_glob_class {
	const char *glob;
	__u32 at; /* in the glob */
	__u8 c;
	__u32 is_in;
};

/* bpf_loop body: takes one character or range of a class. */
static long cv_class_step(__u32 i, struct cv_glob_class *class)
{
	__u8 first = cv_glob_char(class->glob, class->at), last = first;

	if (!first || (first == ']' && i))
		return 1;
	if (cv_glob_char(class->glob, class->at + 1) == '-' &&
	    cv_glob_char(class->glob, class->at + 2) != ']') {
		class->at += 2;
		last = cv_glob_char(class->glob, class->at);
	}
	class->is_in |= (__u8)(class->c - first) <= (__u8)(last - first);
	class->at++;
	return 0;
}

#define CV_CLASS_FITS (1u << 16)

/* Offset behind a class of the glob of that index, which begins at `at` with '['; and CV_CLASS_FITS if
 * the character is in it. */
__noinline __u32 cv_glob_class(const struct cv_app_set *set, __u32 glob, __u32 at, __u32 c)
{
	struct cv_glob_class class = { .at = at + 1, .c = c };
	bool is_negated;

	if (!set)
		return 0;
	class.glob = set->globs[glob & (CV_MAX_GLOBS - 1)];
	is_negated = cv_glob_char(class.glob, class.at) == '!';
	class.at += is_negated;
	class.is_in = c >> 8; /* zero, which the verifier does not know: see siphash.h */
	bpf_loop(CV_MAX_CLASS, cv_class_step, &class, 0);
	return ((class.at + 1) & 0xffff) | (!!class.is_in != is_negated ? CV_CLASS_FITS : 0);
}

/* Back to the last star that can take one character more. False if none can. */
static __always_inline bool cv_glob_retry(struct cv_glob_match *match)
{
	if (match->star.glob && match->star.text < CV_MAX_PATH &&
	    cv_glob_text(match, match->star.text) != '/') {
		match->at = match->star.glob;
		match->text = ++match->star.text;
		return true;
	}
	if (!match->stars.glob || match->stars.text >= CV_MAX_PATH)
		return false;
	match->star.glob = 0;
	match->at = match->stars.glob;
	match->text = ++match->stars.text;
	return true;
}

/* bpf_loop body: takes one element of the glob and what fits it. */
static long cv_glob_step(__u32 i, struct cv_glob_match *match)
{
	__u8 wanted = cv_glob_at(match, match->at), c = cv_glob_text(match, match->text);

	if (wanted == '*') {
		bool is_double = cv_glob_at(match, match->at + 1) == '*';
		struct cv_glob_star star = { .glob = match->at + 1 + is_double,
					     .text = match->text };

		match->at = star.glob;
		if (is_double) {
			match->stars = star;
			match->star.glob = 0;
		} else {
			match->star = star;
		}
		return 0;
	}
	if (!wanted && !c) {
		match->is_like = true;
		return 1;
	}
	if (wanted == '[' && c && c != '/') {
		__u32 class = cv_glob_class(match->set, match->glob, match->at, c);

		if (class & CV_CLASS_FITS) {
			match->at = class;
			match->text++;
			return 0;
		}
	} else if (c && (wanted == c || (wanted == '?' && c != '/'))) {
		match->at++;
		match->text++;
		return 0;
	}
	return cv_glob_retry(match) ? 0 : 1;
}

/* True if the path in scratch->text, from scratch->path on, is like the glob of that index. */
__noinline int cv_glob_is_like(const struct cv_app_set *set, __u32 glob,
			       const struct cv_scratch *scratch)
{
	struct cv_glob_match match = {};

	if (!set || !scratch || scratch->path >= CV_MAX_PATH)
		return false;
	match.set = set;
	match.glob = glob;
	match.scratch = scratch;
	match.text = scratch->path;
	match.at = cv_unknown_zero(scratch);
	match.star.glob = match.at;
	match.star.text = match.at;
	match.stars = match.star;
	bpf_loop(CV_MAX_GLOB_STEPS, cv_glob_step, &match, 0);
	return match.is_like;
}

#endif
