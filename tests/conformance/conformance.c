/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance [OPTION…] SPEC SCRIPT [EXPECTED]: makes the calls of SCRIPT through the kfs seam, to a real kernel or the fake one, and
 * writes down what each came to: its errno, or what was read. Without EXPECTED that is printed, which is how the files of expected
 * results were made, from real kernels. With EXPECTED it is compared, and the comparison printed as TAP, a test for each rule.
 *
 *	--root nvmet|target	what paths of the script are below; those that begin with the other one's name are not. nvmet if not given
 *	--set NAME=PATH		$NAME in the script stands for PATH, in what is read as well
 *	--host COMMAND		run for lines "host WORD…", with the words; prints what the call came to
 *
 * A script is a list of rules. A rule is a line "# SENTENCE" and the calls that show it, one a line; it begins and ends with
 * empty targets. Values and names may hold \n, \t, \0, \\, \xNN and {TEXT*N}, which is TEXT N times.
 *
 *	mkdir P, rmdir P, list P, unlink P, readlink P
 *	link P TARGET
 *	write P TEXT		with a newline behind it, as echo does
 *	put P TEXT		as it is
 *	read P			and, of what differs from machine to machine,
 *	shape P			with an x for each hexadecimal digit
 *	firmware P		whether it is the beginning of the kernel's release
 *	probe FLAGS FILE, create SIZE FILE, grow SIZE FILE, remove FILE	(0, 1: direct, 2: exclusive, 3: both)
 *	module NAME
 *	disk TPGT LUN		the size and block size of the disk that comes; or why none does
 *	disk-path P TPGT	writes the path of the disk of LUN 0
 *	rescan TPGT LUN
 *	hctl FILE		whether it has a SCSI address
 *	dbroot-mkdir NAME, dbroot-read NAME
 *	host WORD…
 *	again N CALL		CALL for # = 1 to N in it; tells how often each result was seen
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "base/text.h"
#include "kernel/kfs.h"

struct conformance {
	struct kfs *kfs;
	const char *root, *other;	/* "nvmet" and "target", or the other way round */
	char **names, **paths;		/* of --set, side by side */
	const char *host;
	char *release;
};

struct rule {
	char *title;
	char **lines;		/* calls, or in what is expected calls and results */
};

struct rules {
	struct rule *items;
	size_t n;
};

__attribute__((noreturn, format(printf, 1, 2)))
static void give_up(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("Bail out! ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	exit(1);
}

static void *must(void *p)
{
	if (!p)
		give_up("out of memory");
	return p;
}

static void append(char ***list, const char *s)
{
	if (strv_append(list, s) < 0)
		must(NULL);
}

/* ---- scripts ---- */

static void rules_load(const char *path, struct rules *ret)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f)
		give_up("%s: %s", path, strerror(errno));
	while ((n = getline(&line, &size, f)) >= 0) {
		if (n && line[n - 1] == '\n')
			line[n - 1] = 0;
		if (strncmp(line, "# ", 2) == 0) {
			ret->items = must(reallocarray(ret->items, ret->n + 1, sizeof(*ret->items)));
			ret->items[ret->n++] = (struct rule){ .title = must(strdup(line + 2)) };
		} else if (*line && strncmp(line, "##", 2) != 0) {
			if (!ret->n)
				give_up("%s: \"%s\" stands before the first rule", path, line);
			append(&ret->items[ret->n - 1].lines, line);
		}
	}
}

static void rules_done(struct rules *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->items[i].title);
		strv_free(r->items[i].lines);
	}
	free(r->items);
}

static const struct rule *rules_find(const struct rules *r, const char *title)
{
	for (size_t i = 0; i < r->n; i++)
		if (streq(r->items[i].title, title))
			return &r->items[i];
	return NULL;
}

static unsigned hex(const char *s)
{
	unsigned n = 0;

	sscanf(s, "%2x", &n);
	return n;
}

