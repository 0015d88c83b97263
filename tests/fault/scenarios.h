/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_SCENARIOS_H
#define FAULT_SCENARIOS_H

#include <stdbool.h>
#include <stddef.h>

struct scenario {
	const char *name;
	const char *base;	/* document */
	bool from_nothing;	/* else from the base */
	const char *edits;	/* NULL: to the base, or to nothing */
	const char *file;	/* that it makes or grows: the way back does not, so that the file is taken away by hand */
};

extern const struct scenario scenarios[];
extern const size_t n_scenarios;

#endif
