/* SPDX-License-Identifier: Apache-2.0 */
/* A file of registrations from any bytes: what is given to the kernel is one line of fields, each once, that it can take in one write. */
#include <assert.h>

#include "base/text.h"
#include "kernel/aptpl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct aptpl_registration *r)
{
	size_t fields = 1;

	assert(r->key && *r->node && *r->fabric);
	assert(*r->restore && strlen(r->restore) <= 4095 && !strchr(r->restore, '\n'));
	for (const char *s = r->restore; (s = strchr(s, ',')); s++)
		fields++;
	assert(fields >= 11 && fields <= 14 && strstr(r->restore, "sa_res_key=") && strstr(r->restore, "initiator_node="));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(aptpl_done) struct aptpl a = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL, missing = CFG_ERROR_NULL;
	_cleanup_free_ char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = 0;
	if (aptpl_parse(text, size, "aptpl", &a, &err) < 0) {
		assert(err.msg && !a.n);
		return 0;
	}
	for (size_t i = 0; i < a.n; i++)
		look_at(&a.items[i]);
	assert(!a.n || aptpl_check(&a.items[0], "", "", &missing) < 0);
	return 0;
}
