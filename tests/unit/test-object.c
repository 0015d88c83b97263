/* SPDX-License-Identifier: Apache-2.0 */
/* The tree: order, paths, values, and an index that always says what a look at every object would say. */
#include "tests/unit/model-help.h"

#include <errno.h>

#include "model/names.h"

#define S1 "nqn.2026-11.org.example:s1"
#define S2 "nqn.2026-11.org.example:s2"
#define H1 "nqn.2014-08.org.nvmexpress:uuid:5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81"

#define T1 "iqn.2026-11.org.example:t1"
#define I1 "iqn.2026-11.org.example:client"
#define TARGET "targets/iscsi/" T1

static struct object *add(struct tree *t, const char *path)
{
	struct object *o;

	assert_int_equal(tree_add(t, path, &o), 0);
	return o;
}

static void set(struct object *o, const char *attr, const char *value)
{
	assert_int_equal(object_set(o, attr_find(o->kind, attr), value), 0);
}

static void set_list(struct object *o, const char *attr, const char *names)
{
	_cleanup_strv_ char **list = NULL;
	_cleanup_free_ char *copy = strdup(names);
	char *save = NULL;

	for (char *n = strtok_r(copy, " ", &save); n; n = strtok_r(NULL, " ", &save))
		assert_int_equal(strv_append(&list, n), 0);
	assert_int_equal(object_set_list(o, attr_find(o->kind, attr), list), 0);
}

/* ---- children ---- */

static void test_order(void **state)
{
	static const char *const made[] = { "10", "2", "1", "100", "20", "9", "3" };
	static const char *const sorted[] = { "1", "2", "3", "9", "10", "20", "100" };
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *s = add(t, "subsystems/" S1), *root = tree_root(t);

	add(t, "backends/b");
	add(t, "ports/1");
	add(t, "nvmet");
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		assert_int_equal(object_add(s, KIND_NAMESPACE, made[i], NULL), 0);
	assert_int_equal(object_count(s, KIND_NAMESPACE), ARRAY_SIZE(sorted));
	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
		struct object *o = object_nth(s, KIND_NAMESPACE, i);

		assert_string_equal(o->name, sorted[i]);
		assert_ptr_equal(object_child(s, KIND_NAMESPACE, sorted[i]), o);
		assert_ptr_equal(o->parent, s);
		assert_ptr_equal(o->tree, t);
	}
	assert_null(object_nth(s, KIND_NAMESPACE, ARRAY_SIZE(sorted)));
	assert_null(object_child(s, KIND_NAMESPACE, "4"));
	assert_int_equal(object_count(s, KIND_PORT), 0);
	assert_null(object_nth(s, KIND_PORT, 0));
	for (enum kind kind = KIND_NVMET; kind < KIND_MAX; kind++)
		assert_int_equal(object_count(root, kind), kind == KIND_NVMET || kind == KIND_BACKEND || kind == KIND_SUBSYSTEM ||
							   kind == KIND_PORT);
	assert_int_equal(object_nth(root, KIND_NVMET, 0)->kind, KIND_NVMET);
	assert_null(object_nth(root, KIND_HOST, 0));
	assert_int_equal(tree_count(t), 4 + ARRAY_SIZE(sorted));
}

static void test_add_and_remove(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *s = add(t, "subsystems/" S1), *o;

	assert_int_equal(object_add(tree_root(t), KIND_SUBSYSTEM, S1, &o), -EEXIST);
	assert_int_equal(tree_add(t, "subsystems/" S1, &o), -EEXIST);
	assert_int_equal(tree_add(t, "subsystems/" S2 "/namespaces/1", &o), -ENOENT);
	assert_int_equal(tree_add(t, "subsystems", &o), -EINVAL);
	assert_int_equal(tree_add(t, "tables/x", &o), -EINVAL);
	add(t, "subsystems/" S1 "/namespaces/1");
	add(t, "subsystems/" S1 "/namespaces/2");
	assert_int_equal(tree_count(t), 3);
	object_remove(tree_find(t, "subsystems/" S1 "/namespaces/1"));
	assert_null(tree_find(t, "subsystems/" S1 "/namespaces/1"));
	assert_int_equal(s->n_children, 1);
	object_remove(s);
	assert_null(tree_find(t, "subsystems/" S1));
	assert_null(tree_find(t, "subsystems/" S1 "/namespaces/2"));
	assert_int_equal(tree_count(t), 0);
}

