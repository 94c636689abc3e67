//! Items that others store here, and what makes an item right (BEP 44).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use ed25519_dalek::{Signature as Signed, Signer as _, SigningKey, VerifyingKey};
use toubkal_wire::krpc::{self, Id, code, immutable_target, mutable_target, signed_bytes};

use super::guests::block;
use super::values::{Item, Signature};
use crate::base::Time;

/// Items that are stored.
pub(super) const ITEMS_MAX: usize = 1000;
/// Items that one address has stored.
pub(super) const OF_ONE_MAX: usize = 50;
/// BEP 44: an item that nobody stores again fades after two hours.
pub(super) const LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// The key that belongs to the seed of an Ed25519 key.
#[must_use]
pub fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(secret).verifying_key().to_bytes()
}

/// Signs a mutable item.
pub(super) fn sign(secret: &[u8; 32], salt: Vec<u8>, seq: i64, value: Vec<u8>) -> Item {
    let secret = SigningKey::from_bytes(secret);
    let signature = secret.sign(&signed_bytes(&salt, seq, &value)).to_bytes();
    let key = secret.verifying_key().to_bytes();
    Item { value, signed: Some(Signature { key, signature, seq, salt }) }
}

/// Whether a signature is right.
pub(super) fn verify(signed: &krpc::Signed<'_>, value: &[u8]) -> bool {
    let bytes = signed_bytes(signed.salt, signed.seq, value);
    VerifyingKey::from_bytes(signed.key)
        .is_ok_and(|key| key.verify_strict(&bytes, &Signed::from_bytes(signed.signature)).is_ok())
}

impl Item {
    /// Where it is stored.
    #[must_use]
    pub fn target(&self) -> Id {
        self.signed.as_ref().map_or_else(
            || immutable_target(&self.value),
            |signed| mutable_target(&signed.key, &signed.salt),
        )
    }

    /// Its number; 0 for one that never changes.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.signed.as_ref().map_or(0, |signed| signed.seq)
    }
}

#[derive(Debug, Default)]
pub(super) struct Items {
    items: BTreeMap<Id, Stored>,
}

#[derive(Debug)]
struct Stored {
    item: Item,
    by: u64,
    at: Time,
}

impl Items {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn get(&self, now: Time, target: &Id) -> Option<&Item> {
        let stored = self.items.get(target)?;
        (now.since(stored.at) < LIFE).then_some(&stored.item)
    }

    /// Stores an item, if everything about it is right.
    pub(super) fn put(
        &mut self,
        now: Time,
        from: SocketAddr,
        (value, signed, cas): (&[u8], Option<krpc::Signed<'_>>, Option<i64>),
        near: &Id,
    ) -> Result<(), (i64, &'static str)> {
        let item = Item {
            value: value.to_vec(),
            signed: signed.map(|signed| Signature {
                key: *signed.key,
                signature: *signed.signature,
                seq: signed.seq,
                salt: signed.salt.to_vec(),
            }),
        };
        let target = item.target();
        if let Some(signed) = signed {
            if let Some(stored) = self.get(now, &target) {
                let seq = stored.seq();
                if cas.is_some_and(|cas| cas != seq) {
                    return Err((code::CAS, "another version is stored"));
                }
                let other = seq == signed.seq && stored.value != value;
                if seq > signed.seq || other {
                    return Err((code::SEQUENCE, "a newer version is stored"));
                }
            }
            if !verify(&signed, value) {
                return Err((code::SIGNATURE, "the signature is wrong"));
            }
        }
        self.make_room(now, target, from, near)?;
        self.items.insert(target, Stored { item, by: block(from), at: now });
        Ok(())
    }

    /// Forgets what has faded.
    pub(super) fn expire(&mut self, now: Time) {
        self.items.retain(|_, stored| now.since(stored.at) < LIFE);
    }

    fn make_room(
        &mut self,
        now: Time,
        target: Id,
        from: SocketAddr,
        near: &Id,
    ) -> Result<(), (i64, &'static str)> {
        if self.items.contains_key(&target) {
            return Ok(());
        }
        self.expire(now);
        let by = block(from);
        if self.items.values().filter(|stored| stored.by == by).count() >= OF_ONE_MAX {
            return Err((code::SERVER, "too many items of one address"));
        }
        if self.items.len() >= ITEMS_MAX {
            let far = self.items.keys().max_by_key(|known| near.distance(known)).copied();
            match far.filter(|far| near.distance(far) > near.distance(&target)) {
                Some(far) => _ = self.items.remove(&far),
                None => return Err((code::SERVER, "there is no room")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: Id = Id([0; 20]);

    fn from(number: u32) -> SocketAddr {
        SocketAddr::new(core::net::Ipv4Addr::from(0x0b00_0000 + number).into(), 6881)
    }

    fn signed(item: &Item) -> krpc::Signed<'_> {
        let signed = item.signed.as_ref().unwrap();
        let Signature { key, signature, seq, salt } = signed;
        krpc::Signed { key, signature, seq: *seq, salt }
    }

    /// The vectors of BEP 44.
    #[test]
    fn the_signatures_of_the_specification_are_right() {
        fn hex<const N: usize>(text: &str) -> [u8; N] {
            core::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        }
        let key = hex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
        for (salt, signature) in [
            (
                &b""[..],
                "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
                 1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
            ),
            (
                b"foobar",
                "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d\
                 df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
            ),
        ] {
            let signature = hex(signature);
            let signed = krpc::Signed { key: &key, signature: &signature, seq: 1, salt };
            assert!(verify(&signed, b"12:Hello World!"));
            assert!(!verify(&signed, b"12:Hello world!"));
            assert!(!verify(&krpc::Signed { seq: 2, ..signed }, b"12:Hello World!"));
        }
    }

    #[test]
    fn only_newer_versions_replace_older_ones() {
        let mut items = Items::default();
        let mut put = |seq, value: &[u8], cas| {
            let item = sign(&[7; 32], b"salt".to_vec(), seq, value.to_vec());
            let put = (value, Some(signed(&item)), cas);
            items.put(Time::START, from(1), put, &NEAR).map_err(|(code, _)| code)
        };
        assert_eq!(put(5, b"1:a", None), Ok(()));
        assert_eq!(put(5, b"1:a", None), Ok(()), "the same again keeps it alive");
        assert_eq!(put(5, b"1:b", None), Err(code::SEQUENCE));
        assert_eq!(put(4, b"1:b", None), Err(code::SEQUENCE));
        assert_eq!(put(6, b"1:b", Some(4)), Err(code::CAS));
        assert_eq!(put(6, b"1:b", Some(5)), Ok(()));
        let target = mutable_target(&public_key(&[7; 32]), b"salt");
        assert_eq!(items.get(Time::START, &target).map(Item::seq), Some(6));
        assert!(items.get(Time::START.after(LIFE), &target).is_none());
    }

    #[test]
    fn what_others_store_is_bounded() {
        let mut items = Items::default();
        let mut put = |number: u32, by: u32| {
            let value = std::format!("i{number}e");
            items.put(Time::START, from(by), (value.as_bytes(), None, None), &NEAR)
        };
        assert!((0..50).all(|number| put(number, 1).is_ok()));
        assert_eq!(put(50, 1).map_err(|(code, _)| code), Err(code::SERVER));
        for number in 100..3000 {
            let _ = put(number, number);
        }
        assert_eq!(items.len(), ITEMS_MAX);
    }
}
