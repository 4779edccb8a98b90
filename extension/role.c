/*
 * The roles that dgen's rows name: owners and grantees of actor types.
 */
#include "dgen_ext.h"

#include "miscadmin.h"

const char *
dgen_role_name(Oid role)
{
	char *name = GetUserNameFromId(role, true);

	return name != NULL ? name : psprintf("%u", role);
}
