//! How a URI is stored: where its parts are, and its text. It was checked when it came, and records are read
//! often: reading one back only makes sure that it cannot do harm in a header line, and that its parts lie in
//! it. If they do not, the text is parsed again.

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::parts::{Parts, STORED};
use super::Uri;
use crate::sip::chars;

impl Serialize for Uri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&Octets(self.parts.to_bytes()))?;
        // As written, without the host in lower case behind it: then the parts of such a URI do not fit, and it
        // is parsed. Read in another form, both together would be another URI.
        pair.serialize_element(self.as_str())?;
        pair.end()
    }
}

impl<'de> Deserialize<'de> for Uri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
        deserializer.deserialize_tuple(2, Stored)
    }
}

struct Stored;

impl<'de> Visitor<'de> for Stored {
    type Value = Uri;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the parts and the text of a URI")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Uri, A::Error> {
        let missing = || A::Error::custom("a part is missing");
        let Octets(parts) = pair.next_element()?.ok_or_else(missing)?;
        let text: Box<str> = pair.next_element()?.ok_or_else(missing)?;
        match Parts::from_bytes(&parts, text.len()) {
            Some(parts) if chars::URI.has_all(text.as_bytes()) => Ok(Uri { text, parts }),
            // Another form, or not to be trusted: the text says it all.
            _ => Uri::parse(text.as_bytes()).map_err(A::Error::custom),
        }
    }
}

/// Written and read at once, not octet by octet. Read as zeros if there are more or fewer.
struct Octets([u8; STORED]);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Octets, D::Error> {
        deserializer.deserialize_bytes(StoredOctets)
    }
}

struct StoredOctets;

impl Visitor<'_> for StoredOctets {
    type Value = Octets;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("octets")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Octets, E> {
        Ok(Octets(bytes.try_into().unwrap_or_default()))
    }
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

    fn read(parts: &[u8], text: &str) -> Result<Uri, postcard::Error> {
        let mut bytes = vec![parts.len() as u8];
        bytes.extend(parts);
        bytes.extend(postcard::to_stdvec(text).expect("bytes"));
        postcard::from_bytes(&bytes)
    }

    const TEXT: &str = "sip:a@b:5060;c?d=e";

    #[test]
    fn what_is_no_uri_is_refused_and_other_forms_are_read() {
        let uri = Uri::parse(TEXT.as_bytes()).expect("a URI");
        let good = uri.parts.to_bytes();
        let other_form = [&[0xf0][..], &good[1..]].concat();
        for parts in [&good[..], &good[1..], &[], &other_form] {
            let read_back = read(parts, TEXT).expect("a URI");
            assert_eq!(format!("{read_back:?}"), format!("{uri:?}"));
        }
        let uri = Uri::parse(b"sip:a@HOME1.test;c").expect("a URI");
        let bytes = postcard::to_stdvec(&uri).expect("bytes");
        let other_form = [&[bytes[0], 0xf0][..], &bytes[2..]].concat();
        let read_back: Uri = postcard::from_bytes(&other_form).expect("a URI");
        assert_eq!(format!("{read_back:?}"), format!("{uri:?}"));
        for text in ["sip:a@b\r\nRoute: <c>", "sip:a@b\u{e9}0123456789", "", "x"] {
            assert!(read(&good, text).is_err(), "{text}");
        }
    }

    #[test]
    fn whatever_the_offsets_are_they_lead_into_the_text() {
        let good = Uri::parse(TEXT.as_bytes()).expect("a URI").parts.to_bytes();
        for at in 0..good.len() {
            for octet in 0..=255 {
                let mut parts = good;
                parts[at] = octet;
                let uri = read(&parts, TEXT).expect("a URI");
                assert!(uri.as_str().len() <= TEXT.len());
                let pieces = [uri.user().unwrap_or(""), uri.host()];
                assert!(pieces.iter().all(|piece| TEXT.contains(piece)));
                assert!(uri.params().count() + uri.headers().len() < TEXT.len());
                uri.to_target().equivalent(&uri.without_next_hop());
            }
        }
    }
}