/* What a word of the script stands for. */
static void expand(const struct conformance *c, const char *s, struct strbuf *ret)
{
	for (; *s; s++) {
		const char *star = *s == '{' ? strchr(s, '*') : NULL;
		const char *end = star ? strchr(star, '}') : NULL;

		if (*s == '\\' && s[1] == 'x') {
			char byte = (char)hex(s + 2);

			strbuf_add_mem(ret, &byte, 1);
			s += 3;
		} else if (*s == '\\') {
			char byte = *++s == 'n' ? '\n' : *s == 't' ? '\t' : *s == '0' ? 0 : *s;

			strbuf_add_mem(ret, &byte, 1);
		} else if (end) {
			for (int i = atoi(star + 1); i > 0; i--)
				strbuf_add_mem(ret, s + 1, (size_t)(star - s - 1));
			s = end;
		} else if (*s == '$') {
			size_t n = strspn(s + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), i = 0;

			while (c->names && c->names[i] && (strlen(c->names[i]) != n || strncmp(c->names[i], s + 1, n) != 0))
				i++;
			if (!c->names || !c->names[i])
				give_up("%s is not set", s);
			strbuf_add(ret, c->paths[i]);
			s += n;
		} else {
			strbuf_add_mem(ret, s, 1);
		}
	}
	if (ret->failed)
		must(NULL);
}

static char *expand_path(const struct conformance *c, const char *s)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	size_t n = strlen(c->other);

	expand(c, s, &b);
	if (!b.s)
		return must(strdup(c->root));
	if (*b.s == '/' || (strncmp(b.s, c->other, n) == 0 && (b.s[n] == '/' || !b.s[n])))
		return must(strdup(b.s));
	return must(strf("%s/%s", c->root, b.s));
}

/* ---- results ---- */

static const char *error_name(int r)
{
	static char number[32];

	if (r >= 0)
		return "0";
	if (r == -524)
		return "ENOTSUPP";
	if (strerrorname_np(-r))
		return strerrorname_np(-r);
	snprintf(number, sizeof(number), "%d", r);
	return number;
}

/* As it was in the script: with the names of paths, and no byte that cannot be seen. */
static void unexpand(const struct conformance *c, const char *s, size_t n, struct strbuf *ret)
{
	const char *end = s + n;

	while (s < end) {
		size_t i = 0, len = 0;

		for (; c->paths && c->paths[i]; i++) {
			len = strlen(c->paths[i]);
			if (strncmp(s, c->paths[i], len) == 0)
				break;
		}
		if (c->paths && c->paths[i]) {
			strbuf_addf(ret, "$%s", c->names[i]);
			s += len;
			continue;
		}
		if (*s == '\n')
			strbuf_add(ret, "\\n");
		else if (*s == '\\' || !isprint((unsigned char)*s))
			strbuf_addf(ret, *s == '\\' ? "\\\\" : "\\x%02x", (unsigned char)*s);
		else
			strbuf_add_mem(ret, s, 1);
		s++;
	}
}

static void quote(const struct conformance *c, const char *s, size_t n, struct strbuf *ret)
{
	strbuf_add(ret, "\"");
	unexpand(c, s, n, ret);
	strbuf_add(ret, "\"");
}

/* ---- calls ---- */

static int read_attr(const struct conformance *c, const char *verb, const char *path, struct strbuf *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = c->kfs->ops->read(c->kfs, path, &text, &len);

	if (r < 0)
		return r;
	if (streq(verb, "firmware")) {
		strbuf_add(ret, len == 9 && strncmp(text, c->release, 8) == 0 ? "the release" : "not the release");
		return 0;
	}
	for (char *s = text; *s && streq(verb, "shape"); s++)
		if (isxdigit((unsigned char)*s))
			*s = 'x';
	quote(c, text, len, ret);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return text_natural_cmp(((const struct kfs_entry *)a)->name, ((const struct kfs_entry *)b)->name);
}

static int list_folder(const struct conformance *c, const char *path, struct strbuf *ret)
{
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };
	int r = c->kfs->ops->list(c->kfs, path, &list);

	if (r < 0)
		return r;
	if (list.n)
		qsort(list.entries, list.n, sizeof(*list.entries), by_name);
	for (size_t i = 0; i < list.n; i++)
		strbuf_addf(ret, "%s%s%s", i ? " " : "", list.entries[i].name,
			    list.entries[i].type == KFS_DIR ? "/" : list.entries[i].type == KFS_LINK ? "@" : "");
	return 0;
}

