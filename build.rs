//! Reads the headers of the Kamailio that will load the module, and writes bindings for them.
//!
//! Without the feature `module` it does nothing. `kamailio-cfg/run.sh setup` fetches the headers.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(tm_takes_max_forwards)");
    #[cfg(feature = "module")]
    if let Err(problem) = kamailio::generate() {
        for line in problem.lines() {
            println!("cargo::error={line}");
        }
        eprintln!("{problem}");
        std::process::exit(1);
    }
}

#[cfg(feature = "module")]
mod kamailio {
    use std::env;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    const WRAPPER: &str = "src/kamailio_sys/wrapper.h";

    /// Types that the safe wrapper reads or fills. bindgen adds the types they refer to.
    const TYPES: &[&str] = &[
        "action_u_t|_str|str",
        "cancel_info|cancel_reason",
        "cell|dlg_t|tm_xapi_t|tm_api_t|tmcb_params|uac_req_t|transaction_cb",
        "cmd_export_t|fparam_t|module_exports_t|param_export_t|rpc_export_t|rpc_t",
        "counter_handle_t",
        "cseq_body|host_alias|ksr_logdata_t|sip_msg|sip_protos|sl_api_t|socket_info|to_body",
        "load_tm_f|load_xtm_f|bind_sl_f|request_method",
        "script_cb_flag|sr_kemi_t|sr_shm_api_t|mem_info|tcp_connection",
    ];

    /// Functions of the core that the safe wrapper calls. Those of other modules cannot be linked: their
    /// symbols are local, so the wrapper looks them up by name at run time.
    const FUNCTIONS: &[&str] = &[
        "add_lump_rpl2|cfg_child_no_cb_init|cfg_lookup_var",
        "check_self|counter_register|counter_reset|counter_get_val",
        "find_export|fixup_spve_null|fixup_free_spve_null|get_str_fparam",
        "fork_process|free_rr|ksr_evrt_rcvnetinfo_get|get_debug_facility|get_debug_level|grep_sock_info",
        "find_si|get_sock_info_list|ksr_shutdown_phase|destroy_modules_phase|my_pid",
        "parse_headers|parse_rr_body|register_procs|register_script_cb",
        "sr_kemi_modules_add|sr_instance_ready|tcpconn_get",
    ];

    /// Globals of the core and constants, among them those of the wrapper header (`CPM_…`).
    const VARIABLES: &[&str] = &[
        "_cnts_row_len|_cnts_vals|_km_log_func|_ksr_slog_func|_pkg_root|_shm_root",
        "CPM_.*|dprint_crit|log_level_info|log_prefix_val|log_stderr",
        "process_no|pt|cfg_(global|local|group|global_lock)",
        "PARAM_(STRING|INT|STR)|PROC_.*|PRE_SCRIPT_CB|SIP_REQUEST|LUMP_RPL_HDR|E_(DROP|BAD_REQ|NO_SOCKET|OUT_OF_MEM|SCRIPT)",
        "SR_KEMIP_.*|TMCB_.*|CANCEL_REAS_.*|T_CANCELED|T_IS_LOCAL_FLAG|T_BR_UNDEFINED",
        "REQUEST_ROUTE|EVENT_ROUTE|ANY_ROUTE",
    ];

    /// Writes `$OUT_DIR/bindings.rs`.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub fn generate() -> Result<(), String> {
        for name in ["KAMAILIO_SRC", "CARGO_TARGET_DIR", "LIBCLANG_PATH"] {
            println!("cargo::rerun-if-env-changed={name}");
        }
        println!("cargo::rerun-if-changed={WRAPPER}");

        let src = find_source()?;
        let config = src.join("config.mak");
        println!("cargo::rerun-if-changed={}", config.display());
        println!(
            "cargo::rerun-if-changed={}",
            src.join("core/ver_defs.h").display()
        );
        let defines = read_defines(&config)?;
        check_libclang()?;
        look_for_max_forwards(&src);

        let mut builder = bindgen::Builder::default()
            .header(WRAPPER)
            .clang_arg(format!("-I{}", src.display()))
            .clang_arg("-DMOD_NAME=\"cpm\"")
            .clang_args(&defines)
            .derive_copy(true)
            .derive_debug(false)
            .layout_tests(true)
            .generate_comments(false)
            .prepend_enum_name(false)
            .sort_semantically(true);
        for pattern in TYPES {
            builder = builder.allowlist_type(*pattern);
        }
        for pattern in FUNCTIONS {
            builder = builder.allowlist_function(*pattern);
        }
        for pattern in VARIABLES {
            builder = builder.allowlist_var(*pattern);
        }
        let bindings = builder.generate().map_err(|error| {
            let error = error.to_string();
            format!(
                "the Kamailio headers in {} could not be read: {}\n\
                 Does KAMAILIO_SRC name the configured source tree of the installed version?",
                src.display(),
                error.trim_end()
            )
        })?;

