/* The Kamailio headers that bindgen reads. build.rs lists which of their names
 * are bound. Nothing here is compiled. */
#include "core/sr_module.h"
#include "core/ver_defs.h"
#include "core/config.h"
#include "core/data_lump_rpl.h"
#include "core/dprint.h"
#include "core/error.h"
#include "core/globals.h"
#include "core/ip_addr.h"
#include "core/socket_info.h"
#include "core/name_alias.h"
#include "core/forward.h"
#include "core/route.h"
#include "core/parser/msg_parser.h"
#include "core/parser/parse_cseq.h"
#include "core/parser/parse_rr.h"
#include "core/parser/parse_to.h"
#include "core/mem/mem.h"
#include "core/mem/shm_mem.h"
#include "core/mod_fix.h"
#include "core/rpc.h"
#include "core/kemi.h"
#include "core/counters.h"
#include "core/script_cb.h"
#include "core/pt.h"
#include "core/tcp_conn.h"
#include "core/cfg/cfg_struct.h"
#include "modules/tm/tm_load.h"
#include "modules/sl/sl.h"
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <sys/socket.h>

/* bindgen does not evaluate macros that concatenate strings, so constants hold
 * their values. */
static const char *const CPM_FULL_VERSION = SER_FULL_VERSION;
static const char *const CPM_COMPILE_FLAGS = SER_COMPILE_FLAGS;
static const unsigned int CPM_INTERFACE_VER = MODULE_INTERFACE_VER;

/* The kernel's names for what the libc crate does not have. */
static const unsigned long CPM_SIOCGSTAMP = SIOCGSTAMP_NEW;
static const int CPM_SO_MEMINFO = SO_MEMINFO;
