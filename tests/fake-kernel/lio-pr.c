/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent reservations: who is registered, what is restored after a restart, and the file that is kept below dbroot (kernel-abi 3.6,
 * 10.b; drivers/target/target_core_pr.c). Initiators register by a command of tests, lio_register().
 */
#include "tests/fake-kernel/lio.h"

/* ---- registrations ---- */

static void registration_done(struct registration *r)
{
	free(r->fabric);
	free(r->initiator);
	free(r->isid);
	free(r->target);
}

void lio_free_registrations(struct device *d)
{
	for (size_t i = 0; i < d->n_registrations; i++)
		registration_done(&d->registrations[i]);
	free(d->registrations);
}

static void add(struct device *d, struct registration r)
{
	d->registrations = must(reallocarray(d->registrations, d->n_registrations + 1, sizeof(*d->registrations)));
	d->registrations[d->n_registrations++] = r;
}

static const struct registration *holder(const struct device *d)
{
	for (size_t i = 0; i < d->n_registrations; i++)
		if (d->registrations[i].holder && !d->registrations[i].waits)
			return &d->registrations[i];
	return NULL;
}

/* Where a mapped LUN is, in a registration's words. */
static void locate(struct fake *f, const struct node *mapped_lun, const struct node *lun, struct registration *ret)
{
	const struct node *acl = lio_up(mapped_lun, LIO_ACL), *tpg = lio_up(acl, LIO_TPG);

	ret->initiator = acl->name;
	ret->target = tpg->parent->name;
	lio_parse_number(tpg->name, "tpgt_", UINT16_MAX, &ret->tpgt);
	lio_parse_number(mapped_lun->name, "lun_", UINT64_MAX, &ret->mapped_lun);
	lio_parse_number(lun->name, "lun_", UINT64_MAX, &ret->target_lun);
	ret->rtpi = lio_relative_port(f, lun);
}

static bool is_at(const struct registration *r, const struct registration *place)
{
	return streq(r->initiator, place->initiator) && streq(r->target, place->target) && r->tpgt == place->tpgt &&
	       r->mapped_lun == place->mapped_lun && r->target_lun == place->target_lun;
}

void lio_activate_registrations(struct fake *f, const struct node *mapped_lun, const struct node *lun)
{
	const struct node *storage = lio_leads_to(lun);
	struct device *d = storage->state;
	struct registration place = { 0 };

	locate(f, mapped_lun, lun, &place);
	for (size_t i = 0; i < d->n_registrations; i++) {
		struct registration *r = &d->registrations[i];

		if (!r->waits || !is_at(r, &place))
			continue;
		r->waits = false;
		r->rtpi = place.rtpi;
		r->generation = d->generation++;
		d->aptpl = true;
	}
}

void lio_drop_registrations(struct fake *f, const struct node *mapped_lun, const struct node *lun, const struct node *storage)
{
	struct device *d = storage->state;
	struct registration place = { 0 };
	size_t n = 0;

	locate(f, mapped_lun, lun, &place);
	for (size_t i = 0; i < d->n_registrations; i++) {
		struct registration *r = &d->registrations[i];

		if (!r->waits && is_at(r, &place))
			registration_done(r);
		else
			d->registrations[n++] = *r;
	}
	d->n_registrations = n;
}

/* ---- what is restored ---- */

static int parse_word(struct registration *r, const char *key, const char *value)
{
	const struct {
		const char *key;
		char **text;
		uint64_t *number;
	} words[] = {
		{ "initiator_fabric", &r->fabric, NULL },
		{ "initiator_node", &r->initiator, NULL },
		{ "initiator_sid", &r->isid, NULL },
		{ "target_node", &r->target, NULL },
		{ "sa_res_key", NULL, &r->key },
		{ "mapped_lun", NULL, &r->mapped_lun },
		{ "target_lun", NULL, &r->target_lun },
		{ "tpgt", NULL, &r->tpgt },
		{ "port_rtpi", NULL, &r->rtpi },
	};
	uint64_t n;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!streq(words[i].key, key))
			continue;
		if (words[i].number)
			return kernel_u64(value, UINT64_MAX, words[i].number);
		free(*words[i].text);
		*words[i].text = must(strdup(value));
		return 0;
	}
	if (!streq(key, "res_holder") && !streq(key, "res_type") && !streq(key, "res_scope") && !streq(key, "res_all_tg_pt"))
		return 0;
	if (kernel_u64(value, INT32_MAX, &n) < 0)
		return -EINVAL;
	if (streq(key, "res_type"))
		r->type = (unsigned)n;
	else if (streq(key, "res_holder"))
		r->holder = n;
	else if (streq(key, "res_all_tg_pt"))
		r->all_ports = n;
	return 0;
}

