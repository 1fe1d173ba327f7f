//! The gallery: a folder's contents as cards.
//!
//! Ten thousand cards fit in a page of 3 MB, so their HTML is terse: no closing `li`, no needless quotes, a class for
//! the hue. There is no `<video>`, and pictures load lazily: a browser has six connections to a host, and the film
//! needs one. The progress of each video is known only to the browser; `gallery.js` adds it.

use super::escape::Text;
use super::{BRAND, count, document, facts, picture};
use crate::http::target::encode;
use crate::library::listing::path::base;
use crate::library::listing::{Folder, LeftOut, Listing, Video};

/// The page of `folder`, a path below the library's folder.
pub fn page(folder: &[u8], listing: &Listing) -> String {
    let title: &[u8] = if folder.is_empty() { b"All videos" } else { base(folder) };
    let mut page = format!(
        "<a class=skip href=\"#main\">Skip to the videos</a>\n<header class=top>{BRAND}\
         <label class=filter><span class=unseen>Filter this page</span>\
         <input type=search id=filter placeholder=\"Filter\" autocomplete=off spellcheck=false></label></header>\n\
         <main id=main>\n{}<div class=heading><h1><bdi>{}</bdi></h1><p class=quiet>{}</p></div>\n\
         <p class=unseen role=status id=found></p>\n",
        breadcrumbs(folder),
        Text(title),
        summary(folder, listing),
    );
    if listing.left_out != LeftOut::default() {
        page += &format!("<p class=notice>{}</p>\n", listing.left_out);
    }
    page += &format!(
        "<section id=continue data-below=\"/watch/{}\" hidden><h2>Continue watching</h2>\
         <ul class=cards role=list></ul></section>\n",
        if folder.is_empty() { String::new() } else { format!("{}/", encode(folder)) }
    );
    let mut section = |heading: &str, class: &str, cards: &mut dyn ExactSizeIterator<Item = String>| {
        if cards.len() > 0 {
            page += &format!("<section class=listed><h2>{heading}</h2><ul class={class} role=list>\n");
            page.extend(cards);
            page += "</ul></section>\n";
        }
    };
    section("Folders", "folders", &mut listing.folders.iter().map(folder_card));
    section("Videos", "cards", &mut listing.videos.iter().map(video_card));
    if listing.videos.is_empty() && listing.folders.is_empty() {
        page += "<p class=empty>There are no videos here yet. Copy some into the folder (mp4, webm, mkv, mov and \
                 others) and reload the page.</p>\n";
    }
    page += "<p class=empty id=nothing hidden>No matches on this page.</p>\n</main>";
    document(title, "gallery.js", page)
}

fn summary(folder: &[u8], listing: &Listing) -> String {
    let counts = [(listing.folders.len(), "folder"), (listing.videos.len(), "video")];
    let shown = counts.into_iter().filter(|(number, _)| *number > 0);
    let mut parts: Vec<_> = shown.map(|(number, noun)| count(number, noun)).collect();
    if !parts.is_empty() {
        parts.push(format!("<a href=\"/playlist.m3u?path={}\">Playlist for VLC</a>", encode(folder)));
    }
    parts.join(" \u{b7} ")
}

/// The folders above this one as links; empty at the top.
fn breadcrumbs(folder: &[u8]) -> String {
    if folder.is_empty() {
        return String::new();
    }
    let mut crumbs =
        String::from("<nav class=crumbs aria-label=\"Folders above\"><ol><li><a href=\"/\">All videos</a>");
    for (at, _) in folder.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let above = &folder[..at];
        crumbs += &format!("<li><a href=\"/?path={}\"><bdi>{}</bdi></a>", encode(above), Text(base(above)));
    }
    crumbs += &format!("<li aria-current=page><bdi>{}</bdi></ol></nav>\n", Text(base(folder)));
    crumbs
}

fn folder_card(folder: &Folder) -> String {
    let title = base(&folder.name);
    let picture = picture(folder.poster.as_deref(), title);
    format!("<li><a href=\"/?path={}\">{picture}<b>{}</b></a>\n", encode(&folder.name), Text(title))
}

