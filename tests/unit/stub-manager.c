/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/stub-manager.h"

#include <assert.h>
#include <errno.h>

#include "base/text.h"

const char *act_to_str(enum act a)
{
	return a == ACT_APPLY ? "apply" : a == ACT_CHANGE ? "change" : "other";
}

const char *job_state_to_str(enum job_state s)
{
	return s == JOB_RUNNING ? "running" : s == JOB_DONE ? "done" : "failed";
}

const char *outcome_to_str(enum outcome o)
{
	return o == OUTCOME_DONE ? "done" : "failed";
}

void request_done(struct request *r)
{
	document_done(&r->document);
	edits_done(&r->edits);
	strv_free(r->paths);
	strv_free(r->disrupt.paths);
	strv_free(r->destroy.paths);
	free(r->plan_hash);
	free(r->caller);
	*r = (struct request){ 0 };
}

void stub_init(struct manager *m, const struct observer *observer)
{
	*m = (struct manager){ .wanted = tree_new(), .generation = 7, .observer = *observer, .state = "up" };
	assert(m->wanted);
}

void stub_done(struct manager *m)
{
	for (size_t i = 0; i < m->n_jobs; i++) {
		json_object_put(m->jobs[i]->job.report);
		free(m->jobs[i]->job.step);
		request_done(&m->jobs[i]->request);
		free(m->jobs[i]);
	}
	free(m->jobs);
	free(m->save_label);
	tree_free(m->wanted);
}

struct stub_job *stub_last(struct manager *m)
{
	return m->n_jobs ? m->jobs[m->n_jobs - 1] : NULL;
}

void stub_progress(struct manager *m, struct stub_job *j, size_t done, size_t total)
{
	j->job.steps_done = done;
	j->job.steps_total = total;
	free(j->job.step);
	j->job.step = strf("subsystems/x: step %zu", done);
	m->observer.job_changed(m->observer.userdata, &j->job);
}

void stub_end(struct manager *m, struct stub_job *j, enum job_state state, enum outcome outcome, const char *report)
{
	j->job.state = state;
	j->job.outcome = outcome;
	j->job.ended_usec = 2;
	j->job.report = json_tokener_parse(report);
	assert(j->job.report);
	m->observer.job_removed(m->observer.userdata, &j->job);
	if (j->done)
		j->done(j->userdata, &j->job);
	j->done = NULL;
}

int manager_request(struct manager *m, struct request *r, request_done_fn done, void *userdata, struct job **ret,
		    struct cfg_error *err)
{
	struct stub_job *j;

	if (m->refuse)
		return cfg_error_set(err, m->refuse, "the stub refuses");
	j = calloc(1, sizeof(*j));
	m->jobs = reallocarray(m->jobs, m->n_jobs + 1, sizeof(*m->jobs));
	assert(j && m->jobs);
	m->jobs[m->n_jobs++] = j;
	j->request = *r;
	*r = (struct request){ 0 };
	j->done = done;
	j->userdata = userdata;
	j->job = (struct job){ .id = m->n_jobs, .act = j->request.act, .caller = j->request.caller, .state = JOB_RUNNING,
			       .started_usec = 1 };
	m->observer.job_new(m->observer.userdata, &j->job);
	if (ret)
		*ret = &j->job;
	return 0;
}

int manager_cancel(struct manager *m, uint64_t id, struct cfg_error *err)
{
	if (!manager_job(m, id))
		return cfg_error_set(err, ENOENT, "there is no job %llu", (unsigned long long)id);
	if (manager_job(m, id)->ended_usec)
		return cfg_error_set(err, EALREADY, "job %llu has ended already", (unsigned long long)id);
	m->cancelled = id;
	return 0;
}

const struct tree *manager_wanted(const struct manager *m)
{
	return m->wanted;
}

uint64_t manager_generation(const struct manager *m)
{
	return m->generation;
}

int manager_jobs(const struct manager *m, const struct job ***ret, size_t *ret_n)
{
	*ret = calloc(m->n_jobs + 1, sizeof(**ret));
	assert(*ret);
	for (size_t i = 0; i < m->n_jobs; i++)
		(*ret)[i] = &m->jobs[i]->job;
	*ret_n = m->n_jobs;
	return 0;
}

const struct job *manager_job(const struct manager *m, uint64_t id)
{
	return id && id <= m->n_jobs ? &m->jobs[id - 1]->job : NULL;
}

struct json_object *job_to_json(const struct job *job)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "job", json_object_new_uint64(job->id));
	return o;
}

const char *manager_object_state(const struct manager *m, const char *path, const char **ret_reason)
{
	*ret_reason = m->reason;
	return m->state;
}

int manager_show(struct manager *m, const char *path, bool defaults, struct json_object **ret, struct cfg_error *err)
{
	if (path && !tree_find(m->wanted, path))
		return cfg_error_set_at(err, ENOENT, path, NULL, "there is no such object");
	*ret = json_object_new_object();
	json_object_object_add(*ret, "shown", json_object_new_string(path ? path : ""));
	return 0;
}

int manager_status(struct manager *m, struct json_object **ret)
{
	*ret = json_object_new_object();
	json_object_object_add(*ret, "generation", json_object_new_uint64(m->generation));
	return 0;
}

int manager_history(struct manager *m, struct json_object **ret)
{
	*ret = json_object_new_array();
	return 0;
}

int manager_verify(struct manager *m, void (*done)(void *userdata, struct json_object *status, const struct cfg_error *err),
		   void *userdata)
{
	m->verifies++;
	m->verify_done = done;
	m->verify_userdata = userdata;
	return 0;
}

int manager_capabilities(struct manager *m, capabilities_done_fn done, void *userdata)
{
	return -EIO;
}

int manager_save(struct manager *m, const char *label,
		 void (*done)(void *userdata, uint64_t generation, const struct cfg_error *err), void *userdata)
{
	free(m->save_label);
	m->save_label = strdup(label);
	m->save_done = done;
	m->save_userdata = userdata;
	return 0;
}
