//! The `Content-Type` of a file, by its name's extension: that of `mime_guess`, but for those that players and browsers
//! refuse. Text gets a charset, because subtitles in the wrong one are unreadable.

use std::borrow::Cow;
use std::path::Path;

/// Extensions for which players need another type than that of `mime_guess`, each with its source.
const CORRECTIONS: &[(&str, &str)] = &[
    // MPEG-TS (RFC 3555 §4.2, RFC 8216 §10); `mime_guess` has DLNA's private type.
    ("ts", "video/mp2t"),
    ("m2ts", "video/mp2t"),
    ("mts", "video/mp2t"),
    // Apple's name for an MP4 file (RFC 4337); Chromium refuses `video/x-m4v`.
    ("m4v", "video/mp4"),
    ("m4a", "audio/mp4"),
    // A fragment of MP4 in DASH and HLS (ISO/IEC 23009-1, RFC 8216 §3.3).
    ("m4s", "video/iso.segment"),
    // RFC 8216 §4.
    ("m3u8", "application/vnd.apple.mpegurl"),
    // SubStation Alpha isn't registered; this is the type on desktops (freedesktop.org shared-mime-info).
    ("ass", "text/x-ssa; charset=utf-8"),
    ("ssa", "text/x-ssa; charset=utf-8"),
];

/// The `Content-Type` of a file `name`; `application/octet-stream` for an unknown extension.
/// Text is labelled UTF-8: the encoding of WebVTT by definition, and of other text by custom.
pub fn of(name: &Path) -> Cow<'static, str> {
    let extension = name.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    if let Some((_, corrected)) = CORRECTIONS.iter().find(|(known, _)| *known == extension) {
        return Cow::Borrowed(corrected);
    }
    match mime_guess::from_ext(&extension).first_raw() {
        Some(text) if text.starts_with("text/") => Cow::Owned(format!("{text}; charset=utf-8")),
        Some(other) => Cow::Borrowed(other),
        None => Cow::Borrowed("application/octet-stream"),
    }
}

/// Whether a browser runs scripts in files of this type (HTML, SVG, XML), with the rights of our origin.
pub fn is_active(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence == "text/html" || essence == "text/xml" || essence == "application/xml" || essence.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_a_media_file() {
        let rows = [
            // From `mime_guess`, which has them from the IANA registry and Debian's mime.types.
            ("a.mp4", "video/mp4"),
            ("a.mov", "video/quicktime"),
            ("a.webm", "video/webm"),
            ("a.mkv", "video/x-matroska"),
            ("a.avi", "video/x-msvideo"),
            ("a.ogv", "video/ogg"),
            ("a.mpg", "video/mpeg"),
            ("a.mpeg", "video/mpeg"),
            ("a.3gp", "video/3gpp"),
            ("a.mpd", "application/dash+xml"),
            ("a.srt", "application/x-subrip"),
            ("a.vtt", "text/vtt; charset=utf-8"),
            ("a.mp3", "audio/mpeg"),
            ("a.flac", "audio/flac"),
            ("a.opus", "audio/ogg"),
            ("a.jpg", "image/jpeg"),
            ("a.png", "image/png"),
            ("a.webp", "image/webp"),
            ("a.html", "text/html; charset=utf-8"),
            // Our corrections; their sources are beside them.
            ("a.ts", "video/mp2t"),
            ("a.m2ts", "video/mp2t"),
            ("a.m4v", "video/mp4"),
            ("a.m4a", "audio/mp4"),
            ("a.m4s", "video/iso.segment"),
            ("a.m3u8", "application/vnd.apple.mpegurl"),
            ("a.ass", "text/x-ssa; charset=utf-8"),
            // In any case, and without a known extension.
            ("A.MP4", "video/mp4"),
            ("A.Ts", "video/mp2t"),
            ("film", "application/octet-stream"),
            ("film.", "application/octet-stream"),
            ("film.unheard-of", "application/octet-stream"),
        ];
        for (name, want) in rows {
            assert_eq!(of(Path::new(name)), want, "{name}");
        }
    }

    #[test]
    fn what_a_browser_would_run_is_active() {
        for name in ["a.html", "a.htm", "a.svg", "a.xml", "a.xhtml"] {
            assert!(is_active(&of(Path::new(name))), "{name}");
        }
        for name in ["a.mp4", "a.vtt", "a.js", "a.txt", "a"] {
            assert!(!is_active(&of(Path::new(name))), "{name}");
        }
    }
}
