/*
 * JSON text: checking, finding, walking (json.c), its strings (json_string.c) and numbers
 * (json_number.c).
 */
#ifndef DGEN_JSON_JSON_H
#define DGEN_JSON_JSON_H

#include "dgen.h"

#include "base/memory.h"

/*
 * Reads one character of a string, escaped or not, into out (4 bytes) and moves *text
 * behind it. Its bytes; 0 if it is not valid there. *text is below end.
 */
extern size_t dgen__json_character(const char **text, const char *end, char *out);
/* Makes a valid string with quotes plain text, in place and NUL-terminated; returns the length. */
extern size_t dgen__json_unescape(char *text, size_t length);
/* Appends text as a JSON string with quotes. Invalid UTF-8 is the caller's to check. */
extern void dgen__json_add_string(dgen__buffer *buffer, const char *text, size_t length);

/* Appends a number that reads back as the same double; false for nan and inf. */
extern bool dgen__json_add_double(dgen__buffer *buffer, double number);

#define DGEN__JSON_DEPTH 6000 /* containers in each other that pass as valid */

/*
 * Valid, and nothing in it that jsonb cannot hold: \u0000, numbers beyond numeric. If
 * not, *wrong is the byte where that shows.
 */
extern bool dgen__json_storable(const char *text, size_t length, size_t *wrong);

/* Leaves out the white space around it. */
extern void dgen__json_trim(const char **text, size_t *length);

/* Walks the members of an object or the elements of an array whose text is valid JSON. */
typedef struct dgen__json_walk
{
	const char *next;
	const char *end;
	bool object;
} dgen__json_walk;
extern int dgen__json_walk_begin(dgen__json_walk *walk, const char *text, size_t length,
								 char open); /* '{' or '[' */
extern bool dgen__json_walk_next(dgen__json_walk *walk, dgen_json *name,
								 dgen_json *value); /* name: with quotes */

#endif /* DGEN_JSON_JSON_H */
