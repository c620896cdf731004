//! The headers a focus asks for, as types. Headers that stand alone are read leniently: what cannot
//! be understood is absent, unless the error matters to the answer (Refer-To and its kin).

use super::Headers;
use crate::sip::content_type::{ContentDisposition, ContentType};
use crate::sip::name_addr::NameAddr;
use crate::sip::params;
use crate::sip::privacy::Privacy;
use crate::sip::refer_sub::{self, ReferSubError};
use crate::sip::refer_to::{ReferTo, ReferToError};
use crate::sip::referred_by::{self, ReferredBy, ReferredByError};
use crate::sip::route::Route;
use crate::sip::session_expires::{self, SessionExpires};
use crate::sip::target_dialog::{self, TargetDialog};
use crate::sip::text;
use crate::sip::uri::Uri;

/// RFC 3325 section 9.1 knows two; a few more are tolerated.
const MAX_ASSERTED: usize = 4;

impl Headers {
    /// The URI of the first Contact without what no Request-URI may have (RFC 3261 section 19.1.1); `None`
    /// when there is none, it is `*`, or not to be understood.
    pub fn contact(&self) -> Option<Uri> {
        self.contact_addr().map(|contact| contact.uri.to_target())
    }

    /// The first Contact with its feature parameters.
    pub fn contact_addr(&self) -> Option<NameAddr> {
        let first = self.list_slices("contact").next()?;
        NameAddr::parse(first).ok()
    }

    /// The Record-Route values in the order received; what is no address is skipped.
    pub fn record_route(&self) -> Vec<Route> {
        self.list_slices("record-route")
            .filter_map(Route::parse)
            .collect()
    }

    /// The P-Asserted-Identity URIs (RFC 3325 section 9.1), at most four; those that are not sip,
    /// sips or tel are skipped.
    pub fn asserted_identities(&self) -> Vec<Uri> {
        self.list_slices("p-asserted-identity")
            .filter_map(|value| NameAddr::parse(value).ok())
            .map(|address| address.uri)
            .take(MAX_ASSERTED)
            .collect()
    }

    /// The display name that stands with the first P-Asserted-Identity that has one.
    pub fn asserted_name(&self) -> Option<String> {
        self.list_slices("p-asserted-identity")
            .filter_map(|value| NameAddr::parse(value).ok())
            .take(MAX_ASSERTED)
            .find_map(|address| address.name())
    }

    /// Privacy, all lines together.
    pub fn privacy(&self) -> Privacy {
        Privacy::parse(self.slices("privacy"))
    }

    /// The one Refer-To.
    ///
    /// # Errors
    /// [`ReferToError`]; RFC 3515 section 2.4.2 wants 400 for none and for several.
    pub fn refer_to(&self) -> Result<ReferTo, ReferToError> {
        let mut values = self.slices("refer-to");
        match (values.next(), values.next()) {
            (None, _) => Err(ReferToError::Missing),
            (Some(_), Some(_)) => Err(ReferToError::Several),
            (Some(value), None) => ReferTo::parse(value),
        }
    }

    /// The one Refer-Sub, if there is any.
    ///
    /// # Errors
    /// [`ReferSubError`]
    pub fn refer_sub(&self) -> Result<Option<bool>, ReferSubError> {
        let mut values = self.slices("refer-sub");
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(ReferSubError::Several),
            (Some(value), None) => refer_sub::parse(value).map(Some),
        }
    }

    /// The one Referred-By, if there is any.
    ///
    /// # Errors
    /// [`ReferredByError`]
    pub fn referred_by(&self) -> Result<Option<ReferredBy>, ReferredByError> {
        let mut values = self.slices("referred-by");
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(ReferredByError::Several),
            (Some(value), None) => referred_by::parse(value).map(Some),
        }
    }

    /// Content-Type; `None` when absent or not to be understood.
    pub fn content_type(&self) -> Option<ContentType> {
        self.slices("content-type")
            .next()
            .and_then(ContentType::parse)
    }

    /// Content-Disposition; `None` when absent or not to be understood.
    pub fn content_disposition(&self) -> Option<ContentDisposition> {
        self.slices("content-disposition")
            .next()
            .and_then(ContentDisposition::parse)
    }

    /// Target-Dialog; `None` when absent, given twice or not to be understood.
    pub fn target_dialog(&self) -> Option<TargetDialog> {
        let mut values = self.slices("target-dialog");
        match (values.next(), values.next()) {
            (Some(value), None) => target_dialog::parse(value),
            _ => None,
        }
    }

    /// Event: the package in lower case and the `id`.
    pub fn event(&self) -> Option<(String, Option<String>)> {
        let value = self.slices("event").next()?;
        let end = text::find(value, b';').unwrap_or(value.len());
        let (package, rest) = value.split_at_checked(end)?;
        let package = text::trim(package);
        if !text::is_token(package) {
            return None;
        }
        let params = params::parse(rest).ok()?;
        Some((
            text::ascii(package)?.to_ascii_lowercase(),
            params::find(&params, "id").map(str::to_owned),
        ))
    }

    /// Subscription-State: the state in lower case and its `reason` and `expires`, raw.
    pub fn subscription_state(&self) -> Option<(String, params::Params)> {
        let value = self.slices("subscription-state").next()?;
        let end = text::find(value, b';').unwrap_or(value.len());
        let (state, rest) = value.split_at_checked(end)?;
        let state = text::trim(state);
        if !text::is_token(state) {
            return None;
        }
        let params = params::parse(rest).ok()?;
        Some((text::ascii(state)?.to_ascii_lowercase(), params))
    }

    /// A header that is one number of seconds (Expires, Min-Expires, Session-Expires, Min-SE),
    /// parameters cut off. More than 32 bits counts as the most there is.
    pub fn seconds(&self, name: &str) -> Option<u32> {
        let value = self.slices(name).next()?;
        seconds(text::trim(text::cut(value, b';').0))
    }

    /// Session-Expires; `None` when absent or not to be understood.
    pub fn session_expires(&self) -> Option<SessionExpires> {
        session_expires::parse(self.slices("session-expires").next()?)
    }

    /// Retry-After in seconds, comment and parameters cut off (RFC 3261 section 20.33).
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.slices("retry-after").next()?;
        let end = value.iter().position(|b| b";( \t".contains(b));
        seconds(value.get(..end.unwrap_or(value.len()))?)
    }
}

