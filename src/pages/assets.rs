//! The pages' styles, scripts and icon, embedded in the binary. The tag is a hash of the content, and browsers
//! revalidate it each time, so that an update takes effect at once.

use crate::http::request::Head;
use crate::http::response::{Body, Response};
use crate::representation::revalidated;

/// Name, type and content of each.
const ASSETS: &[(&[u8], &str, &[u8])] = &[
    (b"style.css", "text/css; charset=utf-8", include_bytes!("assets/style.css")),
    (b"gallery.js", "text/javascript; charset=utf-8", include_bytes!("assets/gallery.js")),
    (b"player.js", "text/javascript; charset=utf-8", include_bytes!("assets/player.js")),
    (b"icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
];

/// The response to a GET of `/assets/<name>`, if there is such a file.
pub fn response(name: &[u8], head: &Head<'_>) -> Option<Response> {
    let (_, content_type, content) = ASSETS.iter().find(|(known, ..)| *known == name)?;
    let whole = || Response::new(200, Body::Bytes(content.to_vec().into())).with("Content-Type", *content_type);
    Some(revalidated(format!("\"{:x}\"", fnv1a(content)), head, whole))
}

/// FNV-1a, 64 bits: a fingerprint, not cryptographic.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
