//! A part of a record that stays encoded until somebody looks at it.
//!
//! Most events of a session concern a few numbers of its records. What names people and dialogs is longer and changes
//! rarely: it is copied as one block of bytes, and decoded only for who reads it.

use std::cell::OnceCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{ser, Deserialize, Deserializer, Serialize, Serializer};

/// A value, or the bytes that it was stored as. Dereferences to the value.
pub struct Sealed<T> {
    /// As they are stored. Empty for a value that is new or was changed.
    bytes: Vec<u8>,
    value: OnceCell<Box<T>>,
}

impl<T> Sealed<T> {
    /// A new value.
    pub fn new(value: T) -> Sealed<T> {
        Sealed {
            bytes: Vec::new(),
            value: OnceCell::from(Box::new(value)),
        }
    }

    /// Whether it is not as it was read: it is new, or somebody has had it to change it.
    pub fn is_changed(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl<T: DeserializeOwned> Sealed<T> {
    /// Whether the bytes are those of such a value. To be asked of bytes that did not come from this very server.
    pub fn is_readable(&self) -> bool {
        self.value.get().is_some() || postcard::from_bytes::<T>(&self.bytes).is_ok()
    }

    #[expect(
        clippy::panic,
        reason = "the store gives back what it was given; who reads foreign bytes asks is_readable first"
    )]
    fn open(&self) -> &T {
        self.value
            .get_or_init(|| match postcard::from_bytes(&self.bytes) {
                Ok(value) => Box::new(value),
                Err(error) => panic!("a part of a record cannot be read: {error}"),
            })
    }
}

impl<T: DeserializeOwned> Deref for Sealed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.open()
    }
}

impl<T: DeserializeOwned> DerefMut for Sealed<T> {
    #[expect(clippy::expect_used, reason = "opening leaves a value there")]
    fn deref_mut(&mut self) -> &mut T {
        self.open();
        self.bytes.clear();
        self.value.get_mut().expect("it was opened just now")
    }
}

impl<T: Clone> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Sealed {
            bytes: self.bytes.clone(),
            value: match self.is_changed() {
                true => self.value.clone(),
                false => OnceCell::new(),
            },
        }
    }
}

impl<T: DeserializeOwned + PartialEq> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        match self.is_changed() || other.is_changed() {
            true => **self == **other,
            false => self.bytes == other.bytes,
        }
    }
}

impl<T: DeserializeOwned + fmt::Debug> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.open().fmt(f)
    }
}

impl<T: Serialize> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value.get() {
            Some(value) if self.is_changed() => {
                let bytes = postcard::to_stdvec(value).map_err(ser::Error::custom)?;
                serializer.serialize_bytes(&bytes)
            }
            _ => serializer.serialize_bytes(&self.bytes),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes(PhantomData))
    }
}

struct Bytes<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Bytes<T> {
    type Value = Sealed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a value")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Sealed<T>, E> {
        if bytes.is_empty() {
            return Err(E::custom("a sealed part without bytes"));
        }
        Ok(Sealed {
            bytes: bytes.to_vec(),
            value: OnceCell::new(),
        })
    }

    /// From a format that gives the value itself.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Sealed<T>, D::Error> {
        T::deserialize(value).map(Sealed::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(value: &str) -> Sealed<String> {
        let bytes = postcard::to_stdvec(&Sealed::new(value.to_owned())).unwrap();
        postcard::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn it_is_decoded_when_it_is_read_and_encoded_when_it_was_changed() {
        let mut text = stored("alice");
        assert!(!text.is_changed() && text.value.get().is_none());
        let unread = postcard::to_stdvec(&text).unwrap();
        assert_eq!(text.as_str(), "alice");
        assert_eq!(postcard::to_stdvec(&text).unwrap(), unread);
        assert!(!text.is_changed());
        let before = text.clone();
        text.push_str(" and bob");
        assert!(text.is_changed() && text != before);
        let bytes = postcard::to_stdvec(&text).unwrap();
        let again: Sealed<String> = postcard::from_bytes(&bytes).unwrap();
        assert_eq!((again.as_str(), again.clone()), ("alice and bob", text));
    }

    #[test]
    fn foreign_bytes_are_told() {
        let foreign: Sealed<String> = postcard::from_bytes(&[2, 200, 1]).unwrap();
        assert!(!foreign.is_readable() && stored("alice").is_readable());
        assert!(postcard::from_bytes::<Sealed<String>>(&[0]).is_err());
    }
}
