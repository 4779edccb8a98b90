/*
 * Of extension.c: whether the library, the installed SQL and a client fit together.
 */
#ifndef DGEN_EXTENSION_H
#define DGEN_EXTENSION_H

#include "postgres.h"

extern char *dgen_installed_version(void);      /* NULL: not installed in this database */
extern bool dgen_fits_installed(void);          /* the installed version is that of the library */
extern void dgen_check_extension_version(void); /* raises unless it is */
extern void dgen_check_library_version(const char *version); /* of libdgen; raises unless it fits */

#endif /* DGEN_EXTENSION_H */
