/*
 * SQLSTATEs by name: every one that the library decides by. Classes have two characters.
 */
#ifndef DGEN_BASE_SQLSTATE_H
#define DGEN_BASE_SQLSTATE_H

#include "dgen.h"

/* ---- the server's ---- */

#define DGEN__CLASS_SUCCESS "00"
#define DGEN__CLASS_CONNECTION "08"
#define DGEN__CLASS_UNSUPPORTED "0A"
#define DGEN__CLASS_DATA "22"
#define DGEN__CLASS_AUTHORIZATION "28"
#define DGEN__CLASS_ROLLBACK "40" /* a deadlock, a serialization failure */
#define DGEN__CLASS_ACCESS "42"   /* no such function, a missing privilege, wrong syntax */
#define DGEN__CLASS_RESOURCES "53"
#define DGEN__CLASS_LIMIT "54"
#define DGEN__CLASS_INTERVENTION "57"
#define DGEN__CLASS_SHUTDOWN "57P" /* of the server, or of the session by an operator */
#define DGEN__CLASS_SYSTEM "58"

#define DGEN__UNTRANSLATABLE "22P05" /* \u0000 in JSON, a character that the database lacks */
#define DGEN__NO_ENCODED_TEXT "22021"
#define DGEN__INVALID_VALUE "22023"
#define DGEN__INVALID_TEXT "22P02"
#define DGEN__NO_TRANSACTION "25P01"
#define DGEN__IDLE_IN_TRANSACTION "25P03"
#define DGEN__NO_STATEMENT "26000"
#define DGEN__NO_SAVEPOINT "3B001"
#define DGEN__NO_DATABASE "3D000"
#define DGEN__NO_SCHEMA "3F000"
#define DGEN__NO_PRIVILEGE "42501"
#define DGEN__NO_FUNCTION "42883"
#define DGEN__NO_TABLE "42P01"
#define DGEN__STATEMENT_EXISTS "42P05"
#define DGEN__OUT_OF_LOCKS "53200" /* or of another memory */
#define DGEN__LOCK_TIMEOUT "55P03"
#define DGEN__CANCELLED "57014"
#define DGEN__ADMIN_SHUTDOWN "57P01"
#define DGEN__CRASH_SHUTDOWN "57P02"
#define DGEN__CANNOT_CONNECT_NOW "57P03"
#define DGEN__IDLE_SESSION "57P05"
#define DGEN__RAISE_SQLSTATE "P0001" /* as RAISE EXCEPTION */

/* ---- dgen's own, in the words of extension/base/errors.h ---- */

#define DGEN__UNKNOWN_TYPE "ZD001"
#define DGEN__INVALID_KEY "ZD002"
#define DGEN__INVALID_MESSAGE "ZD003"
#define DGEN__REPLY_TIMEOUT "ZD010"
#define DGEN__REQUEST_FAILED "ZD011"
#define DGEN__UNKNOWN_REQUEST "ZD013"
#define DGEN__SAME_TRANSACTION "ZD014"
#define DGEN__KEY_WITHOUT_REPLY "ZD015"
#define DGEN__NEVER_ANSWERED "ZD016"
#define DGEN__NESTED "ZD030"
#define DGEN__ISOLATION "ZD031"
#define DGEN__NOT_ATTACHED "ZD032"
#define DGEN__NOT_OWNED "ZD033"
#define DGEN__LIBRARY_VERSION "ZD036"
#define DGEN__OTHER_SESSION "ZD037"
#define DGEN__UPDATING "ZD038"
#define DGEN__CHANGED "ZD039" /* a table of dgen was changed */
#define DGEN__TURN_TIMEOUT "ZD041"
#define DGEN__LOCK_LOST "ZD049"
#define DGEN__FAIL_SQLSTATE "ZD400" /* as dgen.fail */

#endif /* DGEN_BASE_SQLSTATE_H */