        let text = bindings.to_string();
        for name in ["CPM_FULL_VERSION", "CPM_COMPILE_FLAGS"] {
            if !text.contains(&format!("pub const {name}")) {
                return Err(format!(
                    "libclang did not evaluate {name}; install libclang-14-dev or newer \
                     and point LIBCLANG_PATH at it"
                ));
            }
        }
        warn_if_other_version(&text);
        let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?)
            .join("bindings.rs");
        fs::write(&out, text).map_err(|error| format!("cannot write {}: {error}", out.display()))
    }

    /// Sets `tm_takes_max_forwards` when tm, as its source says, writes no Max-Forwards into a request whose
    /// headers have one. A tree without that source, or with another one, leaves the header to tm.
    fn look_for_max_forwards(src: &Path) {
        let builder = src.join("modules/tm/t_msgbuilder.c");
        println!("cargo::rerun-if-changed={}", builder.display());
        let source = fs::read_to_string(builder).unwrap_or_default();
        let words: Vec<&str> = source.split_ascii_whitespace().collect();
        let looks = "if(headers==NULL || headers->len<15 \
             || _strnstr(headers->s, \"Max-Forwards:\", headers->len)==NULL) { \
             maxfwd_len = MAXFWD_HEADER_LEN; } else { maxfwd_len = 0; }";
        let writes = "if(maxfwd_len>0) memapp(w, MAXFWD_HEADER, MAXFWD_HEADER_LEN);";
        let text = words.join(" ");
        if text.contains(looks) && text.contains(writes) {
            println!("cargo::rustc-cfg=tm_takes_max_forwards");
        }
    }

    /// Finds the directory that holds `core/` and `config.mak`.
    fn find_source() -> Result<PathBuf, String> {
        let mut tried = Vec::new();
        if let Some(given) = env::var_os("KAMAILIO_SRC").filter(|value| !value.is_empty()) {
            tried.push(PathBuf::from(given));
        } else {
            let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
            tried.push(here.join("target/kamailio-src"));
            if let Some(target) = env::var_os("CARGO_TARGET_DIR") {
                tried.push(here.join(target).join("kamailio-src"));
            }
        }
        for tree in &tried {
            for src in [tree.join("src"), tree.clone()] {
                if src.join("core/sr_module.h").is_file() {
                    return Ok(src);
                }
            }
        }
        let looked: Vec<String> = tried.iter().map(|p| p.display().to_string()).collect();
        Err(format!(
            "no Kamailio headers found (looked in {}).\n\
             Run ./kamailio-cfg/run.sh setup, which fetches those of the installed Kamailio, \
             or set KAMAILIO_SRC to a source tree in which `make cfg` was run.\n\
             Without a Kamailio the pure part builds with --no-default-features.",
            looked.join(", ")
        ))
    }

    /// The defines Kamailio was configured with: every `-D` of C_DEFS and of CC_PMUTEX_OPTS in
    /// `config.mak`. Both end up in the flags string that the loader compares.
    fn read_defines(config: &Path) -> Result<Vec<String>, String> {
        let text = fs::read_to_string(config).map_err(|error| {
            format!(
                "cannot read {}: {error}\n\
                 Run `make cfg` in that tree, or let ./kamailio-cfg/run.sh setup prepare one; \
                 KAMAILIO_SRC names the tree to use.",
                config.display()
            )
        })?;
        let mut defines = Vec::new();
        for variable in ["C_DEFS", "CC_PMUTEX_OPTS"] {
            let value = text
                .lines()
                .find_map(|line| {
                    let rest = line.strip_prefix(variable)?.trim_start();
                    rest.strip_prefix('=')
                })
                .unwrap_or_default();
            let words = split_like_a_shell(value);
            defines.extend(words.into_iter().filter(|word| word.starts_with("-D")));
        }
        if defines
            .iter()
            .any(|define| define.starts_with("-DVERSION="))
        {
            return Ok(defines);
        }
        Err(format!(
            "{} has no C_DEFS with a VERSION; run `make cfg` in that tree again",
            config.display()
        ))
    }

    /// Words as a POSIX shell would see them: quotes group, a backslash takes the next character.
    fn split_like_a_shell(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote: Option<char> = None;
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match (quote, c) {
                (Some(q), c) if c == q => quote = None,
                (Some('\''), c) => word.get_or_insert_with(String::new).push(c),
                (_, '\\') => word.get_or_insert_with(String::new).extend(chars.next()),
                (Some(_), c) => word.get_or_insert_with(String::new).push(c),
                (None, '\'' | '"') => {
                    word.get_or_insert_with(String::new);
                    quote = Some(c);
                }
                (None, c) if c.is_whitespace() => words.extend(word.take()),
                (None, c) => word.get_or_insert_with(String::new).push(c),
            }
        }
        words.extend(word);
        words
    }

    /// Checks that libclang can be loaded. bindgen panics without it; this turns the panic into an error.
    fn check_libclang() -> Result<(), String> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let found = std::panic::catch_unwind(bindgen::clang_version);
        std::panic::set_hook(hook);
        found.map(|_| ()).map_err(|_| {
            "libclang was not found: install the package libclang-14-dev, \
             or set LIBCLANG_PATH to the directory that holds libclang.so"
                .to_string()
        })
    }

    /// Warns when the headers are not those of the installed Kamailio, which would refuse to load the
    /// module and end.
    fn warn_if_other_version(bindings: &str) {
        let installed = ["kamailio", "/usr/sbin/kamailio"]
            .iter()
            .find_map(|program| Command::new(program).arg("-V").output().ok());
        let Some(installed) = installed else { return };
        let installed = String::from_utf8_lossy(&installed.stdout).into_owned();
        for (label, constant) in [
            ("version: ", "CPM_FULL_VERSION"),
            ("flags: ", "CPM_COMPILE_FLAGS"),
        ] {
            let theirs = installed
                .lines()
                .find_map(|line| line.strip_prefix(label))
                .map(|value| value.trim_end().to_string());
            let Some(theirs) = theirs else { continue };
            if !bindings.contains(&format!("{theirs}\\0\"")) {
                println!(
                    "cargo::warning=the headers differ from the installed Kamailio in {constant} \
                     (kamailio -V says: {theirs}); that Kamailio will refuse to load this module. \
                     KAMAILIO_SRC chooses the headers."
                );
            }
        }
    }
}
