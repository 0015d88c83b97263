/* SPDX-License-Identifier: Apache-2.0 */
/* Changes from edits, and the values that are made with them. */
#include "tests/unit/change-help.h"

#include <errno.h>

/* ---- edits ---- */

/* An edit as typed: "create PATH a=b list+=c", "delete PATH", "delete! PATH" (recursive); values hold no blank. */
static void parse_edit(const char *text, struct edit *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *save = NULL, *word = strtok_r(copy, " ", &save);

	e->verb = streq(word, "create") ? EDIT_CREATE : streq(word, "set") ? EDIT_SET : EDIT_DELETE;
	e->recursive = streq(word, "delete!");
	e->path = strdup(strtok_r(NULL, " ", &save));
	e->place = strdup(text);
	while ((word = strtok_r(NULL, " ", &save))) {
		char *eq = strchr(word, '=');
		struct edit_attr *a;

		e->attrs = reallocarray(e->attrs, e->n_attrs + 1, sizeof(*e->attrs));
		a = &e->attrs[e->n_attrs++];
		a->op = eq[-1] == '+' ? EDIT_ADD : eq[-1] == '-' ? EDIT_SUB : EDIT_ASSIGN;
		a->name = strndup(word, (size_t)(eq - word) - (a->op != EDIT_ASSIGN));
		a->value = strdup(eq + 1);
		for (char *c = a->value; *c; c++)
			if (*c == '_')
				*c = ' ';
	}
}

static int run_edits(struct tree *t, const char *const *texts, struct changes *ret, struct cfg_errors *errs)
{
	_cleanup_edits_ struct edits e = { 0 };
	_cleanup_free_ char *before = tree_to_text(t), *after = NULL;
	size_t count = tree_count(t);
	int r;

	while (texts[e.n]) {
		e.items = reallocarray(e.items, e.n + 1, sizeof(*e.items));
		e.items[e.n] = (struct edit){ 0 };
		parse_edit(texts[e.n], &e.items[e.n]);
		e.n++;
	}
	r = edits_to_changes(t, &e, ret, errs);
	assert_int_equal(r < 0, errs->total > 0);
	/* The tree is left as it was, whatever came of it. */
	after = tree_to_text(t);
	assert_string_equal(before, after);
	assert_int_equal(count, tree_count(t));
	return r;
}

/* What the edits of the sample make of it, and that it can be done, undone and told to the journal. */
static void assert_edits(const char *const *texts, const char *expected)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree(), *original = tree_copy(t);
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	if (run_edits(t, texts, &c, &errs) < 0) {
		_cleanup_free_ char *problems = errors_to_text(&errs);

		fail_msg("%s", problems);
	}
	if (expected)
		assert_changes(&c, expected);
	check_order(t, &c);
	check_journal(t, &c);
	assert_int_equal(changes_apply(t, &c, NULL), 0);
	assert_int_equal(changes_revert(t, &c), 0);
	assert_trees_equal(t, original);
}

#define EDITS(...) (const char *const[]){ __VA_ARGS__, NULL }

static void test_edits(void **state)
{
	assert_edits(EDITS("set subsystems/" S1 " model=x serial=y"), NULL);
	assert_edits(EDITS("set ports/1 max_queue_size=64"), "~ports/1 max_queue_size=>64\n");
	assert_edits(EDITS("set ports/1 max_queue_size=64", "set ports/1 max_queue_size="), "");
	assert_edits(EDITS("set ports/1 treq=not_required"), "~ports/1 treq=>not required\n");
	assert_edits(EDITS("create subsystems/" S2 " allow_any_host=yes", "create subsystems/" S2 "/namespaces/7 backend=a",
			   "set ports/1 subsystems+=" S2),
		     "~ports/1 subsystems=" S1 ">" S1 " " S2 "\n+subsystems/" S2 "\n+subsystems/" S2 "/namespaces/7\n");
	/* Made and taken away again is nothing; taken away and made again what is different. */
	assert_edits(EDITS("create backends/c type=block device=/dev/vdc", "delete backends/c"), "");
	assert_edits(EDITS("delete! subsystems/" S1, "create subsystems/" S1 " serial=z"), NULL);
	assert_edits(EDITS("set nvmet discovery_nqn=nqn.2026-11.org.example:d"), "+nvmet\n");
}

#define TARGET "targets/iscsi/iqn.2026-11.org.example:t"
#define TPG TARGET "/tpgs/1"
#define ACL TPG "/acls/iqn.2026-11.org.example:i"