/* Growing, shrinking to around a power of two and growing again keeps all of them. */
static void test_many_children(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct random r = { 3 };
	bool there[70] = { false };
	size_t n = 0;

	for (int i = 0; i < 5000; i++) {
		unsigned k = random_below(&r, ARRAY_SIZE(there));
		_cleanup_free_ char *path = strf("ports/%u", k);
		struct object *o = tree_find(t, path);

		assert_int_equal(o != NULL, there[k]);
		if (o)
			object_remove(o);
		else
			add(t, path);
		there[k] = !there[k];
		n += there[k] ? 1 : -1;
		assert_int_equal(object_count(tree_root(t), KIND_PORT), n);
	}
}

/* ---- paths ---- */

static void test_paths(void **state)
{
	static const struct {
		const char *path, *parent, *kernel;
	} paths[] = {
		{ "nvmet", "", "nvmet" },
		{ "backends/vol0", "", NULL },
		{ "hosts/" H1, "", "nvmet/hosts/" H1 },
		{ "subsystems/" S1, "", "nvmet/subsystems/" S1 },
		{ "subsystems/" S1 "/namespaces/1", "subsystems/" S1, "nvmet/subsystems/" S1 "/namespaces/1" },
		{ "ports/1", "", "nvmet/ports/1" },
		{ "ports/1/referrals/a", "ports/1", "nvmet/ports/1/referrals/a" },
		{ "ports/1/ana_groups/2", "ports/1", "nvmet/ports/1/ana_groups/2" },
		{ "target", "", "target" },
		{ "lu_groups/g", "", "target/core/alua/lu_gps/g" },
		{ "backends/vol0/alua_groups/a", "backends/vol0", NULL },
		{ "targets/iscsi", "", "target/iscsi" },
		{ TARGET, "targets/iscsi", "target/iscsi/" T1 },
		{ TARGET "/tpgs/1", TARGET, "target/iscsi/" T1 "/tpgt_1" },
		{ TARGET "/tpgs/1/luns/0", TARGET "/tpgs/1", "target/iscsi/" T1 "/tpgt_1/lun/lun_0" },
		{ TARGET "/tpgs/1/portals/[2001:db8::1]:3260", TARGET "/tpgs/1", "target/iscsi/" T1 "/tpgt_1/np/[2001:db8::1]:3260" },
		{ TARGET "/tpgs/1/acls/" I1, TARGET "/tpgs/1", "target/iscsi/" T1 "/tpgt_1/acls/" I1 },
		{ TARGET "/tpgs/1/acls/" I1 "/mapped_luns/3", TARGET "/tpgs/1/acls/" I1,
		  "target/iscsi/" T1 "/tpgt_1/acls/" I1 "/lun_3" },
	};
	_cleanup_(tree_freep) struct tree *t = tree_new();

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct object *o = add(t, paths[i].path);
		_cleanup_free_ char *path = object_path(o), *parent = path_parent(path), *kernel = object_kernel_path(o), *within = NULL;
		_cleanup_path_ struct path p = { 0 };
		_cleanup_free_ char *text = NULL;
		enum kind collection = KIND_ROOT;

		assert_string_equal(path, paths[i].path);
		assert_string_equal(parent, paths[i].parent);
		if (!streq_ptr(kernel, paths[i].kernel))
			fail_msg("%s is %s in the kernel", path, kernel);
		assert_ptr_equal(tree_find(t, path), o);
		assert_int_equal(path_kind(path), o->kind);
		within = strf("%s/%s", kernel, "x/y");
		if (kernel) {
			_cleanup_free_ char *with_rest = strf("%s/x/y", path), *rest = path_to_kernel(t, with_rest);

			/* Below a fabric, and below it alone, any name is that of an object. */
			if (kind_direct_child(o->kind) == KIND_MAX)
				assert_string_equal(rest, within);
		}
		assert_int_equal(path_parse(path, &p, &collection, NULL), 0);
		assert_int_equal(collection, KIND_MAX);
		assert_int_equal(p.kind[p.depth - 1], o->kind);
		assert_string_equal(p.name[p.depth - 1], o->name);
		text = path_text(&p);
		assert_string_equal(text, path);
	}
}

