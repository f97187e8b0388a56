/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Unit tests of frame_text.c: frames in hexadecimal and what is said of them, whole and cut off. */
#include "frame_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "own.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

#define MACS "020000000002020000000001"
#define IPV4(proto, fragment) "4500001c0000" fragment "40" proto "00000a0000010a000002"
#define IPV6(next)                                                                                 \
	"6000000000"                                                                               \
	"14" next "40"                                                                             \
	"fd000000000000000000000000000001fd000000000000000000000000000002"
#define PORTS "03e80050"

/* The text of the frame's first len bytes. Caller frees. */
static char *text_of(const char *hex, size_t len)
{
	uint8_t bytes[CV_FRAME_MAX];
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	struct cv_frame_text frame;
	size_t size = 0;

	for (size_t i = 0; i < len; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		bytes[i] = strtoul(digits, NULL, 16);
	}
	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	cv_frame_read(&frame, bytes, len);
	cv_frame_put(stream, &frame);
	assert_int_equal(cv_finish_file(&stream), 0);
	return CV_TAKE_PTR(text);
}

static void frames_are_told_by_their_headers(void **state)
{
	static const struct {
		const char *hex, *text;
	} cases[] = {
		{ MACS "0800" IPV4("11", "0000") PORTS, "udp 10.0.0.1:1000 > 10.0.0.2:80" },
		{ MACS "0800" IPV4("06", "4000") PORTS, "tcp 10.0.0.1:1000 > 10.0.0.2:80" },
		{ MACS "0800" IPV4("06", "2000") PORTS, "tcp 10.0.0.1:1000 > 10.0.0.2:80" },
		{ MACS "0800" IPV4("06", "0001") PORTS, "tcp 10.0.0.1 > 10.0.0.2" },
		{ MACS "0800" IPV4("01", "0000") PORTS, "icmp 10.0.0.1 > 10.0.0.2" },
		{ MACS "0800" IPV4("fd", "0000"), "253 10.0.0.1 > 10.0.0.2" },
		{ MACS "8100000a0800" IPV4("11", "0000") PORTS, "udp 10.0.0.1:1000 > 10.0.0.2:80" },
		{ MACS "88a8000a8100000b86dd" IPV6("06") PORTS,
		  "tcp [fd00::1]:1000 > [fd00::2]:80" },
		{ MACS "86dd" IPV6("11") PORTS, "udp [fd00::1]:1000 > [fd00::2]:80" },
		{ MACS "86dd" IPV6("3a") PORTS, "icmpv6 fd00::1 > fd00::2" },
		{ MACS "86dd" IPV6("00") "3c00000000000000"
					 "1101000000000000"
					 "0000000000000000" PORTS,
		  "udp [fd00::1]:1000 > [fd00::2]:80" },
		{ MACS "86dd" IPV6("2c") "1100000100000000" PORTS,
		  "udp [fd00::1]:1000 > [fd00::2]:80" },
		{ MACS "86dd" IPV6("2c") "1100000800000000" PORTS, "udp fd00::1 > fd00::2" },
		{ MACS "86dd" IPV6("33") "2c01000000000000"
					 "00000000"
					 "0600000100000000" PORTS,
		  "tcp [fd00::1]:1000 > [fd00::2]:80" },
		{ MACS "0806"
		       "0001",
		  "ethertype 0x806" },
		{ MACS "0800"
		       "65",
		  "ethertype 0x800" },
		{ MACS "0800"
		       "6500001c00000000401100000a0000010a000002",
		  "ethertype 0x800" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		size_t len = strlen(cases[i].hex) / 2;
		CV_FREE char *text = text_of(cases[i].hex, len);

		assert_string_equal(text, cases[i].text);
		/* Cut off anywhere it says less, and reads nothing behind the end (under SAN=1). */
		for (size_t cut = 0; cut < len; cut++)
			free(text_of(cases[i].hex, cut));
	}
}

static void what_is_cut_off_is_not_told(void **state)
{
	static const char frame[] = MACS "0800" IPV4("11", "0000") PORTS;
	CV_FREE char *ports = text_of(frame, 14 + 20 + 3);
	CV_FREE char *header = text_of(frame, 14 + 19);
	CV_FREE char *type = text_of(frame, 13);

	(void)state;
	assert_string_equal(ports, "udp 10.0.0.1 > 10.0.0.2");
	assert_string_equal(header, "ethertype 0x800");
	assert_string_equal(type, "ethertype 0x0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_told_by_their_headers),
		cmocka_unit_test(what_is_cut_off_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
