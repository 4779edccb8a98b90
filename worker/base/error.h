/*
 * The error of a handle, and lines of the log.
 */
#ifndef DGEN_BASE_ERROR_H
#define DGEN_BASE_ERROR_H

#include <stdarg.h>

#include "dgen.h"

typedef struct dgen__error
{
	int code;
	char sqlstate[6];
	char *text; /* NULL: none, or memory was out: read it with dgen__error_text */
	char *hint;
} dgen__error;

/*
 * Each returns code and replaces the error that there was; what the new text quotes can be
 * part of it. Texts come out as valid UTF-8. A text that memory is out for is replaced
 * by that of the code.
 */
extern int dgen__fail(dgen__error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
extern int dgen__fail_hint(dgen__error *error, int code, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* From a result of the server: message, detail, SQLSTATE and hint; the code follows from the SQLSTATE. */
extern int dgen__fail_result(dgen__error *error, const PGresult *result);
/* The outcome is unknown, because of `why`, which can be `error`. */
extern int dgen__fail_doubtful(dgen__error *error, const char *hint, const dgen__error *why);
#define DGEN__DOUBT_SENT \
	"Send it again with the idempotency key that it had, or find out in another way."
/* The same from its parts; hint can be NULL. */
extern int dgen__fail_server(dgen__error *error, const char *sqlstate, const char *text,
							 const char *hint);
/* Makes libpq's message one line, without the place in the server's source. */
extern void dgen__tidy(char *text);
extern void dgen__error_clear(dgen__error *error);
extern void dgen__error_free(dgen__error *error);
/* Without what a database might be unable to hold. */
extern void dgen__error_to_ascii(dgen__error *error);
/* Of an error's text, when it is sent: more than the server keeps of it. */
#define DGEN__MAX_ERROR_BYTES 8192
/* Never NULL; "" if there is none. */
extern const char *dgen__error_text(const dgen__error *error);
extern const char *dgen__error_hint(const dgen__error *error);
/* At the end of a log line: " (hint: ...)", or nothing. */
#define DGEN__HINT_FORMAT "%s%s%s"
#define DGEN__HINT_OF(error)                                                       \
	dgen__error_hint(error)[0] != '\0' ? " (hint: " : "", dgen__error_hint(error), \
		dgen__error_hint(error)[0] != '\0' ? ")" : ""

extern int dgen__fail_error(dgen__error *error, const dgen__error *from); /* a copy */

extern void dgen__log(dgen_log_callback log, void *user, dgen_log_level level, const char *format,
					  va_list arguments); /* one line */

#endif /* DGEN_BASE_ERROR_H */
