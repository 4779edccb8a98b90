/*
 * Errors: the texts of the codes, and the error of a handle with its text, SQLSTATE and
 * hint.
 */
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/sqlstate.h"
#include "base/utf8.h"

const char *
dgen_strerror(int code)
{
	switch (code)
	{
#define ERROR_TEXT(name, number, text) \
	case number:                       \
		return text;
		DGEN_ERROR_MAP(ERROR_TEXT)
#undef ERROR_TEXT
		case DGEN_OK:
			return "no error";
		default:
			return "unknown error";
	}
}

/* ---- the error of a handle ---- */

void
dgen__error_clear(dgen__error *error)
{
	dgen__error_free(error);
}

void
dgen__error_free(dgen__error *error)
{
	dgen__free(error->text);
	dgen__free(error->hint);
	memset(error, 0, sizeof(*error));
}

void
dgen__error_to_ascii(dgen__error *error)
{
	if (error->text != NULL)
		dgen__utf8_to_ascii(error->text);
	if (error->hint != NULL)
		dgen__utf8_to_ascii(error->hint);
}

const char *
dgen__error_text(const dgen__error *error)
{
	if (error->code == 0)
		return "";
	return error->text != NULL ? error->text : dgen_strerror(error->code);
}

const char *
dgen__error_hint(const dgen__error *error)
{
	return error->hint != NULL ? error->hint : "";
}

/* Takes the text's memory, and the text goes where UTF-8 is asked for. */
static char *
take_text(dgen__buffer *text)
{
	if (text->failed || text->data == NULL)
	{
		dgen__buffer_free(text);
		return NULL;
	}
	dgen__utf8_mend(text->data);
	return text->data;
}

/* The old error is freed last: the new text can quote it. */
static int
put_error(dgen__error *error, int code, dgen__buffer *text, dgen__buffer *hint)
{
	char *new_text = take_text(text);
	char *new_hint = take_text(hint);

	dgen__error_free(error);
	error->code = code;
	error->text = new_text;
	error->hint = new_hint;
	return code;
}

int
dgen__fail(dgen__error *error, int code, const char *format, ...)
{
	dgen__buffer text = {0};
	dgen__buffer hint = {0};
	va_list arguments;

	va_start(arguments, format);
	dgen__buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	return put_error(error, code, &text, &hint);
}

int
dgen__fail_hint(dgen__error *error, int code, const char *hint_text, const char *format, ...)
{
	dgen__buffer text = {0};
	dgen__buffer hint = {0};
	va_list arguments;

	va_start(arguments, format);
	dgen__buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	dgen__buffer_puts(&hint, hint_text);
	return put_error(error, code, &text, &hint);
}

/* ---- from the server ---- */

/* The first prefix that fits counts. */
static const struct
{
	const char *prefix;
	int code;
} codes[] = {
	{DGEN__CLASS_CONNECTION, DGEN_ECONNECT}, {DGEN__ADMIN_SHUTDOWN, DGEN_ECONNECT},
	{DGEN__CRASH_SHUTDOWN, DGEN_ECONNECT},   {DGEN__CANNOT_CONNECT_NOW, DGEN_ECONNECT},
	{DGEN__IDLE_SESSION, DGEN_ECONNECT},     {DGEN__IDLE_IN_TRANSACTION, DGEN_ECONNECT},
	{DGEN__CLASS_AUTHORIZATION, DGEN_EPERM}, {DGEN__NO_PRIVILEGE, DGEN_EPERM},
	{DGEN__INVALID_TEXT, DGEN_EJSON}, /* JSON is the only text that the library lets the server parse */
	{DGEN__UNTRANSLATABLE, DGEN_EJSON}, /* \u0000 in it */
	{DGEN__UNKNOWN_TYPE, DGEN_ENOTFOUND},    {DGEN__INVALID_KEY, DGEN_EINVAL},
	{DGEN__INVALID_MESSAGE, DGEN_EINVAL},    {DGEN__REPLY_TIMEOUT, DGEN_ETIMEOUT},
	{DGEN__REQUEST_FAILED, DGEN_EFAILED},    {DGEN__UNKNOWN_REQUEST, DGEN_ENOTFOUND},
	{DGEN__SAME_TRANSACTION, DGEN_ESTATE},   {DGEN__KEY_WITHOUT_REPLY, DGEN_EINVAL},
	{DGEN__NEVER_ANSWERED, DGEN_EFAILED},    {DGEN__NESTED, DGEN_ESTATE},
	{DGEN__ISOLATION, DGEN_ESTATE},          {DGEN__LIBRARY_VERSION, DGEN_EVERSION},
	{DGEN__OTHER_SESSION, DGEN_EPOOLED},     {DGEN__UPDATING, DGEN_EVERSION},
	{DGEN__FAIL_SQLSTATE, DGEN_EFAILED},
};

