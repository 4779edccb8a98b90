/*
 * The actor types of a worker, which are checked before it runs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "json/check.h"
#include "work/session.h"
#include "work/worker.h"

static int
check_initial_state(dgen_worker *worker, const dgen_actor_type *type)
{
	size_t length = DGEN_STRLEN;
	dgen__error why = {0};
	int code = 0;

	if (type->initial_state != NULL)
		code = dgen__check_object(&why, "initial_state", type->initial_state, &length);
	if (code != 0)
		(void) dgen__fail_hint(&worker->error, code, dgen__error_hint(&why),
							   "actor type \"%s\": %s", type->name, dgen__error_text(&why));
	dgen__error_free(&why);
	return code;
}

static int
check_type(dgen_worker *worker, const dgen_actor_type *type)
{
	int code;

	if (type->name == NULL || type->name[0] == '\0')
		return dgen__fail(&worker->error, DGEN_EINVAL, "the actor type has no name");
	code = check_initial_state(worker, type);
	if (code != 0)
		return code;
	for (int i = 0; i < worker->ntypes; i++)
		if (strcmp(worker->types[i].name, type->name) == 0)
			return dgen__fail(&worker->error, DGEN_EINVAL,
							  "actor type \"%s\" is registered already", type->name);
	return dgen__check_callbacks(type, &worker->error);
}

static int
add_type(dgen_worker *worker, const dgen_actor_type *type)
{
	dgen__type *types =
		dgen__realloc(worker->types, ((size_t) worker->ntypes + 1) * sizeof(dgen__type));
	dgen__type *added;

	if (types == NULL)
		return dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
	worker->types = types;
	added = &types[worker->ntypes++];
	memset(added, 0, sizeof(*added));
	added->type = *type;
	added->type.name = added->name = dgen__strdup(type->name);
	if (added->type.initial_state != NULL)
		added->type.initial_state = added->initial_state = dgen__strdup(type->initial_state);
	if (added->name != NULL && (type->initial_state == NULL || added->initial_state != NULL))
		return 0;
	worker->ntypes--;
	dgen__free(added->name);
	dgen__free(added->initial_state);
	return dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
}

int
dgen_worker_register(dgen_worker *worker, const dgen_actor_type *type)
{
	dgen_actor_type copy;
	int result = dgen__worker_check(worker);

	if (result != 0)
		return result;
	if (worker->phase == DGEN__ENDED)
		return dgen__fail(&worker->error, DGEN_ESTATE, "worker could not be opened, or has ended");
	if (worker->ran)
		return dgen__fail(&worker->error, DGEN_ESTATE,
						  "types are registered before the worker runs");
	if (type == NULL)
		return dgen__fail(&worker->error, DGEN_EINVAL, "actor type must not be NULL");
	result = dgen__check_struct(&worker->error, "dgen_actor_type", type, &copy, sizeof(copy));
	if (result == 0)
		result = check_type(worker, &copy);
	return result == 0 ? add_type(worker, &copy) : result;
}
