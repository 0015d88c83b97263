/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal from any bytes, over a small snapshot. Lines are given their checksum here, or nothing would get past it, except those that begin
 * with '!', which are taken as they are. Whatever it holds: what comes out is a state that can be written, read again and journalled.
 */
#include <assert.h>
#include <stdint.h>

#include "base/text.h"
#include "model/document.h"
#include "store/store-private.h"
#include "tests/fuzz/checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char snapshot[] =
	"{\"version\":1,\"backends\":{\"a\":{\"type\":\"block\",\"device\":\"/dev/vdb\"}},\"hosts\":{\"nqn.2026-11.org.example:h\":{}},"
	"\"subsystems\":{\"nqn.2026-11.org.example:s\":{\"serial\":\"1\",\"allowed_hosts\":[\"nqn.2026-11.org.example:h\"],"
	"\"namespaces\":{\"1\":{\"backend\":\"a\"}}}},"
	"\"ports\":{\"1\":{\"trtype\":\"tcp\",\"traddr\":\"192.0.2.1\",\"subsystems\":[\"nqn.2026-11.org.example:s\"]}}}";

static void read_back(const struct tree *t)
{
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_free_ char *text = NULL, *again = NULL;
	size_t len;

	assert(store_snapshot_text(t, 1, &text, &len) == 0);
	assert(document_parse("snapshot", text, len, &d, &errs) == 0);
	assert(store_snapshot_text(d.tree, 1, &again, &len) == 0);
	assert(streq(text, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_document_ struct document d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 }, shouts = { 0 };
	_cleanup_strbuf_ struct strbuf text = { 0 };
	struct replay r = { .path = "journal", .base = 3, .shouts = &shouts };

	add_checksums((const char *)data, size, &text);
	assert(document_parse("snapshot", snapshot, strlen(snapshot), &d, &errs) == 0);
	r.tree = d.tree;
	assert(journal_replay(&r, text.s, text.len) == 0);
	assert(r.intact <= text.len && r.generation >= r.base);
	assert(!r.damaged || shouts.total > 0);
	read_back(d.tree);
	return 0;
}
