/*
 * Do the library, the installed SQL and a client fit together? Needs a transaction, unless a comment
 * says otherwise.
 */
#ifndef DGEN_TABLE_INSTALLED_H
#define DGEN_TABLE_INSTALLED_H

#include "postgres.h"

extern char *dgen_installed_version(void);   /* NULL: dgen is not installed in this database */
extern char *dgen_installed_schema(void);    /* likewise */
extern bool dgen_is_exactly_installed(void); /* the version of the library */
extern bool dgen_fits_installed(void);       /* or one with the same major and minor version */

/* Raises DGEN_ERR_UPDATING if a version is installed that does not fit. */
extern void dgen_check_extension_version(void);
extern void dgen_check_extension_once(void); /* unless known since the last change */
extern void dgen_extension_changed(void);    /* never raises */

/* Raises DGEN_ERR_UPDATING if the library is older than the update script. */
extern void dgen_check_script_version(const char *version);

/* For the version of libdgen. Raises DGEN_ERR_UPDATING, DGEN_ERR_LIBRARY_VERSION or 22023 unless it fits. */
extern void dgen_check_library_version(const char *version);

#endif /* DGEN_TABLE_INSTALLED_H */
