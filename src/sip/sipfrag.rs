//! message/sipfrag bodies (RFC 3420) for refer NOTIFYs: a status line and a few headers.

use super::text;

/// What the usual body needs, bytes.
const ROOM: usize = 64;

/// `SIP/2.0 200 OK\r\n`, then `Name: value\r\n` for each of `extra`. Control characters in either
/// become blanks, so nothing can add a line. Whole responses are never put here (RFC 3515
/// section 5 warns of disclosure).
pub fn status_line(status: u16, reason: &str, extra: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::with_capacity(ROOM);
    for piece in [
        "SIP/2.0 ",
        &status.to_string(),
        " ",
        &text::one_line(reason),
    ] {
        body.push_str(piece);
    }
    for (name, value) in extra {
        for piece in ["\r\n", &text::one_line(name), ": ", &text::one_line(value)] {
            body.push_str(piece);
        }
    }
    body.push_str("\r\n");
    body.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_rfc_3515_section_4_1() {
        assert_eq!(status_line(100, "Trying", &[]), b"SIP/2.0 100 Trying\r\n");
        assert_eq!(status_line(100, "Trying", &[]).len(), 20);
        assert_eq!(status_line(200, "OK", &[]).len(), 16);
    }

    #[test]
    fn nothing_adds_a_line() {
        assert_eq!(
            status_line(486, "Busy\r\nX: y", &[("To", "<sip:a@b>\n\0")]),
            b"SIP/2.0 486 Busy  X: y\r\nTo: <sip:a@b>  \r\n"
        );
    }
}
