//! SIP methods as a type (RFC 3261 section 7.1 and the extensions that define further ones).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The method of a request. Methods are compared by case (RFC 3261 section 7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Method {
    /// RFC 3261 section 13
    Invite,
    /// RFC 3261 section 13.2.2.4
    Ack,
    /// RFC 3261 section 9
    Cancel,
    /// RFC 3261 section 15
    Bye,
    /// RFC 3261 section 11
    Options,
    /// RFC 3515
    Refer,
    /// RFC 6665 section 4.1
    Subscribe,
    /// RFC 6665 section 4.2
    Notify,
    /// RFC 3311
    Update,
    /// RFC 3262
    Prack,
    /// RFC 3428
    Message,
    /// Any other; a token as received.
    Other(Box<str>),
}

impl Method {
    /// The method that this token names.
    pub fn of(token: &str) -> Method {
        match token {
            "INVITE" => Method::Invite,
            "ACK" => Method::Ack,
            "CANCEL" => Method::Cancel,
            "BYE" => Method::Bye,
            "OPTIONS" => Method::Options,
            "REFER" => Method::Refer,
            "SUBSCRIBE" => Method::Subscribe,
            "NOTIFY" => Method::Notify,
            "UPDATE" => Method::Update,
            "PRACK" => Method::Prack,
            "MESSAGE" => Method::Message,
            other => Method::Other(other.into()),
        }
    }

    /// The token as it stands in a request line.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Cancel => "CANCEL",
            Method::Bye => "BYE",
            Method::Options => "OPTIONS",
            Method::Refer => "REFER",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Update => "UPDATE",
            Method::Prack => "PRACK",
            Method::Message => "MESSAGE",
            Method::Other(token) => token,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    #[test]
    fn a_method_is_written_as_it_was_read() {
        for token in [
            "INVITE",
            "ACK",
            "CANCEL",
            "BYE",
            "OPTIONS",
            "REFER",
            "SUBSCRIBE",
            "NOTIFY",
            "UPDATE",
            "PRACK",
            "MESSAGE",
        ] {
            let method = Method::of(token);
            assert_eq!(method.as_str(), token);
            assert!(!matches!(method, Method::Other(_)), "{token}");
        }
    }

    #[test]
    fn case_matters_and_the_unknown_is_kept() {
        assert_eq!(Method::of("Invite"), Method::Other("Invite".into()));
        assert_eq!(Method::of("NEWMETHOD").to_string(), "NEWMETHOD");
    }
}
