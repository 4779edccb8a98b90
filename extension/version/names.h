/*
 * Names and privileges, by version.
 */
#ifndef DGEN_VERSION_NAMES_H
#define DGEN_VERSION_NAMES_H

#include "postgres.h"

/* 16 made errors of name parsing soft, merged the ACL checks, and separated SET ROLE from membership. */
#if PG_VERSION_NUM >= 160000
#define DGEN_NAME_LIST(name) stringToQualifiedNameList(name, NULL)
#define DGEN_DATABASE_OWNERCHECK(database, role) \
	object_ownercheck(DatabaseRelationId, database, role)
#define DGEN_FUNCTION_ACLCHECK(function, role) \
	object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE)
#define DGEN_DATABASE_ACLCHECK(database, role) \
	object_aclcheck(DatabaseRelationId, database, role, ACL_CONNECT)
#define DGEN_CAN_SET_ROLE(member, role) member_can_set_role(member, role)
#else
#define DGEN_NAME_LIST(name) stringToQualifiedNameList(name)
#define DGEN_DATABASE_OWNERCHECK(database, role) pg_database_ownercheck(database, role)
#define DGEN_FUNCTION_ACLCHECK(function, role) pg_proc_aclcheck(function, role, ACL_EXECUTE)
#define DGEN_DATABASE_ACLCHECK(database, role) pg_database_aclcheck(database, role, ACL_CONNECT)
#define DGEN_CAN_SET_ROLE(member, role) is_member_of_role(member, role)
#endif

#endif /* DGEN_VERSION_NAMES_H */