/* A fabric comes with its first target, or with what is said of it. */
static void test_fabrics_come_by_themselves(void **state)
{
	assert_edits(EDITS("create " TARGET), "+targets/iscsi\n+" TARGET "\n");
	assert_edits(EDITS("create " TARGET, "create targets/iscsi/iqn.2026-11.org.example:u"),
		     "+targets/iscsi\n+" TARGET "\n+targets/iscsi/iqn.2026-11.org.example:u\n");
	assert_edits(EDITS("set targets/iscsi enforce_discovery_auth=1"), "+targets/iscsi\n");
	assert_edits(EDITS("set target dbroot=/var/target"), "+target\n");
	assert_edits(EDITS("create " TARGET, "delete " TARGET, "delete targets/iscsi"), "");
}

/* What names an object that stands near it: mapped LUNs a LUN, LUNs an ALUA group. */
static void test_deleting_what_is_used_nearby(void **state)
{
	const char *const made[] = { "create " TARGET, "create " TPG, "create backends/c/alua_groups/far",
				     "create " TPG "/luns/0 backend=c alua_group=far", "create " TPG "/luns/1 backend=c", "create " ACL,
				     "create " ACL "/mapped_luns/0 lun=0", "create " ACL "/mapped_luns/1 lun=1",
				     "create " ACL "/mapped_luns/2 lun=0", NULL };
	static const struct { const char *edit, *expected; } cases[] = {
		{ "delete " TPG "/luns/0",
		  TPG "/luns/0: is used by " ACL "/mapped_luns/0, " ACL "/mapped_luns/2; --recursive takes them too" },
		{ "delete backends/c/alua_groups/far",
		  "backends/c/alua_groups/far: is used by " TPG "/luns/0; --recursive takes them too" },
		{ "delete! " TPG "/luns/0", "-" TPG "/luns/0\n-" ACL "/mapped_luns/2\n-" ACL "/mapped_luns/0\n" },
		{ "delete! backends/c/alua_groups/far", "-backends/c/alua_groups/far\n~" TPG "/luns/0 alua_group=far>\n" },
		{ "delete! backends/c",
		  "-" TPG "/luns/1\n-" TPG "/luns/0\n-" ACL "/mapped_luns/2\n-" ACL "/mapped_luns/1\n-" ACL "/mapped_luns/0\n"
		  "-backends/c/alua_groups/far\n-backends/c\n" },
		{ "delete! " TPG, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(tree_freep) struct tree *t = sample_tree();
		_cleanup_changes_ struct changes first = { 0 }, c = { 0 };
		_cleanup_errors_ struct cfg_errors errs = { 0 };
		_cleanup_free_ char *said = NULL;

		assert_int_equal(run_edits(t, EDITS("create backends/c type=block device=/dev/vdc"), &first, &errs), 0);
		assert_int_equal(changes_apply(t, &first, NULL), 0);
		changes_done(&first);
		assert_int_equal(run_edits(t, made, &first, &errs), 0);
		assert_int_equal(changes_apply(t, &first, NULL), 0);
		if (run_edits(t, EDITS(cases[i].edit), &c, &errs) < 0) {
			said = cfg_error_text(&errs.items[0]);
			assert_non_null(strstr(said, cases[i].expected));
			continue;
		}
		if (cases[i].expected)
			assert_changes(&c, cases[i].expected);
		check_order(t, &c);
		assert_int_equal(changes_apply(t, &c, NULL), 0);
		assert_int_equal(changes_revert(t, &c), 0);
	}
}

/* A backend goes on without the group that it was in. */
static void test_deleting_a_group_of_units(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree();
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	assert_int_equal(run_edits(t, EDITS("create lu_groups/g", "set backends/a lu_group=g"), &c, &errs), 0);
	assert_int_equal(changes_apply(t, &c, NULL), 0);
	changes_done(&c);
	assert_int_equal(run_edits(t, EDITS("delete! lu_groups/g"), &c, &errs), 0);
	assert_changes(&c, "-lu_groups/g\n~backends/a lu_group=g>\n");
}

static void test_edited_lists(void **state)
{
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts-=" H1),
		     "~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">" H2 "\n");
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts-=" H1 "," H2),
		     "~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">\n");
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts="), "~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">\n");
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts=" H2 "," H1), "");
	/* To add what is there is done already. */
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts+=" H2), "");
	/* An NQN may hold a comma. */
	assert_edits(EDITS("set subsystems/" S1 " allowed_hosts=nqn.2026-11.org.example:a,b," H1),
		     "~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">" H1 " nqn.2026-11.org.example:a,b\n");
}

static void test_edits_of_what_follows(void **state)
{
	assert_edits(EDITS("set ports/1 traddr=2001:db8::1"), "~ports/1 adrfam=ipv4>ipv6 traddr=192.0.2.1>2001:db8::1\n");
	assert_edits(EDITS("set ports/1 trtype=loop traddr="),
		     "~ports/1 trtype=tcp>loop adrfam=ipv4>loop traddr=192.0.2.1> trsvcid=4420>\n");
	assert_edits(EDITS("set ports/1 adrfam="), "");
	assert_edits(EDITS("set ports/1 trsvcid=4421", "set ports/1 trtype=rdma"),
		     "~ports/1 trtype=tcp>rdma trsvcid=4420>4421\n");
}

static void test_generated_on_creation(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree();
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	const struct object *o;

	assert_int_equal(run_edits(t, EDITS("create backends/c type=block device=/dev/vdc", "create subsystems/" S2,
					    "create ports/2 trtype=rdma traddr=2001:db8::2"), &c, &errs), 0);
	assert_int_equal(c.n, 3);
	o = c.items[0]->after;
	assert_int_equal(strlen(object_get(o, "uuid")), 36);
	assert_int_equal(object_get(o, "uuid")[14], '4');
	assert_non_null(object_get(o, "nguid"));
	assert_int_equal(strlen(object_get(c.items[2]->after, "serial")), 20);
	o = c.items[1]->after;
	assert_string_equal(object_get(o, "adrfam"), "ipv6");
	assert_string_equal(object_get(o, "trsvcid"), "4420");
}

static void test_deleting(void **state)
{
	assert_edits(EDITS("delete ports/1/referrals/r"), "-ports/1/referrals/r\n");
	assert_edits(EDITS("delete! ports/1"), "-ports/1/referrals/r\n-ports/1/ana_groups/2\n-ports/1\n");
	/* Who only names it goes on without it. */
	assert_edits(EDITS("delete! hosts/" H1), "-hosts/" H1 "\n~subsystems/" S1 " allowed_hosts=" H1 " " H2 ">" H2 "\n");
	/* Who cannot be without it goes with it. */
	assert_edits(EDITS("delete! backends/b"), "-subsystems/" S1 "/namespaces/2\n-backends/b\n");
	assert_edits(EDITS("delete! subsystems/" S1), "-subsystems/" S1 "/namespaces/2\n-subsystems/" S1 "/namespaces/1\n-subsystems/"
						      S1 "\n~ports/1 subsystems=" S1 ">\n");
	/* Edits later on the line see earlier ones. */
	assert_edits(EDITS("set ports/1 subsystems-=" S1, "delete subsystems/" S1 "/namespaces/1",
			   "delete subsystems/" S1 "/namespaces/2", "delete subsystems/" S1, "delete backends/a"),
		     NULL);
}

static const struct {
	const char *edit;
	int code;
	const char *message;	/* the whole line, behind the place */
} bad_edits[] = {
	{ "create backends/a", EEXIST, "backends/a: exists already; use set to change it" },
	{ "create subsystems/" S2 "/namespaces/1 backend=a", ENOENT,
	  "subsystems/" S2 "/namespaces/1: subsystems/" S2 ", which it would be below, does not exist" },
	{ "set backends/x device=/dev/vdc", ENOENT, "backends/x: does not exist; use create to make it" },
	{ "delete backends/x", ENOENT, "backends/x: does not exist" },
	{ "delete backends/a", EBUSY, "backends/a: is used by subsystems/" S1 "/namespaces/1; --recursive takes them too" },
	{ "delete ports/1", EBUSY, "ports/1: has below it ports/1/referrals/r, ports/1/ana_groups/2; --recursive takes them too" },
	{ "delete subsystems/" S1, EBUSY,
	  "subsystems/" S1 ": is used by ports/1 and has below it subsystems/" S1 "/namespaces/1, "
	  "subsystems/" S1 "/namespaces/2; --recursive takes them too" },
	{ "delete ports", EINVAL, "ports: a name is missing behind ports" },
	{ "set ports/01 traddr=x", EINVAL, "ports/01: \"01\" is no port id: write 1" },
	{ "set ports/1 addr=x", EINVAL,
	  "ports/1: a port has no attribute addr; it has: trtype, adrfam, traddr, trsvcid, tsas, treq, "
	  "inline_data_size, max_queue_size, mdts, pi_enable, subsystems" },
	{ "set ports/1 max_queue_size=x", EINVAL, "ports/1: max_queue_size: must be a number from -1 to 1024, not \"x\"" },
	{ "set ports/1 max_queue_size+=1", EINVAL, "ports/1: max_queue_size: is no list; use =" },
	{ "set ports/1 subsystems+=x", EINVAL,
	  "ports/1: subsystems: \"x\" is no NQN: nqn.YYYY-MM.REVERSE.DOMAIN:NAME or "
	  "nqn.2014-08.org.nvmexpress:uuid:UUID" },
	{ "set ports/1 subsystems-=" S2, ENOENT, "ports/1: subsystems: does not hold " S2 },
	{ "set subsystems/" S1 "/namespaces/1 device_path=/x", EINVAL,
	  "subsystems/" S1 "/namespaces/1: device_path: is shown only; What the kernel opens: the backend's "
	  "device or file." },
	{ "set targets/x y=z", EINVAL,
	  "targets/x: \"x\" is no fabric: iscsi, loopback, vhost, qla2xxx, srpt, fc, sbp or xen-pvscsi" },
	{ "set targets/iscsi/iqn.2026-11.org.example:t/tpgs/1 enable=1", ENOENT,
	  "targets/iscsi/iqn.2026-11.org.example:t/tpgs/1: does not exist; use create to make it" },
	{ "create backends/a/bridge", EINVAL, "backends/a/bridge: there is no \"bridge\" here, but alua_groups" },
};

static void test_bad_edits(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_edits); i++) {
		_cleanup_(tree_freep) struct tree *t = sample_tree();
		_cleanup_changes_ struct changes c = { 0 };
		_cleanup_errors_ struct cfg_errors errs = { 0 };
		_cleanup_free_ char *text = NULL, *expected = strf("%s: %s\n", bad_edits[i].edit, bad_edits[i].message);

		assert_true(run_edits(t, EDITS(bad_edits[i].edit), &c, &errs) < 0);
		assert_int_equal(c.n, 0);
		text = errors_to_text(&errs);
		assert_string_equal(text, expected);
		assert_int_equal(errs.items[0].code, bad_edits[i].code);
	}
}

