//! What tests ask of answers again and again, each with the whole message in its complaint.

use super::sip::{has_param, split_top, Msg};

/// A REFER or INVITE was accepted.
pub fn accepted(answer: &Msg) {
    assert_eq!(answer.status(), 200, "{answer}");
}

/// Refused with that status, and a Warning 399 whose text contains `text` when one is given.
pub fn refused(answer: &Msg, status: u16, text: Option<&str>) {
    assert_eq!(answer.status(), status, "{answer}");
    if let Some(text) = text {
        let warning = warning(answer);
        assert!(
            warning.contains(text),
            "{text:?} is not in {warning:?}:\n{answer}"
        );
    }
}

/// The text of the only Warning; panics unless it reads `399 host "text"`.
pub fn warning(answer: &Msg) -> String {
    let value = answer.need("Warning");
    let parts: Vec<&str> = value.splitn(3, ' ').collect();
    let [code, host, text] = parts[..] else {
        panic!("no RFC 3261 section 20.43 Warning: {answer}")
    };
    assert_eq!(code, "399", "{answer}");
    assert!(!host.is_empty(), "{answer}");
    let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    text.unwrap_or_else(|| panic!("an unquoted Warning text: {answer}"))
        .to_string()
}

/// A BYE to somebody whose session is over.
pub fn gone(bye: &Msg) {
    assert_eq!(
        bye.need("Reason").replace(' ', ""),
        "SIP;cause=410;text=\"Gone\"",
        "{bye}"
    );
}

/// The Contact is a focus: one value, `isfocus`, the feature tag of a group session.
pub fn focus_contact(msg: &Msg) {
    let contacts = msg.list("Contact");
    assert_eq!(contacts.len(), 1, "{msg}");
    assert!(has_param(&contacts[0], "isfocus"), "{msg}");
    let icsi = split_top(&contacts[0], ';').into_iter().any(|p| {
        p.to_ascii_lowercase().starts_with("+g.3gpp.icsi-ref=")
            && p.contains(super::scene::ICSI_ENCODED)
    });
    assert!(icsi, "no icsi-ref in the Contact: {msg}");
}

/// None of these texts is anywhere in the bytes (case-insensitive).
pub fn free_of(bytes: &[u8], texts: &[&str]) {
    let haystack = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    for text in texts {
        if let Some(at) = haystack.find(&text.to_ascii_lowercase()) {
            let from = haystack[..at].rfind('\n').map_or(0, |i| i + 1);
            let to = haystack[at..].find('\n').map_or(haystack.len(), |i| at + i);
            panic!("{text:?} is in what was sent: {:?}", &haystack[from..to]);
        }
    }
}

/// One attribute of a session description, the first of that name.
pub fn sdp_attribute(sdp: &str, name: &str) -> Option<String> {
    let prefix = format!("a={name}:");
    sdp.lines()
        .find_map(|l| l.trim_end().strip_prefix(&prefix).map(str::to_string))
}

/// The MSRP session id in the path of a session description (RFC 4975 section 9: the part behind the authority).
pub fn msrp_session(sdp: &str) -> String {
    let path = sdp_attribute(sdp, "path").unwrap_or_else(|| panic!("no path in:\n{sdp}"));
    let last = path.split_whitespace().last().unwrap_or("");
    let session = last
        .splitn(4, '/')
        .nth(3)
        .and_then(|s| s.split(';').next())
        .unwrap_or("");
    assert!(
        last.ends_with(";tcp") && !session.is_empty(),
        "no MSRP URI: {path}"
    );
    session.to_string()
}
