//! Who a URI stands for, so that one person met under several spellings counts once.
//! Not here: URI equality of RFC 3261 (`Uri::equivalent`), which is stricter.

use std::borrow::{Borrow, Cow};

use serde::{Deserialize, Serialize};

use super::chars;
use super::uri::{compare, Scheme, Uri};

/// A person or number: equal when user and host are the same (host in any case, without port and
/// parameters, sip and sips alike, escapes undone), or when both are the same E.164 number: `tel:+…`, or
/// `sip:+…` under a host that may stand for numbers ([`Identity::number_where`]), with or without
/// `user=phone`, visual separators ignored.
///
/// The text inside is canonical and visible ASCII: `tel:+358…`, `tel:7042;phone-context=…`,
/// `sip:user@host` or `sip:host`. It is for comparing and showing, not for sending to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity(String);

impl Identity {
    /// The identity behind a URI, as far as it says so by itself: a number in a sip URI is somebody of that
    /// host.
    pub fn of(uri: &Uri) -> Identity {
        let user = uri.user().unwrap_or("");
        if uri.scheme() == Scheme::Tel {
            if let Some(number) = e164(user) {
                return Identity(["tel:+", &number].concat());
            }
            let number = user.replace(SEPARATORS, "").to_ascii_lowercase();
            return Identity(match uri.param("phone-context") {
                Some(context) => {
                    let context = context.to_ascii_lowercase();
                    format!("tel:{number};phone-context={context}")
                }
                None => format!("tel:{number}"),
            });
        }
        let (user, host) = (canonical_user(user), canonical_host(uri));
        let mut text = String::with_capacity("sip:@".len() + user.len() + host.len());
        text.push_str("sip:");
        if !user.is_empty() {
            text.push_str(&user);
            text.push('@');
        }
        text.push_str(&host);
        Identity(text)
    }

    /// Whether two URIs stand for the same person: their identities are equal.
    pub fn same(a: &Uri, b: &Uri) -> bool {
        if a.scheme() == Scheme::Tel || b.scheme() == Scheme::Tel {
            return Identity::of(a) == Identity::of(b);
        }
        let user = |uri: &Uri| canonical_user(uri.user().unwrap_or("")).into_owned();
        canonical_host(a) == canonical_host(b) && (a.user() == b.user() || user(a) == user(b))
    }

    /// The same, a number under a host for which `may` holds being that number. Everybody can write any
    /// number into the user part of a URI of his own host.
    pub fn number_where(self, may: impl FnOnce(&str) -> bool) -> Identity {
        self.as_number(may).unwrap_or(self)
    }

    /// The number that this stands for by [`Identity::number_where`]. `None`: it is no such number.
    pub fn as_number(&self, may: impl FnOnce(&str) -> bool) -> Option<Identity> {
        let (user, host) = self.user_and_host()?;
        let number = e164(user).filter(|_| may(host))?;
        Some(Identity(format!("tel:+{number}")))
    }

    /// User and host of a canonical sip URI with both.
    fn user_and_host(&self) -> Option<(&str, &str)> {
        self.0.strip_prefix("sip:")?.split_once('@')
    }

    /// The host, in lower case and without a final dot. Empty for a number.
    pub fn host(&self) -> &str {
        let at = self.0.strip_prefix("sip:").unwrap_or_default();
        at.split_once('@').map_or(at, |(_, host)| host)
    }

    /// The identity as denials compare it (exceptions, bans, leaving for good): the user part in any case and
    /// without parameters of its own, a number under any host. Networks differ in whether `Mallory`,
    /// `mallory` and `mallory;x=y` are one person (RFC 3261 section 19.1.4 says they are not). Whoever is
    /// shut out must not come in by another spelling, and nobody gets a permission by one.
    pub fn for_denial(&self) -> Identity {
        Identity(self.denial_text().into_owned())
    }

    /// The text of [`Identity::for_denial`]: most identities are spelt so already.
    pub fn denial_text(&self) -> Cow<'_, str> {
        let Some((user, host)) = self.user_and_host() else {
            return Cow::Borrowed(&self.0);
        };
        if let Some(number) = e164(user) {
            return Cow::Owned(format!("tel:+{number}"));
        }
        let bare = user.split(';').next().unwrap_or("");
        let name = if bare.is_empty() { user } else { bare };
        let as_it_is = |b: u8| b.is_ascii() && !b.is_ascii_uppercase();
        if name.len() == user.len() && user.bytes().all(as_it_is) {
            return Cow::Borrowed(&self.0);
        }
        Cow::Owned(format!("sip:{}@{host}", name.to_lowercase()))
    }

    /// Whether a denial of the one is a denial of the other.
    pub fn resembles(&self, other: &Identity) -> bool {
        self == other || self.denial_text() == other.denial_text()
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Identities are found by their text.
impl Borrow<str> for Identity {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The user part with all escapes undone that need not be.
fn canonical_user(user: &str) -> Cow<'_, str> {
    compare::unescape(user, chars::USER)
}

/// The host as [`compare::host_key`] writes it.
fn canonical_host(uri: &Uri) -> Cow<'_, str> {
    compare::host_key(uri.host())
}

const SEPARATORS: [char; 4] = ['-', '.', '(', ')'];