static int read_link(const struct conformance *c, const char *path, struct strbuf *ret)
{
	_cleanup_free_ char *target = NULL;
	int r = c->kfs->ops->readlink(c->kfs, path, &target);

	if (r >= 0)
		quote(c, target, strlen(target), ret);
	return r;
}

/* Numbers of devices are the machine's; whether there are some is not. */
static int probe(const struct conformance *c, const char *file, unsigned flags, struct strbuf *ret)
{
	struct kfs_probe p;
	int r = c->kfs->ops->probe(c->kfs, file, flags, &p);

	if (r < 0)
		return r;
	strbuf_addf(ret, "%c %llu %u%s%s", p.type, (unsigned long long)p.size, p.logical_block_size, p.major ? " numbered" : "",
		    *p.holder ? " " : "");
	unexpand(c, p.holder, strlen(p.holder), ret);
	return 0;
}

static int ask_host(const struct conformance *c, const char *words, struct strbuf *ret)
{
	_cleanup_free_ char *line = must(strf("%s %s", c->host ? c->host : "false", words));
	FILE *f = popen(line, "re");
	char text[256] = "";
	int status;

	if (!f)
		return -errno;
	if (!fgets(text, sizeof(text), f))
		*text = 0;
	status = pclose(f);
	text[strcspn(text, "\n")] = 0;
	strbuf_addf(ret, "%s%s", text, status ? " (failed)" : "");
	return 0;
}

static int file_call(const struct conformance *c, const char *verb, uint64_t number, const char *file, struct strbuf *ret)
{
	const struct kfs_ops *ops = c->kfs->ops;

	switch (*verb) {
	case 'p':
		return probe(c, file, (unsigned)number, ret);
	case 'c':
		return ops->create_file(c->kfs, file, number);
	default:
		return ops->grow_file(c->kfs, file, number);
	}
}

/* ---- the SCSI side ---- */

/* The letter is the machine's; what nvmet would find is not. A disk of which nothing is seen is not waited for. */
static int find_disk(const struct conformance *c, const char *tpgt, const char *lun, char **ret)
{
	_cleanup_free_ char *path = must(strf("%s/lun/lun_%s", tpgt, lun));
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };
	bool linked = false;

	if (c->kfs->ops->list(c->kfs, path, &list) == 0)
		for (size_t i = 0; i < list.n; i++)
			linked = linked || list.entries[i].type == KFS_LINK;
	return linked ? c->kfs->ops->wait_disk(c->kfs, tpgt, (unsigned)atoi(lun), -1, ret) :
			c->kfs->ops->disk(c->kfs, tpgt, (unsigned)atoi(lun), ret);
}

static int show_disk(const struct conformance *c, const char *tpgt, const char *lun, struct strbuf *ret)
{
	_cleanup_free_ char *disk = NULL;
	int r = find_disk(c, tpgt, lun, &disk);

	return r < 0 ? r : probe(c, disk, 0, ret);
}

static int write_disk(const struct conformance *c, const char *path, const char *tpgt)
{
	_cleanup_free_ char *disk = NULL, *line = NULL;
	int r = find_disk(c, tpgt, "0", &disk);

	if (r < 0)
		return r;
	line = must(strf("%s\n", disk));
	return c->kfs->ops->write(c->kfs, path, line, strlen(line));
}

static int has_address(const struct conformance *c, const char *file, struct strbuf *ret)
{
	unsigned hctl[4];
	int r = c->kfs->ops->hctl(c->kfs, file, hctl);

	if (r >= 0)
		strbuf_add(ret, "some");
	return r;
}

static int read_below_dbroot(const struct conformance *c, const char *file, struct strbuf *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = c->kfs->ops->dbroot_read(c->kfs, file, &text, &len);

	if (r >= 0)
		quote(c, text, len, ret);
	return r;
}

static int write_attr(const struct conformance *c, const char *path, const char *value, bool newline)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	expand(c, value, &b);
	if (newline)
		strbuf_add(&b, "\n");
	return c->kfs->ops->write(c->kfs, path, b.s, b.len);
}

