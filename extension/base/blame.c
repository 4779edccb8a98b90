/*
 * Errors as dgen sees them: is a message to blame, how much of the text is kept, which code a text
 * stands for.
 */
#include "postgres.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/blame.h"
#include "base/errors.h"

/* A handler gives any text as SQLSTATE: only what is one is raised as one. */
int
dgen_sqlstate_of(const char *text)
{
	if (text == NULL || strlen(text) != 5 ||
		strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5 || strncmp(text, "00", 2) == 0 ||
		strncmp(text, "01", 2) == 0 || strncmp(text, "02", 2) == 0)
		return DGEN_ERR_REQUEST_FAILED;
	return MAKE_SQLSTATE(text[0], text[1], text[2], text[3], text[4]);
}

/* So that no message is hard to read for its error. At a character, and it shows. */
const char *
dgen_cut_error(const char *text)
{
	static const char more[] = "...";
	const int most = DGEN_MAX_ERROR_BYTES - strlen(more);
	size_t length = text == NULL ? 0 : strlen(text);

	if (length <= DGEN_MAX_ERROR_BYTES)
		return text;
	return psprintf("%.*s%s", pg_mbcliplen(text, Min(length, INT_MAX), most), text, more);
}

/* Not a handler's own memory, which has the same SQLSTATE. */
bool
dgen_is_out_of_locks(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_OUT_OF_MEMORY && error->message_id != NULL &&
		   strcmp(error->message_id, "out of shared memory") == 0;
}

#define LOG_INTERVAL_MS 60000

/*
 * A table of dgen's was changed (ZD039): nothing is counted, and the same error comes with each retry. An
 * in-database worker says so when it begins, and once a minute.
 */
void
dgen_log_changed(const ErrorData *error)
{
	static char logged[256];
	static TimestampTz logged_at = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (error->message == NULL || (strncmp(logged, error->message, sizeof(logged) - 1) == 0 &&
								   !TimestampDifferenceExceeds(logged_at, now, LOG_INTERVAL_MS)))
		return;
	strlcpy(logged, error->message, sizeof(logged));
	logged_at = now;
	ereport(LOG, (errcode(DGEN_ERR_CHANGED), errmsg("messages wait: %s", error->message),
				  error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/* A deadlock: the turns before it in this transaction may have caused it with the locks they keep. */
bool
dgen_is_blameless(const ErrorData *error)
{
	return error != NULL &&
		   (error->sqlerrcode == ERRCODE_DISK_FULL || error->sqlerrcode == ERRCODE_IO_ERROR ||
			error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
			error->sqlerrcode == DGEN_ERR_CHANGED || error->sqlerrcode == DGEN_ERR_TYPE_CHANGED ||
			dgen_is_out_of_locks(error));
}
