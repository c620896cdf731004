//! Who a URI stands for, so that one person met under several spellings counts once.
//! Not here: URI equality of RFC 3261 (`Uri::equivalent`), which is stricter.

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
        let host = compare::host_key(uri.host());
        if user.is_empty() {
            return Identity(["sip:", &host].concat());
        }
        let user = compare::unescape(user, chars::USER);
        Identity(["sip:", &user, "@", &host].concat())
    }

    /// The same, a number under a host for which `may` holds being that number. Everybody can write any
    /// number into the user part of a URI of his own host.
    pub fn number_where(self, may: impl FnOnce(&str) -> bool) -> Identity {
        let parts = self
            .0
            .strip_prefix("sip:")
            .and_then(|at| at.split_once('@'));
        match parts.and_then(|(user, host)| Some((e164(user)?, host))) {
            Some((number, host)) if may(host) => Identity(["tel:+", &number].concat()),
            _ => self,
        }
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
        Identity(match self.denied() {
            Denied::Person(name, host) => {
                let name = name.to_ascii_lowercase();
                ["sip:", &name, "@", host].concat()
            }
            Denied::Number(number) => ["tel:+", &number].concat(),
            Denied::AsItIs(text) => text.to_owned(),
        })
    }

    /// Whether a denial of the one is a denial of the other.
    pub fn resembles(&self, other: &Identity) -> bool {
        use Denied::{AsItIs, Number, Person};
        self == other
            || match (self.denied(), other.denied()) {
                (Person(name, host), Person(other, there)) => {
                    name.eq_ignore_ascii_case(other) && host == there
                }
                (Number(number), Number(other)) => number == other,
                (Number(number), AsItIs(text)) | (AsItIs(text), Number(number)) => {
                    text.strip_prefix("tel:+") == Some(&number)
                }
                _ => false,
            }
    }

    fn denied(&self) -> Denied<'_> {
        let address = self.0.strip_prefix("sip:");
        let Some((user, host)) = address.and_then(|at| at.split_once('@')) else {
            return Denied::AsItIs(&self.0);
        };
        if let Some(number) = e164(user) {
            return Denied::Number(number);
        }
        let bare = user.split(';').next().unwrap_or("");
        Denied::Person(if bare.is_empty() { user } else { bare }, host)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What denials compare of an identity.
enum Denied<'a> {
    /// The name in any case, at a host.
    Person(&'a str, &'a str),
    /// The digits.
    Number(String),
    /// What has no user part.
    AsItIs(&'a str),
}

const SEPARATORS: [char; 4] = ['-', '.', '(', ')'];

/// The digits of a global number, if the user part is one. A telephone-subscriber in a sip URI may
/// have parameters of its own behind `;` (RFC 3261 section 19.1.6).
fn e164(user: &str) -> Option<String> {
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
