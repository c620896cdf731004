//! `name-addr` and `addr-spec` header values: From, To, Contact, P-Asserted-Identity and kin.
//! Not here: Refer-To, whose parameters clients misplace (`refer_to.rs`).

use thiserror::Error;

use super::params::{self, Params, ParamsError};
use super::tag::Tag;
use super::text::{self, Quoted};
use super::uri::{CheckedUri, Uri, UriError};

/// Longest display name that is shown, in bytes.
const MAX_NAME: usize = 128;

/// One address with what stands around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name without quotes and `\` pairs; bytes, because nobody promises UTF-8 or
    /// printable characters there (RFC 4475 section 3.1.1.2).
    pub display: Option<Vec<u8>>,
    /// The address.
    pub uri: Uri,
    /// The header parameters; without brackets everything behind the first `;` (RFC 3261
    /// section 20.10). Names in lower case, values unquoted.
    pub params: Params,
    /// True when the address stood in `<…>`.
    pub bracketed: bool,
}

/// Why a value is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameAddrError {
    /// Unterminated quote or bracket, several values, text where none may be.
    #[error("malformed address: {0}")]
    Malformed(String),
    /// The URI inside.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The parameters behind it.
    #[error(transparent)]
    Params(#[from] ParamsError),
}

impl NameAddr {
    /// Reads one value, blanks around it allowed.
    ///
    /// # Errors
    /// [`NameAddrError`] names the part that is wrong.
    pub fn parse(value: &[u8]) -> Result<NameAddr, NameAddrError> {
        let split = split(value)?;
        Ok(NameAddr {
            uri: Uri::parse(split.address)?,
            params: params::parse(split.params)?,
            display: split.display.map(Display::content),
            bracketed: split.bracketed,
        })
    }

    /// Refuses what [`NameAddr::parse`] refuses, and copies nothing.
    ///
    /// # Errors
    /// As [`NameAddr::parse`].
    pub(crate) fn check(value: &[u8]) -> Result<CheckedAddress<'_>, NameAddrError> {
        let split = split(value)?;
        Ok(CheckedAddress {
            uri: Uri::check(split.address)?,
            tag: params::find_in(split.params, "tag")?,
        })
    }

    /// The address of a value that [`NameAddr::check`] took, with the URI it found there.
    pub(crate) fn build(value: &[u8], uri: CheckedUri) -> NameAddr {
        // Nothing fails here: all of it was checked.
        let split = split(value).unwrap_or_default();
        NameAddr {
            uri: Uri::build(split.address, uri),
            params: params::parse(split.params).unwrap_or_default(),
            display: split.display.map(Display::content),
            bracketed: split.bracketed,
        }
    }

    /// The display name as it may be shown to people; `None` when it is empty, longer than anybody's name, or
    /// not printable.
    pub fn name(&self) -> Option<String> {
        let clean = text::clean_utf8(self.display.as_deref()?)?;
        let name = clean.trim();
        (1..=MAX_NAME)
            .contains(&name.len())
            .then(|| name.to_owned())
    }

    /// A header parameter (name in any case); `""` when it has no value.
    pub fn param(&self, name: &str) -> Option<&str> {
        params::find(&self.params, name)
    }

    /// The tag, when it can be written again as it is: visible ASCII without separators. An empty
    /// one counts as none.
    pub fn tag(&self) -> Option<Tag> {
        Tag::parse(self.param("tag")?)
    }
}

/// What most messages are asked for.
pub(crate) struct CheckedAddress<'a> {
    pub uri: CheckedUri,
    /// The parameter as it is written; perhaps no [`Tag`].
    pub tag: Option<params::Value<'a>>,
}

impl CheckedAddress<'_> {
    /// As [`NameAddr::tag`].
    pub fn tag(&self) -> Option<Tag> {
        match self.tag? {
            // What is no ASCII is no tag.
            params::Value::Plain(tag) => Tag::parse(std::str::from_utf8(tag).ok()?),
            quoted => Tag::parse(&quoted.text()),
        }
    }
}

/// A value cut into its parts, the address not yet looked at.
#[derive(Default)]
pub(crate) struct Split<'a> {
    pub display: Option<Display<'a>>,
    pub address: &'a [u8],
    /// Empty or beginning with `;` (after blanks); not checked yet.
    pub params: &'a [u8],
    pub bracketed: bool,
}

/// A display name as it is written.
#[derive(Clone, Copy)]
pub(crate) enum Display<'a> {
    /// Without quotes.
    Plain(&'a [u8]),
    /// In quotes.
    Quoted(Quoted<'a>),
}

impl Display<'_> {
    fn content(self) -> Vec<u8> {
        match self {
            Display::Plain(name) => name.to_vec(),
            Display::Quoted(quoted) => quoted.content(),
        }
    }
}

