/*
 * Replaces a reply that cannot be sent to the client with an error that says why, for all functions that
 * return replies.
 */
#include "postgres.h"

#include "base/client_row.h"
#include "base/client_text.h"
#include "reply/answer.h"

void
dgen_check_answer(Answer *answer)
{
	ClientText client;
	Unsendable why;
	ClientRow row = {0};

	if (!answer->done || answer->failed)
		return;
	dgen_client_text_begin(&client);
	dgen_client_row_add(&row, "reply", answer->reply, true);
	if (dgen_client_row_fits(&client, &row, DGEN_MOST_TEXT, &why))
		return;
	answer->failed = true;
	answer->error = why.error;
	answer->hint = (char *) why.hint;
	answer->sqlstate = why.sqlstate;
}
