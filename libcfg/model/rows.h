/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CFG_ROWS_H
#define CFG_ROWS_H

/* The tables, which attr.c alone puts together, and the codecs that they name (codec.c). */

#include "model/attr.h"

extern const struct attr_row rows_nvmet[], rows_backend[], rows_host[], rows_subsystem[], rows_namespace[], rows_port[],
	rows_referral[], rows_ana_group[];
extern const struct attr_row rows_target_core[], rows_lu_group[], rows_alua_group[], rows_bridge[], rows_fabric[], rows_target[],
	rows_tpg[], rows_lun[], rows_portal[], rows_acl[], rows_mapped_lun[];

extern const struct attr_codec codec_padded;	/* read back with blanks behind it */
extern const struct attr_codec codec_path;	/* "(null)" and "" are unset */
extern const struct attr_codec codec_lower;	/* read back in lower case */
extern const struct attr_codec codec_version;	/* ".0" as third part is not read back */
extern const struct attr_codec codec_nguid;	/* grouped as a UUID; zeros are unset */
extern const struct attr_codec codec_algorithm;	/* "none" is unset */
extern const struct attr_codec codec_hex;	/* in whatever width */
extern const struct attr_codec codec_unit_serial;	/* read back with words before it */
extern const struct attr_codec codec_rtpi;	/* read back as hexadecimal; 0 is unset */
extern const struct attr_codec codec_null;	/* unset by "NULL", and read so; or empty */
extern const struct attr_codec codec_wwn;	/* read back with colons between the bytes */
extern const struct attr_codec codec_lu_group;	/* "default_lu_gp" is unset */
extern const struct attr_codec codec_tg_pt_gp;	/* read back as one line of several; "default_tg_pt_gp" is unset */
extern const struct attr_codec codec_alua_state, codec_alua_type, codec_alua_status;	/* numbers, some read as text */
extern const struct attr_codec codec_secret;	/* written by a worker that reads the secret itself; read as set or unset */

#endif