/* What is in the SCSI target stands where its storage object does, and its bridge beside it. */
static void test_kernel_paths_of_backends(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *b = add(t, "backends/vol0");
	_cleanup_free_ char *group = NULL, *bridge = NULL, *backend = NULL, *none = NULL;

	add(t, "backends/vol0/alua_groups/a");
	add(t, "backends/vol0/bridge");
	none = path_to_kernel(t, "backends/vol0/bridge");
	assert_null(none);
	set(b, "storage_object", "iblock_17/vol0");
	set(b, "vpd_unit_serial", "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81");
	backend = path_to_kernel(t, "backends/vol0");
	group = path_to_kernel(t, "backends/vol0/alua_groups/a");
	bridge = path_to_kernel(t, "backends/vol0/bridge");
	assert_string_equal(backend, "target/core/iblock_17/vol0");
	assert_string_equal(group, "target/core/iblock_17/vol0/alua/a");
	assert_string_equal(bridge, "target/loopback/naa.35f3c1b9e0e574b6");
	/* Without the tree nobody knows. */
	assert_null(path_to_kernel(NULL, "backends/vol0"));
}

static void test_paths_that_lead_nowhere(void **state)
{
	static const char *const paths[] = { "ports",	       "ports/",       "ports/2",	"ports/1/",	  "/ports/1",
					     "ports//1",       "ports/1/x/y",	"ports/1/subsystems/" S1, "nvmet/",
					     "nvmet/discovery", "backends/1", "subsystems/" S1 "/namespaces", "x",
					     "targets/iscsi/", "targets/iscsi/" T1 "/", "targets//" T1, "nvmet/" T1 };
	_cleanup_(tree_freep) struct tree *t = tree_new();

	add(t, "nvmet");
	add(t, "ports/1");
	add(t, "subsystems/" S1);
	add(t, "targets/iscsi");
	add(t, TARGET);
	assert_ptr_equal(tree_find(t, ""), tree_root(t));
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (tree_find(t, paths[i]))
			fail_msg("there is something at %s", paths[i]);
}

