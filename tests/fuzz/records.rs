//! Target for stored records: what shared memory (or, later, a database) gives back may be anything.

use super::harness::kind;
use super::mutate::Rng;
use cpm::cpm::records::{Id, Record};
use serde::de::value::Error;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::Deserialize;

pub fn record(input: &[u8]) -> u64 {
    let Ok(record) = postcard::from_bytes::<Record>(input) else {
        return 0;
    };
    if !record.is_readable() {
        return 1;
    }
    let bytes = postcard::to_stdvec(&record).expect("what was read can be written");
    let again: Record = postcard::from_bytes(&bytes).expect("what was written can be read");
    assert_eq!(again, record);
    let names = record.names(Id(1)).len();
    let deadline = record.deadline();
    let more = match &record {
        Record::Head(head) => kind(head.free_places() > 0),
        Record::Leg(leg) => kind((leg.is_member(), leg.is_pending(), leg.is_finished())),
        Record::Refer(refer) => kind((refer.all_settled(), refer.is_finished(u64::MAX / 2))),
        Record::Target(target) => kind(target.report(Id(2)).is_some_and(|it| it.is_final())),
        Record::History(history) => kind(history.behind(None).1.is_empty()),
        Record::ChangeLog(log) => kind((log.due.is_some(), log.departed.len().min(2))),
        Record::Subscribers(subscribers) => kind(subscribers.ids.len().min(2)),
        Record::ConferenceSubscription(subscription) => {
            let common = &subscription.common;
            kind((common.ending.is_some(), common.last_sent))
        }
        Record::RejoinRights(rights) => kind(rights.known.len().min(2)),
    };
    kind((more, names.min(4), deadline.is_some()))
}

/// Records of every kind, made of whatever their types ask for.
pub fn seeds() -> Vec<Vec<u8>> {
    (0..64)
        .map(|seed| {
            let record = Record::deserialize(Anything(&mut Rng::new(seed))).expect("it fits");
            postcard::to_stdvec(&record).expect("a record can be written")
        })
        .collect()
}

/// Gives every type a value of its kind, so that a new field of a record needs no new seed.
struct Anything<'a>(&'a mut Rng);

const TEXTS: &[&str] = &[
    "sip:alice@home1.test",
    "tel:+3581",
    "sip:p.test;lr",
    "sip:a%40b@[::1]:5060;x=y?h=z",
];

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let number = self.0.next();
            visitor.$visit((number >> (number % 64)) as $type)
        })*
    };
}

impl<'de> Deserializer<'de> for Anything<'_> {
    type Error = Error;

    numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    /// As postcard is.
    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.0.below(2) == 0)
    }

    /// None of any use: what reads octets of its own has to do without them.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bytes(&[])
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0.pick(TEXTS))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.below(3) {
            0 => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// Only sealed parts ask for it, which take the value as well.
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.0.below(4);
        visitor.visit_seq(Several { rng: self.0, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Several { rng: self.0, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.0.below(4);
        visitor.visit_map(Several { rng: self.0, left })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let which = self.0.below(variants.len()) as u32;
        visitor.visit_enum(Variant { rng: self.0, which })
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char unit unit_struct tuple_struct identifier ignored_any
    }
}

struct Several<'a> {
    rng: &'a mut Rng,
    left: usize,
}

impl<'de> SeqAccess<'de> for Several<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Anything(self.rng)).map(Some)
    }
}

impl<'de> MapAccess<'de> for Several<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Anything(self.rng))
    }
}

struct Variant<'a> {
    rng: &'a mut Rng,
    which: u32,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Anything<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Anything<'a>), Error> {
        let which = seed.deserialize(self.which.into_deserializer())?;
        Ok((which, Anything(self.rng)))
    }
}

impl<'de> VariantAccess<'de> for Anything<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(left, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