static int store_metadata(struct fake *f, struct node *attr, const char *page)
{
	const struct node *storage = node_item(attr);
	_cleanup_free_ char *copy = must(strdup(page));
	struct registration reg = { .waits = true };
	char *rest = copy, *word;
	int r = 0;

	if (!lio_is_on(storage, "attrib/emulate_pr") || !lio_is_on(storage, "attrib/pgr_support"))
		return 0;
	if (lio_exported(f, storage))
		return -EINVAL;
	while (r >= 0 && (word = strsep(&rest, ",\n"))) {
		char *value = strchr(word, '=');

		if (!value || !value[1])
			continue;
		*value++ = 0;
		r = parse_word(&reg, word, value);
	}
	if (r >= 0 && (!reg.initiator || !reg.target || !reg.key || (reg.holder && !reg.type)))
		r = -EINVAL;
	if (r < 0)
		registration_done(&reg);
	else
		add(storage->state, reg);
	return r;
}

/* ---- the file that is kept ---- */

static void add_block(const struct registration *r, size_t i, struct strbuf *b)
{
	strbuf_addf(b, "PR_REG_START: %zu\ninitiator_fabric=%s\ninitiator_node=%s\n", i, r->fabric, r->initiator);
	if (r->isid)
		strbuf_addf(b, "initiator_sid=%s\n", r->isid);
	strbuf_addf(b, "sa_res_key=%llu\nres_holder=%d\n", (unsigned long long)r->key, r->holder);
	if (r->holder)
		strbuf_addf(b, "res_type=%02x\nres_scope=00\n", r->type);
	strbuf_addf(b, "res_all_tg_pt=%d\nmapped_lun=%llu\n", r->all_ports, (unsigned long long)r->mapped_lun);
	strbuf_addf(b, "target_fabric=%s\ntarget_node=%s\ntpgt=%llu\nport_rtpi=%llu\n", r->fabric, r->target,
		    (unsigned long long)r->tpgt, (unsigned long long)r->rtpi);
	strbuf_addf(b, "target_lun=%llu\nPR_REG_END: %zu\n", (unsigned long long)r->target_lun, i);
}

static int write_file(struct fake *f, const struct node *storage)
{
	_cleanup_free_ char *folder = fmt("%s/pr", node_text(f->target, "dbroot"));
	_cleanup_free_ char *path = fmt("%s/aptpl_%s", folder, node_text(storage, "wwn/vpd_unit_serial"));
	const struct device *d = storage->state;
	_cleanup_strbuf_ struct strbuf b = { 0 };
	struct backing *file;
	size_t n = 0;

	if (!machine_is_folder(f, folder))
		return -ENOENT;
	for (size_t i = 0; d->aptpl && i < d->n_registrations; i++)
		if (!d->registrations[i].waits)
			add_block(&d->registrations[i], n++, &b);
	if (!n)
		strbuf_add(&b, "No Registrations or Reservations\n");
	file = machine_put(f, path, 'f', b.len + 1);
	file->content = must(strbuf_steal(&b));
	return 0;
}

int lio_register(struct fake *f, const char *path, const char *key, char *const *words)
{
	struct node *mapped_lun;
	const struct node *lun, *storage;
	struct registration place = { 0 }, r = { 0 };
	struct device *d;
	bool aptpl = false;
	int result = fs_find(f, path, &mapped_lun);

	if (result < 0)
		return result;
	lun = mapped_lun->kind == LIO_MAPPED_LUN && mapped_lun->type == KFS_DIR ? lio_leads_to(mapped_lun) : NULL;
	storage = lun ? lio_leads_to(lun) : NULL;
	if (!storage || kernel_u64(key, UINT64_MAX, &r.key) < 0)
		return -EINVAL;
	for (; words && *words; words++)
		if (streq(*words, "aptpl"))
			aptpl = true;
		else if (sscanf(*words, "type=%u", &r.type) == 1)
			r.holder = true;
		else
			return -EINVAL;
	d = storage->state;
	locate(f, mapped_lun, lun, &place);
	for (size_t i = 0; i < d->n_registrations; i++)
		if (is_at(&d->registrations[i], &place))
			return -EEXIST;
	place.fabric = must(strdup(lio_fabric_title(lun)));
	place.initiator = must(strdup(place.initiator));
	place.target = must(strdup(place.target));
	place.key = r.key;
	place.type = r.type;
	place.holder = r.holder;
	place.generation = d->generation++;
	add(d, place);
	/* The last one decides for all, and is in force even if the file cannot be written. */
	d->aptpl = aptpl || lio_is_on(storage, "attrib/force_pr_aptpl");
	return write_file(f, storage);
}

/* ---- what they tell ---- */

static const char *off(const struct node *storage)
{
	if (storage->only == ON_SCSI || !lio_is_on(storage, "attrib/pgr_support"))
		return storage->only == ON_SCSI ? "SPC_PASSTHROUGH" : NULL;
	return lio_is_on(storage, "attrib/emulate_pr") ? NULL : "SPC_RESERVATIONS_DISABLED";
}

