/*
 * Whether the library, the installed SQL and a client fit together.
 */
#ifndef DGEN_EXTENSION_H
#define DGEN_EXTENSION_H

#include "postgres.h"

extern char *dgen_installed_version(void);   /* NULL: not installed in this database */
extern char *dgen_installed_schema(void);    /* likewise */
extern bool dgen_is_exactly_installed(void); /* that of the library */
extern bool dgen_fits_installed(void);       /* or one with the same major and minor version */

/* Raises DGEN_ERR_UPDATING if one is installed that does not fit. */
extern void dgen_check_extension_version(void);
extern void dgen_check_extension_once(void); /* unless it was seen to fit */
extern void dgen_extension_changed(void);

/* Raises DGEN_ERR_UPDATING unless the library is at least of the version of the update script. */
extern void dgen_check_script_version(const char *version);

extern void dgen_check_library_version(const char *version); /* of libdgen; raises unless it fits */

#endif /* DGEN_EXTENSION_H */
