/*
 * What is refused before it goes to the server.
 *
 * One bad value would make the whole statement fail, and with it all turns of a batch.
 * Each returns 0, or sets the error and returns its code. `what` is the subject of the
 * error's text, like "message".
 */
#ifndef DGEN_JSON_CHECK_H
#define DGEN_JSON_CHECK_H

#include "dgen.h"

#include "base/error.h"

#define DGEN__MAX_TYPE_BYTES 128
#define DGEN__MAX_KEY_BYTES 512
#define DGEN__MAX_JSON_BYTES 0x0fffffff           /* jsonb's */
#define DGEN__MAX_DELAY_MS INT64_C(3155760000000) /* a century, as the server has it */

/* An actor's type and key. */
extern int dgen__check_actor(dgen__error *error, const char *type, const char *key);
/* Text in UTF-8 of 1 to max bytes. */
extern int dgen__check_text(dgen__error *error, const char *what, const char *text, size_t max);
/* JSON that jsonb can hold. Puts the length into *length if that is DGEN_STRLEN. */
extern int dgen__check_json(dgen__error *error, const char *what, const char *json, size_t *length);
/* The same; it must be an object. */
extern int dgen__check_object(dgen__error *error, const char *what, const char *json,
							  size_t *length);
/*
 * Copies a struct whose first member is its size, as this version knows it, from a program
 * that can know another; what is missing is 0, and what is unknown must be 0.
 */
extern int dgen__check_struct(dgen__error *error, const char *name, const void *given, void *copy,
							  size_t size);
/* The same for send options (NULL: defaults), and their values. */
extern int dgen__check_send_options(dgen__error *error, const dgen_send_options *options,
									dgen_send_options *copy);
extern bool dgen__sqlstate_valid(const char *sqlstate);

#endif /* DGEN_JSON_CHECK_H */
