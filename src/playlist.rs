//! Playlists in extended M3U, for players such as VLC, mpv and Kodi. URLs are absolute, because players save playlists
//! and open them elsewhere. An entry has a line for its title and one for its URL, whatever the name contains; in
//! between, VLC is told of its subtitles.

use std::fmt::Write;

use crate::http::target;
use crate::library::listing::Video;
use crate::library::path::{parent, stem};
use crate::library::sidecars::Sidecar;
use crate::urls::Urls;

/// The type of a list of films. (With Apple's type, players expect HLS, a single film.)
pub const CONTENT_TYPE: &str = "audio/x-mpegurl";

/// The playlist of `videos`, with `urls` on the host `origin` (`http://nas:8000`). A `note` becomes a comment in it.
pub fn m3u(origin: &str, urls: &Urls, videos: &[Video], note: &str) -> String {
    let Urls { prefix, key } = urls;
    let mut out = String::from("#EXTM3U\n");
    // Writing to a String never fails.
    if !note.is_empty() {
        let _ = writeln!(out, "# {}", on_one_line(note.as_bytes()));
    }
    for video in videos {
        let _ = write!(out, "#EXTINF:-1");
        let folder = on_one_line(parent(&video.name));
        if !folder.is_empty() {
            // Kodi takes what follows the first comma for the title.
            let _ = write!(out, " group-title=\"{}\"", folder.replace('"', "'").replace(',', ";"));
        }
        let _ = writeln!(out, ",{}", on_one_line(video.title()));
        if !video.subtitles.is_empty() {
            let url = |sidecar: &Sidecar| {
                format!("{origin}{prefix}/subtitles/{}.vtt{key}", target::encode(stem(&sidecar.name)))
            };
            let urls: Vec<_> = video.subtitles.iter().map(url).collect();
            let _ = writeln!(out, "#EXTVLCOPT:input-slave={}", urls.join("#"));
        }
        let _ = writeln!(out, "{origin}{}", urls.film(&video.name));
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

    fn video(name: &[u8], subtitles: &[&[u8]]) -> Video {
        let subtitles = subtitles.iter().map(|name| Sidecar { name: name.to_vec(), tag: String::new() }).collect();
        Video {
            name: name.to_vec(),
            size: 1,
            modified: std::time::SystemTime::UNIX_EPOCH,
            is_folder: name.ends_with(b"u8"),
            poster: None,
            subtitles,
        }
    }

    #[test]
    fn an_entry_has_a_title_a_group_subtitles_and_an_address() {
        let videos = [
            video(b"a, \"b\"/season 1/e01.mp4", &[]),
            video("\u{e9}t\u{e9}, 100%.mkv".as_bytes(), &[b"\xc3\xa9t\xc3\xa9.en.srt", b"Subs/2 #.vtt"]),
            video(b"Sea/index.m3u8", &[]),
            video(b"\xff#.mp4", &[]),
        ];
        let want = "#EXTM3U\n\
                    #EXTINF:-1 group-title=\"a; 'b'/season 1\",e01\n\
                    http://nas:8000/video/a%2C%20%22b%22/season%201/e01.mp4\n\
                    #EXTINF:-1,\u{e9}t\u{e9}, 100%\n\
                    #EXTVLCOPT:input-slave=http://nas:8000/subtitles/%C3%A9t%C3%A9.en.vtt#\
                    http://nas:8000/subtitles/Subs/2%20%23.vtt\n\
                    http://nas:8000/video/%C3%A9t%C3%A9%2C%20100%25.mkv\n\
                    #EXTINF:-1 group-title=\"Sea\",Sea\nhttp://nas:8000/video/Sea/index.m3u8\n\
                    #EXTINF:-1,\u{fffd}#\nhttp://nas:8000/video/%FF%23.mp4\n";
        assert_eq!(m3u("http://nas:8000", &Urls::default(), &videos, ""), want);
        assert_eq!(m3u("http://nas", &Urls::default(), &[], "a\nnote"), "#EXTM3U\n# a note\n");
    }

    proptest! {
        #[test]
        fn no_name_makes_a_line_of_its_own(name: Vec<u8>) {
            let playlist = m3u("http://nas", &Urls::default(), &[video(&name, &[&name])], "");
            let ends = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}'];
            let lines: Vec<_> = playlist.split(ends).collect();
            prop_assert_eq!(lines.len(), 5);
            prop_assert!(lines[1].starts_with("#EXTINF:-1") && lines[1].contains(','));
            let starts = ["#EXTVLCOPT:input-slave=http://nas/subtitles/", "http://nas/video/"];
            for (line, start) in lines[2..].iter().zip(starts) {
                let path = line.strip_prefix(start);
                prop_assert!(path.is_some_and(|path| path.is_ascii() && !path.contains([' ', '#', '?'])), "{}", line);
            }
        }
    }
}
