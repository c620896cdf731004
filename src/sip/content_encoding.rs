//! Content-Encoding: undoing deflate and gzip, never beyond a given size.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use thiserror::Error;

use super::text;

/// For the Accept-Encoding of a 415.
pub const ACCEPT_ENCODING: &str = "identity, deflate, gzip";

/// Encodings on top of each other that are still undone.
const MAX_LAYERS: usize = 2;

/// Why a body cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodingError {
    /// An encoding that is not known: 415 with [`ACCEPT_ENCODING`].
    #[error("content-encoding {0} is not supported")]
    Unsupported(String),
    /// Not what the encoding says, or cut off.
    #[error("body is not {0}")]
    Malformed(String),
    /// More octets than allowed come out.
    #[error("decoded body is larger than {0} octets")]
    TooLarge(usize),
}

impl EncodingError {
    /// The status of the refusal.
    pub fn status(&self) -> u16 {
        match self {
            EncodingError::Unsupported(_) => 415,
            EncodingError::Malformed(_) | EncodingError::TooLarge(_) => 400,
        }
    }
}

/// Undoes the encodings, given in the order they were applied, as lower-case tokens. `deflate` is
/// taken with the zlib wrapper it should have (RFC 9110 section 8.4.1.2) and without, which clients
/// send too. No more than `max` octets are ever held per layer.
///
/// # Errors
/// [`EncodingError`]
pub fn decode<'a>(
    encodings: &[String],
    body: &'a [u8],
    max: usize,
) -> Result<Cow<'a, [u8]>, EncodingError> {
    let mut decoded = Cow::Borrowed(body);
    let real = |name: &&String| !matches!(name.as_str(), "identity" | "");
    if encodings.iter().filter(real).count() > MAX_LAYERS {
        return Err(EncodingError::Unsupported("more than two layers".into()));
    }
    for name in encodings.iter().rev().filter(real) {
        let layer: &[u8] = &decoded;
        let out = match name.as_str() {
            "deflate" => inflate(layer, max),
            "gzip" | "x-gzip" => read(GzDecoder::new(layer), max),
            other => {
                let other = text::excerpt(other.as_bytes());
                return Err(EncodingError::Unsupported(other));
            }
        };
        decoded = match out {
            Some(out) if out.len() > max => return Err(EncodingError::TooLarge(max)),
            Some(out) => Cow::Owned(out),
            None => return Err(EncodingError::Malformed(name.clone())),
        };
    }
    Ok(decoded)
}

fn inflate(body: &[u8], max: usize) -> Option<Vec<u8>> {
    // A zlib header could by chance begin a raw stream, so both are tried.
    read(ZlibDecoder::new(body), max).or_else(|| read(DeflateDecoder::new(body), max))
}

/// At most one octet more than `max`; `None` for a broken or unfinished stream.
fn read(decoder: impl Read, max: usize) -> Option<Vec<u8>> {
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut out = Vec::new();
    decoder.take(limit).read_to_end(&mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use flate2::Compression;

    use super::*;

    fn packed(how: &str, body: &[u8]) -> Vec<u8> {
        let level = Compression::default();
        match how {
            "raw" => {
                let mut e = DeflateEncoder::new(Vec::new(), level);
                e.write_all(body).unwrap();
                e.finish().unwrap()
            }
            "zlib" => {
                let mut e = ZlibEncoder::new(Vec::new(), level);
                e.write_all(body).unwrap();
                e.finish().unwrap()
            }
            _ => {
                let mut e = GzEncoder::new(Vec::new(), level);
                e.write_all(body).unwrap();
                e.finish().unwrap()
            }
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_encoding() {
        let body = b"<resource-lists/> and more and more and more";
        for (how, name) in [
            ("raw", "deflate"),
            ("zlib", "deflate"),
            ("gzip", "gzip"),
            ("gzip", "x-gzip"),
        ] {
            let packed = packed(how, body);
            let got = decode(&names(&[name]), &packed, 100);
            assert_eq!(got.unwrap().as_ref(), body, "{how}");
        }
        assert_eq!(decode(&[], body, 0).unwrap().as_ref(), body);
        let identity = names(&["identity"]);
        assert_eq!(decode(&identity, body, 0).unwrap().as_ref(), body);
        let twice = packed("gzip", &packed("zlib", body));
        let both = names(&["deflate", "identity", "gzip"]);
        assert_eq!(decode(&both, &twice, 100).unwrap().as_ref(), body);
    }

    #[test]
    fn output_is_bounded() {
        let bomb = packed("zlib", &vec![b'a'; 10_000_000]);
        assert!(bomb.len() < 20_000);
        let deflate = names(&["deflate"]);
        assert_eq!(
            decode(&deflate, &bomb, 65_536),
            Err(EncodingError::TooLarge(65_536))
        );
        let body = [b'a'; 100];
        assert!(decode(&deflate, &packed("raw", &body), 100).is_ok());
        assert_eq!(
            decode(&deflate, &packed("raw", &body), 99),
            Err(EncodingError::TooLarge(99))
        );
    }

    #[test]
    fn refuses() {
        let one = |name: &str, body: &[u8]| decode(&names(&[name]), body, 100).map(Cow::into_owned);
        let error = one("br", b"x").unwrap_err();
        assert_eq!(
            (error.status(), error),
            (415, EncodingError::Unsupported("br".into()))
        );
        for name in ["deflate", "gzip"] {
            for body in [&b""[..], b"<resource-lists/>", b"\x78\x9c\xff\xff"] {
                let error = one(name, body).unwrap_err();
                assert_eq!(
                    (error.status(), error),
                    (400, EncodingError::Malformed(name.into()))
                );
            }
        }
        let whole = packed("gzip", b"abcdefgh");
        assert!(one("gzip", &whole[..whole.len() - 9]).is_err());
        let many = names(&["gzip", "gzip", "gzip"]);
        assert!(matches!(
            decode(&many, b"", 9),
            Err(EncodingError::Unsupported(_))
        ));
    }
}
