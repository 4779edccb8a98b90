/*
 * UTF-8.
 */
#ifndef DGEN_BASE_UTF8_H
#define DGEN_BASE_UTF8_H

#include "dgen.h"

/* The bytes of the character that text begins with; 0 if it is not valid. */
extern size_t dgen__utf8_character(const char *text, size_t length);
extern bool dgen__utf8_valid(const char *text, size_t length);
/* Replaces each byte that is not part of a character by a question mark. */
extern void dgen__utf8_mend(char *text);
/* Replaces each character that is not ASCII by a question mark; the text is valid. */
extern void dgen__utf8_to_ascii(char *text);
/* The length of valid text, or where it is to be cut to have at most so many bytes. */
extern size_t dgen__utf8_cut(const char *text, size_t most);

#endif /* DGEN_BASE_UTF8_H */
