//! The gallery: what is in a folder, as cards.
//!
//! Ten thousand of them are one page of less than 3 MB, so that a card is terse: no closing `li`, no quotes where none
//! are needed, a class for the hue. No `<video>` and no picture that isn't in sight: a browser has six connections to a
//! host, and the film needs one. What one has watched is the browser's own knowledge; `gallery.js` draws it in.

use super::escape::{Text, Url};
use super::{BRAND, base, count, day, document, picture, size};
use crate::library::listing::{Folder, Listing, Video, stem};

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
    if !listing.left_out.is_nothing() {
        page += &format!("<p class=notice>{}</p>\n", listing.left_out);
    }
    page += &format!(
        "<section id=continue data-below=\"/watch/{}\" hidden><h2>Continue watching</h2><ul class=cards></ul></section>\n",
        if folder.is_empty() { String::new() } else { format!("{}/", Url(folder)) }
    );
    if !listing.folders.is_empty() {
        page += "<section class=listed><h2>Folders</h2><ul class=folders>\n";
        listing.folders.iter().for_each(|folder| page += &folder_card(folder));
        page += "</ul></section>\n";
    }
    if !listing.videos.is_empty() {
        page += "<section class=listed><h2>Videos</h2><ul class=cards>\n";
        listing.videos.iter().for_each(|video| page += &video_card(video));
        page += "</ul></section>\n";
    }
    if listing.videos.is_empty() && listing.folders.is_empty() {
        page += "<p class=empty>There are no videos here yet. Copy some into the folder (mp4, webm, mkv, mov and others) \
                 and load this page again.</p>\n";
    }
    page += "<p class=empty id=nothing hidden>Nothing on this page has that name.</p>\n</main>";
    document(title, "gallery.js", &page)
}

fn summary(folder: &[u8], listing: &Listing) -> String {
    let mut parts = Vec::new();
    if !listing.folders.is_empty() {
        parts.push(count(listing.folders.len(), "folder"));
    }
    if !listing.videos.is_empty() {
        parts.push(count(listing.videos.len(), "video"));
    }
    if !parts.is_empty() {
        parts.push(format!("<a href=\"/playlist.m3u?path={}\">Playlist for VLC</a>", Url(folder)));
    }
    parts.join(" \u{b7} ")
}

/// The way from the top to this folder; nothing at the top.
fn breadcrumbs(folder: &[u8]) -> String {
    if folder.is_empty() {
        return String::new();
    }
    let mut crumbs =
        String::from("<nav class=crumbs aria-label=\"Folders above\"><ol><li><a href=\"/\">All videos</a>");
    for (at, _) in folder.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let above = &folder[..at];
        crumbs += &format!("<li><a href=\"/?path={}\"><bdi>{}</bdi></a>", Url(above), Text(base(above)));
    }
    crumbs += &format!("<li aria-current=page><bdi>{}</bdi></ol></nav>\n", Text(base(folder)));
    crumbs
}

fn folder_card(folder: &Folder) -> String {
    let title = base(&folder.name);
    let picture = picture(folder.poster.as_deref(), title);
    format!("<li><a href=\"/?path={}\">{picture}<b>{}</b></a>\n", Url(&folder.name), Text(title))
}

fn video_card(video: &Video) -> String {
    let title = base(stem(&video.name));
    let subtitles = if video.subtitles.is_empty() { "" } else { " \u{b7} CC" };
    format!(
        "<li><a href=\"/watch/{}\">{}<b>{}</b><small>{} \u{b7} {}{subtitles}</small></a>\n",
        Url(&video.name),
        picture(video.poster.as_deref(), title),
        Text(title),
        size(video.size),
        day(video.modified),
    )
}