/* One line with several mistakes tells all of them, and does nothing. */
static void test_several_mistakes(void **state)
{
	_cleanup_(tree_freep) struct tree *t = sample_tree();
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	assert_true(run_edits(t, EDITS("set ports/1 max_queue_size=x mdts=y trtype=z", "delete backends/a", "set ports/1 mdts=3",
				       "create backends/c type=q"), &c, &errs) < 0);
	assert_int_equal(errs.total, 5);
	assert_int_equal(c.n, 0);
}

static void add_random_path(struct random *r, struct strbuf *b, enum kind kind)
{
	const struct kind_info *info = kind_info(kind);
	_cleanup_free_ char *name = random_name(r, kind, 6);

	if (info->parent != KIND_ROOT) {
		add_random_path(r, b, info->parent);
		strbuf_add(b, "/");
	}
	strbuf_addf(b, "%s%s%s", info->collection, info->singleton || info->direct ? "" : "/", name);
}

/* Random edits, right and wrong: the tree is left as it was, and what comes of them can be applied and taken back. */
static char *random_edit(struct random *r, const struct tree *t)
{
	static const char *const verbs[] = { "create", "set", "delete", "delete!" };
	const char *verb = verbs[random_below(r, ARRAY_SIZE(verbs))];
	const struct object *there = random_object(r, t);
	_cleanup_free_ char *path = object_path(there);
	enum kind kind = there->kind;
	struct strbuf b = { 0 };

	strbuf_addf(&b, "%s ", verb);
	if (kind == KIND_ROOT || random_below(r, 2)) {
		kind = random_kind(r);
		add_random_path(r, &b, kind);
	} else {
		strbuf_add(&b, path);
	}
	attr_foreach(row, kind) {
		_cleanup_free_ char *value = random_value(r, row);

		if (strncmp(verb, "delete", 6) == 0 || !attr_is_settable(row) || random_below(r, 3) || strpbrk(value, " =_"))
			continue;
		strbuf_addf(&b, " %s%s%s", row->name, attr_is_list(row) && random_below(r, 2) ? "+=" : "=", value);
	}
	return strbuf_steal(&b);
}

