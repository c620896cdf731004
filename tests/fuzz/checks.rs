//! What must hold of everything a parser hands out.

use cpm::sip::params::Params;

/// Nothing in it can end a line of ours (or a string of C).
pub fn clean(text: &str) {
    assert!(
        !text.contains(['\r', '\n', '\0']),
        "a line could end in {text:?}"
    );
}

pub fn clean_params(params: &Params) {
    for (name, value) in params {
        clean(name);
        value.as_deref().into_iter().for_each(clean);
    }
}

/// Visible ASCII only.
pub fn visible(text: &str) {
    assert!(
        text.bytes().all(|byte| byte.is_ascii_graphic()),
        "not visible: {text:?}"
    );
}

/// The words of an error, for a log line or a reason phrase.
pub fn clean_error<E: std::fmt::Display>(error: &E) {
    clean_words(&error.to_string());
}

/// Words of ours that quote the input, but not at any length: they get into reason phrases, Warnings and logs.
pub fn clean_words(words: &str) {
    clean(words);
    assert!(words.len() < 1000, "{} octets of words", words.len());
}
