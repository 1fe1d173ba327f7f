//! The HTML pages: the gallery of a folder and the player of a video.
//!
//! A page is a function of a listing, without I/O. Its layout is in a template beside this file, which escapes every
//! name; should one slip through, the pages' policy still blocks all scripts and styles but our own files.

pub mod assets;
pub mod gallery;
pub mod name;
pub mod watch;

use std::time::SystemTime;

use askama::Template;
use percent_encoding::PercentEncode;

use crate::fingerprint::fnv1a;
use crate::http::date::timestamp;
use crate::http::response::{Body, Response};
use crate::http::target::encode;
use crate::library::listing::{Folder, Video};
use crate::library::path::base;
use crate::urls::Urls;
use name::DisplayName;

/// Only our own files, and no framing. No `unsafe-inline`: the pages have no inline scripts or styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
                      connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Renders a template.
fn render(page: &impl Template) -> String {
    // It fails only if a value's `Display` does, and none does.
    page.render().unwrap_or_default()
}

/// Adds the fields of every page.
pub fn with_page_headers(response: Response) -> Response {
    response
        .with("Content-Type", "text/html; charset=utf-8")
        .with("Content-Security-Policy", POLICY)
        .with("Referrer-Policy", "no-referrer")
}

#[derive(Template)]
#[template(path = "sentence.html")]
struct Sentence<'s> {
    urls: &'s Urls,
    title: &'s str,
    sentence: &'s str,
}

/// A page with one sentence and a link to the gallery.
pub fn sentence(urls: &Urls, status: u16, title: &str, sentence: &str) -> Response {
    let html = render(&Sentence { urls, title, sentence }).into_bytes();
    with_page_headers(Response::new(status, Body::Bytes(html.into()))).with("Cache-Control", "no-cache")
}

/// A video or a folder, as the pages show it.
struct Card<'l> {
    path: PercentEncode<'l>,
    title: DisplayName<'l>,
    poster: Option<PercentEncode<'l>>,
    facts: String,
    /// For sorting: the size, and the time in seconds since 1970.
    size: u64,
    time: i64,
}

impl<'l> Card<'l> {
    fn of_video(video: &'l Video) -> Self {
        let mut facts = facts(video);
        if !video.subtitles.is_empty() {
            facts += " \u{b7} CC";
        }
        Self {
            path: encode(&video.name),
            title: DisplayName(video.title()),
            poster: video.poster.as_deref().map(encode),
            facts,
            size: if video.is_folder { 0 } else { video.size },
            time: timestamp(video.modified).as_second(),
        }
    }

    fn of_folder(folder: &'l Folder) -> Self {
        let facts = match folder {
            Folder { videos: 0, .. } => String::new(),
            Folder { videos, has_more: true, .. } => format!("{videos}+ videos"),
            Folder { videos, .. } => count(*videos, "video"),
        };
        Self {
            path: encode(&folder.name),
            title: DisplayName(base(&folder.name)),
            poster: folder.poster.as_deref().map(encode),
            facts,
            size: 0,
            time: 0,
        }
    }

    /// The first letter, for a picture where there is no poster.
    fn initial(&self) -> String {
        let letter = String::from_utf8_lossy(self.title.0).chars().find(|c| c.is_alphanumeric()).unwrap_or('\u{25b6}');
        letter.to_uppercase().collect()
    }

    /// One of the 24 hues in the style sheet.
    fn hue(&self) -> u64 {
        fnv1a(self.title.0) % 24
    }
}

/// The size and the day of a video. The size of an HLS or DASH film isn't known.
fn facts(video: &Video) -> String {
    let day = day(video.modified);
    if video.is_folder { day } else { format!("{} \u{b7} {day}", size(video.size)) }
}

/// A size in decimal units with two or three digits.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB", "PB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        // A value that rounds to 1000 gets the next unit.
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    let decimals = usize::from(unit != "B" && value < 99.95);
    format!("{value:.decimals$} {unit}")
}

/// The day of a time, in UTC.
fn day(time: SystemTime) -> String {
    timestamp(time).strftime("%-d %b %Y").to_string()
}

/// A number with its noun.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_size_has_a_unit_and_few_digits() {
        let rows = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_540_000, "1.5 MB"),
            (99_950_000, "100 MB"),
            (999_600_000, "1.0 GB"),
            (734_003_200, "734 MB"),
            (u64::MAX, "18447 PB"),
        ];
        for (bytes, want) in rows {
            assert_eq!(size(bytes), want, "{bytes}");
        }
    }

    #[test]
    fn any_date_has_a_day() {
        let second = Duration::from_secs;
        let rows = [
            (UNIX_EPOCH, "1 Jan 1970"),
            (UNIX_EPOCH - Duration::from_nanos(1), "31 Dec 1969"),
            (UNIX_EPOCH - second(86_400), "31 Dec 1969"),
            (UNIX_EPOCH - second(86_401), "30 Dec 1969"),
            (UNIX_EPOCH + second(784_111_777), "6 Nov 1994"),
            (UNIX_EPOCH + second(951_782_400), "29 Feb 2000"),
            (UNIX_EPOCH + second(1_709_251_199), "29 Feb 2024"),
            (UNIX_EPOCH + second(1_709_251_200), "1 Mar 2024"),
            (UNIX_EPOCH + second(4_294_967_296), "7 Feb 2106"),
            (UNIX_EPOCH + second(253_402_300_800), "30 Dec 9999"),
            (UNIX_EPOCH - second(2_147_483_648), "13 Dec 1901"),
        ];
        for (time, want) in rows {
            assert_eq!(day(time), want, "{time:?}");
        }
    }
}
