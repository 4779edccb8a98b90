/*
 * dgen worker: the actor types of a shared object.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/common/report.h"
#include "cli/worker/job.h"

#define ENTRY "dgen_actor_types"

/* By its real path: without a slash the dynamic linker would look for it elsewhere. */
static void *
open_object(const char *file)
{
	char *path = realpath(file, NULL);
	void *object = NULL;

	if (path == NULL)
		cli_error("could not open \"%s\": %s", file, strerror(errno));
	else if ((object = dlopen(path, RTLD_NOW | RTLD_LOCAL)) == NULL)
		cli_error("could not load \"%s\": %s", file, dlerror());
	free(path);
	return object;
}

/* An element is as long as the first one says: the object can be of another version. */
static const dgen_actor_type *
type_at(const dgen_actor_type *types, size_t n)
{
	return (const dgen_actor_type *) ((const char *) types + n * types->size);
}

static bool
check_types(const char *file, const dgen_actor_type *types, size_t count)
{
	if (types == NULL || count == 0)
	{
		cli_error("\"%s\" has no actor types: " ENTRY " returned none", file);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		if (types->size < offsetof(dgen_actor_type, init) || type_at(types, i)->size != types->size)
		{
			cli_error("the size of actor type %zu in \"%s\" is not sizeof(dgen_actor_type)", i + 1,
					  file);
			return false;
		}
	return true;
}

const dgen_actor_type *
cli_object_type(const cli_object *object, size_t n)
{
	return type_at(object->types, n);
}

bool
cli_object_load(cli_object *object, const char *file)
{
	const dgen_actor_type *(*entry)(size_t * count);
	void *handle = open_object(file);
	void *symbol;

	if (handle == NULL)
		return false;
	symbol = dlsym(handle, ENTRY);
	if (symbol == NULL)
	{
		cli_error("\"%s\" has no function " ENTRY, file);
		cli_hint("\"Worker programs\" in dgen.h says what dgen worker runs.");
		return false;
	}
	memcpy(&entry, &symbol, sizeof(entry));
	object->types = entry(&object->count);
	return check_types(file, object->types, object->count);
}
