//! The gallery: a folder's contents as cards.
//!
//! Ten thousand cards fit in a page of 3 MB, so their HTML is terse: no closing `li`, no needless quotes, a class for
//! the hue. There is no `<video>`, and pictures load lazily: a browser has six connections to a host, and the film
//! needs one. The progress of each video is known only to the browser; `gallery.js` adds it.

use askama::Template;
use percent_encoding::PercentEncode;

use super::name::DisplayName;
use super::{Card, count, render};
use crate::http::target::encode;
use crate::library::listing::{Folder, Listing, Omissions, Video};
use crate::library::path::base;
use crate::urls::Urls;

#[derive(Template)]
#[template(path = "gallery.html")]
struct Gallery<'l> {
    urls: &'l Urls,
    title: DisplayName<'l>,
    folder: &'l [u8],
    path: PercentEncode<'l>,
    folders: &'l [Folder],
    videos: &'l [Video],
    left_out: Omissions,
}

/// The page of `folder`, a path below the library's folder.
pub fn page(urls: &Urls, folder: &[u8], listing: &Listing) -> String {
    render(&Gallery {
        urls,
        title: DisplayName(if folder.is_empty() { b"All videos" } else { base(folder) }),
        folder,
        path: encode(folder),
        folders: &listing.folders,
        videos: &listing.videos,
        left_out: listing.omissions,
    })
}

impl<'l> Gallery<'l> {
    /// The folders above this one, without the library's own: path and name.
    fn above(&self) -> impl Iterator<Item = (PercentEncode<'l>, DisplayName<'l>)> {
        let folder = self.folder;
        let ends = folder.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        ends.map(move |(end, _)| (encode(&folder[..end]), DisplayName(base(&folder[..end]))))
    }

    /// The number of folders and that of videos, without zeros.
    fn counts(&self) -> impl Iterator<Item = String> {
        let counts = [(self.folders.len(), "folder"), (self.videos.len(), "video")];
        counts.into_iter().filter(|(number, _)| *number > 0).map(|(number, noun)| count(number, noun))
    }

    fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.videos.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::sidecars::Sidecar;
    use std::time::{Duration, SystemTime};

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

    fn folder(name: &[u8], videos: usize, has_more: bool) -> Folder {
        Folder { name: name.to_vec(), poster: None, videos, has_more }
    }

    fn listing(videos: Vec<Video>) -> Listing {
        Listing { videos, ..Listing::default() }
    }

    #[test]
    fn a_card_has_title_size_date_and_picture() {
        let subtitles = vec![Sidecar { name: b"a/film.en.srt".to_vec(), tag: "en".into() }];
        let film = Video { poster: Some(b"a/film 1.jpg".to_vec()), subtitles, ..video(b"a/film 1.mp4") };
        let page =
            page(&Urls::default(), b"", &listing(vec![film, video("\u{e9}t\u{e9}.mp4".as_bytes()), video(b"...mp4")]));
        for want in [
            "<li data-s=1500000 data-t=0><a href=\"/watch/a/film%201.mp4\">\
             <img src=\"/video/a/film%201.jpg\" alt=\"\" loading=lazy>\
             <b>film 1</b><small>1.5 MB \u{b7} 1 Jan 1970 \u{b7} CC</small></a>",
            " aria-hidden=true>\u{c9}</i><b>\u{e9}t\u{e9}</b>",
            " aria-hidden=true>\u{25b6}</i>",
        ] {
            assert!(page.contains(want), "{want} in {page}");
        }
    }

    #[test]
    fn a_folder_tells_its_number_of_videos_as_far_as_it_is_known() {
        let rows = [
            (1, false, "<b>b</b><small>1 video</small>"),
            (12, false, "<b>b</b><small>12 videos</small>"),
            (999, true, "<b>b</b><small>999+ videos</small>"),
            (0, true, "<b>b</b></span>"),
        ];
        for (videos, has_more, want) in rows {
            let page = page(
                &Urls::default(),
                b"",
                &Listing { folders: vec![folder(b"a/b", videos, has_more)], ..Listing::default() },
            );
            assert!(page.contains(want), "{want} in {page}");
        }
    }

    #[test]
    fn a_card_has_what_it_is_sorted_by() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        let stream = Video { is_folder: true, ..video(b"b/film.m3u8") };
        let page =
            page(&Urls::default(), b"", &listing(vec![Video { size: 7, modified: before, ..video(b"a.mp4") }, stream]));
        for want in ["<li data-s=7 data-t=-5><a href=\"/watch/a.mp4\">", "<li data-s=0 data-t=0><a href=\"/watch/b"] {
            assert!(page.contains(want), "{want} in {page}");
        }
    }

    #[test]
    fn breadcrumbs_lead_back_to_every_folder_above() {
        assert!(!page(&Urls::default(), b"", &Listing::default()).contains("<nav"));
        let want = "<ol><li><a href=\"/\"><bdi>All videos</bdi></a>\n<li><a href=\"/?path=a%20b\"><bdi>a b</bdi></a>\
                    <li><a href=\"/?path=a%20b/c\"><bdi>c</bdi></a>\n<li aria-current=page><bdi>&#60;d&#62;</bdi></ol>";
        let page = page(&Urls::default(), b"a b/c/<d>", &Listing::default());
        assert!(page.contains(want), "{page}");
    }

    #[test]
    fn a_hostile_name_is_only_text_on_the_page() {
        for name in
            [&b"<script>x</script>"[..], b"\" onload=\"x", b"' x='", b"a\nb", b"\xff<b>", "\u{202e}<i>".as_bytes()]
        {
            let inside = [name, b"/", name, b".mp4"].concat();
            let found = Listing { folders: vec![folder(&inside, 1, false)], ..listing(vec![video(&inside)]) };
            let page = page(&Urls::default(), name, &found);
            for mark in ["<script>x", "\" onload", "' x=", "a\nb", "\u{fffd}<b>", "\u{202e}<i>"] {
                assert!(!page.contains(mark), "{mark} of {}", String::from_utf8_lossy(name));
            }
        }
    }

    #[test]
    fn ten_thousand_videos_are_less_than_3_mb() {
        let name = |i| format!("Some Show/Season 1/Some Show S01E{i:05} The Title of the Episode.mp4").into_bytes();
        let videos = (0..10_000).map(|i| video(&name(i))).collect();
        assert!(page(&Urls::default(), b"Some Show/Season 1", &listing(videos)).len() < 3_000_000);
    }

    #[test]
    fn the_page_says_what_it_left_out_and_when_there_is_nothing() {
        let left_out = Omissions { too_many: true, ..Omissions::default() };
        let page_of = |left_out| page(&Urls::default(), b"", &Listing { omissions: left_out, ..Listing::default() });
        assert!(page_of(left_out).contains("This list is incomplete: too many files."));
        assert!(!page_of(Omissions::default()).contains("class=notice"));
        assert!(page_of(Omissions::default()).contains("There are no videos here yet."));
    }
}
