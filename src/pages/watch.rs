//! The player: one video, and links for other players. `player.js` adds resuming, the next episode, keyboard shortcuts,
//! reconnecting, and a message when the browser can't decode the video.

use super::escape::Text;
use super::{document, facts};
use crate::http::target::encode;
use crate::library::listing::path::{base, parent, stem};
use crate::library::listing::{Sidecar, Video};
use crate::subtitles::label::{Label, labels};

/// The page of `video`, with links to the `previous` and `next` one in its folder.
///
/// The `<source>` has no type: browsers refuse types they don't know, such as MKV's, even if they could play the file.
pub fn page(video: &Video, previous: Option<&Video>, next: Option<&Video>) -> String {
    let folder = parent(&video.name);
    let title = video.title();
    let poster =
        video.poster.as_ref().map(|poster| format!(" poster=\"/video/{}\"", encode(poster))).unwrap_or_default();
    let labels = labels(video.subtitles.iter().map(|sidecar| &*sidecar.tag));
    let tracks: String = video.subtitles.iter().zip(&labels).map(|(sidecar, label)| track(sidecar, label)).collect();
    let (back, above) = match folder {
        b"" => ("/".to_owned(), "All videos".to_owned()),
        folder => (format!("/?path={}", encode(folder)), Text(base(folder)).to_string()),
    };
    let ways = ways(video);
    let page = format!(
        "<header class=top><a class=back href=\"{back}\"><svg viewBox=\"0 0 24 24\" aria-hidden=true>\
         <path d=\"M15 5l-7 7 7 7\"/></svg><bdi id=above>{above}</bdi></a></header>\n<main class=player>\n\
         <div class=stage><video id=film controls playsinline preload=metadata data-watch=\"/watch/{url}\"\
         {poster} aria-labelledby=title><source src=\"/video/{url}\">{tracks}</video>\
         <p id=notice role=status hidden></p>\
         <section id=trouble class=notice role=alert hidden><p></p>\
         <div id=trouble-ways class=ways>{ways}</div></section></div>\n\
         <div class=under><div class=heading><h1 id=title><bdi>{}</bdi></h1>\
         <p class=quiet id=facts>{}</p></div>\n<nav id=pager aria-label=\"In this folder\">{}{}</nav>\n\
         <div class=tools>\
         <label class=tool><input type=checkbox id=go-on checked> Autoplay next</label>\
         <label class=tool>Speed <select id=speed><option value=0.5>0.5\u{d7}<option value=0.75>0.75\u{d7}\
         <option value=1 selected>1\u{d7}<option value=1.25>1.25\u{d7}<option value=1.5>1.5\u{d7}\
         <option value=1.75>1.75\u{d7}<option value=2>2\u{d7}</select></label>\
         <button class=tool id=pip hidden>Picture in picture</button>\
         <button class=tool id=help aria-haspopup=dialog>Keyboard</button>\
         <details class=menu><summary class=tool>Other players</summary>\
         <div id=menu-ways class=ways>{ways}</div></details></div></div>\n</main>\n{KEYS}",
        Text(title),
        facts(video),
        neighbour(previous, "previous", "Previous"),
        neighbour(next, "next", "Next"),
        url = encode(&video.name),
    );
    document(title, "player.js", page)
}

/// The alternatives to playing here: a playlist for VLC, the URL, a download.
fn ways(video: &Video) -> String {
    let url = encode(&video.name);
    format!(
        "<a class=button href=\"/playlist.m3u?path={url}\">Open in VLC</a>\
         <button class=\"button copy\" data-address=\"/video/{url}\">Copy address</button>\
         <a class=button href=\"/video/{url}?download\" download>Download</a>"
    )
}

fn neighbour(video: Option<&Video>, id: &str, word: &str) -> String {
    let Some(video) = video else { return String::new() };
    let (url, title) = (encode(&video.name), video.title());
    format!("<a id={id} rel={} href=\"/watch/{url}\"><small>{word}</small><b>{}</b></a>", &id[..4], Text(title))
}

/// The track of a sidecar. Its URL always ends in `.vtt`. The script names the language in the viewer's own.
fn track(sidecar: &Sidecar, label: &Label) -> String {
    format!(
        "<track kind=subtitles src=\"/subtitles/{}.vtt\" srclang=\"{}\" label=\"{}\" data-details=\"{}\">",
        encode(stem(&sidecar.name)),
        Text(label.lang.as_bytes()),
        Text(label.label.as_bytes()),
        Text(label.details.as_bytes()),
    )
}

/// The list of keyboard shortcuts, shown by `?`.
const KEYS: &str = "<dialog id=keys aria-labelledby=keys-title><h2 id=keys-title>Keyboard</h2><dl>\
     <dt><kbd>Space</kbd> <kbd>K</kbd><dd>play or pause\
     <dt><kbd>\u{2190}</kbd> <kbd>\u{2192}</kbd><dd>5 seconds back, forward\
     <dt><kbd>J</kbd> <kbd>L</kbd><dd>10 seconds back, forward\
     <dt><kbd>\u{2191}</kbd> <kbd>\u{2193}</kbd><dd>volume up, down\
     <dt><kbd>M</kbd><dd>mute, unmute\
     <dt><kbd>F</kbd><dd>full screen\
     <dt><kbd>C</kbd><dd>subtitles\
     <dt><kbd>P</kbd> <kbd>N</kbd><dd>previous, next video\
     <dt><kbd>&lt;</kbd> <kbd>&gt;</kbd><dd>slower, faster\
     <dt><kbd>0</kbd> \u{2026} <kbd>9</kbd><dd>go to 0 % \u{2026} 90 %\
     <dt><kbd>?</kbd><dd>this list</dl>\
     <form method=dialog><button class=button>Close</button></form></dialog>";

#[cfg(test)]
mod tests {
    use super::*;
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
