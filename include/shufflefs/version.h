/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHUFFLEFS_VERSION_H
#define SHUFFLEFS_VERSION_H

/** The version of the library and its programs; CMakeLists.txt reads it from here. */
#define SFS_VERSION "0.1.0"

#endif
