//! How a URI is stored: its text, and where its parts are. It was checked when it came, and records are read some
//! twenty times for each REFER: reading one back only makes sure that it cannot do harm in a header line.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{grammar, Scheme, Uri, MAX_URI};

/// Offsets fit into 16 bits, as a URI has [`MAX_URI`] octets at most.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    scheme: Scheme,
    user: Option<(u16, u16)>,
    host: (u16, u16),
    port: Option<u16>,
    before_params: u16,
    params: (u16, u16),
    headers: (u16, u16),
}

impl Serialize for Uri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let host_end = self.host_at + self.host.len();
        let stored = Stored {
            text: Cow::Borrowed(&self.text),
            scheme: self.scheme,
            user: self.user.clone().map(|user| short(&user)),
            host: short(&(self.host_at..host_end)),
            port: self.port,
            before_params: self.before_params as u16,
            params: short(&self.params),
            headers: short(&self.headers),
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Uri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        if stored.text.len() > MAX_URI || !stored.text.bytes().all(grammar::is_plain) {
            return Err(D::Error::custom("no text of a uri"));
        }
        let host = long(stored.host);
        Ok(Uri {
            // What is not written by `serialize` may have any offsets: they lead to empty parts.
            host: stored
                .text
                .get(host.clone())
                .unwrap_or_default()
                .to_ascii_lowercase(),
            text: stored.text.into_owned(),
            scheme: stored.scheme,
            user: stored.user.map(long),
            host_at: host.start,
            port: stored.port,
            before_params: stored.before_params.into(),
            params: long(stored.params),
            headers: long(stored.headers),
        })
    }
}

fn short(range: &Range<usize>) -> (u16, u16) {
    (range.start as u16, range.end as u16)
}

fn long((start, end): (u16, u16)) -> Range<usize> {
    start.into()..end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_back_is_what_was_parsed() {
        for text in [
            "sip:alice@HOME1.test",
            "SIP:al%20ice;x=y:pass@home1.test:5070;transport=tcp;lr?Subject=a&Route=b",
            "sips:[2001:DB8::1]:5061;maddr=192.0.2.1",
            "sip:home1.test?a=b",
            "tel:+358-40.1234567;phone-context=x.test",
            "sip:x@y",
        ] {
            let uri = Uri::parse(text.as_bytes()).expect("a URI");
            let bytes = postcard::to_stdvec(&uri).expect("bytes");
            let back: Uri = postcard::from_bytes(&bytes).expect("a URI");
            assert_eq!(format!("{uri:?}"), format!("{back:?}"));
        }
    }

    #[test]
    fn wrong_offsets_lead_to_empty_parts() {
        let stored = Stored {
            text: Cow::Borrowed("sip:a@b"),
            scheme: Scheme::Sip,
            user: Some((900, 3)),
            host: (7, 900),
            port: None,
            before_params: 900,
            params: (5, 2),
            headers: (900, 901),
        };
        let bytes = postcard::to_stdvec(&stored).expect("bytes");
        let uri: Uri = postcard::from_bytes(&bytes).expect("a URI");
        assert_eq!((uri.user(), uri.host()), (None, ""));
        assert_eq!(uri.params().count() + uri.headers().len(), 0);
        assert_eq!(uri.to_target().as_str(), "sip:a@b");
        let evil = Stored {
            text: Cow::Borrowed("sip:a@b\r\nRoute: <sip:c>"),
            ..stored
        };
        let bytes = postcard::to_stdvec(&evil).expect("bytes");
        assert!(postcard::from_bytes::<Uri>(&bytes).is_err());
    }
}