/// The digits of a global number, if the user part is one. A telephone-subscriber in a sip URI may
/// have parameters of its own behind `;` (RFC 3261 section 19.1.6).
fn e164(user: &str) -> Option<String> {
    // The `+` may be escaped. Nothing else can begin a global number.
    if !user.starts_with(['+', '%']) {
        return None;
    }
    // Unescaped first: canonical text holds a bare `;`, and has to mean the same when it is read again.
    let user = compare::unescape(user, chars::EVERY);
    let number = user.split(';').next().unwrap_or("");
    let digits = number.strip_prefix('+')?.replace(SEPARATORS, "");
    // ITU-T E.164: at most 15 digits.
    let fits = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Identity {
        Identity::of(&Uri::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn one_number_in_many_spellings() {
        for text in [
            "tel:+358-555-1234567",
            "tel:+3585551234567;npdi",
            "sip:+3585551234567@home1.test;user=phone",
            "sips:+358.555(123)4567@other.test:5070",
            "sip:%2B3585551234567@home1.test",
            "sip:+3585551234567;ext=1@home1.test;user=phone",
        ] {
            let anywhere = id(text).number_where(|_| true);
            assert_eq!(anywhere.as_str(), "tel:+3585551234567", "{text}");
            let number = id("tel:+3585551234567");
            assert!(id(text).resembles(&number), "{text}");
            // Under a host that may not, it is somebody of that host.
            let nowhere = id(text).number_where(|_| false);
            assert_eq!(nowhere == number, text.starts_with("tel:"), "{text}");
        }
        let asked = std::cell::RefCell::new(Vec::new());
        let may = |host: &str| {
            asked.borrow_mut().push(host.to_owned());
            host == "home1.test"
        };
        let own = id("sip:+358-555@HOME1.test.:5070;user=phone").number_where(may);
        assert_eq!(own.as_str(), "tel:+358555");
        let other = id("sip:+358-555@evil.test;user=phone").number_where(may);
        assert_eq!(other.as_str(), "sip:+358-555@evil.test");
        id("sip:bob@home1.test").number_where(may);
        assert_eq!(*asked.borrow(), ["home1.test", "evil.test"]);
        assert_ne!(id("tel:+358555123456"), id("tel:+3585551234567"));
    }

    #[test]
    fn user_and_host_decide() {
        let bob = id("sip:bob@home1.test");
        for text in [
            "sip:bob@HOME1.test:5060;transport=tcp",
            "sips:bob@home1.test.",
            "sip:%62ob@home1.test;gr=x?Subject=y",
            "sip:bob:secret@home1.test",
        ] {
            assert_eq!(id(text), bob, "{text}");
        }
        for text in [
            "sip:Bob@home1.test",
            "sip:bob@home2.test",
            "sip:home1.test",
            "tel:262",
        ] {
            assert_ne!(id(text), bob, "{text}");
        }
        assert_eq!(id("sip:a@[2001:db8::0:1]"), id("sip:a@[2001:DB8::1]:5070"));
    }

    #[test]
    fn the_same_person_has_the_same_identity() {
        let uris: Vec<Uri> = [
            "sip:bob@home1.test",
            "sips:%62ob:secret@HOME1.test.:5070;x=y",
            "sip:Bob@home1.test",
            "sip:bob@home2.test",
            "sip:home1.test",
            "sip:a%40b@home1.test",
            "sip:a@[2001:db8::0:1]",
            "sip:a@[2001:DB8::1]:5070",
            "sip:+1@home1.test",
            "tel:+1",
            "tel:+-1",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        for a in &uris {
            for b in &uris {
                let equal = Identity::of(a) == Identity::of(b);
                assert_eq!(Identity::same(a, b), equal, "{a} {b}");
            }
        }
    }

    #[test]
    fn denials_do_not_look_at_case_and_user_parameters() {
        let mallory = id("sip:mallory@home1.test");
        for text in [
            "sip:Mallory@home1.test",
            "sip:mallory;x=y@home1.test",
            "sip:MALLORY;x=y;z@HOME1.test:5070;user=phone",
            "sip:%6dallory@home1.test",
            "sip:%4Dallory%3Bx=y@home1.test",
            "sips:mallory:secret@home1.test.",
        ] {
            assert!(id(text).resembles(&mallory), "{text}");
            assert!(mallory.resembles(&id(text)), "{text}");
            let again = id(text).for_denial();
            assert_eq!(again.for_denial(), again, "{text}");
        }
        for text in [
            "sip:mallory2@home1.test",
            "sip:mallory@home2.test",
            "sip:;x=y@home1.test",
            "sip:home1.test",
            "tel:+1",
        ] {
            assert!(!id(text).resembles(&mallory), "{text}");
        }
        // A permission does: these are three people to it.
        assert_ne!(id("sip:Mallory@home1.test"), mallory);
        assert_ne!(id("sip:mallory;x=y@home1.test"), mallory);
    }

    #[test]
    fn escapes_that_must_stay_keep_people_apart() {
        assert_eq!(id("sip:a%40b@x").as_str(), "sip:a%40b@x");
        assert_eq!(id("sip:null-%00@x").as_str(), "sip:null-%00@x");
        assert_eq!(id("sip:a%3ab@x"), id("sip:a%3Ab@x"));
        assert_ne!(id("sip:a%2525@x"), id("sip:a%25@x"));
    }

    #[test]
    fn local_numbers_are_told_apart_by_context() {
        assert_eq!(
            id("tel:70-42;phone-context=Example.com"),
            id("tel:7042;phone-context=example.com")
        );
        assert_ne!(
            id("tel:7042;phone-context=a.com"),
            id("tel:7042;phone-context=b.com")
        );
        assert_ne!(id("tel:7042"), id("tel:+7042"));
    }
}
