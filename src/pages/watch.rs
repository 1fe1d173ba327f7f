//! The player: one video, and links for other players. `player.js` adds resuming, the next episode, keyboard shortcuts,
//! reconnecting, and a message when the browser can't decode the video.

use askama::Template;
use percent_encoding::PercentEncode;

use super::text::Text;
use super::{Card, facts, render};
use crate::http::target::encode;
use crate::library::listing::Video;
use crate::library::listing::path::{base, parent, stem};
use crate::subtitles::label::labels;

#[derive(Template)]
#[template(path = "watch.html")]
struct Watch<'l> {
    title: Text<'l>,
    path: PercentEncode<'l>,
    poster: Option<PercentEncode<'l>>,
    facts: String,
    folder: PercentEncode<'l>,
    above: Text<'l>,
    tracks: Vec<Track<'l>>,
    previous: Option<Card<'l>>,
    next: Option<Card<'l>>,
}

/// A `<track>`. The script names its language in the viewer's own.
struct Track<'l> {
    path: PercentEncode<'l>,
    lang: &'l str,
    label: Text<'l>,
    details: Text<'l>,
}

/// The page of `video`, with links to the `previous` and `next` one in its folder.
pub fn page(video: &Video, previous: Option<&Video>, next: Option<&Video>) -> String {
    let folder = parent(&video.name);
    let labels = labels(video.subtitles.iter().map(|sidecar| &*sidecar.tag));
    let tracks = video.subtitles.iter().zip(&labels).map(|(sidecar, label)| Track {
        path: encode(stem(&sidecar.name)),
        lang: &label.lang,
        label: Text(label.label.as_bytes()),
        details: Text(label.details.as_bytes()),
    });
    render(&Watch {
        title: Text(video.title()),
        path: encode(&video.name),
        poster: video.poster.as_deref().map(encode),
        facts: facts(video),
        folder: encode(folder),
        above: Text(if folder.is_empty() { b"All videos" } else { base(folder) }),
        tracks: tracks.collect(),
        previous: previous.map(Card::of_video),
        next: next.map(Card::of_video),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::listing::Sidecar;
    use std::time::SystemTime;

    fn video(name: &[u8]) -> Video {
        Video {
            name: name.to_vec(),
            size: 1,
            modified: SystemTime::UNIX_EPOCH,
            is_folder: false,
            poster: None,
            subtitles: vec![],
        }
    }

    #[test]
    fn the_page_has_the_film_its_subtitles_its_neighbours_and_the_ways_on() {
        let sidecar = |name: &[u8], tag: &str| Sidecar { name: name.to_vec(), tag: tag.into() };
        let subtitles = vec![sidecar(b"s 1/e2.srt", ""), sidecar(b"s 1/Subs/e2.pt-BR.forced.srt", "pt-BR.forced")];
        let film = Video { poster: Some(b"s 1/poster.jpg".to_vec()), subtitles, ..video(b"s 1/e2.mp4") };
        let page = page(&film, Some(&video(b"s 1/e1.mp4")), Some(&video(b"s 1/e10.mp4")));
        for want in [
            "<a class=back href=\"/?path=s%201\">",
            "poster=\"/video/s%201/poster.jpg\"",
            "<source src=\"/video/s%201/e2.mp4\">",
            "<track kind=subtitles src=\"/subtitles/s%201/e2.vtt\" srclang=\"und\" label=\"Subtitles\" data-details=\"\">",
            "src=\"/subtitles/s%201/Subs/e2.pt-BR.forced.vtt\" srclang=\"pt-BR\" \
             label=\"Portuguese (Brazil, forced)\" data-details=\"forced\">",
            "<a id=previous rel=prev href=\"/watch/s%201/e1.mp4\">",
            "<a id=next rel=next href=\"/watch/s%201/e10.mp4\">",
            "href=\"/playlist.m3u?path=s%201/e2.mp4\"",
            "data-address=\"/video/s%201/e2.mp4\"",
            "href=\"/video/s%201/e2.mp4?download\"",
        ] {
            assert!(page.contains(want), "{want}");
        }
    }

    #[test]
    fn a_hostile_name_is_only_text_on_the_page() {
        for name in
            [&b"<script>x</script>"[..], b"\" onload=\"x", b"' x='", b"a\nb", b"\xff<b>", "\u{202e}<i>".as_bytes()]
        {
            let inside = [name, b"/", name, b".mp4"].concat();
            let tag = String::from_utf8_lossy(name).into_owned();
            let film = Video { subtitles: vec![Sidecar { name: inside.clone(), tag }], ..video(&inside) };
            let page = page(&film, Some(&film), Some(&film));
            for mark in ["<script>x", "\" onload", "' x=", "a\nb", "\u{fffd}<b>", "\u{202e}<i>"] {
                assert!(!page.contains(mark), "{mark} of {}", String::from_utf8_lossy(name));
            }
        }
    }
}
