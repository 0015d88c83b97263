/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts: that they are connected, and what it does to a subsystem that they look at it (kernel-abi 2.2, 2.5). */
#include <errno.h>

#include "tests/fake-kernel/fake.h"

static struct node *find(struct fake *f, const char *folder, const char *name)
{
	const struct node *in = f->nvmet ? node_child(f->nvmet, folder) : NULL;

	return in ? node_child(in, name) : NULL;
}

static bool links_to(const struct node *item, const char *folder, const char *name)
{
	for (const struct node *n = node_child(item, folder)->first; n; n = n->next)
		if (streq(n->target->name, name))
			return true;
	return false;
}

int hosts_connect(struct fake *f, const char *port, const char *subsystem, const char *host)
{
	struct node *p = find(f, "ports", port), *s = find(f, "subsystems", subsystem);

	if (!p || !s || !links_to(p, "subsystems", subsystem))
		return -ENOENT;
	if (!streq(node_text(s, "attr_allow_any_host"), "1") && !links_to(s, "allowed_hosts", host))
		return -EACCES;
	f->controllers = must(reallocarray(f->controllers, f->n_controllers + 1, sizeof(*f->controllers)));
	f->controllers[f->n_controllers++] = (struct controller){ .port = p, .subsystem = s, .host = must(strdup(host)) };
	s->identified = true;
	return 0;
}

int hosts_disconnect(struct fake *f, const char *subsystem)
{
	struct node *s = find(f, "subsystems", subsystem);

	if (s)
		hosts_drop(f, NULL, s);
	return s ? 0 : -ENOENT;
}

int hosts_identify(struct fake *f, const char *subsystem)
{
	struct node *s = find(f, "subsystems", subsystem);

	if (s)
		s->identified = true;
	return s ? 0 : -ENOENT;
}

int hosts_command(struct fake *f, const char *subsystem, uint32_t nsid)
{
	struct node *s = find(f, "subsystems", subsystem);
	uint64_t n;

	if (!s)
		return -ENOENT;
	for (struct node *ns = node_child(s, "namespaces")->first; ns; ns = ns->next)
		if (kernel_u64(ns->name, UINT32_MAX, &n) >= 0 && n == nsid) {
			ns->leaked += f->major < 7 && !nvmet_namespace_enabled(ns);
			return 0;
		}
	return -ENOENT;
}

void hosts_list(const struct fake *f, struct strbuf *ret)
{
	for (size_t i = 0; i < f->n_controllers; i++)
		strbuf_addf(ret, "%s %s %s\n", f->controllers[i].port->name, f->controllers[i].subsystem->name, f->controllers[i].host);
}

void hosts_drop(struct fake *f, const struct node *port, const struct node *subsystem)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_controllers; i++) {
		struct controller *c = &f->controllers[i];

		if ((!port || c->port == port) && (!subsystem || c->subsystem == subsystem))
			free(c->host);
		else
			f->controllers[n++] = *c;
	}
	f->n_controllers = n;
}
