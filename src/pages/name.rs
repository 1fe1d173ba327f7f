//! Names as text on a page. The templates escape it; in URLs, [`encode`](crate::http::target::encode) leaves no
//! character that is special in HTML.

use std::fmt::{self, Write};

/// A name as it is shown. Invalid UTF-8 and control characters become U+FFFD.
#[derive(Debug, Clone, Copy)]
pub struct DisplayName<'n>(pub &'n [u8]);

impl fmt::Display for DisplayName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(self.0)
            .chars()
            .try_for_each(|c| f.write_char(if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::target::{Target, encode};
    use askama::Template;
    use proptest::prelude::*;

    #[derive(Template)]
    #[template(source = "{{ name }}", ext = "html")]
    struct Shown<'n> {
        name: DisplayName<'n>,
    }

    fn shown(name: &[u8]) -> String {
        Shown { name: DisplayName(name) }.render().unwrap()
    }

    #[test]
    fn a_hostile_name_is_only_text() {
        let rows: &[(&[u8], &str, &str)] = &[
            (b"a b.mp4", "a b.mp4", "a%20b.mp4"),
            (
                b"<script>alert(1)</script>",
                "&#60;script&#62;alert(1)&#60;/script&#62;",
                "%3Cscript%3Ealert%281%29%3C/script%3E",
            ),
            (b"\"' onerror='x", "&#34;&#39; onerror=&#39;x", "%22%27%20onerror%3D%27x"),
            (b"100%&amp;", "100%&#38;amp;", "100%25%26amp%3B"),
            (b"a\nb\r\tc\x1b", "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}", "a%0Ab%0D%09c%1B"),
            (b"\xff\xfe.mp4", "\u{fffd}\u{fffd}.mp4", "%FF%FE.mp4"),
            ("\u{202e}4pm".as_bytes(), "\u{202e}4pm", "%E2%80%AE4pm"),
            (b"s 1/e+1?#.mp4", "s 1/e+1?#.mp4", "s%201/e%2B1%3F%23.mp4"),
        ];
        for (name, text, url) in rows {
            assert_eq!(shown(name), *text);
            assert_eq!(encode(name).to_string(), *url);
        }
    }

    proptest! {
        #[test]
        fn text_has_no_markup_left(name: Vec<u8>) {
            prop_assert!(!shown(&name).contains(['<', '>', '"', '\'', '\n', '\r', '\0']));
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