/* Words are separated by one blank; the last is the rest of the line. */
static int perform(const struct conformance *c, const char *call, struct strbuf *ret)
{
	_cleanup_free_ char *copy = must(strdup(call)), *path = NULL, *other = NULL;
	const struct kfs_ops *ops = c->kfs->ops;
	char *rest = copy, *verb = strsep(&rest, " "), *first, *last;
	uint64_t number;

	if (streq(verb, "host"))
		return ask_host(c, rest, ret);
	first = rest ? strsep(&rest, " ") : copy + strlen(call);
	last = rest ? rest : first + strlen(first);
	if (streq(verb, "module"))
		return ops->load_module(c->kfs, first);
	if (streq(verb, "dbroot-mkdir"))
		return ops->dbroot_mkdir(c->kfs, first);
	if (streq(verb, "dbroot-read"))
		return read_below_dbroot(c, first, ret);
	if (text_to_u64(first, &number) == 0 && rest) {
		path = expand_path(c, last);
		return file_call(c, verb, number, path, ret);
	}
	path = expand_path(c, first);
	if (streq(verb, "mkdir"))
		return ops->mkdir(c->kfs, path);
	if (streq(verb, "rmdir"))
		return ops->rmdir(c->kfs, path);
	if (streq(verb, "list"))
		return list_folder(c, path, ret);
	if (streq(verb, "unlink"))
		return ops->unlink(c->kfs, path);
	if (streq(verb, "readlink"))
		return read_link(c, path, ret);
	if (streq(verb, "remove"))
		return ops->remove_file(c->kfs, path);
	if (streq(verb, "disk"))
		return show_disk(c, path, last, ret);
	if (streq(verb, "rescan"))
		return ops->rescan(c->kfs, path, (unsigned)atoi(last));
	if (streq(verb, "hctl"))
		return has_address(c, path, ret);
	if (streq(verb, "disk-path")) {
		other = expand_path(c, last);
		return write_disk(c, path, other);
	}
	if (streq(verb, "link")) {
		other = expand_path(c, last);
		return ops->link(c->kfs, path, other);
	}
	if (streq(verb, "write") || streq(verb, "put"))
		return write_attr(c, path, last, *verb == 'w');
	if (streq(verb, "read") || streq(verb, "shape") || streq(verb, "firmware"))
		return read_attr(c, verb, path, ret);
	give_up("the script says \"%s\", which is no call", call);
}

/* "again 3 mkdir subsystems/s/namespaces/#" */
static void perform_again(const struct conformance *c, const char *line, struct strbuf *out)
{
	char *call;
	unsigned long n = strtoul(line, &call, 10), count = 0;
	const char *last = NULL;

	call++;
	for (unsigned long i = 1; i <= n; i++) {
		_cleanup_strbuf_ struct strbuf b = { 0 }, ignored = { 0 };
		const char *result;

		for (const char *s = call; *s; s++)
			if (*s == '#')
				strbuf_addf(&b, "%lu", i);
			else
				strbuf_add_mem(&b, s, 1);
		result = error_name(perform(c, must(b.s), &ignored));
		if (last && !streq(last, result)) {
			strbuf_addf(out, "%s%lu times %s", out->len ? ", " : "", count, last);
			count = 0;
		}
		last = result;
		count++;
	}
	strbuf_addf(out, "%s%lu times %s", out->len ? ", " : "", count, last);
}

/* "CALL = RESULT" */
static char *run_line(const struct conformance *c, const char *line)
{
	_cleanup_strbuf_ struct strbuf out = { 0 }, b = { 0 };
	int r = 0;

	if (strncmp(line, "again ", 6) == 0)
		perform_again(c, line + 6, &out);
	else
		r = perform(c, line, &out);
	strbuf_addf(&b, "%s = %s", line, r < 0 ? error_name(r) : out.len ? out.s : "0");
	return must(strbuf_steal(&b));
}

/* ---- an empty target ---- */

static void clean_path(const struct conformance *c, const char *path);

