/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of registrations (drivers/target/target_core_pr.c, core_scsi3_update_aptpl_buf): for each a block of NAME=VALUE lines between
 * "PR_REG_START: N" and "PR_REG_END: N". It is rewritten in place, so that a crash leaves it short: such a file is refused rather than half
 * restored.
 *
 * The kernel takes one registration a write, as a list with commas, and reads numbers by their prefix: its own "res_type=08" would be bad octal.
 * So all numbers are written anew.
 */
#include "kernel/aptpl.h"

#include <errno.h>

#include "base/text.h"

#define WRITE_MAX 4095		/* of one write to configfs */
#define LISTED_MAX 4096		/* what the kernel lists of registrations ends at whole lines before this */
#define LINE_MAX_LISTED 512	/* no line of that is longer */

#define TYPE_ALL_REGISTRANTS 7	/* SPC-4: Write Exclusive; 8 is Exclusive Access */

enum field {
	FIELD_INITIATOR_FABRIC,
	FIELD_INITIATOR_NODE,
	FIELD_INITIATOR_SID,
	FIELD_KEY,
	FIELD_HOLDER,
	FIELD_TYPE,
	FIELD_SCOPE,
	FIELD_ALL_TG_PT,
	FIELD_MAPPED_LUN,
	FIELD_TARGET_FABRIC,
	FIELD_TARGET_NODE,
	FIELD_TPGT,
	FIELD_RTPI,
	FIELD_TARGET_LUN,
	FIELD_MAX
};

static const struct {
	const char *name;
	unsigned base;		/* 0: text */
	bool optional;
} fields[] = {
	[FIELD_INITIATOR_FABRIC] = { "initiator_fabric" },
	[FIELD_INITIATOR_NODE] = { "initiator_node" },
	[FIELD_INITIATOR_SID] = { "initiator_sid", .optional = true },
	[FIELD_KEY] = { "sa_res_key", 10 },
	[FIELD_HOLDER] = { "res_holder", 10 },
	[FIELD_TYPE] = { "res_type", 16, .optional = true },
	[FIELD_SCOPE] = { "res_scope", 16, .optional = true },
	[FIELD_ALL_TG_PT] = { "res_all_tg_pt", 10 },
	[FIELD_MAPPED_LUN] = { "mapped_lun", 10 },
	[FIELD_TARGET_FABRIC] = { "target_fabric" },
	[FIELD_TARGET_NODE] = { "target_node" },
	[FIELD_TPGT] = { "tpgt", 10 },
	[FIELD_RTPI] = { "port_rtpi", 10 },
	[FIELD_TARGET_LUN] = { "target_lun", 10 },
};
_Static_assert(ARRAY_SIZE(fields) == FIELD_MAX, "each field has a name");

struct parser {
	const char *file;
	struct cfg_error *err;
	char *at;		/* the next line */
	unsigned line;
	const char *value[FIELD_MAX];	/* of the block that is open */
	uint64_t number[FIELD_MAX];
};

__attribute__((format(printf, 2, 3)))
static int damaged(const struct parser *p, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return cfg_error_set(p->err, EINVAL, "%s:%u: %s", p->file, p->line, what);
}

/* Without its newline; NULL at the end. */
static char *next_line(struct parser *p)
{
	char *line = p->at, *end = line + strcspn(line, "\n");

	if (!*line)
		return NULL;
	p->line++;
	p->at = end + (*end == '\n');
	*end = 0;
	return line;
}

/* Digits of the base and nothing else; leading zeroes mean nothing. */
static int read_number(const char *s, unsigned base, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		const char *d = memchr(digits, *s, base);

		if (!d || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, (uint64_t)(d - digits), &v))
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int take_field(struct parser *p, char *line)
{
	char *value = strchr(line, '=');
	size_t i = 0;

	if (!value)
		return damaged(p, "\"%.40s\" is no line of a registration", line);
	*value++ = 0;
	while (i < FIELD_MAX && !streq(fields[i].name, line))
		i++;
	if (i == FIELD_MAX)
		return damaged(p, "\"%.40s\" is not known of a registration", line);
	if (p->value[i])
		return damaged(p, "%s stands there twice", line);
	if (fields[i].base && read_number(value, fields[i].base, &p->number[i]) < 0)
		return damaged(p, "%s is no number", line);
	if (!*value)
		return damaged(p, "%s is empty", line);
	/* It would end the value, and what stands behind it would be taken for something else. */
	if (strchr(value, ','))
		return damaged(p, "%s has a comma, with which the kernel cannot take it", line);
	p->value[i] = value;
	return 0;
}

static int check_fields(struct parser *p)
{
	for (size_t i = 0; i < FIELD_MAX; i++)
		if (!fields[i].optional && !p->value[i])
			return damaged(p, "%s is missing", fields[i].name);
	if (!p->number[FIELD_KEY])
		return damaged(p, "sa_res_key is 0");
	if (p->number[FIELD_HOLDER] > 1 || p->number[FIELD_ALL_TG_PT] > 1)
		return damaged(p, "res_holder and res_all_tg_pt are 0 or 1");
	if (p->number[FIELD_HOLDER] && (!p->value[FIELD_SCOPE] || !p->number[FIELD_TYPE]))
		return damaged(p, "the holder's res_type or res_scope is missing");
	return 0;
}

static char *restore_text(const struct parser *p)
{
	struct strbuf b = { 0 };

	for (size_t i = 0; i < FIELD_MAX; i++) {
		if (!p->value[i])
			continue;
		strbuf_addf(&b, "%s%s=", b.len ? "," : "", fields[i].name);
		if (fields[i].base)
			strbuf_addf(&b, "%llu", (unsigned long long)p->number[i]);
		else
			strbuf_add(&b, p->value[i]);
	}
	return strbuf_steal(&b);
}