static void test_random_edits(void **state)
{
	size_t right = 0, wrong = 0;

	for (uint64_t seed = 300; seed < 700; seed++) {
		struct random r = { seed };
		_cleanup_(tree_freep) struct tree *t = random_tree(&r, 40), *original = tree_copy(t);
		_cleanup_changes_ struct changes c = { 0 };
		_cleanup_errors_ struct cfg_errors errs = { 0 };
		char *texts[8] = { NULL };

		for (unsigned i = 0; i <= random_below(&r, 3); i++)
			texts[i] = random_edit(&r, t);
		if (run_edits(t, (const char *const *)texts, &c, &errs) < 0) {
			wrong++;
			assert_int_equal(c.n, 0);
		} else {
			right++;
			check_order(t, &c);
			check_journal(t, &c);
			assert_int_equal(changes_apply(t, &c, NULL), 0);
			assert_int_equal(changes_revert(t, &c), 0);
			assert_trees_equal(t, original);
		}
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
			free(texts[i]);
	}
	/* Both happened often enough to mean something. */
	assert_true(right > 50);
	assert_true(wrong > 50);
}

/* ---- generated values ---- */

static void test_identities(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *a, *b;
	_cleanup_free_ char *was = NULL;

	assert_int_equal(tree_add(t, "backends/a", &a), 0);
	assert_int_equal(tree_add(t, "backends/b", &b), 0);
	assert_int_equal(tree_generate(t), 0);
	assert_string_not_equal(object_get(a, "uuid"), object_get(b, "uuid"));
	was = strdup(object_get(a, "uuid"));
	assert_int_equal(tree_generate(t), 0);
	assert_string_equal(object_get(a, "uuid"), was);
	/* The uuid's, marked as locally made: bit 1 of byte 8, and not a group's: bit 0. */
	set(t, "backends/a", "uuid", "01234567-89ab-4cde-8123-456789abcdef");
	set(t, "backends/a", "nguid", NULL);
	assert_int_equal(object_generate(a), 0);
	assert_string_equal(object_get(a, "nguid"), "01234567-89ab-4cde-8223-456789abcdef");
	/* What follows is forgotten, what was chosen is not. */
	assert_int_equal(object_forget(a), 0);
	assert_null(object_get(a, "nguid"));
	assert_non_null(object_get(a, "uuid"));
	set(t, "backends/a", "nguid", "11234567-89ab-4cde-8223-456789abcdef");
	assert_int_equal(object_forget(a), 0);
	assert_non_null(object_get(a, "nguid"));
}