/* Takes away what was made in a folder; links first, since they keep what they lead to. */
static void clean_folder(const struct conformance *c, const char *path, char type)
{
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };

	if (c->kfs->ops->list(c->kfs, path, &list) < 0)
		return;
	for (size_t i = 0; i < list.n; i++) {
		_cleanup_free_ char *entry = must(strf("%s/%s", path, list.entries[i].name));

		if (list.entries[i].type != type)
			continue;
		if (type == KFS_LINK)
			c->kfs->ops->unlink(c->kfs, entry);
		else
			clean_path(c, entry);
	}
}

static void clean_path(const struct conformance *c, const char *path)
{
	static const char *const folders[] = { "namespaces", "referrals", "ana_groups", "subsystems", "allowed_hosts" };
	_cleanup_free_ char *enable = must(strf("%s/enable", path)), *passthru = must(strf("%s/passthru/enable", path));

	c->kfs->ops->write(c->kfs, enable, "0", 1);
	c->kfs->ops->write(c->kfs, passthru, "0", 1);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *folder = must(strf("%s/%s", path, folders[i]));

		clean_folder(c, folder, KFS_LINK);
		clean_folder(c, folder, KFS_DIR);
	}
	/* Refused for what goes with its item. */
	c->kfs->ops->rmdir(c->kfs, path);
}

static void clean_nvmet(const struct conformance *c)
{
	static const char *const folders[] = { "nvmet/ports", "nvmet/subsystems", "nvmet/hosts" };
	static const char discovery[] = "nqn.2014-08.org.nvmexpress.discovery";

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_(kfs_list_done) struct kfs_list list = { 0 };

		clean_folder(c, folders[i], KFS_DIR);
		if (c->kfs->ops->list(c->kfs, folders[i], &list) < 0)
			give_up("%s is not there", folders[i]);
		if (list.n)
			give_up("%s/%s cannot be taken away", folders[i], list.entries[0].name);
	}
	c->kfs->ops->write(c->kfs, "nvmet/discovery_nqn", discovery, strlen(discovery));
}

/* Takes away what was made below a folder of the SCSI target, or the links in it alone, which keep the rest. */
static void clean_below(const struct conformance *c, const char *path, bool links)
{
	static const char *const bare[] = { "statistics", "fabric_statistics", "attrib", "param", "auth", "wwn", "pr", "action" };
	_cleanup_(kfs_list_done) struct kfs_list list = { 0 };

	if (c->kfs->ops->list(c->kfs, path, &list) < 0)
		return;
	for (size_t i = 0; i < list.n; i++) {
		_cleanup_free_ char *entry = must(strf("%s/%s", path, list.entries[i].name));
		bool skip = false;

		for (size_t j = 0; j < ARRAY_SIZE(bare); j++)
			skip = skip || streq(list.entries[i].name, bare[j]);
		if (links && list.entries[i].type == KFS_LINK)
			c->kfs->ops->unlink(c->kfs, entry);
		if (skip || list.entries[i].type != KFS_DIR)
			continue;
		clean_below(c, entry, links);
		/* Refused for what goes with its item. */
		if (!links)
			c->kfs->ops->rmdir(c->kfs, entry);
	}
}

static void clean_target(const struct conformance *c)
{
	static const char dbroot[] = "/var/target\n";
	_cleanup_(kfs_list_done) struct kfs_list root = { 0 }, core = { 0 };

	clean_below(c, "target", true);
	clean_below(c, "target", false);
	if (c->kfs->ops->list(c->kfs, "target", &root) < 0 || c->kfs->ops->list(c->kfs, "target/core", &core) < 0)
		give_up("target is not there");
	for (size_t i = 0; i < root.n; i++)
		if (root.entries[i].type == KFS_DIR && !streq(root.entries[i].name, "core"))
			give_up("target/%s cannot be taken away", root.entries[i].name);
	for (size_t i = 0; i < core.n; i++)
		if (!streq(core.entries[i].name, "alua"))
			give_up("target/core/%s cannot be taken away", core.entries[i].name);
	c->kfs->ops->write(c->kfs, "target/dbroot", dbroot, strlen(dbroot));
}

static void clean(const struct conformance *c)
{
	clean_nvmet(c);
	if (streq(c->root, "target"))
		clean_target(c);
}

