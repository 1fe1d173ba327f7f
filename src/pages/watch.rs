//! The player: one video, and links for other players. `player.js` adds resuming, the next episode, keyboard shortcuts,
//! reconnecting, and a message when the browser can't decode the video.

use askama::Template;
use percent_encoding::PercentEncode;

use super::name::DisplayName;
use super::{Card, facts, render};
use crate::http::target::encode;
use crate::library::listing::Video;
use crate::library::path::{base, parent, stem};
use crate::subtitles::label::labels;
use crate::urls::Urls;

#[derive(Template)]
#[template(path = "watch.html")]
struct Watch<'l> {
    urls: &'l Urls,
    title: DisplayName<'l>,
    path: PercentEncode<'l>,
    address: String,
    poster: Option<PercentEncode<'l>>,
    facts: String,
    folder: PercentEncode<'l>,
    above: DisplayName<'l>,
    tracks: Vec<Track<'l>>,
    previous: Option<Card<'l>>,
    next: Option<Card<'l>>,
    /// The length of the start that the titles of this film and its neighbours share, in bytes.
    common: usize,
}

impl<'l> Watch<'l> {
    /// A neighbour's title without the common start, which would leave no room for the episode's number on a phone.
    fn short(&self, video: &Card<'l>) -> String {
        let mark = if self.common > 0 { "\u{2026} " } else { "" };
        format!("{mark}{}", DisplayName(&video.title.0[self.common..]))
    }
}

/// The length of the words that these titles share at the front. Few of them are not worth a cut, and no title may
/// become empty.
fn common_front(titles: &[&[u8]]) -> usize {
    const WORTH_A_CUT: usize = 12;
    let [first, rest @ ..] = titles else { return 0 };
    let shared = |other: &&[u8]| first.iter().zip(*other).take_while(|(one, another)| one == another).count();
    let Some(length) = rest.iter().map(shared).min() else { return 0 };
    let is_gap = |byte: &u8| b" ._-".contains(byte);
    let end = first[..length].iter().rposition(is_gap).map_or(0, |gap| gap + 1);
    let leaves_words = titles.iter().all(|title| title[end..].iter().any(|byte| !is_gap(byte)));
    if end >= WORTH_A_CUT && leaves_words { end } else { 0 }
}

/// A `<track>`. The script names its language in the viewer's own.
struct Track<'l> {
    path: PercentEncode<'l>,
    lang: &'l str,
    label: DisplayName<'l>,
    details: DisplayName<'l>,
}

/// The page of `video`, with links to the `previous` and `next` one in its folder.
pub fn page(urls: &Urls, video: &Video, previous: Option<&Video>, next: Option<&Video>) -> String {
    let folder = parent(&video.name);
    let labels = labels(video.subtitles.iter().map(|sidecar| &*sidecar.tag));
    let tracks = video.subtitles.iter().zip(&labels).map(|(sidecar, label)| Track {
        path: encode(stem(&sidecar.name)),
        lang: &label.lang,
        label: DisplayName(label.label.as_bytes()),
        details: DisplayName(label.details.as_bytes()),
    });
    let titles: Vec<_> = [Some(video), previous, next].into_iter().flatten().map(Video::title).collect();
    render(&Watch {
        urls,
        title: DisplayName(video.title()),
        path: encode(&video.name),
        address: urls.film(&video.name),
        poster: video.poster.as_deref().map(encode),
        facts: facts(video),
        folder: encode(folder),
        above: DisplayName(if folder.is_empty() { b"All videos" } else { base(folder) }),
        tracks: tracks.collect(),
        previous: previous.map(Card::of_video),
        next: next.map(Card::of_video),
        common: common_front(&titles),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::sidecars::Sidecar;
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
        let page = page(&Urls::default(), &film, Some(&video(b"s 1/e1.mp4")), Some(&video(b"s 1/e10.mp4")));
        for want in [
            "<a class=back href=\"/?path=s%201\">",
            "poster=\"/video/s%201/poster.jpg\"",
            "<source src=\"/video/s%201/e2.mp4\">",
            "<track kind=subtitles src=\"/subtitles/s%201/e2.vtt\" srclang=\"und\" label=\"Subtitles\" \
             data-details=\"\">",
            "src=\"/subtitles/s%201/Subs/e2.pt-BR.forced.vtt\" srclang=\"pt-BR\" \
             label=\"Portuguese (Brazil, forced)\" data-details=\"forced\">",
            "<a id=previous rel=prev href=\"/watch/s%201/e1.mp4\">",
            "<a id=next rel=next href=\"/watch/s%201/e10.mp4\" data-title=\"e10\">",
            "href=\"/playlist.m3u?path=s%201/e2.mp4\"",
            "data-address=\"/video/s%201/e2.mp4\"",
            "href=\"/video/s%201/e2.mp4?download\"",
        ] {
            assert!(page.contains(want), "{want}");
        }
    }

    #[test]
    fn what_the_titles_share_at_the_front_is_cut_at_a_word() {
        let rows: [(&[&str], &str); 9] = [
            (&["The Long Show S01E02 Two", "The Long Show S01E01 One", "The Long Show S01E03 Three"], "The Long Show "),
            (&["The.Long.Show.S01E02", "The.Long.Show.S01E01"], "The.Long.Show."),
            (&["The Long Show S01E02", "The Long Show S02E01"], "The Long Show "),
            (&["Die L\u{e4}nge 1 \u{e4}", "Die L\u{e4}nge 1 \u{f6}"], "Die L\u{e4}nge 1 "),
            (&["Episode 1", "Episode 2"], ""),
            (&["The Long Show", "The Long Show 2"], ""),
            (&["A long common front -", "A long common front - 2"], ""),
            (&["The Long Show S01E02"], ""),
            (&[], ""),
        ];
        for (titles, want) in rows {
            let bytes: Vec<_> = titles.iter().map(|title| title.as_bytes()).collect();
            assert_eq!(common_front(&bytes), want.len(), "{titles:?}");
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
            let page = page(&Urls::default(), &film, Some(&film), Some(&film));
            for mark in ["<script>x", "\" onload", "' x=", "a\nb", "\u{fffd}<b>", "\u{202e}<i>"] {
                assert!(!page.contains(mark), "{mark} of {}", String::from_utf8_lossy(name));
            }
        }
    }
}
