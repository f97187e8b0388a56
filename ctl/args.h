/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Typed values: one parser and one formatter for each kind of value, whether it was a word of the
 * command line or a value of the state file. A parser's message quotes the input and says what
 * would be right; `word` is what the value belongs to ("mtu").
 */
#ifndef CV_ARGS_H
#define CV_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "culvert.h"

/* Decimal or 0x hexadecimal, whole text, min..max. */
int cv_arg_number(const char *word, const char *text, uint32_t min, uint32_t max, uint32_t *out,
		  struct cv_err *err);
/* Name of an object into out[CV_NAME_MAX + 1]. */
int cv_arg_name(const char *word, const char *text, char *out, struct cv_err *err);
/* Name of a network device into out[CV_IFNAME_MAX + 1]. */
int cv_arg_ifname(const char *word, const char *text, char *out, struct cv_err *err);
int cv_arg_addr(const char *word, const char *text, struct cv_addr *out, struct cv_err *err);
/* A list with commas; *out owns its items and must be empty before. */
int cv_arg_addrs(const char *word, const char *text, struct cv_addrs *out, struct cv_err *err);
/* The same of numbers, each min..max. */
int cv_arg_numbers(const char *word, const char *text, uint32_t min, uint32_t max,
		   struct cv_numbers *out, struct cv_err *err);
/* Six bytes in hexadecimal with colons; a group address is refused. */
int cv_arg_mac(const char *word, const char *text, struct cv_mac *out, struct cv_err *err);
/* ADDR, ADDR/BITS, or "default"; host bits are refused. */
int cv_arg_prefix(const char *word, const char *text, struct cv_prefix *out, struct cv_err *err);
/* Lists with commas; *out owns its items and must be empty before. */
int cv_arg_prefixes(const char *word, const char *text, struct cv_prefixes *out,
		    struct cv_err *err);
int cv_arg_port_ranges(const char *word, const char *text, struct cv_ranges *out,
		       struct cv_err *err);
/* The same of numbers from 0 to max. */
int cv_arg_ranges(const char *word, const char *text, uint32_t max, struct cv_ranges *out,
		  struct cv_err *err);
/* N or N-M. */
int cv_arg_range(const char *word, const char *text, uint32_t max, struct cv_range *out,
		 struct cv_err *err);
/* V or V/M. *has_mask says whether a mask was given. */
int cv_arg_mark(const char *word, const char *text, uint32_t *mark, uint32_t *mask, bool *has_mask,
		struct cv_err *err);
/* A name (tcp, udp, icmp, ...) or a number. */
int cv_arg_proto(const char *word, const char *text, uint8_t *out, struct cv_err *err);
/* 0..63, or a name of RFC 2474, 2597, 3246, 5865, 8622 (cs1, af21, ef, va, le). */
int cv_arg_dscp(const char *word, const char *text, uint8_t *out, struct cv_err *err);
/* A list of not-ect, ect0, ect1, ce as bits 1 << codepoint. */
int cv_arg_ecns(const char *word, const char *text, uint8_t *out, struct cv_err *err);
/* SET/MASK: each a number, or names with '+' between them (fin, syn, rst, psh, ack, urg, ece, cwr;
 * none, all); SET lies within MASK. */
int cv_arg_tcp_flags(const char *word, const char *text, uint8_t *flags, uint8_t *mask,
		     struct cv_err *err);
/* The same of a packet: SET alone. */
int cv_arg_tcp_flag_set(const char *word, const char *text, uint8_t *out, struct cv_err *err);
/* A name (arp, ip, ipv6, mpls, ...) or a number. */
int cv_arg_ethertype(const char *word, const char *text, uint16_t *out, struct cv_err *err);
/* A number (*name becomes 0), or a name, whose number depends on the protocol (*name becomes what
 * cv_icmp_type() takes). */
int cv_arg_icmp_type(const char *word, const char *text, uint8_t *type, uint8_t *name,
		     struct cv_err *err);
/* The type of that name in ICMP (proto IPPROTO_ICMP) or ICMPv6; fails if that has no such type. */
int cv_icmp_type(const char *word, uint8_t proto, uint8_t name, uint8_t *out, struct cv_err *err);
/* MAJOR:MINOR, hexadecimal as tc has it. */
int cv_arg_priority(const char *word, const char *text, uint32_t *out, struct cv_err *err);
int cv_arg_bool(const char *word, const char *text, bool *out, struct cv_err *err);
/* The same of a word that is true if it stands alone: text NULL. */
int cv_arg_flag(const char *word, const char *text, bool *out, struct cv_err *err);
/* The index of text among count words. */
int cv_arg_choice(const char *word, const char *text, const char *const *choices, size_t count,
		  size_t *out, struct cv_err *err);

/* The names that these values can have, one after the other; NULL behind the last. */
const char *cv_choice_proto(size_t index);
const char *cv_choice_dscp(size_t index);
const char *cv_choice_ecn(size_t index);
const char *cv_choice_ethertype(size_t index);
const char *cv_choice_icmp_type(size_t index);

/* Decimal; a state of many rules has hundreds of thousands. */
void cv_put_number(FILE *out, uint32_t number);
void cv_put_addrs(FILE *out, const struct cv_addrs *addrs);
void cv_put_numbers(FILE *out, const struct cv_numbers *numbers);
void cv_put_mac(FILE *out, const struct cv_mac *mac);
void cv_put_prefixes(FILE *out, const struct cv_prefixes *prefixes);
void cv_put_ranges(FILE *out, const struct cv_ranges *ranges);
void cv_put_range(FILE *out, const struct cv_range *range);
void cv_put_addr(FILE *out, const struct cv_addr *addr);
void cv_put_proto(FILE *out, uint8_t proto);
void cv_put_ecns(FILE *out, uint8_t bits);
void cv_put_tcp_flags(FILE *out, uint8_t flags, uint8_t mask);
void cv_put_ethertype(FILE *out, uint16_t ethertype);
/* proto: IPPROTO_ICMP or IPPROTO_ICMPV6; of another one the number is written. */
void cv_put_icmp_type(FILE *out, uint8_t proto, uint8_t type);
void cv_put_mark(FILE *out, uint32_t mark, bool has_mask, uint32_t mask);

#endif
