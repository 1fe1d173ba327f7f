//! Playlists in extended M3U, for players such as VLC, mpv and Kodi. URLs are absolute, because players save playlists
//! and open them elsewhere. An entry is always two lines, whatever the name contains.

use std::fmt::Write;

use crate::http::target;
use crate::library::listing::path::stem;

/// The type of a list of films. (With Apple's type, players expect HLS, a single film.)
pub const CONTENT_TYPE: &str = "audio/x-mpegurl";

/// The playlist of the videos `names` on the host `authority`. A `note` becomes a comment in it.
pub fn m3u<'n>(authority: &str, names: impl IntoIterator<Item = &'n [u8]>, note: &str) -> String {
    let mut out = String::from("#EXTM3U\n");
    // Writing to a String never fails.
    if !note.is_empty() {
        let _ = writeln!(out, "# {}", on_one_line(note.as_bytes()));
    }
    for name in names {
        let (title, path) = (on_one_line(stem(name)), target::encode(name));
        let _ = write!(out, "#EXTINF:-1,{title}\nhttp://{authority}/video/{path}\n");
    }
    out
}

/// `text` without any character that a parser could read as a line end.
fn on_one_line(text: &[u8]) -> String {
    let is_end = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    String::from_utf8_lossy(text).replace(is_end, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_is_a_title_and_an_address() {
        let names: [&[u8]; 3] = [b"season 1/e01.mp4", "\u{e9}t\u{e9}, 100%.mkv".as_bytes(), b"\xff#.mp4"];
        let want = "#EXTM3U\n\
                    #EXTINF:-1,season 1/e01\nhttp://nas:8000/video/season%201/e01.mp4\n\
                    #EXTINF:-1,\u{e9}t\u{e9}, 100%\nhttp://nas:8000/video/%C3%A9t%C3%A9%2C%20100%25.mkv\n\
                    #EXTINF:-1,\u{fffd}#\nhttp://nas:8000/video/%FF%23.mp4\n";
        assert_eq!(m3u("nas:8000", names, ""), want);
        assert_eq!(m3u("nas", [], "a\nnote"), "#EXTM3U\n# a note\n");
    }

    proptest! {
        #[test]
        fn no_name_makes_a_line_of_its_own(name: Vec<u8>) {
            let playlist = m3u("nas", [&name[..]], "");
            let ends = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}'];
            let lines: Vec<_> = playlist.split(ends).collect();
            prop_assert_eq!(lines.len(), 4);
            prop_assert!(lines[1].starts_with("#EXTINF:-1,") && lines[2].starts_with("http://nas/video/"));
            prop_assert!(lines[2].is_ascii() && !lines[2].contains([' ', '#', '?']));
        }
    }
}