/* ---- all of it ---- */

static char **run_rule(const struct conformance *c, const struct rule *rule)
{
	char **results = NULL;

	for (char *const *line = rule->lines; line && *line; line++) {
		_cleanup_free_ char *result = run_line(c, *line);

		append(&results, result);
	}
	clean(c);
	return results;
}

/* The lines that differ, for people; returns whether there are none. */
static bool compare(const struct rule *expected, char *const *results, struct strbuf *ret)
{
	size_t n = strv_len(results), m = expected ? strv_len(expected->lines) : 0;

	for (size_t i = 0; i < n || i < m; i++) {
		const char *is = i < n ? results[i] : "(nothing)", *should = i < m ? expected->lines[i] : "(nothing)";

		if (!streq(is, should))
			strbuf_addf(ret, "# is:       %s\n# expected: %s\n", is, should);
	}
	return expected && !ret->len;
}

static bool test_all(const struct conformance *c, const struct rules *script, const struct rules *expected)
{
	bool good = script->n == expected->n;

	if (!good)
		give_up("there are %zu rules, and results of %zu are expected", script->n, expected->n);
	printf("1..%zu\n", script->n);
	for (size_t i = 0; i < script->n; i++) {
		_cleanup_strv_ char **results = run_rule(c, &script->items[i]);
		_cleanup_strbuf_ struct strbuf differences = { 0 };
		bool same = compare(rules_find(expected, script->items[i].title), results, &differences);

		printf("%s %zu - %s\n%s", same ? "ok" : "not ok", i + 1, script->items[i].title, differences.s ? differences.s : "");
		fflush(stdout);
		good = good && same;
	}
	return good;
}

static void record_all(const struct conformance *c, const struct rules *script)
{
	for (size_t i = 0; i < script->n; i++) {
		_cleanup_strv_ char **results = run_rule(c, &script->items[i]);

		printf("%s# %s\n", i ? "\n" : "", script->items[i].title);
		for (char **line = results; line && *line; line++)
			puts(*line);
		fflush(stdout);
	}
}

static void set(struct conformance *c, const char *word)
{
	const char *is = strchr(word, '=');
	_cleanup_free_ char *name = is ? must(strndup(word, (size_t)(is - word))) : NULL;

	if (!is)
		give_up("--set takes NAME=PATH");
	append(&c->names, name);
	append(&c->paths, is + 1);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' }, { "set", required_argument, NULL, 's' },
		{ "host", required_argument, NULL, 'h' }, { 0 },
	};
	struct rules script = { 0 }, expected = { 0 };
	struct conformance c = { .root = "nvmet" };
	bool good = true;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == '?')
			return 2;
		if (opt == 's')
			set(&c, optarg);
		else if (opt == 'r')
			c.root = optarg;
		else
			c.host = optarg;
	}
	c.other = streq(c.root, "nvmet") ? "target" : "nvmet";
	if (argc - optind < 2 || argc - optind > 3 || (!streq(c.root, "nvmet") && !streq(c.root, "target"))) {
		fputs("Usage: conformance [--root nvmet|target] [--set NAME=PATH]… [--host COMMAND] SPEC SCRIPT [EXPECTED]\n", stderr);
		return 2;
	}
	if (kfs_new(argv[optind], &c.kfs) < 0 || c.kfs->ops->release(c.kfs, &c.release) < 0)
		give_up("no kernel at %s", argv[optind]);
	rules_load(argv[optind + 1], &script);
	if (argc - optind == 3)
		rules_load(argv[optind + 2], &expected);
	if (c.kfs->ops->load_module(c.kfs, "nvmet") < 0)
		give_up("nvmet cannot be loaded");
	if (streq(c.root, "target") && c.kfs->ops->load_module(c.kfs, "target_core_mod") < 0)
		give_up("target_core_mod cannot be loaded");
	clean(&c);
	if (argc - optind == 3)
		good = test_all(&c, &script, &expected);
	else
		record_all(&c, &script);
	rules_done(&script);
	rules_done(&expected);
	strv_free(c.names);
	strv_free(c.paths);
	free(c.release);
	kfs_free(c.kfs);
	return !good;
}
