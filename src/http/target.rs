//! The request target (RFC 9112 §3.2): its path, decoded once to bytes, as file names on Unix are, and its query.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode, percent_encode};

/// All but `/` and the unreserved characters (RFC 3986 §2.3), so that a name is safe in every part of a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A file's name, percent-encoded for a path. [`Target::parse`] returns the same bytes.
pub fn encode(name: &[u8]) -> PercentEncode<'_> {
    percent_encode(name, ESCAPED)
}

/// A request target in origin-form, or the part of an absolute-form target after its authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'b> {
    /// The path, with `%XX` decoded once. It starts with `/`.
    pub path: Cow<'b, [u8]>,
    /// The query after the first `?`, not decoded.
    pub query: &'b str,
}

impl<'b> Target<'b> {
    /// Splits `target` at its first `?` and decodes the path. `None` if a `%` in the path has no two hexadecimal digits
    /// after it.
    pub fn parse(target: &'b str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let is_hexadecimal = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let decodable = path.split('%').skip(1).all(|after| after.get(..2).is_some_and(is_hexadecimal));
        decodable.then(|| Self { path: percent_decode(path.as_bytes()).into(), query })
    }

    /// Whether the query has `flag`, with or without a value.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.pairs().any(|(name, _)| name == flag)
    }

    /// The value of the first `name` in the query, decoded as in a form (`%XX`, and `+` for a space). A `%` without two
    /// hexadecimal digits after it stays.
    pub fn value(&self, name: &str) -> Option<Vec<u8>> {
        let (_, value) = self.pairs().find(|(known, _)| *known == name)?;
        let spaced: Vec<u8> = value.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
        Some(percent_decode(&spaced).collect())
    }

    fn pairs(&self) -> impl Iterator<Item = (&'b str, &'b str)> {
        self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_decoded_once() {
        let rows: [(&str, Option<&[u8]>, &str); 11] = [
            ("/video/a.mp4", Some(b"/video/a.mp4"), ""),
            ("/video/a%20b.mp4?x=%zz", Some(b"/video/a b.mp4"), "x=%zz"),
            ("/video/%2541", Some(b"/video/%41"), ""),
            ("/video/%3f%23", Some(b"/video/?#"), ""),
            ("/video/%ff%00", Some(b"/video/\xff\0"), ""),
            ("/video/a+b", Some(b"/video/a+b"), ""),
            ("/video/%2e%2e/x", Some(b"/video/../x"), ""),
            ("/?a?b", Some(b"/"), "a?b"),
            ("/%", None, ""),
            ("/%4", None, ""),
            ("/%4g", None, ""),
        ];
        for (target, path, query) in rows {
            let parsed = Target::parse(target);
            assert_eq!(parsed.as_ref().map(|t| &*t.path), path, "{target}");
            if let Some(parsed) = parsed {
                assert_eq!(parsed.query, query, "{target}");
            }
        }
    }

    #[test]
    fn a_flag_stands_alone_or_with_a_value() {
        for (query, want) in [("download", true), ("a=1&download=", true), ("downloads", false), ("", false)] {
            let target = format!("/?{query}");
            assert_eq!(Target::parse(&target).unwrap().has_flag("download"), want, "{query}");
        }
    }

    #[test]
    fn a_value_is_the_first_of_its_name() {
        let rows: [(&str, Option<&[u8]>); 7] = [
            ("path=a%20b/c&path=d", Some(b"a b/c")),
            ("x=1&path=%ff", Some(b"\xff")),
            ("path=a+b=c", Some(b"a b=c")),
            ("path=%zz", Some(b"%zz")),
            ("path=", Some(b"")),
            ("path", Some(b"")),
            ("paths=a", None),
        ];
        for (query, want) in rows {
            let target = format!("/?{query}");
            assert_eq!(Target::parse(&target).unwrap().value("path").as_deref(), want, "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_survive_encoding_and_decoding(name: Vec<u8>) {
            let target = format!("/{0}?path={0}", encode(&name));
            let parsed = Target::parse(&target).unwrap();
            prop_assert_eq!(&parsed.path[1..], &name[..]);
            prop_assert_eq!(&parsed.value("path").unwrap()[..], &name[..]);
        }

        #[test]
        fn no_target_makes_it_panic(target: String) {
            let _ = Target::parse(&target);
        }
    }
}
