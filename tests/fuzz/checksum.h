/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_CHECKSUM_H
#define FUZZ_CHECKSUM_H

#include <string.h>
#include <zlib.h>

#include "base/text.h"

/* Makes records of lines: each gets the checksum that the store asks for. One that begins with '!' is taken as it is, without that. */
static inline void add_checksums(const char *data, size_t size, struct strbuf *ret)
{
	strbuf_add_mem(ret, "", 0);
	for (size_t at = 0; at < size;) {
		const char *line = data + at, *end = memchr(line, '\n', size - at);
		size_t len = end ? (size_t)(end - line) : size - at;

		if (*line == '!')
			strbuf_add_mem(ret, line + 1, len - 1);
		else {
			strbuf_addf(ret, "%08lx ", crc32(0, (const unsigned char *)line, (unsigned)len));
			strbuf_add_mem(ret, line, len);
		}
		if (end)
			strbuf_add_mem(ret, "\n", 1);
		at += len + 1;
	}
}

#endif
