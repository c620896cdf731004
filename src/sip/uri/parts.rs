//! Where the parts of a URI are in its text: numbers only, so that they are copied and stored at once.

use super::{Scheme, MAX_URI};

/// The longest text a [`Uri`](super::Uri) keeps: as written, and the host once more.
const MAX_TEXT: usize = 2 * MAX_URI;

/// Offsets into the text. They fit into 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub scheme: Scheme,
    /// Where the user part ends, which begins behind the `:` of the scheme; 0 when there is none.
    pub user_end: u16,
    pub host: u16,
    pub host_end: u16,
    /// 0 when none is written.
    pub port: u16,
    /// Where `;` and the parameters begin, or would.
    pub before_params: u16,
    /// Where `?` and the embedded headers begin, or would.
    pub params_end: u16,
    /// Where the URI ends.
    pub end: u16,
}

/// The form of [`Parts::to_bytes`]. It stands in the same octet as the scheme.
const FORM: u8 = 1;
/// The length of [`Parts::to_bytes`].
pub(super) const STORED: usize = 15;

impl Parts {
    /// The user part, as offsets.
    pub fn user(&self) -> Option<(u16, u16)> {
        (self.user_end != 0).then_some((self.scheme.length(), self.user_end))
    }

    /// The parameters without the first `;`.
    pub fn params(&self) -> (u16, u16) {
        let any = self.before_params < self.params_end;
        (self.before_params + u16::from(any), self.params_end)
    }

    /// The embedded headers without the `?`.
    pub fn headers(&self) -> (u16, u16) {
        let any = self.params_end < self.end;
        (self.params_end + u16::from(any), self.end)
    }

    /// As they are stored, in [`STORED`] octets.
    pub fn to_bytes(self) -> [u8; STORED] {
        let [a, b] = self.user_end.to_le_bytes();
        let [c, d] = self.host.to_le_bytes();
        let [e, f] = self.host_end.to_le_bytes();
        let [g, h] = self.port.to_le_bytes();
        let [i, j] = self.before_params.to_le_bytes();
        let [k, l] = self.params_end.to_le_bytes();
        let [m, n] = self.end.to_le_bytes();
        let first = FORM << 4 | self.scheme as u8;
        [first, a, b, c, d, e, f, g, h, i, j, k, l, m, n]
    }

    /// What [`Parts::to_bytes`] wrote for a text of that length. `None` for offsets that are not in order or lie
    /// outside the text, and for another form.
    pub fn from_bytes(bytes: &[u8], length: usize) -> Option<Parts> {
        let &[first, a, b, c, d, e, f, g, h, i, j, k, l, m, n] = bytes else {
            return None;
        };
        let scheme = match first {
            first if first == FORM << 4 | Scheme::Sip as u8 => Scheme::Sip,
            first if first == FORM << 4 | Scheme::Sips as u8 => Scheme::Sips,
            first if first == FORM << 4 | Scheme::Tel as u8 => Scheme::Tel,
            _ => return None,
        };
        let parts = Parts {
            scheme,
            user_end: u16::from_le_bytes([a, b]),
            host: u16::from_le_bytes([c, d]),
            host_end: u16::from_le_bytes([e, f]),
            port: u16::from_le_bytes([g, h]),
            before_params: u16::from_le_bytes([i, j]),
            params_end: u16::from_le_bytes([k, l]),
            end: u16::from_le_bytes([m, n]),
        };
        parts.fit(length).then_some(parts)
    }

    fn fit(&self, length: usize) -> bool {
        let user = self.user_end == 0 || self.user_end >= self.scheme.length();
        length <= MAX_TEXT
            && user
            && self.user_end <= self.before_params
            && self.scheme.length() <= self.before_params
            && self.before_params <= self.params_end
            && self.params_end <= self.end
            && usize::from(self.end) <= length
            && self.host <= self.host_end
            && usize::from(self.host_end) <= length
    }
}

impl Scheme {
    /// With its `:`.
    pub(super) fn length(self) -> u16 {
        match self {
            Scheme::Sip | Scheme::Tel => 4,
            Scheme::Sips => 5,
        }
    }
}
