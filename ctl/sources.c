/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How owners are known, counted: see sources.h. */
#include "sources.h"

#include "own.h"

/* Source 0 is that of sockets without a record, which are nobody's. */
#define CV_FIRST_SOURCE 1

void cv_json_sources(struct cv_json *json, const uint64_t sources[CV_OWNER_SOURCES_MAX])
{
	const char *name;

	cv_json_open_object(json, "sources");
	for (uint32_t i = CV_FIRST_SOURCE; (name = cv_owner_source_name(i)); i++)
		cv_json_number(json, name, sources[i]);
	cv_json_close(json);
}

char *cv_sources_text(const uint64_t sources[CV_OWNER_SOURCES_MAX])
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	bool is_first = true;
	size_t size = 0;
	const char *name;

	stream = open_memstream(&text, &size);
	for (uint32_t i = CV_FIRST_SOURCE; stream && (name = cv_owner_source_name(i)); i++) {
		if (!sources[i])
			continue;
		fprintf(stream, "%s%s %llu", is_first ? "" : ", ", name,
			(unsigned long long)sources[i]);
		is_first = false;
	}
	if (!stream || cv_finish_file(&stream))
		return NULL;
	return CV_TAKE_PTR(text);
}