fn seconds(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text::number(digits).unwrap_or(u64::MAX);
    Some(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> Headers {
        Headers::parse(lines.iter().map(|line| line.as_bytes())).unwrap()
    }

    #[test]
    fn contacts() {
        let first = |line: &str| headers(&[line]).contact().map(|uri| uri.to_string());
        assert_eq!(
            first("m: \"x, y\" <sip:a@b;gr>;isfocus, <sip:c@d>"),
            Some("sip:a@b;gr".into())
        );
        assert_eq!(first("Contact: *"), None);
        assert_eq!(first("Contact: <mailto:a@b>, <sip:c@d>"), None);
        assert_eq!(headers(&[]).contact(), None);
        let embedding = "Contact: <sip:a@h;x=%41;method=INVITE?Route=%3Csip:b%3E&Subject=s>";
        assert_eq!(first(embedding).as_deref(), Some("sip:a@h;x=%41"));
        let h = headers(&["Contact: <sip:a@b>;isfocus"]);
        assert_eq!(h.contact_addr().unwrap().param("isfocus"), Some(""));
    }

    #[test]
    fn routes_keep_order_and_are_printable() {
        let h = Headers::parse(
            [
                &b"Record-Route: <sip:p1;lr>, \"\xff\" <sip:p2;lr>"[..],
                b"Record-Route: <sip:p3;lr>;x=y,sip:p4",
                b"record-route: nonsense",
            ]
            .into_iter(),
        )
        .unwrap();
        let routes: Vec<String> = h.record_route().iter().map(Route::to_string).collect();
        assert_eq!(
            routes,
            ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>;x=y", "<sip:p4>"]
        );
    }

    #[test]
    fn asserted_identities() {
        let h = headers(&[
            "P-Asserted-Identity: \"A\" <sip:a@b>, <tel:+1>",
            "P-Asserted-Identity: <http://x>, sip:c@d",
        ]);
        let uris: Vec<String> = h.asserted_identities().iter().map(Uri::to_string).collect();
        assert_eq!(uris, ["sip:a@b", "tel:+1", "sip:c@d"]);
        assert_eq!(h.asserted_name().as_deref(), Some("A"));
        let h =
            headers(&["P-Asserted-Identity: \" \" <sip:a@b>, \"J\u{fc}rgen \\\"J\\\"\" <tel:+1>"]);
        assert_eq!(h.asserted_name().as_deref(), Some("J\u{fc}rgen \"J\""));
        let h = headers(&["P-Asserted-Identity: <sip:a@b>"; 9]);
        assert_eq!(h.asserted_identities().len(), 4);
    }

    #[test]
    fn headers_that_must_be_alone() {
        assert_eq!(headers(&[]).refer_to(), Err(ReferToError::Missing));
        let two = ["r: <sip:a@b>", "Refer-To: <sip:a@b>"];
        assert_eq!(headers(&two).refer_to(), Err(ReferToError::Several));
        assert!(headers(&two[..1]).refer_to().is_ok());
        assert_eq!(headers(&[]).refer_sub(), Ok(None));
        assert_eq!(headers(&["Refer-Sub: false"]).refer_sub(), Ok(Some(false)));
        let two = ["Refer-Sub: false", "Refer-Sub: false"];
        assert_eq!(headers(&two).refer_sub(), Err(ReferSubError::Several));
        assert_eq!(headers(&[]).referred_by(), Ok(None));
        let two = ["b: <sip:a@b>", "Referred-By: <sip:a@b>"];
        assert_eq!(headers(&two).referred_by(), Err(ReferredByError::Several));
    }

    #[test]
    fn events_and_numbers() {
        let h = headers(&[
            "o: Refer ; id=93809824",
            "Retry-After: 18000;duration=3600",
            "Expires: 99999999999",
            "Session-Expires: 1800;refresher=uac",
            "Subscription-State: Terminated;reason=noresource",
        ]);
        assert_eq!(h.event(), Some(("refer".into(), Some("93809824".into()))));
        assert_eq!(h.retry_after(), Some(18000));
        assert_eq!(h.seconds("expires"), Some(u32::MAX));
        assert_eq!(h.seconds("x"), Some(1800));
        let (state, params) = h.subscription_state().unwrap();
        assert_eq!(state, "terminated");
        assert_eq!(params::find(&params, "reason"), Some("noresource"));
        let h = headers(&["Retry-After: 120 (I'm in a meeting)", "Expires: -1"]);
        assert_eq!(h.retry_after(), Some(120));
        assert_eq!(h.seconds("expires"), None);
        assert_eq!(headers(&["Event: a b"]).event(), None);
    }
}