static const struct {
	const char *text;
	enum kind collection;		/* KIND_ROOT: refused with message */
	const char *message;
} typed[] = {
	{ "subsystems", KIND_SUBSYSTEM },
	{ "subsystems/", KIND_SUBSYSTEM },
	{ "ports/1/referrals", KIND_REFERRAL },
	{ "", KIND_MAX },
	{ "nvmet", KIND_MAX },
	{ "ports/01", KIND_ROOT, "ports/01: \"01\" is no port id: write 1" },
	{ "ports/1/", KIND_ROOT, "referrals, ana_groups" },
	{ "ports/1/namespaces/1", KIND_ROOT, "referrals, ana_groups" },
	{ "ports/1/ana_groups/128", KIND_ROOT, "128 for 0" },
	{ "portz/1", KIND_ROOT, "nvmet, target, lu_groups, backends, hosts, subsystems, ports, targets" },
	{ "/ports/1", KIND_ROOT, "nvmet, target, lu_groups, backends, hosts, subsystems, ports, targets" },
	{ "ports//1", KIND_ROOT, "a name is missing behind ports" },
	{ "subsystems/foo", KIND_ROOT, "no NQN" },
	{ "subsystems/" S1 "/namespaces/1/x", KIND_ROOT, "nothing" },
	{ "nvmet/discovery_nqn", KIND_ROOT, "nothing" },
	{ "targets", KIND_FABRIC },
	{ "targets/iscsi", KIND_MAX },
	{ TARGET, KIND_MAX },
	{ TARGET "/tpgs", KIND_TPG },
	{ TARGET "/tpgs/1/acls/" I1 "/mapped_luns/", KIND_MAPPED_LUN },
	{ "target", KIND_MAX },
	{ "targets/fcoe", KIND_ROOT, "\"fcoe\" is no fabric: iscsi, loopback" },
	{ TARGET "/tpgt_1", KIND_ROOT, "there is no \"tpgt_1\" here, but tpgs" },
	{ TARGET "/tpgs/01", KIND_ROOT, "write 1" },
	{ TARGET "/tpgs/1/luns/65536", KIND_ROOT, "0 to 65535" },
	{ TARGET "/tpgs/1/portals/192.0.2.1", KIND_ROOT, "is no portal" },
	{ TARGET "/tpgs/1/luns/0/lun_0", KIND_ROOT, "nothing" },
	{ "backends/vol0/bridge", KIND_ROOT, "there is no \"bridge\" here, but alua_groups" },
};

static void test_typed_paths(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(typed); i++) {
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
		_cleanup_path_ struct path p = { 0 };
		enum kind collection;
		int r = path_parse(typed[i].text, &p, &collection, &err);

		if (typed[i].collection != KIND_ROOT) {
			assert_int_equal(r, 0);
			assert_int_equal(collection, typed[i].collection);
			continue;
		}
		assert_int_equal(r, -EINVAL);
		assert_int_equal(p.depth, 0);
		if (!strstr(err.msg, typed[i].message))
			fail_msg("%s: \"%s\" does not say \"%s\"", typed[i].text, err.msg, typed[i].message);
	}
}

static void test_collection_where_an_object_must_be(void **state)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_path_ struct path p = { 0 };

	assert_int_equal(path_parse("ports", &p, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "a name is missing behind ports"));
}

/* ---- values ---- */

static void test_values(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *s = add(t, "subsystems/" S1);
	const struct attr_row *model = attr_find(KIND_SUBSYSTEM, "model"), *hosts = attr_find(KIND_SUBSYSTEM, "allowed_hosts");
	const struct attr_row *serial = attr_find(KIND_SUBSYSTEM, "serial");

	assert_null(object_get(s, "model"));
	assert_string_equal(object_effective(s, model), "Linux");
	assert_null(object_effective(s, serial));
	set(s, "model", "x");
	assert_string_equal(object_get_row(s, model), "x");
	assert_string_equal(object_effective(s, model), "x");
	set(s, "model", object_get(s, "model"));
	assert_string_equal(object_get(s, "model"), "x");
	set(s, "model", NULL);
	assert_null(object_get(s, "model"));
	assert_null(object_get(s, "no_such"));
	set_list(s, "allowed_hosts", "b a10 a9 b");
	assert_string_equal(object_get_list(s, hosts)[0], "a9");
	assert_string_equal(object_get_list(s, hosts)[1], "a10");
	assert_string_equal(object_get_list(s, hosts)[2], "b");
	assert_null(object_get_list(s, hosts)[3]);
	/* A list is no text, and a text no list. */
	assert_null(object_get(s, "allowed_hosts"));
	assert_null(object_get_list(s, model));
	assert_int_equal(object_set_list(s, hosts, object_get_list(s, hosts)), 0);
	assert_int_equal(strv_len(object_get_list(s, hosts)), 3);
	set_list(s, "allowed_hosts", "");
	assert_null(object_get_list(s, hosts));
}