static int
code_of(const char *sqlstate)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strncmp(sqlstate, codes[i].prefix, strlen(codes[i].prefix)) == 0)
			return codes[i].code;
	return DGEN_ESERVER;
}

static const char *
field(const PGresult *result, int code)
{
	const char *text = PQresultErrorField(result, code);

	return text != NULL ? text : "";
}

void
dgen__tidy(char *text)
{
	char *location = strstr(text, "\nLOCATION:");
	char *to = text;

	if (location != NULL)
		*location = '\0';
	for (char *from = text; *from != '\0'; from++)
		if (!isspace((unsigned char) *from) || (to > text && to[-1] != ' '))
			*to++ = isspace((unsigned char) *from) ? ' ' : *from;
	*to = '\0';
	if (to > text && to[-1] == ' ')
		to[-1] = '\0';
}

/* A result that libpq made itself has no fields, only a message with line ends. */
static void
add_message(dgen__buffer *text, const PGresult *result)
{
	const char *primary = field(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = field(result, PG_DIAG_MESSAGE_DETAIL);
	const char *whole = PQresultErrorMessage(result);
	size_t length = strlen(whole);

	while (length > 0 && whole[length - 1] == '\n')
		length--;
	if (*primary == '\0')
	{
		dgen__buffer_add(text, whole, length);
		if (text->length > 0)
			dgen__tidy(text->data);
		text->length = text->data == NULL ? 0 : strlen(text->data);
	}
	else
		dgen__buffer_puts(text, primary);
	if (*detail != '\0')
		dgen__buffer_printf(text, " (%s)", detail);
}

int
dgen__fail_result(dgen__error *error, const PGresult *result)
{
	dgen__buffer text = {0};
	dgen__buffer hint = {0};
	const char *sqlstate = field(result, PG_DIAG_SQLSTATE);
	int code = *sqlstate == '\0' ? DGEN_ECONNECT : code_of(sqlstate);

	add_message(&text, result);
	if (*field(result, PG_DIAG_MESSAGE_HINT) != '\0')
		dgen__buffer_puts(&hint, field(result, PG_DIAG_MESSAGE_HINT));
	if (text.length == 0)
		dgen__buffer_free(&text);
	(void) put_error(error, code, &text, &hint);
	if (strlen(sqlstate) == 5)
		memcpy(error->sqlstate, sqlstate, 6);
	return code;
}

int
dgen__fail_doubtful(dgen__error *error, const char *hint, const dgen__error *why)
{
	char sqlstate[6];

	memcpy(sqlstate, why->sqlstate, sizeof(sqlstate));
	(void) dgen__fail_hint(error, DGEN_EUNKNOWN, hint, "whether it was done is not known: %s",
						   dgen__error_text(why));
	memcpy(error->sqlstate, sqlstate, sizeof(sqlstate));
	return error->code;
}

int
dgen__fail_server(dgen__error *error, const char *sqlstate, const char *text, const char *hint)
{
	(void) dgen__fail_hint(error, code_of(sqlstate), hint != NULL ? hint : "", "%s", text);
	if (strlen(sqlstate) == 5)
		memcpy(error->sqlstate, sqlstate, 6);
	return error->code;
}

int
dgen__fail_error(dgen__error *error, const dgen__error *from)
{
	if (error == from)
		return error->code;
	(void) dgen__fail_hint(error, from->code, dgen__error_hint(from), "%s", dgen__error_text(from));
	memcpy(error->sqlstate, from->sqlstate, sizeof(error->sqlstate));
	return error->code;
}
