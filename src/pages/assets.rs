//! The pages' styles, scripts and icons, embedded in the binary. The entity tag is a hash of the content, and browsers
//! revalidate it each time, so that an update takes effect at once.

use std::path::Path;
use std::sync::LazyLock;

use crate::fingerprint;
use crate::http::content_type;
use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::representation::conditional;

/// Name and content of each file.
const FILES: &[(&str, &[u8])] = &[
    ("style.css", include_bytes!("assets/style.css")),
    ("gallery.css", include_bytes!("assets/gallery.css")),
    ("gallery.js", include_bytes!("assets/gallery.js")),
    ("player.css", include_bytes!("assets/player.css")),
    ("choices.js", include_bytes!("assets/choices.js")),
    ("end.js", include_bytes!("assets/end.js")),
    ("keys.js", include_bytes!("assets/keys.js")),
    ("loading.js", include_bytes!("assets/loading.js")),
    ("neighbours.js", include_bytes!("assets/neighbours.js")),
    ("other-players.js", include_bytes!("assets/other-players.js")),
    ("page.js", include_bytes!("assets/page.js")),
    ("player.js", include_bytes!("assets/player.js")),
    ("reconnect.js", include_bytes!("assets/reconnect.js")),
    ("resume.js", include_bytes!("assets/resume.js")),
    ("screen.js", include_bytes!("assets/screen.js")),
    ("session.js", include_bytes!("assets/session.js")),
    ("subtitles.js", include_bytes!("assets/subtitles.js")),
    ("trouble.js", include_bytes!("assets/trouble.js")),
    ("store.js", include_bytes!("assets/store.js")),
    ("search.js", include_bytes!("assets/search.js")),
    ("manifest.webmanifest", include_bytes!("assets/manifest.webmanifest")),
    ("favicon.ico", include_bytes!("assets/favicon.ico")),
    ("apple-touch-icon.png", include_bytes!("assets/apple-touch-icon.png")),
    ("icon.svg", include_bytes!("assets/icon.svg")),
];

/// The entity tags of [`FILES`], in the same order.
static ETAGS: LazyLock<Vec<String>> =
    LazyLock::new(|| FILES.iter().map(|(_, content)| fingerprint::etag(content)).collect());

/// The response to a GET of `/assets/<name>`, if there is such a file.
pub fn response(name: &[u8], head: &Head<'_>) -> Option<Response> {
    let at = FILES.iter().position(|(known, _)| known.as_bytes() == name)?;
    let (name, content) = FILES[at];
    let whole = || {
        let response = Response::new(200, Body::Bytes(content.into()));
        response.with("Content-Type", content_type::of(Path::new(name)))
    };
    Some(conditional(ETAGS[at].clone(), head, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(name: &str, fields: &str) -> Option<Response> {
        let head = format!("GET /assets/{name} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        response(name.as_bytes(), &Head::parse(head.as_bytes()).unwrap())
    }

    #[test]
    fn the_styles_and_scripts_of_both_pages_together_are_small() {
        let is_code = |name: &str| name.ends_with(".css") || name.ends_with(".js");
        let code = FILES.iter().filter(|(name, _)| is_code(name));
        assert!(code.map(|(_, content)| content.len()).sum::<usize>() < 62_000);
    }

    #[test]
    fn each_file_has_its_type_and_is_conditional() {
        let rows = [
            ("style.css", &b"/* System"[..], "text/css; charset=utf-8"),
            ("player.js", b"", "text/javascript; charset=utf-8"),
            ("favicon.ico", b"\0\0\x01\0", "image/x-icon"),
            ("apple-touch-icon.png", b"\x89PNG", "image/png"),
            ("icon.svg", b"<svg", "image/svg+xml"),
            ("manifest.webmanifest", b"{", "application/manifest+json"),
        ];
        for (name, start, content_type) in rows {
            let first = get(name, "").unwrap();
            let Body::Bytes(bytes) = &first.body else { panic!("{name} has no body") };
            assert!(bytes.starts_with(start), "{name}");
            assert_eq!(first.field("content-type"), Some(content_type), "{name}");
            assert_eq!(first.field("cache-control"), Some("no-cache"), "{name}");
            let etag = first.field("etag").unwrap();
            let again = get(name, &format!("If-None-Match: {etag}\r\n")).unwrap();
            assert_eq!(again.status.0, 304, "{name}");
            assert_eq!(again.field("etag"), Some(etag), "{name}");
            assert_eq!(get(name, "If-None-Match: \"x\"\r\n").unwrap().status.0, 200, "{name}");
        }
    }

    #[test]
    fn another_name_is_none() {
        for name in ["", "style", "STYLE.CSS", "../style.css", "base.html"] {
            assert!(get(name, "").is_none(), "{name}");
        }
    }
}