static void test_copies(void **state)
{
	struct random r = { 4 };

	for (int i = 0; i < 30; i++) {
		_cleanup_(tree_freep) struct tree *t = random_tree(&r, 60), *copy = tree_copy(t);
		_cleanup_free_ char *before = tree_to_text(t), *after = NULL;

		assert_trees_equal(t, copy);
		assert_int_equal(tree_count(t), tree_count(copy));
		random_change(&r, copy, 20);
		after = tree_to_text(t);
		assert_string_equal(before, after);
	}
}

static void check_shallow(struct object *o, void *userdata)
{
	_cleanup_(object_freep) struct object *copy = object_copy_shallow(o), *other = object_new_detached(o->kind, "x");

	assert_true(object_values_equal(o, copy));
	assert_string_equal(copy->name, o->name);
	assert_null(copy->tree);
	assert_int_equal(copy->n_children, 0);
	assert_int_equal(object_assign(other, o), 0);
	assert_true(object_values_equal(o, other));
	attr_foreach(row, o->kind) {
		if (attr_is_list(row) || !object_get_row(o, row))
			continue;
		assert_int_equal(object_set(other, row, NULL), 0);
		assert_false(object_values_equal(o, other));
		assert_int_equal(object_assign(other, o), 0);
	}
}

static void test_detached_copies(void **state)
{
	struct random r = { 5 };
	_cleanup_(tree_freep) struct tree *t = random_tree(&r, 100);

	each_object(t, check_shallow, NULL);
}

/* ---- the index ---- */

static void assert_users(const struct tree *t, enum kind kind, const char *name, size_t n, const struct object *a)
{
	struct users u = tree_users(t, kind, name);

	assert_int_equal(u.n, n);
	for (size_t i = 0; a && i < u.n; i++)
		if (u.items[i] == a)
			return;
	assert_null(a);
}

static void test_users(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *s = add(t, "subsystems/" S1), *n = add(t, "subsystems/" S1 "/namespaces/1"), *p = add(t, "ports/1");
	struct object *q = add(t, "ports/2");

	/* Who is referred to need not exist. */
	set_list(p, "subsystems", S1 " " S2);
	set_list(q, "subsystems", S1);
	set(n, "backend", "b");
	assert_users(t, KIND_SUBSYSTEM, S1, 2, p);
	assert_users(t, KIND_SUBSYSTEM, S1, 2, q);
	assert_users(t, KIND_SUBSYSTEM, S2, 1, p);
	assert_users(t, KIND_BACKEND, "b", 1, n);
	assert_users(t, KIND_HOST, "b", 0, NULL);
	set(n, "backend", "c");
	assert_users(t, KIND_BACKEND, "b", 0, NULL);
	assert_users(t, KIND_BACKEND, "c", 1, n);
	set_list(p, "subsystems", S2);
	assert_users(t, KIND_SUBSYSTEM, S1, 1, q);
	object_remove(q);
	assert_users(t, KIND_SUBSYSTEM, S1, 0, NULL);
	object_remove(s);
	assert_users(t, KIND_BACKEND, "c", 0, NULL);
	assert_users(t, KIND_SUBSYSTEM, S2, 1, p);
}

