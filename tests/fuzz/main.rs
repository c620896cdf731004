//! Fuzz targets: every parser of `src/sip`, group documents and stored records, each for a bounded time.
//! `CPM_FUZZ_MS=300000 cargo nextest run --no-default-features --test fuzz` looks longer.
//!
//! No input may panic, take long, hold more than its size explains, or bring a CR, LF or NUL into a text that could be
//! sent again; and what is printed reads as what it was. A finding is written to `target/fuzz` and becomes a file below
//! `tests/fuzz/seeds/TARGET/`, which is read first from then on.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

mod bodies;
mod checks;
mod documents;
mod harness;
mod messages;
mod meter;
mod mutate;
mod records;
mod seeds;
mod tokens;
mod values;

// With the module's features, with which nothing here is run, the crate brings one.
#[cfg_attr(not(feature = "module"), global_allocator)]
#[cfg_attr(feature = "module", used)]
static COUNTING: meter::Counting = meter::Counting;

/// One test per target, and the list of their names.
macro_rules! targets {
    ($($name:ident: $run:path, $seeds:path, $tokens:ident, $nests:expr;)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(#[test]
        fn $name() {
            harness::run(harness::Target {
                name: stringify!($name),
                run: $run,
                seeds: $seeds,
                language: mutate::Language { tokens: tokens::$tokens, nests: $nests },
            });
        })*
    };
}

targets! {
    uri: values::uri, seeds::uris, VALUES, &[];
    two_uris: values::two_uris, seeds::uri_pairs, VALUES, &[];
    name_addr: values::name_addr, seeds::addresses, VALUES, &[];
    params: values::params, seeds::params, VALUES, &[];
    refer_to: values::refer_to, seeds::refer_tos, VALUES, &[];
    referred_by: values::referred_by, seeds::addresses, VALUES, &[];
    refer_sub: values::refer_sub, seeds::refer_subs, VALUES, &[];
    privacy: values::privacy, seeds::privacies, VALUES, &[];
    content_type: values::content_type, seeds::content_types, VALUES, &[];
    written: values::written, seeds::texts, VALUES, &[];
    request: messages::request, seeds::requests, MESSAGE, tokens::MULTIPART;
    response: messages::response, seeds::responses, MESSAGE, &[];
    header_value: messages::header_value, seeds::header_values, VALUES, &[];
    multipart: bodies::multipart, seeds::multiparts, MULTIPARTS, tokens::MULTIPART;
    content_encoding: bodies::content_encoding, seeds::encoded, NOTHING, &[];
    parts_written: bodies::parts_written, seeds::texts, MULTIPARTS, &[];
    sdp: bodies::sdp, seeds::descriptions, SDP, &[];
    msrp_path: bodies::msrp_path, seeds::msrp_paths, SDP, &[];
    resource_list: documents::resource_list, seeds::lists, LIST, tokens::LISTS;
    entry_uri: documents::entry_uri, seeds::uris, VALUES, &[];
    group: documents::group, seeds::groups, GROUP, tokens::GROUPS;
    record: records::record, records::seeds, NOTHING, &[];
}

#[test]
fn every_kept_input_belongs_to_a_target() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    let Ok(dirs) = std::fs::read_dir(seeds) else {
        return;
    };
    for dir in dirs.flatten() {
        let name = dir.file_name().to_string_lossy().into_owned();
        assert!(NAMES.contains(&name.as_str()), "no target {name}");
        assert!(!harness::regressions(&name).is_empty(), "{name} is empty");
    }
}
