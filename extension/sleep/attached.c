/*
 * What the slot of this session says about the attached worker, and whether the attachment is still
 * valid.
 *
 * An extension that was dropped and created again (also by pg_restore --clean) uses the ids of types,
 * messages and workers again, and the versions of states. So an attachment to the former extension is
 * invalid in the new one. It is kept nevertheless, because the DROP EXTENSION might be rolled back.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "actor/role.h"
#include "actor/worker_session.h"
#include "base/errors.h"
#include "shared/database.h"
#include "shared/serving.h"
#include "shared/shared.h"
#include "shared/slot.h"
#include "sleep/attached.h"
#include "sleep/wait.h"
#include "table/table.h"
#include "wake/announce.h"
#include "wake/locked_look.h"

static const char *client = NULL; /* the client's name in dgen.attach */
static bool hidden = false;       /* the slot shows no worker, because the extension was dropped */

static void
fill_slot(const WorkerSession *session)
{
	dgen_slot->worker_id = session == NULL ? 0 : session->id;
	dgen_slot->extension = session == NULL ? InvalidOid : session->extension;
	dgen_slot->ntypes = 0;
	dgen_slot->buckets = 0;
	if (session == NULL)
		return;
	strlcpy(dgen_slot->name, session->name, NAMEDATALEN);
	strlcpy(dgen_slot->client, client, NAMEDATALEN);
	dgen_slot->in_database = session->in_database;
	dgen_slot_set_types(dgen_slot, session);
}

static void
publish(void)
{
	const WorkerSession *session = hidden || !dgen_is_attached() ? NULL : dgen_worker_session();

	dgen_generations_forget();
	if (!dgen_slot_take())
		return;
	if (dgen_slot->state != SLOT_NONE)
		dgen_wait_leave();

	LWLockAcquire(&dgen_database->lock, LW_EXCLUSIVE);
	fill_slot(session);
	LWLockRelease(&dgen_database->lock);
	if (session == NULL)
		return;
	dgen_wait_enter();
	dgen_part_call_others();
}

void
dgen_session_publish(WorkerSession *session, const char *client_name)
{
	dgen_set_worker_session(session);
	client = client_name;
	publish();
}

void
dgen_session_show(void)
{
	hidden = false;
}

bool
dgen_session_is_of_former(const WorkerSession *session)
{
	return session->extension != dgen_this_extension();
}

static void
refuse_former(void)
{
	hidden = true;
	publish();
	ereport(ERROR, (errcode(DGEN_ERR_NOT_ATTACHED),
					errmsg("the extension that this session is attached to was dropped"),
					errdetail("It was created again, with other actor types, messages and states."),
					errhint("Discard the states that you hold, and call dgen.attach again.")));
}

void
dgen_session_check(const WorkerSession *session)
{
	if (dgen_session_is_of_former(session))
		refuse_former();
	if (hidden)
	{
		hidden = false;
		publish();
	}
}

/*
 * A SECURITY DEFINER function might have attached as another role. Its caller in the same session must
 * neither read nor commit what that role claims.
 */
WorkerSession *
dgen_worker_session_of_caller(void)
{
	WorkerSession *session = dgen_worker_session();

	dgen_session_check(session);
	if (!has_privs_of_role(GetUserId(), session->role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" cannot use the worker that role \"%s\" has attached",
						dgen_role_name(GetUserId()), dgen_role_name(session->role)),
				 errhint("Return to that role with SET ROLE, or call dgen.attach as this role.")));
	return session;
}
