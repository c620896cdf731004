//! Which characters may stand where: one table, one bit for each set of characters.

/// A set of characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set(u16);

/// `token` of RFC 3261 section 25.1.
pub(crate) const TOKEN: Set = Set(1);
/// Visible ASCII, no blank.
pub(crate) const VISIBLE: Set = Set(1 << 1);
/// What may stand anywhere in a URI, and ends nothing around it.
pub(crate) const URI: Set = Set(1 << 2);
/// `unreserved`.
pub(crate) const UNRESERVED: Set = Set(1 << 3);
/// `user-unreserved` and `unreserved`.
pub(crate) const USER: Set = Set(1 << 4);
/// `password` without the escapes.
pub(crate) const PASSWORD: Set = Set(1 << 5);
/// `paramchar` of a URI without the escapes.
pub(crate) const URI_PARAM: Set = Set(1 << 6);
/// A label of a host name. An underscore is tolerated.
pub(crate) const LABEL: Set = Set(1 << 7);
/// A name of a header parameter.
pub(crate) const PARAM_NAME: Set = Set(1 << 8);
/// A value of a header parameter without quotes.
pub(crate) const PARAM_VALUE: Set = Set(1 << 9);
/// A tag of From or To.
pub(crate) const TAG: Set = Set(1 << 10);
/// Every byte.
pub(crate) const EVERY: Set = Set(1 << 12);
/// Text that can be shown as it is: printable ASCII and the blank.
pub(crate) const PRINTABLE: Set = Set(1 << 11);

impl Set {
    /// Whether the character is one of them.
    pub const fn has(self, byte: u8) -> bool {
        // A byte is never out of the table.
        SETS[byte as usize] & self.0 != 0
    }

    /// Whether all are.
    pub fn has_all(self, bytes: &[u8]) -> bool {
        // Without a branch for each byte.
        let common = bytes
            .iter()
            .fold(self.0, |common, &byte| common & SETS[byte as usize]);
        common != 0
    }
}

/// For each byte the sets that it is in.
static SETS: [u16; 256] = {
    let mut sets = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        sets[byte] = sets_of(byte as u8);
        byte += 1;
    }
    sets
};

const fn sets_of(byte: u8) -> u16 {
    let alphanumeric = byte.is_ascii_alphanumeric();
    let graphic = byte.is_ascii_graphic();
    let unreserved = alphanumeric || is_in(byte, b"-_.!~*'()");
    let members = [
        (TOKEN, alphanumeric || is_in(byte, b"-.!%*_+`'~")),
        (VISIBLE, graphic),
        (URI, graphic && !is_in(byte, b"<>\"\\")),
        (UNRESERVED, unreserved),
        (USER, unreserved || is_in(byte, b"&=+$,;?/")),
        (PASSWORD, unreserved || is_in(byte, b"&=+$,")),
        (URI_PARAM, unreserved || is_in(byte, b"[]/:&+$")),
        (LABEL, alphanumeric || is_in(byte, b"-_")),
        (PARAM_NAME, graphic && !is_in(byte, b"\"<>,;=")),
        (PARAM_VALUE, byte > b' ' && byte != 0x7f && byte != b'"'),
        (TAG, graphic && !is_in(byte, b"\"\\<>,;=()")),
        (EVERY, true),
        (PRINTABLE, graphic || byte == b' '),
    ];
    let mut sets = 0;
    let mut at = 0;
    while at < members.len() {
        let (set, is_member) = members[at];
        if is_member {
            sets |= set.0;
        }
        at += 1;
    }
    sets
}

const fn is_in(byte: u8, bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_line_is_in_no_set() {
        for byte in [b'\r', b'\n', 0, 0x7f] {
            assert_eq!(sets_of(byte), EVERY.0, "{byte}");
        }
        // UTF-8 only in values of header parameters.
        assert!((0x80..=0xff).all(|byte| sets_of(byte) == PARAM_VALUE.0 | EVERY.0));
    }

    #[test]
    fn sets_hold_one_another() {
        for byte in 0..=255u8 {
            let within = |small: Set, large: Set| assert!(!small.has(byte) || large.has(byte));
            within(UNRESERVED, USER);
            within(UNRESERVED, PASSWORD);
            within(UNRESERVED, URI_PARAM);
            within(USER, URI);
            within(PASSWORD, USER);
            within(URI_PARAM, URI);
            within(LABEL, TOKEN);
            within(TOKEN, VISIBLE);
            within(URI, VISIBLE);
            within(TAG, VISIBLE);
            within(VISIBLE, PRINTABLE);
        }
    }
}
