/*
 * Which work of its types an external worker handles, by the arguments of dgen.attach: messages,
 * actions, locked parts. Other workers handle the rest.
 *
 * There are no lanes within a mailbox. Its messages are handled in order, so a worker that skipped
 * one of a kind that it cannot handle would skip all messages behind it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "actor/actor_type.h"
#include "actor/declare.h"
#include "actor/worker_session.h"
#include "protocol/attach.h"

enum AttachArgument
{
	ARGUMENT_DEAD_LETTERS = 3,
	ARGUMENT_ACTIONS,
	ARGUMENT_MESSAGES,
	ARGUMENT_LOCKED
};

/* By number of the type in the session. */
typedef struct Lanes
{
	bool *dead_letters;
	bool *actions;
	bool *messages;
	bool *locked;
} Lanes;

void
dgen_session_set_type(WorkerSession *session, MemoryContext context, int i, int32 type_id,
					  const char *name)
{
	session->types[i].type_id = type_id;
	session->types[i].name = MemoryContextStrdup(context, name);
}

static int
number_of(const WorkerSession *session, int32 type_id)
{
	for (int i = 0; i < session->ntypes; i++)
		if (session->types[i].type_id == type_id)
			return i;
	return -1;
}

/* The types that the argument names; those of `otherwise` (NULL: none) if it is NULL. */
static bool *
named_types(const WorkerSession *session, FunctionCallInfo fcinfo, int n, const char *argument,
			bool *otherwise)
{
	bool *named = palloc0(session->ntypes * sizeof(bool));
	Datum *names;
	bool *nulls;
	int count;

	if (PG_ARGISNULL(n))
		return otherwise == NULL ? named : otherwise;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
					  &count);
	for (int i = 0; i < count; i++)
	{
		const ActorType *type;
		int number;

		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("an element of %s must not be null", argument),
							errhint("Name only types that actor_types names, or leave %s out.",
									argument)));
		type = dgen_type_by_name(DatumGetTextPP(names[i]));
		number = number_of(session, type->id);
		if (number < 0)
			dgen_refuse_attach(
				psprintf("%s has actor type \"%s\", which actor_types lacks", argument, type->name),
				psprintf("Name only types that actor_types names, or leave %s out.", argument));
		named[number] = true;
	}
	return named;
}

static void
read_lanes(const WorkerSession *session, FunctionCallInfo fcinfo, Lanes *lanes)
{
	bool *all = palloc(session->ntypes * sizeof(bool));

	memset(all, true, session->ntypes * sizeof(bool));
	lanes->dead_letters = named_types(session, fcinfo, ARGUMENT_DEAD_LETTERS, "dead_letters", NULL);
	lanes->actions = named_types(session, fcinfo, ARGUMENT_ACTIONS, "actions", NULL);
	lanes->messages = named_types(session, fcinfo, ARGUMENT_MESSAGES, "messages", all);
	lanes->locked = named_types(session, fcinfo, ARGUMENT_LOCKED, "locked", lanes->messages);
}

static void
check_lanes(const WorkerSession *session, const Lanes *lanes)
{
	for (int i = 0; i < session->ntypes; i++)
	{
		const char *name = session->types[i].name;

		if (!lanes->messages[i] && !lanes->actions[i])
			dgen_refuse_attach(
				psprintf("neither messages nor actions has actor type \"%s\"", name),
				"Name it in messages or in actions, or leave it out of actor_types.");
		if (lanes->locked[i] && !lanes->messages[i])
			dgen_refuse_attach(
				psprintf("locked has actor type \"%s\", which messages lacks", name),
				"A worker that runs the locked parts of a type must also handle its messages. Name "
				"the type in messages, or leave it out of locked.");
	}
}

typedef struct Declaration
{
	int32 type_id;
	Declared what;
} Declaration;

static int
compare_declarations(const void *a, const void *b)
{
	const int32 left = ((const Declaration *) a)->type_id;
	const int32 right = ((const Declaration *) b)->type_id;

	return (left > right) - (left < right);
}

/* Each locks the row of its type: in the order of ids, so that two that attach are no deadlock. */
static void
declare(const WorkerSession *session, const Lanes *lanes)
{
	Declaration *all = palloc(2 * session->ntypes * sizeof(Declaration));
	int count = 0;

	for (int i = 0; i < session->ntypes; i++)
	{
		if (lanes->dead_letters[i])
			all[count++] = (Declaration){session->types[i].type_id, DECLARED_DEAD_LETTERS};
		if (lanes->actions[i])
			all[count++] = (Declaration){session->types[i].type_id, DECLARED_ACTIONS};
	}
	qsort(all, count, sizeof(Declaration), compare_declarations);
	for (int i = 0; i < count; i++)
		dgen_declare(dgen_type_by_id(all[i].type_id, false), all[i].what);
}

/* The types of their actions come behind the others. */
static void
serve(WorkerSession *session, MemoryContext context, const Lanes *lanes)
{
	const WorkerType *all = session->types;
	const int count = session->ntypes;

	session->types = MemoryContextAllocZero(context, 2 * count * sizeof(WorkerType));
	session->ntypes = 0;
	for (int i = 0; i < count; i++)
	{
		if (!lanes->messages[i])
			continue;
		session->types[session->ntypes].runs_parts = lanes->locked[i];
		dgen_session_set_type(session, context, session->ntypes++, all[i].type_id, all[i].name);
	}
	for (int i = 0; i < count; i++)
		if (lanes->actions[i])
			dgen_session_set_type(session, context, session->ntypes++, -all[i].type_id,
								  all[i].name);
}

void
dgen_session_take_lanes(WorkerSession *session, MemoryContext context, FunctionCallInfo fcinfo)
{
	Lanes lanes;

	read_lanes(session, fcinfo, &lanes);
	check_lanes(session, &lanes);
	declare(session, &lanes);
	serve(session, context, &lanes);
}