static void registration_done(struct aptpl_registration *r)
{
	free(r->fabric);
	free(r->node);
	free(r->sid);
	free(r->target);
	free(r->restore);
}

static int copy_registration(const struct parser *p, struct aptpl_registration *ret)
{
	const char *sid = p->value[FIELD_INITIATOR_SID];

	*ret = (struct aptpl_registration){
		.fabric = strdup(p->value[FIELD_INITIATOR_FABRIC]),
		.node = strdup(p->value[FIELD_INITIATOR_NODE]),
		.sid = sid ? strdup(sid) : NULL,
		.target = strdup(p->value[FIELD_TARGET_NODE]),
		.tpgt = p->number[FIELD_TPGT],
		.mapped_lun = p->number[FIELD_MAPPED_LUN],
		.key = p->number[FIELD_KEY],
		.holder = p->number[FIELD_HOLDER],
		.shared = p->number[FIELD_TYPE] >= TYPE_ALL_REGISTRANTS,
		.restore = restore_text(p),
	};
	return ret->fabric && ret->node && (ret->sid || !sid) && ret->target && ret->restore ? 0 : -ENOMEM;
}

static int add_registration(struct parser *p, struct aptpl *a)
{
	struct aptpl_registration *items;
	int r = check_fields(p);

	if (r < 0)
		return r;
	items = reallocarray(a->items, a->n + 1, sizeof(*items));
	if (!items)
		return cfg_error_oom(p->err);
	a->items = items;
	r = copy_registration(p, &a->items[a->n++]);
	if (r < 0)
		return cfg_error_oom(p->err);
	if (strlen(a->items[a->n - 1].restore) > WRITE_MAX)
		return damaged(p, "the registration is longer than the kernel takes");
	return 0;
}

static bool is_mark(const char *line, const char *mark, uint64_t n)
{
	uint64_t number;

	return strncmp(line, mark, strlen(mark)) == 0 && read_number(line + strlen(mark), 10, &number) >= 0 && number == n;
}

/* From behind its first line to its last. */
static int parse_block(struct parser *p, struct aptpl *a)
{
	char *line;
	int r;

	memset(p->value, 0, sizeof(p->value));
	memset(p->number, 0, sizeof(p->number));
	while ((line = next_line(p))) {
		if (is_mark(line, "PR_REG_END: ", a->n))
			return add_registration(p, a);
		r = take_field(p, line);
		if (r < 0)
			return r;
	}
	return damaged(p, "the file ends within a registration");
}

static int parse_blocks(struct parser *p, struct aptpl *a)
{
	char *line;
	int r = 0;

	while (r >= 0 && (line = next_line(p)))
		r = is_mark(line, "PR_REG_START: ", a->n) ? parse_block(p, a) :
							    damaged(p, "\"PR_REG_START: %zu\" was expected", a->n);
	return r;
}

int aptpl_parse(const char *text, size_t len, const char *file, struct aptpl *ret, struct cfg_error *err)
{
	_cleanup_free_ char *copy = strndup(text, len);
	struct parser p = { .file = file, .err = err, .at = copy, .line = 0 };
	struct aptpl a = { 0 };
	int r;

	if (!copy)
		return cfg_error_oom(err);
	/* The kernel ends the file with a NUL; one elsewhere is what a crash leaves. */
	if (strlen(copy) + 1 < len || !*copy)
		return cfg_error_set(err, EINVAL, "%s: %s", file, *copy ? "holds a NUL" : "is empty, as a crash leaves it");
	if (streq(copy, "No Registrations or Reservations") || streq(copy, "No Registrations or Reservations\n")) {
		*ret = a;
		return 0;
	}
	r = parse_blocks(&p, &a);
	if (r < 0)
		aptpl_done(&a);
	else
		*ret = a;
	return r;
}

void aptpl_done(struct aptpl *a)
{
	for (size_t i = 0; i < a->n; i++)
		registration_done(&a->items[i]);
	free(a->items);
	*a = (struct aptpl){ 0 };
}

/* ---- are they in force? ---- */

static bool has_line(const char *text, const char *beginning)
{
	size_t n = strlen(beginning);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, beginning, n) == 0)
			return true;
	return false;
}

/* "iqn…" or "iqn…,i,0xSID" */
static char *initiator(const struct aptpl_registration *r)
{
	return r->sid ? strf("%s,i,0x%s", r->node, r->sid) : strdup(r->node);
}

int aptpl_check(const struct aptpl_registration *r, const char *registered, const char *holder, struct cfg_error *err)
{
	_cleanup_free_ char *who = initiator(r), *line = NULL, *held = NULL;

	if (who) {
		line = strf("%s Node: %s Key: 0x%016llx ", r->fabric, who, (unsigned long long)r->key);
		held = r->shared ? strdup("SPC-3 Reservation: ") : strf("SPC-3 Reservation: %s Initiator: %s\n", r->fabric, who);
	}
	if (!line || !held)
		return cfg_error_oom(err);
	/* The list ends before a page: what does not fit is not there to be seen. */
	if (!has_line(registered, line) && strlen(registered) < LISTED_MAX - LINE_MAX_LISTED)
		return cfg_error_set(err, EUNATCH, "the registration of %s %s with key 0x%llx is not in force", r->fabric, who,
				     (unsigned long long)r->key);
	if (r->holder && !has_line(holder, held))
		return cfg_error_set(err, EUNATCH, "the reservation of %s %s is not in force", r->fabric, who);
	return 0;
}
