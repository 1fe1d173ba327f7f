//! The pages' styles, scripts and icon, embedded in the binary. The tag is a hash of the content, and browsers
//! revalidate it each time, so that an update takes effect at once.

use std::path::Path;

use crate::http::content_type;
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::representation::revalidated;

/// Name and content of each.
const ASSETS: &[(&str, &[u8])] = &[
    ("style.css", include_bytes!("assets/style.css")),
    ("gallery.css", include_bytes!("assets/gallery.css")),
    ("gallery.js", include_bytes!("assets/gallery.js")),
    ("player.css", include_bytes!("assets/player.css")),
    ("choices.js", include_bytes!("assets/choices.js")),
    ("end.js", include_bytes!("assets/end.js")),
    ("keys.js", include_bytes!("assets/keys.js")),
    ("loading.js", include_bytes!("assets/loading.js")),
    ("neighbours.js", include_bytes!("assets/neighbours.js")),
    ("page.js", include_bytes!("assets/page.js")),
    ("player.js", include_bytes!("assets/player.js")),
    ("reconnect.js", include_bytes!("assets/reconnect.js")),
    ("resume.js", include_bytes!("assets/resume.js")),
    ("screen.js", include_bytes!("assets/screen.js")),
    ("session.js", include_bytes!("assets/session.js")),
    ("subtitles.js", include_bytes!("assets/subtitles.js")),
    ("trouble.js", include_bytes!("assets/trouble.js")),
    ("ways.js", include_bytes!("assets/ways.js")),
    ("store.js", include_bytes!("assets/store.js")),
    ("search.js", include_bytes!("assets/search.js")),
    ("manifest.webmanifest", include_bytes!("assets/manifest.webmanifest")),
    ("favicon.ico", include_bytes!("assets/favicon.ico")),
    ("apple-touch-icon.png", include_bytes!("assets/apple-touch-icon.png")),
    ("icon.svg", include_bytes!("assets/icon.svg")),
];

/// The response to a GET of `/assets/<name>`, if there is such a file.
pub fn response(name: &[u8], head: &Head<'_>) -> Option<Response> {
    let (known, content) = ASSETS.iter().find(|(known, _)| known.as_bytes() == name)?;
    let content = sent(known, content);
    let etag = format!("\"{:x}\"", fnv1a(&content));
    let content_type = content_type::of(Path::new(known));
    let whole = || Response::new(200, Body::Bytes(content.into())).with("Content-Type", content_type);
    Some(revalidated(etag, head, whole))
}

/// Styles and scripts are sent without indentation and lines of comments, a seventh of their size. So no template
/// literal of a script may go over several lines.
fn sent(name: &str, content: &[u8]) -> Vec<u8> {
    if !name.ends_with(".css") && !name.ends_with(".js") {
        return content.to_vec();
    }
    let lines = content.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let is_comment = |line: &[u8]| line.starts_with(b"//") || (line.starts_with(b"/*") && line.ends_with(b"*/"));
    let code: Vec<&[u8]> = lines.filter(|line| !line.is_empty() && !is_comment(line)).collect();
    code.join(&b'\n')
}

/// FNV-1a, 64 bits: a fingerprint, not cryptographic.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_styles_and_scripts_of_both_pages_together_are_small() {
        let is_code = |name: &str| name.ends_with(".css") || name.ends_with(".js");
        let code = ASSETS.iter().filter(|(name, _)| is_code(name));
        // Together with the pages' HTML, without cards, below 60 kB.
        assert!(code.map(|(name, content)| sent(name, content).len()).sum::<usize>() < 51_000);
    }

    #[test]
    fn only_comments_and_indentation_are_left_out() {
        assert_eq!(sent("a.js", b"// A comment.\n\nif (a) {\n  b('//'); // why\n}\n"), b"if (a) {\nb('//'); // why\n}");
        assert_eq!(sent("a.css", b"/* A comment. */\na {\n  b: c; }\n"), b"a {\nb: c; }");
        assert_eq!(sent("a.svg", b"  <svg>\n"), b"  <svg>\n");
        for (name, content) in ASSETS.iter().filter(|(name, _)| name.ends_with(".js")) {
            let is_whole = |line: &[u8]| line.iter().filter(|byte| **byte == b'`').count() % 2 == 0;
            assert!(
                content.split(|&byte| byte == b'\n').all(is_whole),
                "{name}: a template literal over several lines"
            );
        }
    }
}
