//! Target-Dialog (RFC 4538 section 7): which dialog the sender of a request outside any belongs to.

use super::params;
use super::tag::Tag;
use super::text;

/// A dialog as the recipient of the request sees it (RFC 4538 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetDialog {
    /// Call-ID of the dialog.
    pub call_id: String,
    /// The recipient's own tag.
    pub local_tag: Tag,
    /// The tag of the other side.
    pub remote_tag: Tag,
}

/// Reads one value. `None`: malformed, or a tag is missing; the header is then as good as absent
/// (RFC 4538 section 4).
pub fn parse(value: &[u8]) -> Option<TargetDialog> {
    let end = text::find(value, b';')?;
    let (call_id, rest) = value.split_at_checked(end)?;
    let call_id = text::ascii(call_id.trim_ascii())?;
    if call_id.is_empty() || !call_id.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let params = params::parse(rest).ok()?;
    let tag = |name: &str| params::find(&params, name).and_then(Tag::parse);
    Some(TargetDialog {
        call_id: call_id.to_owned(),
        local_tag: tag("local-tag")?,
        remote_tag: tag("remote-tag")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_in_any_order() {
        let value = b"fa77as7dad8-sd98ajzz@host.example.com ;local-tag=kkaz-;remote-tag=6544";
        let parsed = parse(value).expect("the example of RFC 4538 section 10");
        assert_eq!(parsed.call_id, "fa77as7dad8-sd98ajzz@host.example.com");
        assert_eq!(
            (parsed.local_tag.as_str(), parsed.remote_tag.as_str()),
            ("kkaz-", "6544")
        );
    }

    #[test]
    fn without_both_tags_it_names_no_dialog() {
        assert_eq!(parse(b"abc@x;local-tag=1"), None);
        assert_eq!(parse(b"abc@x"), None);
        assert_eq!(parse(b";local-tag=1;remote-tag=2"), None);
        assert_eq!(parse(b"a b;local-tag=1;remote-tag=2"), None);
    }
}
