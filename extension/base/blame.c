/*
 * How dgen treats errors: is a message to blame, how much of the text is kept, and which code a text
 * means.
 */
#include "postgres.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/blame.h"
#include "base/errors.h"

/* A handler can give any text as SQLSTATE. dgen raises only a valid one as given. */
int
dgen_sqlstate_of(const char *text)
{
	if (text == NULL || strlen(text) != 5 ||
		strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5 || strncmp(text, "00", 2) == 0 ||
		strncmp(text, "01", 2) == 0 || strncmp(text, "02", 2) == 0)
		return DGEN_ERR_REQUEST_FAILED;
	return MAKE_SQLSTATE(text[0], text[1], text[2], text[3], text[4]);
}

/* Long errors would make messages expensive to read. Cuts between two characters, and marks the cut. */
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

/* A handler that is out of private memory has the same SQLSTATE, but another message. */
bool
dgen_is_out_of_locks(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_OUT_OF_MEMORY && error->message_id != NULL &&
		   strcmp(error->message_id, "out of shared memory") == 0;
}

#define LOG_INTERVAL_MS 60000

/*
 * A table of dgen was changed (ZD039): no attempt is counted, and each retry raises the same error. An
 * in-database worker logs it when it begins, and then once a minute.
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

/* A deadlock is included because earlier turns in this transaction might have caused it with their locks. */
bool
dgen_is_blameless(const ErrorData *error)
{
	return error != NULL &&
		   (error->sqlerrcode == ERRCODE_DISK_FULL || error->sqlerrcode == ERRCODE_IO_ERROR ||
			error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
			error->sqlerrcode == DGEN_ERR_CHANGED || error->sqlerrcode == DGEN_ERR_TYPE_CHANGED ||
			dgen_is_out_of_locks(error));
}