static int show_holder(struct fake *f, struct node *attr, struct strbuf *ret)
{
	const struct registration *r = holder(lio_device(attr));
	const char *why = off(node_item(attr));

	if (why)
		strbuf_addf(ret, "%s\n", attr->only == ON_SCSI ? "Passthrough" : why);
	else if (r)
		strbuf_addf(ret, "SPC-3 Reservation: %s Initiator: %s%s%s\n", r->fabric, r->initiator, r->isid ? ",i,0x" : "",
			    r->isid ? r->isid : "");
	else
		strbuf_add(ret, "No SPC-3 Reservation holder\n");
	return 0;
}

static int show_type(struct fake *f, struct node *attr, struct strbuf *ret)
{
	const char *why = off(node_item(attr));

	strbuf_addf(ret, "%s\n", why ? why : "SPC3_PERSISTENT_RESERVATIONS");
	return 0;
}

static const char *type_name(unsigned type)
{
	static const char *const names[] = {
		[1] = "Write Exclusive Access",
		[3] = "Exclusive Access",
		[5] = "Write Exclusive Access, Registrants Only",
		[6] = "Exclusive Access, Registrants Only",
		[7] = "Write Exclusive Access, All Registrants",
		[8] = "Exclusive Access, All Registrants",
	};

	return type < ARRAY_SIZE(names) && names[type] ? names[type] : "Unknown SPC-3 PR Type";
}

static int show_of_holder(struct fake *f, struct node *attr, struct strbuf *ret)
{
	const struct registration *r = holder(lio_device(attr));

	if (!r) {
		strbuf_add(ret, "No SPC-3 Reservation holder\n");
	} else if (streq(attr->name, "res_pr_type")) {
		strbuf_addf(ret, "SPC-3 Reservation Type: %s\n", type_name(r->type));
	} else if (streq(attr->name, "res_pr_all_tgt_pts")) {
		strbuf_addf(ret, "SPC-3 Reservation: %s registration\n", r->all_ports ? "All Target Ports" : "Single Target Port");
	} else {
		strbuf_addf(ret, "SPC-3 Reservation: %s Target Node Endpoint: %s\n", r->fabric, r->target);
		strbuf_addf(ret, "SPC-3 Reservation: Relative Port Identifier Tag: %llu %s Portal Group Tag: %llu %s Logical Unit: %llu\n",
			    (unsigned long long)r->rtpi, r->fabric, (unsigned long long)r->tpgt, r->fabric, (unsigned long long)r->target_lun);
	}
	return 0;
}

static int show_generation(struct fake *f, struct node *attr, struct strbuf *ret)
{
	strbuf_addf(ret, "0x%08x\n", lio_device(attr)->generation);
	return 0;
}

static int show_registered(struct fake *f, struct node *attr, struct strbuf *ret)
{
	const struct device *d = lio_device(attr);
	size_t n = 0;

	strbuf_add(ret, "SPC-3 PR Registrations:\n");
	for (size_t i = 0; i < d->n_registrations; i++) {
		const struct registration *r = &d->registrations[i];

		if (r->waits)
			continue;
		n++;
		strbuf_addf(ret, "%s Node: %s%s%s Key: 0x%016llx PRgen: 0x%08x\n", r->fabric, r->initiator, r->isid ? ",i,0x" : "",
			    r->isid ? r->isid : "", (unsigned long long)r->key, r->generation);
	}
	if (!n)
		strbuf_add(ret, "None\n");
	return 0;
}

static int show_aptpl(struct fake *f, struct node *attr, struct strbuf *ret)
{
	if (attr->only != ON_SCSI && !off(node_item(attr)))
		strbuf_addf(ret, "APTPL Bit Status: %s\n", lio_device(attr)->aptpl ? "Activated" : "Disabled");
	return 0;
}

static int show_metadata(struct fake *f, struct node *attr, struct strbuf *ret)
{
	if (attr->only != ON_SCSI && !off(node_item(attr)))
		strbuf_add(ret, "Ready to process PR APTPL metadata..\n");
	return 0;
}

/* ---- the table ---- */

static const struct lio_file files[] = {
	{ LIO_STORAGE, 0, "pr/res_aptpl_active", NULL, .show = show_aptpl },
	{ LIO_STORAGE, 0, "pr/res_aptpl_metadata", NULL, store_metadata, show_metadata },
	{ LIO_STORAGE, 0, "pr/res_holder", NULL, .show = show_holder },
	{ LIO_STORAGE, 0, "pr/res_pr_all_tgt_pts", NULL, .show = show_of_holder },
	{ LIO_STORAGE, 0, "pr/res_pr_generation", NULL, .show = show_generation },
	{ LIO_STORAGE, 0, "pr/res_pr_holder_tg_port", NULL, .show = show_of_holder },
	{ LIO_STORAGE, 0, "pr/res_pr_registered_i_pts", NULL, .show = show_registered },
	{ LIO_STORAGE, 0, "pr/res_pr_type", NULL, .show = show_of_holder },
	{ LIO_STORAGE, 0, "pr/res_type", NULL, .show = show_type },
};

const struct lio_table lio_pr_table = { files, ARRAY_SIZE(files) };
