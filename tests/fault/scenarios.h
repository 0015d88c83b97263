/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_SCENARIOS_H
#define FAULT_SCENARIOS_H

#include <stdbool.h>
#include <stddef.h>

struct scenario {
	const char *name;
	bool from_nothing;	/* else from base_document */
	const char *edits;	/* NULL: to base_document, or to nothing */
	const char *file;	/* that it makes or grows: the way back does not, so that the file is taken away by hand */
};

extern const char base_document[];
extern const struct scenario scenarios[];
extern const size_t n_scenarios;

#endif
