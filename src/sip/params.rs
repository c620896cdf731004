//! Header parameters: `;name=value;flag;quoted="…"`.
//! Not here: URI parameters, which have another alphabet (`uri::params`).

use thiserror::Error;

use super::chars::{PARAM_NAME, PARAM_VALUE};
use super::text::{self, Quoted};

/// Parameters in the order written: the name in lower case, the value unquoted. A value that was
/// not printable UTF-8 holds U+FFFD where it was not.
pub type Params = Vec<(String, Option<String>)>;

/// More parameters than any header has use for.
const MAX_PARAMS: usize = 64;

/// Why parameters could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParamsError {
    /// Something other than `;` follows the value the parameters belong to.
    #[error("unexpected text before the parameters: {0}")]
    NoSemicolon(String),
    /// A name that is none, a blank inside a value, an unterminated quoted string.
    #[error("malformed parameter: {0}")]
    Malformed(String),
    /// More than 64.
    #[error("more than 64 parameters")]
    TooMany,
}

/// Reads `;a=b ; c = "d"`; empty input has no parameters. Blanks around `;` and `=` are allowed
/// (RFC 3261 section 25.1 SEMI, EQUAL) and empty parameters are skipped.
pub fn parse(raw: &[u8]) -> Result<Params, ParamsError> {
    let mut params = Vec::new();
    each(raw, |param| {
        let name = String::from_utf8_lossy(param.name).to_ascii_lowercase();
        params.push((name, param.value.map(Value::text)));
    })?;
    Ok(params)
}

/// The value of the first parameter of that name (any case); `""` when it has none.
pub fn find<'a>(params: &'a [(String, Option<String>)], name: &str) -> Option<&'a str> {
    params
        .iter()
        .find(|(have, _)| have.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_deref().unwrap_or(""))
}

/// What [`parse`] and [`find`] do together, without a copy of anything.
pub(crate) fn find_in<'a>(raw: &'a [u8], name: &str) -> Result<Option<Value<'a>>, ParamsError> {
    let mut found = None;
    each(raw, |param| {
        if found.is_none() && param.name.eq_ignore_ascii_case(name.as_bytes()) {
            found = Some(param.value.unwrap_or(Value::Plain(b"")));
        }
    })?;
    Ok(found)
}

/// A checked parameter as it stands in the text.
struct Param<'a> {
    name: &'a [u8],
    value: Option<Value<'a>>,
}

/// A checked value as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// Without quotes.
    Plain(&'a [u8]),
    /// In quotes.
    Quoted(Quoted<'a>),
}

impl Value<'_> {
    /// Unquoted, as [`Params`] has it.
    pub fn text(self) -> String {
        match self {
            Value::Plain(value) => text::shown(value),
            Value::Quoted(quoted) => text::shown(&quoted.content()),
        }
    }
}

/// Checks all parameters and shows them one by one.
fn each<'a>(raw: &'a [u8], mut see: impl FnMut(Param<'a>)) -> Result<(), ParamsError> {
    let raw = text::trim(raw);
    if raw.is_empty() {
        return Ok(());
    }
    let Some(rest) = raw.strip_prefix(b";") else {
        return Err(ParamsError::NoSemicolon(text::excerpt(raw)));
    };
    let mut count = 0;
    for piece in text::split_outside(rest, b';') {
        if piece.is_empty() {
            continue;
        }
        if count == MAX_PARAMS {
            return Err(ParamsError::TooMany);
        }
        count += 1;
        see(one(piece).ok_or_else(|| ParamsError::Malformed(text::excerpt(piece)))?);
    }
    Ok(())
}

fn one(piece: &[u8]) -> Option<Param<'_>> {
    let (name, value) = text::cut(piece, b'=');
    let name = text::trim(name);
    if name.is_empty() || !PARAM_NAME.has_all(name) {
        return None;
    }
    let Some(value) = value else {
        return Some(Param { name, value: None });
    };
    let value = text::trim(value);
    let value = if value.first() == Some(&b'"') {
        let (content, after) = text::take_quoted(value)?;
        if !text::trim(after).is_empty() {
            return None;
        }
        Value::Quoted(content)
    } else {
        // Wider than `token / host`: a To of RFC 4488 section 6 carries `opaque=urn:uuid:…` outside
        // any bracket, an RFC 5318 section 7 example `members=<cid:…>`.
        if !PARAM_VALUE.has_all(value) {
            return None;
        }
        Value::Plain(value)
    };
    let value = Some(value);
    Some(Param { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn blanks_quotes_and_flags() {
        let params = parse(br#" ; newparam = newvalue ;; SecondParam ; q = "a;\"b""#).unwrap();
        assert_eq!(
            params,
            vec![
                ("newparam".to_owned(), some("newvalue")),
                ("secondparam".to_owned(), None),
                ("q".to_owned(), some("a;\"b")),
            ]
        );
        assert_eq!(find(&params, "SECONDPARAM"), Some(""));
        assert_eq!(find(&params, "x"), None);
    }

    #[test]
    fn refuses_what_is_no_parameter() {
        assert!(matches!(parse(b"x;a=b"), Err(ParamsError::NoSemicolon(_))));
        assert!(matches!(parse(b";=b"), Err(ParamsError::Malformed(_))));
        assert!(matches!(parse(b";a=\"b"), Err(ParamsError::Malformed(_))));
        assert!(matches!(parse(b";a=b c"), Err(ParamsError::Malformed(_))));
        assert!(matches!(
            parse(b";a=\"b\"c"),
            Err(ParamsError::Malformed(_))
        ));
    }

    #[test]
    fn the_number_is_bounded() {
        assert_eq!(parse(&b";a".repeat(64)).unwrap().len(), 64);
        assert_eq!(parse(&b";a".repeat(65)), Err(ParamsError::TooMany));
    }

    #[test]
    fn values_never_hold_line_ends() {
        let params = parse(b";a=\"x\\\r\\\ny\"").unwrap();
        assert_eq!(find(&params, "a"), Some("x\u{FFFD}\u{FFFD}y"));
    }
}
