//! Privacy (RFC 3323 section 4.2): which kinds of it a request asks for.

use serde::{Deserialize, Serialize};

use super::text;

/// URI of somebody who is not to be named (RFC 3323 section 4.1.1.3).
pub const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";
/// Its host.
pub const ANONYMOUS_HOST: &str = "anonymous.invalid";

/// The tokens that were there. Unknown ones (`history` of RFC 7044 among them) are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privacy {
    /// `id` (RFC 3325 section 9.3): keep the asserted identity inside the trust domain.
    pub id: bool,
    /// `header`
    pub header: bool,
    /// `session`
    pub session: bool,
    /// `user`
    pub user: bool,
    /// `none`; it takes nothing back that another token asks for.
    pub none: bool,
    /// `critical`
    pub critical: bool,
}

impl Privacy {
    /// Others are not to learn what its sender is called (RFC 3323 section 4.2).
    pub fn hides_name(&self) -> bool {
        self.id || self.user
    }

    /// Reads all values of all lines: tokens in any case, separated by `;`, and by `,` too.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Privacy {
        let mut privacy = Privacy::default();
        for value in values {
            for token in value.split(|byte| b";,".contains(byte)) {
                match text::trim(token).to_ascii_lowercase().as_slice() {
                    b"id" => privacy.id = true,
                    b"header" => privacy.header = true,
                    b"session" => privacy.session = true,
                    b"user" => privacy.user = true,
                    b"none" => privacy.none = true,
                    b"critical" => privacy.critical = true,
                    _ => {}
                }
            }
        }
        privacy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let p = Privacy::parse([&b"Header ; ID;critical"[..], b"user,history"]);
        assert_eq!(
            p,
            Privacy {
                id: true,
                header: true,
                user: true,
                critical: true,
                ..Privacy::default()
            }
        );
        assert!(Privacy::parse([&b"none;id"[..]]).id);
        assert_eq!(Privacy::parse([&b"idx"[..]]), Privacy::default());
    }
}