static void test_identities_made_again(void **state)
{
	struct map *made = map_new();
	char first[2][64];

	for (int i = 0; i < 2; i++) {
		_cleanup_(tree_freep) struct tree *t = tree_new();
		struct object *a, *s;

		assert_int_equal(tree_add(t, "backends/a", &a), 0);
		assert_int_equal(tree_add(t, "subsystems/" S1, &s), 0);
		assert_int_equal(object_generate_again(a, "backends/a", made), 0);
		assert_int_equal(object_generate_again(s, "subsystems/" S1, made), 0);
		if (i) {
			assert_string_equal(object_get(a, "uuid"), first[0]);
			assert_string_equal(object_get(s, "serial"), first[1]);
		}
		strcpy(first[0], object_get(a, "uuid"));
		strcpy(first[1], object_get(s, "serial"));
		/* Another object has another one, and what is given is nobody's to change. */
		assert_int_equal(object_set(a, attr_find(KIND_BACKEND, "uuid"), NULL), 0);
		assert_int_equal(object_generate_again(a, "backends/b", made), 0);
		assert_string_not_equal(object_get(a, "uuid"), first[0]);
		set(t, "backends/a", "uuid", "01234567-89ab-4cde-8123-456789abcdef");
		assert_int_equal(object_generate_again(a, "backends/a", made), 0);
		assert_string_equal(object_get(a, "uuid"), "01234567-89ab-4cde-8123-456789abcdef");
	}
	made_free(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_fabrics_come_by_themselves),
		cmocka_unit_test(test_deleting_what_is_used_nearby),
		cmocka_unit_test(test_deleting_a_group_of_units),
		cmocka_unit_test(test_edited_lists),
		cmocka_unit_test(test_edits_of_what_follows),
		cmocka_unit_test(test_generated_on_creation),
		cmocka_unit_test(test_deleting),
		cmocka_unit_test(test_bad_edits),
		cmocka_unit_test(test_several_mistakes),
		cmocka_unit_test(test_random_edits),
		cmocka_unit_test(test_identities),
		cmocka_unit_test(test_identities_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
