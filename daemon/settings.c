/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings: one row each, from which reading, checking, the sample file and the manual's table come. To add a setting is to
 * add a member to struct settings and a row here.
 *
 * libconfig reads the syntax. It stores a number that does not fit into 32 bits as another one without a word, unless it is marked
 * as long; so every number is marked before libconfig sees the text, and what does not fit even so comes out as the greatest
 * number, which no range allows.
 */
#include "daemon/settings.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stddef.h>
#include <syslog.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#define SETTINGS_MAX_BYTES (1u << 20)

enum setting_type {
	SETTING_NUMBER,		/* unsigned */
	SETTING_SIZE,		/* size_t; also "64MiB" */
	SETTING_STRING,		/* char * */
	SETTING_LEVEL,		/* int: index in levels */
};

struct setting {
	const char *name;
	enum setting_type type;
	size_t offset;
	uint64_t min, max;
	const char *dflt;
	const char *doc;
};

static const char *const levels[] = {
	[LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

#define ROW(field, type, min, max, dflt, doc) { #field, type, offsetof(struct settings, field), min, max, dflt, doc }

static const struct setting table[] = {
	ROW(workers, SETTING_NUMBER, 1, 1024, "32",
	    "Worker processes that make and change objects of the kernel at the same time, started when there is work for them."),
	ROW(removers, SETTING_NUMBER, 1, 1024, "64",
	    "The same for removing them, beside those. Removals wait for the kernel and not for a processor, so many at a time make sense."),
	ROW(readers, SETTING_NUMBER, 1, 64, "2",
	    "Worker processes that are kept for reading, so that looking never waits for a change."),
	ROW(bridge_queue, SETTING_NUMBER, 1, 1024, "128",
	    "Commands that the disk of a bridge takes at the same time (can_queue of tcm_loop). The kernel keeps memory for all of them: about "
	    "2 MiB a bridge for 1024. It counts for bridges, and loopback targets of anybody, that are made from then on."),
	ROW(expedite, SETTING_NUMBER, 0, 100000, "8",
	    "While so many removals from the SCSI target are to be made, the grace periods of the kernel's RCU are expedited "
	    "(/sys/kernel/rcu_expedited, which counts for the whole machine); without that they wait for each other. 0: never."),
	ROW(stuck_seconds, SETTING_NUMBER, 1, 3600, "10",
	    "A worker that has been in one kernel call for so many seconds counts as stuck: it is reported, and replaced by "
	    "another one."),
	ROW(stuck_max, SETTING_NUMBER, 0, 1024, "256",
	    "Workers beyond workers, and as many beyond removers: in the place of stuck ones, and for jobs that would have to wait "
	    "until another job gives one back. When there are so many, what comes waits."),
	ROW(generations_kept, SETTING_NUMBER, 1, 10000, "30",
	    "Earlier states that are kept for nvmetctl rollback. The oldest goes when a new one is kept."),
	ROW(generation_interval, SETTING_NUMBER, 0, 31536000, "3600",
	    "A state is kept when something is committed and the last one that was kept is so many seconds old. 0 keeps one at "
	    "every commit. nvmetctl save keeps one at any time."),
	ROW(journal_fold_bytes, SETTING_SIZE, 4096, 256u << 20, "1MiB",
	    "The journal of commits is folded into the snapshot when it is larger than this and larger than the snapshot, when its "
	    "disk is full, and when the daemon stops."),
	ROW(kernel, SETTING_STRING, 1, 4096, "configfs",
	    "Which kernel is configured. \"configfs\" is the running one; anything else is for tests."),
	ROW(log_level, SETTING_LEVEL, LOG_ERR, LOG_DEBUG, "info",
	    "The least important messages that go to the system's journal."),
	ROW(job_history, SETTING_NUMBER, 1, 10000, "100",
	    "Ended jobs that nvmetctl jobs still shows."),
	ROW(max_document_bytes, SETTING_SIZE, 4096, JSON_MAX_BYTES, "16MiB",
	    "The largest document that is taken from a client."),
	ROW(queue_per_client, SETTING_NUMBER, 1, 10000, "64",
	    "Requests that one client may have running or waiting; more are refused until one has ended."),
};

static void *field_of(struct settings *s, const struct setting *row)
{
	return (char *)s + row->offset;
}

/* ---- values ---- */

/* What it takes, in words. */
static char *describe(const struct setting *row)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	switch (row->type) {
	case SETTING_NUMBER:
		strbuf_addf(&b, "a number from %" PRIu64 " to %" PRIu64, row->min, row->max);
		break;
	case SETTING_SIZE: {
		_cleanup_free_ char *min = text_from_size(row->min), *max = text_from_size(row->max);

		strbuf_addf(&b, "a size from %s to %s", min ? min : "?", max ? max : "?");
		break;
	}
	case SETTING_STRING:
		strbuf_addf(&b, "a text in quotes");
		break;
	case SETTING_LEVEL:
		strbuf_add(&b, "one of");
		for (uint64_t i = row->min; i <= row->max; i++)
			strbuf_addf(&b, "%s \"%s\"", i > row->min ? "," : "", levels[i]);
	}
	return strbuf_steal(&b);
}

static int in_range(const struct setting *row, uint64_t v)
{
	return v < row->min || v > row->max ? -ERANGE : 0;
}

static int set_number(struct settings *s, const struct setting *row, uint64_t v)
{
	if (in_range(row, v) < 0)
		return -ERANGE;
	if (row->type == SETTING_SIZE)
		*(size_t *)field_of(s, row) = (size_t)v;
	else
		*(unsigned *)field_of(s, row) = (unsigned)v;
	return 0;
}

static int set_level(struct settings *s, const struct setting *row, const char *text)
{
	for (uint64_t i = row->min; i <= row->max; i++) {
		if (streq(levels[i], text)) {
			*(int *)field_of(s, row) = (int)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_string(struct settings *s, const struct setting *row, const char *text)
{
	char **field = field_of(s, row), *copy;

	if (in_range(row, strlen(text)) < 0)
		return -EINVAL;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* A value in quotes. */
static int set_text(struct settings *s, const struct setting *row, const char *text)
{
	uint64_t v;
	int r;

	switch (row->type) {
	case SETTING_NUMBER:
		break;
	case SETTING_SIZE:
		r = text_to_size(text, &v);
		return r < 0 ? r : set_number(s, row, v);
	case SETTING_STRING:
		return set_string(s, row, text);
	case SETTING_LEVEL:
		return set_level(s, row, text);
	}
	return -EINVAL;
}

static int set_default(struct settings *s, const struct setting *row)
{
	uint64_t v;

	if (row->type != SETTING_NUMBER)
		return set_text(s, row, row->dflt);
	return text_to_u64(row->dflt, &v) < 0 ? -EINVAL : set_number(s, row, v);
}

int settings_defaults(struct settings *ret)
{
	struct settings s = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int r = set_default(&s, &table[i]);

		if (r < 0) {
			settings_done(&s);
			return r;
		}
	}
	*ret = s;
	return 0;
}

void settings_done(struct settings *s)
{
	free(s->kernel);
	*s = (struct settings){ 0 };
}

/* ---- the text before libconfig sees it ---- */

struct marker {
	const char *at;
	unsigned line;
	const char *problem;	/* what is refused, at line */
	struct strbuf out;
};

static void copy_one(struct marker *m)
{
	m->line += *m->at == '\n';
	strbuf_add_mem(&m->out, m->at++, 1);
}

/* libconfig drops without a word what stands behind a quote or a comment that has no end. */
static void copy_string(struct marker *m)
{
	unsigned line = m->line;

	do {
		if (*m->at == '\\' && m->at[1])
			copy_one(m);
		copy_one(m);
	} while (*m->at && *m->at != '"');
	if (*m->at) {
		copy_one(m);
		return;
	}
	m->problem = "the quote that begins here has no end";
	m->line = line;
}

/* As blanks, but for the newlines. */
static void copy_comment(struct marker *m, const char *end)
{
	const char *stop = strstr(m->at + strlen(end), end);

	if (!stop && *end != '\n') {
		m->problem = "the comment that begins here has no end";
		return;
	}
	stop = stop ? stop + (*end == '\n' ? 0 : strlen(end)) : m->at + strlen(m->at);
	for (; m->at < stop; m->at++) {
		m->line += *m->at == '\n';
		strbuf_add(&m->out, *m->at == '\n' ? "\n" : " ");
	}
}

static void copy_name(struct marker *m)
{
	while (isalnum((unsigned char)*m->at) || (*m->at && strchr("_-*", *m->at)))
		copy_one(m);
}

static void copy_number(struct marker *m)
{
	bool hex = m->at[0] == '0' && (m->at[1] | 0x20) == 'x';

	if (hex) {
		copy_one(m);
		copy_one(m);
	}
	while (hex ? isxdigit((unsigned char)*m->at) : isdigit((unsigned char)*m->at))
		copy_one(m);
	/* A fraction stays one; no setting takes it, which is found by its type. */
	if (*m->at != '.' && !isalpha((unsigned char)*m->at))
		strbuf_add(&m->out, "L");
	copy_name(m);
}

static void copy_fraction(struct marker *m)
{
	do
		copy_one(m);
	while (isdigit((unsigned char)*m->at));
}

static int mark_numbers(const char *text, struct marker *ret)
{
	struct marker m = { .at = text, .line = 1 };

	while (*m.at && !m.problem) {
		if (*m.at == '@')
			m.problem = "'@' has no meaning here; other files cannot be included";
		else if (*m.at == '"')
			copy_string(&m);
		else if (*m.at == '#' || strncmp(m.at, "//", 2) == 0)
			copy_comment(&m, "\n");
		else if (strncmp(m.at, "/*", 2) == 0)
			copy_comment(&m, "*/");
		else if (isalpha((unsigned char)*m.at))
			copy_name(&m);
		else if (isdigit((unsigned char)*m.at))
			copy_number(&m);
		else if (*m.at == '.')
			copy_fraction(&m);
		else
			copy_one(&m);
	}
	*ret = m;
	if (m.out.failed)
		return -ENOMEM;
	return m.problem ? -EINVAL : 0;
}

/* ---- reading ---- */

static const struct setting *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (streq(table[i].name, name))
			return &table[i];
	return NULL;
}

static int unknown(const char *place, const char *name, struct cfg_errors *errs)
{
	_cleanup_strbuf_ struct strbuf names = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		strbuf_addf(&names, "%s%s", i ? ", " : "", table[i].name);
	return cfg_errors_add(errs, EINVAL, NULL, NULL, place, "there is no setting \"%s\"; there are %s", name,
			      names.s ? names.s : "");
}

static int set_from(struct settings *s, const struct setting *row, const config_setting_t *from)
{
	switch (config_setting_type(from)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		if (row->type != SETTING_NUMBER && row->type != SETTING_SIZE)
			return -EINVAL;
		return config_setting_get_int64(from) < 0 ? -ERANGE : set_number(s, row, (uint64_t)config_setting_get_int64(from));
	case CONFIG_TYPE_STRING:
		return set_text(s, row, config_setting_get_string(from));
	default:
		return -EINVAL;
	}
}

static int read_one(const char *path, struct settings *s, const config_setting_t *from, struct cfg_errors *errs)
{
	_cleanup_free_ char *place = strf("%s:%u", path, (unsigned)config_setting_source_line(from)), *takes = NULL;
	const struct setting *row = find(config_setting_name(from));
	int r;

	if (!row)
		return unknown(place, config_setting_name(from), errs);
	r = set_from(s, row, from);
	if (r >= 0)
		return 0;
	takes = describe(row);
	return cfg_errors_add(errs, r == -ENOMEM ? ENOMEM : EINVAL, NULL, row->name, place, "must be %s",
			      takes ? takes : "another value");
}

static int read_all(const char *path, const config_t *config, struct settings *s, struct cfg_errors *errs)
{
	const config_setting_t *root = config_root_setting(config);
	int r = 0;

	for (int i = 0; i < config_setting_length(root); i++) {
		int k = read_one(path, s, config_setting_get_elem(root, (unsigned)i), errs);

		if (k < 0)
			r = k;
	}
	return r;
}

static int parse(const char *path, const char *text, struct settings *s, struct cfg_errors *errs)
{
	_cleanup_free_ char *place = NULL, *marked = NULL;
	struct marker m;
	config_t config;
	int r = mark_numbers(text, &m);

	marked = strbuf_steal(&m.out);
	if (r < 0) {
		place = strf("%s:%u", path, m.line);
		return cfg_errors_add(errs, -r, NULL, NULL, place, "%s", m.problem ? m.problem : "out of memory");
	}
	config_init(&config);
	if (config_read_string(&config, marked)) {
		r = read_all(path, &config, s, errs);
	} else {
		place = strf("%s:%d", path, config_error_line(&config));
		r = cfg_errors_add(errs, EINVAL, NULL, NULL, place, "%s", config_error_text(&config));
	}
	config_destroy(&config);
	return r;
}

int settings_load(const char *path, struct settings *ret, struct cfg_errors *errs)
{
	_cleanup_(settings_done) struct settings s = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = settings_defaults(&s);

	if (r < 0)
		return cfg_errors_add(errs, -r, NULL, NULL, NULL, "the default settings cannot be set: %s", strerror(-r));
	r = file_read(path, SETTINGS_MAX_BYTES, &text, &len, &err);
	if (r < 0 && r != -ENOENT)
		return cfg_errors_take(errs, &err);
	if (text && strlen(text) != len)
		return cfg_errors_add(errs, EINVAL, NULL, NULL, path, "holds a NUL byte");
	if (text)
		r = parse(path, text, &s, errs);
	else
		r = 0;
	if (r < 0)
		return r;
	*ret = s;
	s = (struct settings){ 0 };
	return 0;
}

/* ---- writing ---- */

static void print_wrapped(FILE *f, const char *prefix, const char *text, size_t width)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column && column + 1 + word > width) {
			fputc('\n', f);
			column = 0;
		}
		column += (size_t)fprintf(f, "%s%.*s", column ? " " : prefix, (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', f);
}

static bool is_quoted(const struct setting *row)
{
	/* A size with a unit is a text to libconfig. */
	return row->type != SETTING_NUMBER;
}

void settings_print(FILE *f)
{
	fputs("# Settings of nvmetd, see nvmetd.conf(5). What stands here is the default. They are read when the daemon starts.\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct setting *row = &table[i];
		const char *quote = is_quoted(row) ? "\"" : "";
		_cleanup_free_ char *takes = describe(row), *text = strf("%s Takes %s.", row->doc, takes ? takes : "");

		fputc('\n', f);
		print_wrapped(f, "# ", text ? text : row->doc, 98);
		fprintf(f, "#%s = %s%s%s;\n", row->name, quote, row->dflt, quote);
	}
}

void settings_print_manual(FILE *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct setting *row = &table[i];
		const char *quote = is_quoted(row) ? "\"" : "";
		_cleanup_free_ char *takes = describe(row);

		fprintf(f, "*%s*\n", row->name);
		print_wrapped(f, "\t", row->doc, 100);
		fprintf(f, "\tTakes %s. Default: %s%s%s.\n\n", takes ? takes : "", quote, row->dflt, quote);
	}
}