static void test_names_of_a_list_come_and_go_one_by_one(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *p = add(t, "ports/1");
	const struct attr_row *row = attr_find(KIND_PORT, "subsystems");
	char *const *list;

	(void)state;
	object_list_remove(p, row, "s1");
	assert_false(object_lists(p, row, "s1"));
	for (const char *const *name = (const char *const[]){ "s10", "s9", "s9", "s01", "s1", "s11", NULL }; *name; name++)
		assert_int_equal(object_list_add(p, row, *name), 0);
	list = object_get_list(p, row);
	assert_int_equal(strv_len(list), 5);
	for (size_t i = 1; i < 5; i++)
		assert_true(text_natural_cmp(list[i - 1], list[i]) < 0);
	assert_true(object_lists(p, row, "s01"));
	assert_false(object_lists(p, row, "s2"));
	/* Each is indexed once. */
	assert_users(t, KIND_SUBSYSTEM, "s9", 1, p);
	object_list_remove(p, row, "s9");
	assert_false(object_lists(p, row, "s9"));
	assert_true(object_lists(p, row, "s1"));
	assert_users(t, KIND_SUBSYSTEM, "s9", 0, NULL);
	assert_users(t, KIND_SUBSYSTEM, "s10", 1, p);
	/* As a whole list of the same names would be. */
	set_list(p, "subsystems", "s01 s1 s10 s11");
	assert_ptr_equal(object_get_list(p, row), list);
	for (const char *const *name = (const char *const[]){ "s10", "s01", "s1", "s2", "s11", NULL }; *name; name++)
		object_list_remove(p, row, *name);
	assert_null(object_get_list(p, row));
	assert_users(t, KIND_SUBSYSTEM, "s11", 0, NULL);
}

static void assert_owners(const struct tree *t, const char *key, size_t n)
{
	assert_int_equal(tree_key_owners(t, key).n, n);
}

static void test_keys(void **state)
{
	_cleanup_strv_ char **keys = NULL;
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *a = add(t, "backends/a"), *b = add(t, "backends/b"), *p = add(t, "ports/1"), *q = add(t, "ports/2");
	struct object *s = add(t, "subsystems/" S1);
	struct users u;

	set(a, "device", "/dev/vdb");
	set(b, "path", "/dev/vdb");
	set(s, "passthru_path", "/dev/vdb");
	assert_int_equal(tree_key_owners(t, "device:/dev/vdb").n, 3);
	set(b, "path", "/dev/vdc");
	set(s, "passthru_path", NULL);
	u = tree_key_owners(t, "device:/dev/vdb");
	assert_int_equal(u.n, 1);
	assert_ptr_equal(u.items[0], a);
	/* An address is one when all three parts are there. */
	set(p, "trtype", "tcp");
	set(p, "traddr", "2001:DB8::0:1");
	assert_owners(t, "@service:tcp:4420", 0);
	set(p, "trsvcid", "4420");
	assert_owners(t, "address:tcp:[2001:db8::1]:4420", 1);
	assert_owners(t, "@service:tcp:4420", 1);
	set(q, "traddr", "192.0.2.2");
	set(q, "trsvcid", "4420");
	set(q, "trtype", "tcp");
	assert_owners(t, "address:tcp:192.0.2.2:4420", 1);
	assert_owners(t, "@service:tcp:4420", 2);
	set(q, "traddr", "2001:db8::1");
	assert_owners(t, "address:tcp:192.0.2.2:4420", 0);
	assert_owners(t, "address:tcp:[2001:db8::1]:4420", 2);
	set(q, "trtype", "rdma");
	assert_owners(t, "address:tcp:[2001:db8::1]:4420", 1);
	assert_owners(t, "address:rdma:[2001:db8::1]:4420", 1);
	assert_owners(t, "@service:rdma:4420", 1);
	/* What is told of an object is what others must not have; the rest is the index's own. */
	assert_int_equal(object_keys(q, &keys), 0);
	assert_int_equal(strv_len(keys), 1);
	assert_string_equal(keys[0], "address:rdma:[2001:db8::1]:4420");
	set(q, "trtype", "loop");
	assert_owners(t, "@service:rdma:4420", 0);
	set(q, "trtype", "fc");
	assert_owners(t, "address:fc:2001:db8::1", 1);
	object_remove(p);
	object_remove(q);
	assert_owners(t, "address:tcp:[2001:db8::1]:4420", 0);
	assert_owners(t, "@service:tcp:4420", 0);
	assert_owners(t, "address:fc:2001:db8::1", 0);
}

