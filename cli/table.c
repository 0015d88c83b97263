/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and trees: libsmartcols with our ways. Cells are kept here first, since which columns there are depends on all of them. */
#include "cli/cli.h"

#include <libsmartcols/libsmartcols.h>

struct table_line {
	struct table_line *next, *parent;
	struct libscols_line *made;
	char *cells[];
};

struct table {
	bool tree;
	size_t n, lines;
	char **titles;
	struct table_line *first, *last;
};

static struct table *table_free(struct table *t)
{
	if (!t)
		return NULL;
	while (t->first) {
		struct table_line *next = t->first->next;

		for (size_t i = 0; i < t->n; i++)
			free(t->first->cells[i]);
		free(t->first);
		t->first = next;
	}
	strv_free(t->titles);
	free(t);
	return NULL;
}
CFG_DEFINE_CLEANUP(struct table *, table_free);

struct table *table_new(const char *const *titles, size_t n, bool tree)
{
	_cleanup_(table_freep) struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->tree = tree;
	for (size_t i = 0; i < n; i++)
		if (strv_append(&t->titles, titles[i]) < 0)
			return NULL;
	t->n = n;
	return steal_ptr(t);
}

struct table_line *table_add(struct table *t, struct table_line *parent, const char *const *cells)
{
	struct table_line *line = calloc(1, sizeof(*line) + t->n * sizeof(*line->cells));

	if (!line)
		return NULL;
	line->parent = parent;
	if (t->last)
		t->last->next = line;
	else
		t->first = line;
	t->last = line;
	t->lines++;
	for (size_t i = 0; i < t->n; i++) {
		line->cells[i] = strdup(cells[i] ? cells[i] : "");
		if (!line->cells[i])
			return NULL;
	}
	return line;
}

size_t table_len(const struct table *t)
{
	return t->lines;
}

static bool column_empty(const struct table *t, size_t i)
{
	for (const struct table_line *l = t->first; l; l = l->next)
		if (*l->cells[i])
			return false;
	return true;
}

/* NULL: none */
static const char *state_colour(const char *state)
{
	static const struct {
		const char *state, *colour;
	} colours[] = { { "failed", "red" }, { "drift", "yellow" }, { "owed", "yellow" }, { "foreign", "darkgray" } };

	for (size_t i = 0; i < ARRAY_SIZE(colours); i++)
		if (strncmp(state, colours[i].state, strlen(colours[i].state)) == 0)
			return colours[i].colour;
	return NULL;
}

static int fill_line(struct libscols_table *s, const struct table *t, struct table_line *l, const bool *left_out)
{
	size_t column = 0;

	l->made = scols_table_new_line(s, l->parent ? l->parent->made : NULL);
	if (!l->made)
		return -1;
	for (size_t i = 0; i < t->n; i++) {
		if (left_out[i])
			continue;
		if (scols_line_set_data(l->made, column, l->cells[i]) < 0)
			return -1;
		if (streq(t->titles[i], "STATE"))
			scols_cell_set_color(scols_line_get_cell(l->made, column), state_colour(l->cells[i]));
		column++;
	}
	return 0;
}

static int fill(struct libscols_table *s, struct table *t)
{
	bool left_out[t->n];

	for (size_t i = 0; i < t->n; i++) {
		left_out[i] = i && column_empty(t, i);
		if (!left_out[i] && !scols_table_new_column(s, t->titles[i], 0, t->tree && !i ? SCOLS_FL_TREE : 0))
			return -1;
	}
	for (struct table_line *l = t->first; l; l = l->next)
		if (fill_line(s, t, l, left_out) < 0)
			return -1;
	return 0;
}

int table_print(struct table *table, bool headings)
{
	_cleanup_(table_freep) struct table *t = table;
	struct libscols_table *s = t->lines ? scols_new_table() : NULL;
	const char *no_color = getenv("NO_COLOR");
	int r;

	if (!s)
		return t->lines ? out_of_memory() : STATUS_DONE;
	/* Piped, a line must stay a line whatever the width of a terminal that is not there. */
	scols_table_enable_nowrap(s, 1);
	scols_table_enable_minout(s, 1);
	scols_table_enable_noheadings(s, !headings);
	scols_table_enable_colors(s, isatty(STDOUT_FILENO) && !(no_color && *no_color));
	r = fill(s, t);
	if (r == 0)
		r = scols_print_table(s);
	scols_unref_table(s);
	return r < 0 ? out_of_memory() : STATUS_DONE;
}