/// Cuts `"display" <address>;params`, `display <address>`, `<address>` and `address;params`.
pub(crate) fn split(value: &[u8]) -> Result<Split<'_>, NameAddrError> {
    let value = text::trim(value);
    let malformed = || NameAddrError::Malformed(text::excerpt(value));
    let (display, rest) = if value.first() == Some(&b'"') {
        let (content, rest) = text::take_quoted(value).ok_or_else(malformed)?;
        let rest = text::trim(rest);
        // Only a bracket may follow a display name.
        if rest.first() != Some(&b'<') {
            return Err(malformed());
        }
        (Some(Display::Quoted(content)), rest)
    } else {
        match text::find(value, b'<') {
            // Tokens by the grammar; anything but separators is let through, UTF-8 too.
            Some(at) if is_plain_display(value.get(..at).unwrap_or_default()) => {
                let name = text::trim(value.get(..at).unwrap_or_default());
                let name = (!name.is_empty()).then_some(Display::Plain(name));
                (name, value.get(at..).unwrap_or_default())
            }
            _ => (None, value),
        }
    };
    if let Some(inner) = rest.strip_prefix(b"<") {
        let (address, params) = text::cut(inner, b'>');
        let params = params.ok_or_else(malformed)?;
        return Ok(Split {
            display,
            address,
            params,
            bracketed: true,
        });
    }
    // RFC 3261 section 20.10: without brackets every `;` belongs to the header.
    let end = text::find(rest, b';').unwrap_or(rest.len());
    let (address, params) = rest.split_at_checked(end).unwrap_or((rest, b""));
    let address = text::trim(address);
    let outside_quotes = || text::split_outside(params, b'@').nth(1).is_some();
    // A comma would be a second value. A `@` only behind the `;` means that the `;` was meant as
    // part of a user name: cutting there would name somebody else.
    if text::find(address, b',').is_some()
        || (text::find(address, b'@').is_none() && outside_quotes())
    {
        return Err(malformed());
    }
    Ok(Split {
        display,
        address,
        params,
        bracketed: false,
    })
}

fn is_plain_display(name: &[u8]) -> bool {
    name.iter().all(|&b| {
        b >= 0x80
            || text::is_blank(b)
            || (b.is_ascii_graphic() && !b":;,@\"\\()[]=?{}/".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(value: &str) -> NameAddr {
        NameAddr::parse(value.as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}"))
    }

    #[test]
    fn the_three_forms() {
        let a = addr(r#""J \"R\" \\" <sip:j@example.com;lr>;tag=98;x="y;z""#);
        assert_eq!(a.display.as_deref(), Some(&br#"J "R" \"#[..]));
        assert_eq!(a.uri.as_str(), "sip:j@example.com;lr");
        assert_eq!(a.tag().as_deref(), Some("98"));
        assert_eq!(a.param("X"), Some("y;z"));
        assert!(a.bracketed);

        let a = addr("Bob B <tel:+33611>");
        assert_eq!(a.display.as_deref(), Some(&b"Bob B"[..]));
        assert_eq!(a.tag(), None);

        let a = addr("sip:vivekg@example.com ;   tag    = 1918181833n");
        assert!(!a.bracketed);
        assert_eq!(a.uri.as_str(), "sip:vivekg@example.com");
        assert_eq!(a.tag().as_deref(), Some("1918181833n"));
    }

    #[test]
    fn to_of_rfc_4488_section_6() {
        let a =
            addr("sip:b@example.com;opaque=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6;grid=99a");
        assert_eq!(a.uri.as_str(), "sip:b@example.com");
        assert_eq!(a.param("grid"), Some("99a"));
        assert_eq!(a.tag(), None);
    }

    #[test]
    fn torture_values_of_rfc_4475() {
        // Section 3.1.1.1 and 3.1.1.2: folded blanks, control characters in a quoted string,
        // odd tokens, no blank before `<` (3.1.1.6).
        let a =
            NameAddr::parse(b"\"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\" <sip:a@example.com>").unwrap();
        assert_eq!(
            a.display.as_deref(),
            Some(&b"BEL:\x07 NUL:\x00 DEL:\x7f"[..])
        );
        let a = addr("token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{440}\";tag=_token~1'+`*%!-.");
        assert_eq!(a.tag().as_deref(), Some("_token~1'+`*%!-."));
        assert_eq!(a.param("fromparam''~+*_!.-%"), Some("\u{440}"));
        assert_eq!(
            addr("caller<sip:caller@example.com>;tag=323").display,
            Some(b"caller".to_vec())
        );
    }

    #[test]
    fn refuses() {
        for value in [
            "",
            "\"Mr. J. User <sip:j.user@example.com>",
            "\"J\" sip:j@example.com",
            "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            "<sip:a@b",
            "\"Watson, Thomas\" < sip:t.watson@example.org >",
            "<sip:a@b> x;tag=1",
            "<sip:a@b><sip:c@d>",
            "sip:user;par=1@example.com",
            "sip:a@b,sip:c@d",
            "sip:a@b;tag=\"x",
            "<http://example.com>",
            "*",
        ] {
            assert!(NameAddr::parse(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn a_tag_that_cannot_be_written_again_is_none() {
        assert_eq!(addr("<sip:a@b>;tag=\"x;y\"").tag(), None);
        assert_eq!(addr("<sip:a@b>;tag=").tag(), None);
        assert_eq!(addr("<sip:a@b>;tag").tag(), None);
        assert_eq!(addr("<sip:a@b>;tag=\u{e9}").tag(), None);
    }
}
