//! What must not stand in the database to be read: sealed with a key that only whoever has the bot's token can make.
//!
//! Every instance on a database has the same token, so what one sealed, another opens.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use std::fmt::Write as _;

/// What the key is made for: the same token gives another key for anything else.
const PURPOSE: &[&[u8]] = &[b"opsgram: words of a message, sealed until they are sent; 1"];

/// Seals and opens words.
pub(super) struct Seal {
    key: LessSafeKey,
}

impl Seal {
    /// The seal of a bot's token; `None` when no key can be made of it.
    pub fn of(token: &str) -> Option<Self> {
        let secret = Salt::new(HKDF_SHA256, &[]).extract(token.as_bytes());
        let key = secret.expand(PURPOSE, &CHACHA20_POLY1305).ok()?;
        Some(Self {
            key: LessSafeKey::new(UnboundKey::from(key)),
        })
    }

    /// The words sealed, as hexadecimal digits, to be opened under this name alone.
    pub fn close(&self, name: &str, words: &str) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = words.as_bytes().to_vec();
        let about = Aad::from(name.as_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), about, &mut sealed)
            .ok()?;
        let mut hex = String::with_capacity(2 * (nonce.len() + sealed.len()));
        for byte in nonce.iter().chain(&sealed) {
            // Writing to a text cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        Some(hex)
    }

    /// The words; `None` when they were sealed with another token, under another name, or are damaged.
    pub fn open(&self, name: &str, sealed: &str) -> Option<String> {
        let bytes = bytes(sealed)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let about = Aad::from(name.as_bytes());
        let words = self.key.open_in_place(nonce, about, &mut sealed).ok()?;
        String::from_utf8(words.to_vec()).ok()
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_opens_it_and_only_under_its_name() {
        let words = "🔑 https://host/s/AbC#key";
        let seal = Seal::of("42:token").unwrap();
        let sealed = seal.close("secret:1", words).unwrap();
        assert_ne!(sealed, seal.close("secret:1", words).unwrap());
        assert!(sealed.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let again = Seal::of("42:token").unwrap();
        assert_eq!(again.open("secret:1", &sealed).as_deref(), Some(words));
        assert_eq!(again.open("secret:2", &sealed), None);
        assert_eq!(
            Seal::of("42:other").unwrap().open("secret:1", &sealed),
            None
        );
        for wrong in [
            "",
            "ab",
            "xy",
            "abc",
            &sealed[2..],
            &sealed[..sealed.len() - 2],
        ] {
            assert_eq!(seal.open("secret:1", wrong), None, "{wrong}");
        }
    }
}