/* A path longer than a key on the stack is still found by the same key. */
static void test_long_values(void **state)
{
	_cleanup_(tree_freep) struct tree *t = tree_new();
	struct object *s = add(t, "subsystems/" S1);
	char path[6000];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	set(s, "passthru_path", path);
	path[1] = 'y';
	set(s, "passthru_path", path);
	set(s, "passthru_path", NULL);
	object_remove(s);
	assert_int_equal(tree_count(t), 0);
}

struct looking {
	const struct tree *t;
	const char *key;
	enum kind kind;
	size_t found;
};

static void look_for_key(struct object *o, void *userdata)
{
	struct looking *l = userdata;
	_cleanup_strv_ char **keys = NULL;

	assert_int_equal(object_keys(o, &keys), 0);
	for (char **k = keys; k && *k; k++)
		l->found += streq(*k, l->key);
}

static void look_for_user(struct object *o, void *userdata)
{
	struct looking *l = userdata;

	attr_foreach(row, o->kind) {
		if (row->ref != l->kind)
			continue;
		if (row->type == ATTR_REF)
			l->found += streq_ptr(object_get_row(o, row), l->key);
		if (row->type == ATTR_REFS)
			l->found += strv_contains(object_get_list(o, row), l->key);
	}
}

static void check_keys_of(struct object *o, void *userdata)
{
	const struct tree *t = userdata;
	_cleanup_strv_ char **keys = NULL;

	assert_int_equal(object_keys(o, &keys), 0);
	for (char **k = keys; k && *k; k++) {
		struct looking l = { .t = t, .key = *k };

		each_object(t, look_for_key, &l);
		assert_true(l.found > 0);
		assert_int_equal(tree_key_owners(t, *k).n, l.found);
	}
}

/* Whatever was done to it, the index is what a look at every object finds. */
static void check_index(const struct tree *t)
{
	each_object(t, check_keys_of, (void *)t);
	for (int i = 0; i < 3; i++) {
		enum kind kind = (enum kind[]){ KIND_BACKEND, KIND_HOST, KIND_SUBSYSTEM }[i];

		for (uint64_t seed = 0; seed < 20; seed++) {
			struct random r = { seed };
			_cleanup_free_ char *name = random_name(&r, kind, 8);
			struct looking l = { .t = t, .key = name, .kind = kind };

			each_object(t, look_for_user, &l);
			assert_int_equal(tree_users(t, kind, name).n, l.found);
		}
	}
}

static void test_index_of_random_trees(void **state)
{
	for (uint64_t seed = 10; seed < 30; seed++) {
		struct random r = { seed };
		_cleanup_(tree_freep) struct tree *t = random_tree(&r, 40);

		for (int i = 0; i < 10; i++) {
			check_index(t);
			random_change(&r, t, 15);
		}
		check_index(t);
	}
}

/* An emptied tree holds nothing, so that no key outlives its object. */
static void test_nothing_is_left(void **state)
{
	struct random r = { 40 };
	_cleanup_(tree_freep) struct tree *t = random_tree(&r, 100);
	struct object *root = tree_root(t);

	while (root->n_children)
		object_remove(root->children[random_below(&r, (uint32_t)root->n_children)]);
	assert_int_equal(tree_count(t), 0);
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct random q = { seed };
		_cleanup_free_ char *name = random_name(&q, KIND_SUBSYSTEM, 8), *backend = random_name(&q, KIND_BACKEND, 8);

		assert_users(t, KIND_SUBSYSTEM, name, 0, NULL);
		assert_users(t, KIND_BACKEND, backend, 0, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_add_and_remove),
		cmocka_unit_test(test_many_children),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_kernel_paths_of_backends),
		cmocka_unit_test(test_paths_that_lead_nowhere),
		cmocka_unit_test(test_typed_paths),
		cmocka_unit_test(test_collection_where_an_object_must_be),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_detached_copies),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_names_of_a_list_come_and_go_one_by_one),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_index_of_random_trees),
		cmocka_unit_test(test_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
