//! HTTP Basic (RFC 7617), and a key in the URL for players that send no credentials.
//!
//! The key is an HMAC-SHA-256 of the credentials, so that it is the same on every replica and after a restart, and
//! changes with the password. A request's credentials are compared by their own HMAC: how long that takes tells nothing
//! of how much of a password is right.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::request::Fields;

/// Bytes of the HMAC that are used: 128 bits (RFC 2104 §5).
const KEY_BYTES: usize = 16;

/// The user and the password that clients must send.
#[derive(Clone)]
pub struct Credentials {
    mac: [u8; KEY_BYTES],
}

impl Credentials {
    /// Whether the field `Authorization` has these credentials.
    pub fn are_in(&self, fields: &Fields<'_>) -> bool {
        let basic = fields.get("authorization").and_then(|value| value.split_once(' '));
        let Some((_, encoded)) = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) else { return false };
        BASE64_STANDARD.decode(encoded.trim()).is_ok_and(|given| mac(&given).ct_eq(&self.mac).into())
    }

    /// The key that stands for them in a URL, of letters, digits, `-` and `_`.
    pub fn key(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.mac)
    }

    /// Whether `key` is [`Credentials::key`].
    pub fn have_key(&self, key: &[u8]) -> bool {
        key.ct_eq(self.key().as_bytes()).into()
    }
}

fn mac(credentials: &[u8]) -> [u8; KEY_BYTES] {
    let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
    key[..9].copy_from_slice(b"filmstrip");
    let mac = Hmac::<Sha256>::new(&key).chain_update(credentials).finalize().into_bytes();
    std::array::from_fn(|at| mac[at])
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl FromStr for Credentials {
    type Err = &'static str;

    /// `USER:PASSWORD`; the password may contain more colons (RFC 7617 §2). The message doesn't repeat it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() && !text.contains(char::is_control) => {
                Ok(Self { mac: mac(text.as_bytes()) })
            }
            _ => Err("expected USER:PASSWORD, with a colon between them and neither of them empty"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(credentials: &str, lines: &[(&str, &str)]) -> bool {
        let fields = Fields::from_pairs(lines.iter().map(|(name, value)| (*name, value.as_bytes())));
        credentials.parse::<Credentials>().unwrap().are_in(&fields)
    }

    #[test]
    fn only_the_same_user_and_password_are_let_in() {
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        let rows = [
            ("me:secret", basic("me:secret"), true),
            ("me:secret", basic("me:secret").replace("Basic", "basic"), true),
            ("me:a:b", basic("me:a:b"), true),
            ("j\u{fc}rgen:p\u{e4}ss", basic("j\u{fc}rgen:p\u{e4}ss"), true),
            ("me:secret", basic("me:Secret"), false),
            ("me:secret", basic("me:secre"), false),
            ("me:secret", basic("me:secret "), false),
            ("me:secret", basic("me:secret\0"), false),
            ("me:secret", basic("me"), false),
            ("me:secret", basic(""), false),
            ("me:secret", basic("me:secret").replace("Basic", "Bearer"), false),
            ("me:secret", "Basic me:secret".into(), false),
            ("me:secret", "Basic".into(), false),
            ("me:secret", "Basic !!!!".into(), false),
            ("me:secret", String::new(), false),
        ];
        for (credentials, field, want) in rows {
            assert_eq!(permits(credentials, &[("Authorization", &field)]), want, "{credentials} {field}");
        }
        assert!(!permits("me:secret", &[]));
        let twice = basic("me:secret");
        assert!(!permits("me:secret", &[("Authorization", &twice), ("Authorization", &twice)]));
    }

    #[test]
    fn the_key_depends_on_the_credentials_alone() {
        let of = |text: &str| text.parse::<Credentials>().unwrap();
        let key = of("me:secret").key();
        // printf me:secret | openssl dgst -sha256 -hmac filmstrip -binary | head -c 16 | basenc --base64url
        assert_eq!(key, "cBe-NKxVQSMbkqNZsaIqFg");
        assert!(of("me:secret").have_key(key.as_bytes()) && !of("me:secret2").have_key(key.as_bytes()));
        assert!(!of("me:secret").have_key(&key.as_bytes()[1..]) && !of("me:secret").have_key(b""));
    }

    #[test]
    fn what_is_no_user_and_password_is_refused_and_nothing_is_printed() {
        for text in ["", "secret", ":secret", "me:", "me:a\nb", "me\0:a"] {
            assert!(text.parse::<Credentials>().is_err(), "{text:?}");
        }
        assert_eq!(format!("{:?}", "me:secret".parse::<Credentials>().unwrap()), "Credentials");
    }
}
