//! Escaping of names in a page's text and attributes. In URLs, [`encode`](crate::http::target::encode) leaves no
//! character that is special in HTML.

use std::fmt::{self, Write};

/// A name in text or in a quoted attribute. Invalid UTF-8 and control characters become U+FFFD.
#[derive(Debug, Clone, Copy)]
pub struct Text<'n>(pub &'n [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in String::from_utf8_lossy(self.0).chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                char if char.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::target::{Target, encode};
    use proptest::prelude::*;

    #[test]
    fn a_hostile_name_is_only_text() {
        let rows: &[(&[u8], &str, &str)] = &[
            (b"a b.mp4", "a b.mp4", "a%20b.mp4"),
            (
                b"<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
                "%3Cscript%3Ealert%281%29%3C/script%3E",
            ),
            (b"\"' onerror='x", "&quot;&#39; onerror=&#39;x", "%22%27%20onerror%3D%27x"),
            (b"100%&amp;", "100%&amp;amp;", "100%25%26amp%3B"),
            (b"a\nb\r\tc\x1b", "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}", "a%0Ab%0D%09c%1B"),
            (b"\xff\xfe.mp4", "\u{fffd}\u{fffd}.mp4", "%FF%FE.mp4"),
            ("\u{202e}4pm".as_bytes(), "\u{202e}4pm", "%E2%80%AE4pm"),
            (b"s 1/e+1?#.mp4", "s 1/e+1?#.mp4", "s%201/e%2B1%3F%23.mp4"),
        ];
        for (name, text, url) in rows {
            assert_eq!(Text(name).to_string(), *text);
            assert_eq!(encode(name).to_string(), *url);
        }
    }

    proptest! {
        #[test]
        fn text_has_no_markup_left(name: Vec<u8>) {
            let text = Text(&name).to_string();
            prop_assert!(!text.contains(['<', '>', '"', '\'', '\n', '\r', '\0']));
        }

        #[test]
        fn an_address_leads_back_to_the_same_bytes(name: Vec<u8>) {
            let target = format!("/{0}?path={0}", encode(&name));
            prop_assert!(!target.contains(['<', '>', '"', '\'', '&', ' ']) && target.is_ascii());
            let target = Target::parse(&target).unwrap();
            prop_assert_eq!(&target.path[1..], &name[..]);
            prop_assert_eq!(&target.value("path").unwrap()[..], &name[..]);
        }
    }
}
