//! Resource lists (RFC 4826) as bodies of requests, alone and inside a multipart.

use super::scene::Leg;
use super::sip::Msg;

/// One entry: a URI and its copyControl attributes (RFC 5364), written as given.
pub fn entry(uri: &str, attributes: &str) -> String {
    format!("<entry uri=\"{uri}\" {attributes}/>")
}

/// A list of those entries, with the namespace of RFC 5364.
pub fn list(entries: &[String]) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>{}</list></resource-lists>",
        entries.concat()
    )
}

/// All of them addressed openly.
pub fn list_to(uris: &[&str]) -> String {
    list(
        &uris
            .iter()
            .map(|u| entry(u, "cp:copyControl=\"to\""))
            .collect::<Vec<_>>(),
    )
}

/// The request with the list as its whole body, named by a Content-ID in the SIP header (RFC 8262).
pub fn with_list(request: Msg, xml: impl AsRef<[u8]>) -> Msg {
    request
        .with("Refer-To", "<cid:list@home1.test>")
        .with("Content-ID", "<list@home1.test>")
        .with("Content-Disposition", "recipient-list")
        .body("application/resource-lists+xml", xml)
}

/// The request with the list as the second part of a multipart.
pub fn with_multipart(request: Msg, xml: &str) -> Msg {
    let body = format!(
        "preamble\r\n--b1\r\nContent-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n\r\nhello\r\n\
         --b1\r\nContent-Type: application/resource-lists+xml\r\nContent-ID: <list@home1.test>\r\n\
         Content-Disposition: recipient-list\r\n\r\n{xml}\r\n--b1--\r\n"
    );
    request
        .with("Refer-To", "<cid:list@home1.test>")
        .body("multipart/mixed;boundary=b1", body)
}

/// So many URIs of targets.
pub fn targets(n: usize) -> Vec<String> {
    (0..n)
        .map(|i| format!("sip:target{i}@home1.test"))
        .collect()
}

/// A REFER in the dialog of that leg, with those on its list.
pub fn refer_to_all(leg: &mut Leg, uris: &[String]) -> Msg {
    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
    with_list(
        leg.refer("").with("Require", "multiple-refer"),
        list_to(&uris),
    )
}
