/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_PLAN_H
#define CFG_PLAN_H

/*
 * A plan is a set of steps with dependencies. It knows neither NVMe nor SCSI: kernel/ fills it.
 *
 * A step is one uninterrupted sequence of operations, executed by one worker; it stops at the first that fails. Steps are ordered
 * by keys: a step comes after every step that gives one of the keys it is `after`; a key that nobody gives orders nothing.
 * By convention "+PATH" is given by what makes an object or edge, "-PATH" by what removes it, "-RESOURCE" by what sets a
 * resource free ("-address:tcp:192.0.2.1:4420").
 *
 * Phases: build (no host sees it), switch (hosts see it; effects), then the commit, then remove. plan_finish() pulls a removal, and
 * what it depends on, forward into the switch when something in build or switch must come after it; and lets the switch wait for
 * everything in build, and for what is foremost in it.
 *
 * Calling sequence: plan_init, plan_step / step_* …, plan_finish, then read only.
 */

#include "model/attr.h"
#include "plan/op.h"

enum phase { PHASE_BUILD, PHASE_SWITCH, PHASE_REMOVE, PHASE_MAX };

/* Steps that must not run at the same time as those of the other token, in the whole daemon: the kernel walks the list of ports
 * without a lock when hosts of a subsystem change (kernel-abi 2.10). */
enum token { TOKEN_NONE, TOKEN_PORTS, TOKEN_HOSTS, TOKEN_MAX };

struct step {
	size_t index;
	enum phase phase;
	enum token token;
	char *object;		/* model path of the element */
	char *summary;		/* "make", "enable", "change model", "remove", "relink" … for people */
	struct oplist ops;
	char **after, **gives;	/* keys */
	size_t *deps;		/* indices; from plan_finish() */
	size_t n_deps;
	enum effect effect;	/* what hosts notice, if any are there */
	char **affects;		/* edges "ports/ID/subsystems/NQN" by which a host would notice; effect counts if one is in use */
	bool always;		/* the effect counts whoever is connected (data) */
	bool tidies;		/* takes away folders around something, which is not there itself */
	bool foremost;		/* in the switch: only trying tells whether it works, and nobody who is connected sees it */
	bool brief;		/* waits for no device, host, module or program: can share an errand with others */
	bool moved_forward;	/* a removal that plan_finish() took into the switch */
	char *queue;		/* kernel folder or device behind which a stuck call would also hold this one; or NULL */
};

struct plan {
	struct step **steps;
	size_t n;
	char hash[17];		/* 16 hex digits over all that would be done, in order */
};

void plan_done(struct plan *p);
#define _cleanup_plan_ _cleanup_(plan_done)

/* A new step at the end; owned by the plan. NULL when out of memory. */
struct step *plan_step(struct plan *p, enum phase phase, const char *object, const char *summary);
int step_op(struct step *s, enum op_verb verb, unsigned flags, const char *path, const char *value, const char *attr);
int step_after(struct step *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int step_gives(struct step *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int step_affects(struct step *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether s cannot do without the step that it comes after. Of what is below or of an object ("+PATH/" with a star behind) it only waits for
 * the end, good or bad: a subsystem is served with the namespaces that it has. */
bool step_needs(const struct step *s, const struct step *before);

enum plan_flags {
	PLAN_EACH = 1 << 0,	/* each object on its own: nothing waits for what it does not need */
};

/* Resolves, promotes, sorts (steps are then in an order in which they could run one by one; index follows), hashes. A circle is EDEADLK,
 * and names every step in it. */
int plan_finish(struct plan *p, unsigned flags, struct cfg_error *err);

const char *phase_to_str(enum phase p);
/* [{"step":0,"phase":"build","object":…,"summary":…,"effect":…,"affects":[…],"after":[indices],"operations":["mkdir …"]}, …] */
struct json_object *plan_to_json(const struct plan *p);

#endif