fn video_card(video: &Video) -> String {
    let title = video.title();
    let subtitles = if video.subtitles.is_empty() { "" } else { " \u{b7} CC" };
    format!(
        "<li><a href=\"/watch/{}\">{}<b>{}</b><small>{}{subtitles}</small></a>\n",
        encode(&video.name),
        picture(video.poster.as_deref(), title),
        Text(title),
        facts(video),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::listing::Sidecar;
    use std::time::SystemTime;

    fn video(name: &[u8]) -> Video {
        Video {
            name: name.to_vec(),
            size: 1_500_000,
            modified: SystemTime::UNIX_EPOCH,
            is_folder: false,
            poster: None,
            subtitles: vec![],
        }
    }

    fn listing(videos: Vec<Video>) -> Listing {
        Listing { videos, ..Listing::default() }
    }

    #[test]
    fn a_card_has_title_size_date_and_picture() {
        let subtitles = vec![Sidecar { name: b"a/film.en.srt".to_vec(), tag: "en".into() }];
        let film = Video { poster: Some(b"a/film 1.jpg".to_vec()), subtitles, ..video(b"a/film 1.mp4") };
        let want = "<li><a href=\"/watch/a/film%201.mp4\"><img src=\"/video/a/film%201.jpg\" alt=\"\" loading=lazy>\
                    <b>film 1</b><small>1.5 MB \u{b7} 1 Jan 1970 \u{b7} CC</small></a>\n";
        assert_eq!(video_card(&film), want);
        assert!(
            video_card(&video("\u{e9}t\u{e9}.mp4".as_bytes()))
                .contains(" aria-hidden=true>\u{c9}</i><b>\u{e9}t\u{e9}</b>")
        );
        assert!(video_card(&video(b"...mp4")).contains(" aria-hidden=true>\u{25b6}</i>"));
    }

    #[test]
    fn breadcrumbs_lead_back_to_every_folder_above() {
        assert_eq!(breadcrumbs(b""), "");
        let want = "<ol><li><a href=\"/\">All videos</a><li><a href=\"/?path=a%20b\"><bdi>a b</bdi></a>\
                    <li><a href=\"/?path=a%20b/c\"><bdi>c</bdi></a><li aria-current=page><bdi>&lt;d&gt;</bdi></ol>";
        assert!(breadcrumbs(b"a b/c/<d>").contains(want));
    }

    #[test]
    fn a_hostile_name_is_only_text_on_the_page() {
        for name in
            [&b"<script>x</script>"[..], b"\" onload=\"x", b"' x='", b"a\nb", b"\xff<b>", "\u{202e}<i>".as_bytes()]
        {
            let inside = [name, b"/", name, b".mp4"].concat();
            let found = Listing {
                folders: vec![Folder { name: inside.clone(), poster: None }],
                ..listing(vec![video(&inside)])
            };
            let page = page(name, &found);
            for mark in ["<script>x", "\" onload", "' x=", "a\nb", "\u{fffd}<b>", "\u{202e}<i>"] {
                assert!(!page.contains(mark), "{mark} of {}", String::from_utf8_lossy(name));
            }
        }
    }

    #[test]
    fn ten_thousand_videos_are_less_than_3_mb() {
        let name = |i| format!("Some Show/Season 1/Some Show S01E{i:05} The Title of the Episode.mp4").into_bytes();
        let videos = (0..10_000).map(|i| video(&name(i))).collect();
        assert!(page(b"Some Show/Season 1", &listing(videos)).len() < 3_000_000);
    }

    #[test]
    fn the_page_says_what_it_left_out_and_when_there_is_nothing() {
        let left_out = LeftOut { too_many: true, ..LeftOut::default() };
        let page_of = |left_out| page(b"", &Listing { left_out, ..Listing::default() });
        assert!(page_of(left_out).contains("This list is incomplete: too many files."));
        assert!(!page_of(LeftOut::default()).contains("class=notice"));
        assert!(page_of(LeftOut::default()).contains("There are no videos here yet."));
    }
}
